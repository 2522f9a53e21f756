"""Networks as torch.onnx.export writes them, against torch itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from freeml.errors import UnsupportedOp  # noqa: E402
from freeml.frontend.onnx.read import read_onnx  # noqa: E402
from freeml.ir.graph import Graph  # noqa: E402
from freeml.ir.interpret import predict  # noqa: E402
from freeml.ir.types import Quant  # noqa: E402

Tensor = torch.Tensor


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.depth, self.point, self.head = (
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.Conv2d(8, 8, 1),
            nn.Linear(8, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        return self.head((x + F.hardswish(self.point(self.depth(x)))).mean((2, 3)))


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down, self.up = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.stem(x))
        gate = torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        return torch.flatten(x * gate, 1).softmax(-1)


class Views(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3), nn.Linear(144, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        b, c, h, w = x.shape
        return self.head(x.permute(0, 2, 3, 1).reshape(b, c * h * w))


class Signal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv1d(9, 16, 5, stride=2, padding=2), nn.BatchNorm1d(16)
        self.slope, self.head = nn.PReLU(16), nn.Linear(256, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.avg_pool1d(self.slope(self.norm(self.stem(x))), 2).flatten(1))


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, padding=1)
        self.c = nn.Conv2d(8, 2, 3, dilation=2)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = torch.cat([F.elu(self.a(x)), F.leaky_relu(self.b(x))], 1)
        z = self.c(F.pad(y, (1, 0, 2, 1)))
        return z, z.amax((2, 3)), z.argmax(1)


class Boxes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(2, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool3d(F.max_pool3d(self.stem(x), 2, 1, 1, ceil_mode=True), 2, padding=1)


class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, 8, 1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        b, c, h, w = y.shape
        return y.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


def mlp() -> nn.Module:
    layers = [nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 32), nn.SiLU(), nn.Dropout(), nn.Linear(32, 4), nn.Softplus()]
    return nn.Sequential(*layers)


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "residual": (Residual, (3, 8, 8)),
    "squeeze and excite": (SqueezeExcite, (3, 8, 8)),
    "views": (Views, (3, 8, 8)),
    "signal": (Signal, (9, 64)),
    "branches": (Branches, (3, 9, 9)),
    "boxes": (Boxes, (2, 5, 6, 7)),
    "shuffle": (Shuffle, (4, 5, 5)),
    "mlp": (mlp, (16,)),
}


def exported(net: nn.Module, example: Tensor, path: Path, *, dynamic: bool) -> Graph:
    axes = {"x": {0: "batch"}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (example,), path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    return read_onnx(path)


def trained(build: Callable[[], nn.Module]) -> nn.Module:
    """Random weights and statistics; training would not change what is tested here."""
    torch.manual_seed(0)
    net = build().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_an_exported_network_computes_what_torch_does(name: str, dynamic: bool, tmp_path: Path) -> None:
    build, shape = NETS[name]
    net = trained(build)
    graph = exported(net, torch.randn(1, *shape), tmp_path / "net.onnx", dynamic=dynamic)
    samples = torch.randn(3, *shape)
    with torch.no_grad():
        want = net(samples)
    for got, tensor in zip(
        predict(graph, [samples.numpy()]), want if isinstance(want, tuple) else (want,), strict=True
    ):
        np.testing.assert_allclose(got, tensor.numpy(), rtol=1e-4, atol=1e-5)


class FakeQuantized(nn.Module):
    """Quantization-aware training: per-channel weights, activations with a zero point."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, 0.05, 10, -128, 127)
        scales, zeros = torch.tensor([0.01, 0.02, 0.03, 0.04]), torch.zeros(4, dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(self.stem.weight, scales, zeros, 0, -128, 127)
        y = F.relu(F.conv2d(x, weight, self.stem.bias))
        return torch.fake_quantize_per_tensor_affine(y, 0.1, 0, 0, 255)


def test_scales_of_quantization_aware_training_are_kept(tmp_path: Path) -> None:
    graph = exported(trained(FakeQuantized), torch.randn(1, 3, 6, 6), tmp_path / "net.onnx", dynamic=False)
    (weight,) = [const for const in graph.consts.values() if const.array.ndim == 4]
    np.testing.assert_allclose(weight.code_scales, [0.01, 0.02, 0.03, 0.04], rtol=1e-6)
    kept = [graph.types[port.value].quant for port in (*graph.inputs, *graph.outputs)]
    assert [quant and (round(quant.scale, 6), quant.zero_point) for quant in kept] == [(0.05, 10), (0.1, -128)]
    assert all(isinstance(quant, Quant) for quant in kept)


def test_a_tensor_cut_in_two_is_refused(tmp_path: Path) -> None:
    class Glu(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            a, b = x.chunk(2, 1)
            return a * torch.sigmoid(b)

    with pytest.raises(UnsupportedOp, match="part of a value"):
        exported(Glu(), torch.randn(1, 4, 5, 5), tmp_path / "net.onnx", dynamic=False)
