"""Trains a small 1-D network on human activity (HAPT) and writes it as `har.onnx`, next to this file.

    FREEML_DATA=/path/of/data python examples/har/train.py

Needs `pip install freeml[torch]` and the data set `har`; fifteen seconds on one core. Seeds, thread count and the order
of samples are fixed, so one machine writes the same bytes every time. Train, calibration and test are different people.
The epoch is chosen on the calibration people; test data is looked at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from freeml.data import load

SEED = 1
EPOCHS = 30
BATCH = 64
OPSET = 17
TILT_DEGREES = 12.0  # standard deviation of the sensor's turn about each axis: people wear it differently
INPUT_STEP = 0.04  # about one step of the int8 input, which spans all nine channels; the network learns to bear it


class Har(nn.Module):
    """(N, 9, 128) raw windows to the logits of six activities.

    The first convolution has no padding, so that the standardisation before it folds into its weights exactly.
    """

    def __init__(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.conv1, self.norm1 = nn.Conv1d(9, 16, 5, stride=2), nn.BatchNorm1d(16)
        self.conv2, self.norm2 = nn.Conv1d(16, 32, 5, stride=2, padding=2), nn.BatchNorm1d(32)
        self.conv3, self.norm3 = nn.Conv1d(32, 48, 3, padding=1), nn.BatchNorm1d(48)
        self.fc = nn.Linear(48, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - self.mean[:, None]) / self.std[:, None]
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.max_pool1d(functional.relu(self.norm2(self.conv2(x))), 2)
        x = functional.relu(self.norm3(self.conv3(x))).mean(dim=2)
        return self.fc(functional.dropout(x, 0.3, self.training))


def samples(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = load("har", split)
    assert data.labels is not None
    return torch.from_numpy(data.inputs[0]), torch.from_numpy(data.labels.astype(np.int64))


def accuracy(net: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(x).argmax(dim=1) == labels).float().mean())


def augmented(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Windows as another person would give them: the sensor turned a little, and the noise of an int8 input."""
    n = len(x)
    a, b, c = torch.randn(3, n, generator=generator) * np.deg2rad(TILT_DEGREES)
    zero = torch.zeros(n)
    skew = torch.stack([zero, -c, b, c, zero, -a, -b, a, zero], dim=1).view(n, 1, 3, 3)
    turned = (torch.linalg.matrix_exp(skew) @ x.view(n, 3, 3, -1)).reshape(x.shape)
    return turned + INPUT_STEP * (torch.rand(x.shape, generator=generator) - 0.5)


def train(epochs: int) -> Har:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    x, labels = samples("train")
    x_val, labels_val = samples("val")
    net = Har(x.mean(dim=(0, 2)), x.std(dim=(0, 2)))
    optimiser = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    best, best_state = -1.0, net.state_dict()
    for epoch in range(1, epochs + 1):
        net.train()
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            optimiser.zero_grad()
            logits = net(augmented(x[batch], generator))
            functional.cross_entropy(logits, labels[batch], label_smoothing=0.05).backward()
            optimiser.step()
        schedule.step()
        val = accuracy(net, x_val, labels_val)
        if val > best:
            best, best_state = val, {name: value.clone() for name, value in net.state_dict().items()}
        if epoch % 5 == 0:
            print(f"epoch {epoch:3d}   validation {val:.4f}   best {best:.4f}")
    net.load_state_dict(best_state)
    return net


def folded(conv: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution with the normalisation after it."""
    gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = conv.weight * gain[:, None, None]
    bias = (conv.bias - norm.running_mean) * gain + norm.bias
    return weight.detach().numpy(), bias.detach().numpy()


def convolution(name: str, source: str, conv: nn.Conv1d) -> list[NodeProto]:
    """A convolution and its ReLU."""
    (kernel,), (stride,), (pad,) = conv.kernel_size, conv.stride, conv.padding
    attributes = {"kernel_shape": [kernel], "strides": [stride], "pads": [pad, pad]}
    inputs = [source, f"{name}.weight", f"{name}.bias"]
    return [
        helper.make_node("Conv", inputs, [f"{name}.out"], name=name, **attributes),
        helper.make_node("Relu", [f"{name}.out"], [f"{name}.relu"], name=f"{name}_relu"),
    ]


def to_onnx(net: Har) -> onnx.ModelProto:
    """The network as plain ONNX, node by node: the exporter of torch needs another package and writes paths."""
    constants = {
        "norm.scale": np.ones(9, np.float32),
        "norm.bias": np.zeros(9, np.float32),
        "norm.mean": net.mean.numpy(),
        "norm.var": net.std.square().numpy(),
        "fc.weight": net.fc.weight.detach().numpy(),
        "fc.bias": net.fc.bias.detach().numpy(),
    }
    for name, conv, norm in (
        ("conv1", net.conv1, net.norm1),
        ("conv2", net.conv2, net.norm2),
        ("conv3", net.conv3, net.norm3),
    ):
        constants[f"{name}.weight"], constants[f"{name}.bias"] = folded(conv, norm)
    norm_inputs = ["window", "norm.scale", "norm.bias", "norm.mean", "norm.var"]
    nodes = [
        helper.make_node("BatchNormalization", norm_inputs, ["norm.out"], name="norm", epsilon=0.0),
        *convolution("conv1", "norm.out", net.conv1),
        *convolution("conv2", "conv1.relu", net.conv2),
        helper.make_node("MaxPool", ["conv2.relu"], ["pool.out"], name="pool", kernel_shape=[2], strides=[2]),
        *convolution("conv3", "pool.out", net.conv3),
        helper.make_node("GlobalAveragePool", ["conv3.relu"], ["mean.out"], name="mean"),
        helper.make_node("Flatten", ["mean.out"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "har",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, [1, 9, 128])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 6])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in sorted(constants.items())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="freeml-example")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("har.onnx"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    net = train(options.epochs)
    model = to_onnx(net)
    options.output.write_bytes(model.SerializeToString(deterministic=True))
    n_parameters = sum(int(np.prod(constant.dims)) for constant in model.graph.initializer)
    for split in ("train", "val", "test"):
        print(f"{split:5s} accuracy {accuracy(net, *samples(split)):.4f}")
    print(f"{options.output.name}: {n_parameters} parameters, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
