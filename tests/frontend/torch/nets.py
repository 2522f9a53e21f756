"""Small networks, each with a feature that importers get wrong: name -> (module, shapes of its inputs)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class Forward(nn.Module):
    """A module from a few layers and a function of them and the inputs."""

    def __init__(self, forward: Callable[..., torch.Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.f = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        return self.f(self, *x)


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        out += x
        return self.relu(out)


def _reordered(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    y = m.conv(x).permute(0, 2, 3, 1)  # type: ignore[operator]
    return m.fc(y).flatten(1)  # type: ignore[operator]


def _squeeze_excite(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    gate = functional.adaptive_avg_pool2d(x, 1)
    gate = functional.hardsigmoid(m.up(functional.silu(m.down(gate))))  # type: ignore[operator]
    return functional.hardswish(x * gate)


def _shuffled(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    y = m.conv(x)  # type: ignore[operator]
    n, c, h, w = y.shape
    y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
    return m.out(y)  # type: ignore[operator]


def _aliased(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    y = m.conv(x)  # type: ignore[operator]
    flat = y.flatten(1)
    y.relu_()  # flat shares its memory
    return flat + 1


IMAGE = (1, 4, 9, 8)

NETS: dict[str, Callable[[], tuple[nn.Module, list[tuple[int, ...]]]]] = {
    "mlp": lambda: (nn.Sequential(nn.Linear(10, 7), nn.ReLU(), nn.Dropout(0.5), nn.Linear(7, 3)), [(1, 10)]),
    "conv and flatten before linear": lambda: (
        nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 7 * 6, 5)),
        [IMAGE],
    ),
    "residual with in-place and functional relu": lambda: (nn.Sequential(Residual(4), Residual(4)), [IMAGE]),
    "depthwise separable": lambda: (
        nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1, groups=4), nn.ReLU6(), nn.Conv2d(4, 8, 1), nn.ReLU6(inplace=True)),
        [IMAGE],
    ),
    "grouped, dilated, asymmetric": lambda: (
        nn.Sequential(nn.ZeroPad2d((1, 2, 0, 3)), nn.Conv2d(4, 6, (3, 2), (2, 1), dilation=(1, 2), groups=2)),
        [IMAGE],
    ),
    "same padding": lambda: (nn.Sequential(nn.Conv2d(4, 3, (4, 3), padding="same", dilation=(1, 2))), [IMAGE]),
    "one-dimensional": lambda: (
        nn.Sequential(
            nn.Conv1d(3, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.LeakyReLU(0.1), nn.MaxPool1d(3, 2, 1),
            nn.Conv1d(8, 8, 3, groups=8), nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4),
        ),
        [(1, 3, 40)],
    ),
    "time major": lambda: (
        Forward(lambda m, x: m.conv(x.transpose(1, 2)).amax(2), conv=nn.Conv1d(6, 5, 3)), [(1, 20, 6)],
    ),
    "normalisation of vectors": lambda: (
        nn.Sequential(nn.Linear(10, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2)), [(1, 10)],
    ),
    "normalisation without affine": lambda: (
        nn.Sequential(nn.BatchNorm2d(4, affine=False, eps=1e-2), nn.Conv2d(4, 2, 1, bias=False)), [IMAGE],
    ),
    "pools with ceil and padding": lambda: (
        Forward(lambda m, x: torch.cat([m.a(x), m.b(x)], 1), a=nn.MaxPool2d(3, 2, 1, ceil_mode=True),
                b=nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
        [IMAGE],
    ),
    "average without padding, adaptive": lambda: (
        nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AdaptiveAvgPool2d((3, 4))), [IMAGE],
    ),
    "dilated max pool": lambda: (nn.MaxPool2d(3, 1, padding=1, dilation=2), [IMAGE]),
    "two inputs": lambda: (
        Forward(lambda m, a, b: m.head(torch.cat([m.left(a).mean((2, 3)), m.right(b)], dim=1)),
                left=nn.Conv2d(4, 3, 3), right=nn.Linear(5, 2), head=nn.Linear(5, 3)),
        [IMAGE, (1, 5)],
    ),
    "squeeze and excite": lambda: (
        Forward(_squeeze_excite, down=nn.Conv2d(4, 2, 1), up=nn.Conv2d(2, 4, 1)), [IMAGE],
    ),
    "activations": lambda: (
        nn.Sequential(nn.Hardtanh(-0.7, 0.9), nn.ELU(), nn.GELU(), nn.GELU("tanh"), nn.SELU(), nn.ELU(0.5),
                      nn.Sigmoid(), nn.Hardsigmoid(), nn.Hardswish(), nn.SiLU(), nn.Softmax(1)),
        [(1, 12)],
    ),
    "softplus and prelu": lambda: (nn.Sequential(nn.Softplus(), nn.Linear(12, 5), nn.PReLU()), [(1, 12)]),
    "arithmetic": lambda: (
        Forward(lambda m, x: (2 - x) * 0.5 + torch.sub(x, m.fc(x), alpha=2) / 3 - x.clamp(min=-0.1) + x**2,
                fc=nn.Linear(6, 6)),
        [(1, 6)],
    ),
    "reversed difference with a factor": lambda: (
        Forward(lambda m, x: torch.rsub(x, m.fc(x), alpha=2) - torch.rsub(x, 5.0, alpha=-3), fc=nn.Linear(6, 6)),
        [(1, 6)],
    ),
    "softplus with beta and threshold": lambda: (
        nn.Sequential(nn.Softplus(2, 1), nn.Linear(12, 5), nn.Softplus(threshold=0.1)), [(1, 12)],
    ),
    "matmul with a parameter": lambda: (
        Forward(lambda m, x: x @ m.fc.weight.t() * m.fc.bias.exp(), fc=nn.Linear(6, 4)), [(1, 5, 6)],
    ),
    "channels last inside": lambda: (Forward(_reordered, conv=nn.Conv2d(4, 3, 3), fc=nn.Linear(3, 2)), [IMAGE]),
    "channel shuffle": lambda: (
        Forward(_shuffled, conv=nn.Conv2d(4, 6, 1, groups=2), out=nn.Conv2d(6, 4, 3, groups=2)), [IMAGE],
    ),
    "global average by mean": lambda: (
        Forward(lambda m, x: m.fc(m.conv(x).mean([2, 3])), conv=nn.Conv2d(4, 3, 3), fc=nn.Linear(3, 2)), [IMAGE],
    ),
    "in-place on shared memory": lambda: (Forward(_aliased, conv=nn.Conv2d(4, 2, 3)), [IMAGE]),
}  # fmt: skip

# In-place operators on shared memory, and arithmetic on parameters: torch itself resolves them, for live modules only.
NEEDS_TORCH = {"in-place on shared memory", "matmul with a parameter"}
# Core ATen writes these with comparisons, which freeml does not follow; live modules keep them whole.
LOST_IN_CORE = {"softplus and prelu", "softplus with beta and threshold"}


def build(name: str) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """A network with random weights and statistics, and inputs for it."""
    torch.manual_seed(3)
    module, shapes = NETS[name]()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            if layer.affine:
                nn.init.uniform_(layer.weight, -1, 1)
                nn.init.normal_(layer.bias)
    return module, tuple(torch.randn(shape) for shape in shapes)
