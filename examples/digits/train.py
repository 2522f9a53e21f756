"""Trains a small network on the 8x8 digits of scikit-learn and writes it as `digits.onnx`, next to this file.

    python examples/digits/train.py

Needs `pip install freeml[torch]`; ten seconds on one core. Seeds, thread count and the order of samples are fixed, so
one machine writes the same bytes every time. The epoch is chosen on validation data; test data is looked at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from freeml.data import load

SEED = 1
EPOCHS = 40
BATCH = 32
OPSET = 17


class Digits(nn.Module):
    """(N, 1, 8, 8), values 0..16, to the logits of ten digits: 1,898 parameters with the normalisations folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.fc = nn.Linear(16 * 2 * 2, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.norm1(self.conv1(x))), 2)
        x = functional.max_pool2d(functional.relu(self.norm2(self.conv2(x))), 2)
        return self.fc(functional.dropout(x.flatten(1), 0.2, self.training))


def samples(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = load("digits", split)
    assert data.labels is not None
    return torch.from_numpy(data.inputs[0].astype(np.float32)), torch.from_numpy(data.labels.astype(np.int64))


def accuracy(net: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(x).argmax(dim=1) == labels).float().mean())


def train(epochs: int) -> Digits:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    net = Digits()
    x, labels = samples("train")
    x_val, labels_val = samples("val")
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    best, best_state = -1.0, net.state_dict()
    for epoch in range(1, epochs + 1):
        net.train()
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            optimiser.zero_grad()
            functional.cross_entropy(net(x[batch]), labels[batch], label_smoothing=0.05).backward()
            optimiser.step()
        schedule.step()
        val = accuracy(net, x_val, labels_val)
        if val > best:
            best, best_state = val, {name: value.clone() for name, value in net.state_dict().items()}
        if epoch % 10 == 0:
            print(f"epoch {epoch:3d}   validation {val:.4f}   best {best:.4f}")
    net.load_state_dict(best_state)
    return net


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a convolution with the normalisation after it."""
    gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = conv.weight * gain[:, None, None, None]
    bias = (conv.bias - norm.running_mean) * gain + norm.bias
    return weight.detach().numpy(), bias.detach().numpy()


def to_onnx(net: Digits) -> onnx.ModelProto:
    """The network as plain ONNX, node by node: the exporter of torch needs another package and writes paths."""
    constants = {
        "fc.weight": net.fc.weight.detach().numpy(),
        "fc.bias": net.fc.bias.detach().numpy(),
    }
    nodes, x = [], "image"
    for k, (conv, norm) in enumerate(((net.conv1, net.norm1), (net.conv2, net.norm2)), start=1):
        constants[f"conv{k}.weight"], constants[f"conv{k}.bias"] = folded(conv, norm)
        conv_inputs = [x, f"conv{k}.weight", f"conv{k}.bias"]
        attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        nodes += [
            helper.make_node("Conv", conv_inputs, [f"conv{k}.out"], name=f"conv{k}", **attributes),
            helper.make_node("Relu", [f"conv{k}.out"], [f"relu{k}.out"], name=f"relu{k}"),
            helper.make_node(
                "MaxPool", [f"relu{k}.out"], [f"pool{k}.out"], name=f"pool{k}", kernel_shape=[2, 2], strides=[2, 2]
            ),
        ]
        x = f"pool{k}.out"
    nodes += [
        helper.make_node("Flatten", [x], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in sorted(constants.items())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="freeml-example")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("digits.onnx"))
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
