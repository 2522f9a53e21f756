"""Random torch modules, half of them written with layers and half with functions, over what the front end reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor
Step = Callable[["Module", list[Tensor]], None]
Makes = Callable[..., nn.Module]  # classes of 1-D and 2-D layers in one place: what they share is told nowhere in torch
Computes = Callable[..., Tensor]


class Module(nn.Module):
    """Steps in order; each reads the newest tensor, or an older one, and appends its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self.steps: list[Callable[[list[Tensor]], Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        tensors = [x]
        for step in self.steps:
            tensors.append(step(tensors))
        return tensors[-1]


class Growing:
    """A module that grows by steps that fit; `shapes` has every tensor so far."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.module = Module()
        rank = int(rng.choice((2, 3, 4, 4)))
        c, sizes = int(rng.integers(1, 5)), [int(n) for n in rng.integers(4, 10, 2)]
        shape = {2: (1, int(rng.integers(3, 13))), 3: (1, c, 2 * sizes[0])}.get(rank, (1, c, *sizes))
        self.tensors = [torch.from_numpy(rng.standard_normal(shape).astype(np.float32))]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensors[-1].shape)

    @property
    def axes(self) -> int:
        """Spatial axes of an image or a signal; 0 for other ranks."""
        return len(self.shape) - 2 if len(self.shape) in (3, 4) else 0

    def step(self, function: Callable[[list[Tensor]], Tensor]) -> bool:
        """Append a step where torch can compute it and the result is of sensible size and magnitude."""
        try:
            with torch.no_grad():
                y = function(self.tensors)
        except (RuntimeError, IndexError, ValueError):
            return False
        if not 0 < y.numel() < 3000 or not 2 <= y.dim() <= 6 or not bool(torch.isfinite(y).all()):
            return False
        if float(y.abs().max()) > 1e4:
            return False
        self.tensors.append(y)
        self.module.steps.append(function)
        return True

    def apply(self, function: Callable[..., Tensor], *args: object, **kwargs: object) -> bool:
        """A function of the newest tensor."""
        return self.step(lambda t: function(t[-1], *args, **kwargs))

    def layer(self, made: nn.Module) -> bool:
        """A layer with the newest tensor as its input; kept only where it fits."""
        name = f"layer{len(self.module.layers)}"
        _fill(made.eval(), self.rng)
        if not self.step(lambda t: made(t[-1])):
            return False
        self.module.layers[name] = made
        return True

    def chance(self, share: float = 0.5) -> bool:
        return bool(self.rng.random() < share)

    def ints(self, low: int, high: int, n: int) -> tuple[int, ...]:
        return tuple(int(v) for v in self.rng.integers(low, high + 1, n))

    def real(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]


def _fill(module: nn.Module, rng: np.random.Generator) -> None:
    """Parameters and statistics of our own: the same seed gives the same net."""
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.dtype is torch.float32:
            array = rng.standard_normal(tuple(value.shape)) / max(1.0, np.sqrt(value[0].numel() if value.dim() else 1))
            array = np.abs(array) + 0.5 if "var" in name else array
            value.data.copy_(torch.from_numpy(np.asarray(array, np.float32)))


def random_module(rng: np.random.Generator) -> tuple[Module, Tensor]:
    """One to eight steps, and the example input."""
    net = Growing(rng)
    wanted = int(rng.integers(1, 9))
    for _ in range(60):
        if len(net.module.steps) >= wanted:
            break
        STEPS[int(rng.integers(len(STEPS)))](net)
    if not net.module.steps:
        net.apply(torch.relu)
    return net.module.eval(), net.tensors[0]


# ---- layers with weights ---------------------------------------------------------------------------------------------


def _conv(net: Growing) -> None:
    n = net.axes
    if not n:
        return
    c = net.shape[1]
    groups = int(net.pick(*[g for g in range(1, c + 1) if c % g == 0]))
    options: dict[str, Any] = {"stride": net.ints(1, 2, n), "padding": net.ints(0, 2, n)}
    if net.chance(0.2):
        options = {"padding": net.pick("same", "valid")}
    options |= {"dilation": net.ints(1, 2, n), "groups": groups, "bias": net.chance(0.7)}
    kind: Makes = nn.Conv1d if n == 1 else nn.Conv2d
    net.layer(kind(c, groups * int(net.rng.integers(1, 3)), net.ints(1, 3, n), **options))


def _linear(net: Growing) -> None:
    k, n = net.shape[-1], int(net.rng.integers(1, 7))
    if net.chance():
        net.layer(nn.Linear(k, n, bias=net.chance(0.7)))
    else:
        weight = torch.from_numpy(net.rng.standard_normal((n, k)).astype(np.float32))
        holder = nn.Module()
        holder.weight = nn.Parameter(weight, requires_grad=False)
        if net.step(lambda t: net_matmul(t[-1], holder)):
            net.module.layers[f"layer{len(net.module.layers)}"] = holder


def net_matmul(x: Tensor, holder: nn.Module) -> Tensor:
    return x @ holder.weight.t()  # type: ignore[operator]


def _norm(net: Growing) -> None:
    if len(net.shape) in (2, 3, 4):
        kind = nn.BatchNorm2d if len(net.shape) == 4 else nn.BatchNorm1d
        net.layer(kind(net.shape[1], eps=net.pick(1e-5, 1e-2), affine=net.chance(0.8)))


# ---- pooling and reductions ------------------------------------------------------------------------------------------


def _pool(net: Growing) -> None:
    n = net.axes
    if not n:
        return
    kernel = net.ints(1, 3, n)
    padding = tuple(int(net.rng.integers(0, k // 2 + 1)) for k in kernel)
    options: dict[str, Any] = {"stride": net.pick(None, net.ints(1, 3, n)), "padding": padding}
    options["ceil_mode"] = net.chance(0.3)
    kinds: tuple[Makes, Computes]
    if net.chance():
        kinds = (nn.MaxPool1d, functional.max_pool1d) if n == 1 else (nn.MaxPool2d, functional.max_pool2d)
        options["dilation"] = net.pick(1, 2)
    else:
        kinds = (nn.AvgPool1d, functional.avg_pool1d) if n == 1 else (nn.AvgPool2d, functional.avg_pool2d)
        options["count_include_pad"] = net.chance()
    # One spatial axis takes numbers, two take pairs.
    single = {k: v[0] if n == 1 and isinstance(v, tuple) else v for k, v in options.items()}
    size = kernel[0] if n == 1 else kernel
    if net.chance():
        net.layer(kinds[0](size, **single))
    else:
        net.apply(kinds[1], size, **single)


def _adaptive(net: Growing) -> None:
    n = net.axes
    if not n:
        return
    out = tuple(int(net.pick(*[o for o in range(1, size + 1) if size % o == 0])) for size in net.shape[2:])
    out = net.pick(out, (1,) * n)
    kinds: tuple[tuple[Makes, Computes], ...] = (
        (nn.AdaptiveAvgPool1d, functional.adaptive_avg_pool1d),
        (nn.AdaptiveMaxPool1d, functional.adaptive_max_pool1d),
        (nn.AdaptiveAvgPool2d, functional.adaptive_avg_pool2d),
        (nn.AdaptiveMaxPool2d, functional.adaptive_max_pool2d),
    )
    size = out[0] if n == 1 else out
    k = int(net.rng.integers(4))
    layer, function = kinds[2 * (n - 1) + k // 2]
    net.layer(layer(size)) if k % 2 == 0 else net.apply(function, size)


def _reduce(net: Growing) -> None:
    rank = len(net.shape)
    axes = [int(k) for k in np.flatnonzero(net.rng.random(rank) < 0.5) if k] or [rank - 1]
    axes = [k - rank if net.chance(0.3) else k for k in axes]
    net.apply(net.pick(torch.mean, torch.sum, torch.amax), net.pick(axes, axes[0]), keepdim=net.chance())


# ---- elementwise -----------------------------------------------------------------------------------------------------


def _activation(net: Growing) -> None:
    slope, threshold = net.real(0.01, 0.5), net.real(0.5, 3)
    net.layer(
        net.pick(
            nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(slope), nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(), nn.Hardswish(),
            nn.SiLU(), nn.GELU(net.pick("none", "tanh")), nn.ELU(net.real(0.3, 2)), nn.SELU(), nn.Hardtanh(-slope, 1.5),
            nn.Softplus(net.real(0.5, 2), threshold), nn.PReLU(), nn.Dropout(0.3), nn.Identity(), nn.Softmax(-1),
        )
    )  # fmt: skip


def _function(net: Growing) -> None:
    low, high, slope = net.real(-2, 0), net.real(0, 2), net.real(0.01, 0.5)
    calls: tuple[tuple[Any, ...], ...] = (
        (functional.relu,), (functional.relu6,), (torch.sigmoid,), (torch.tanh,), (functional.hardswish,), (torch.abs,),
        (torch.neg,), (torch.square,), (torch.erf,), (functional.silu,), (functional.elu, slope),
        (functional.leaky_relu, slope), (functional.hardtanh, low, high), (torch.clamp, low, high), (torch.clamp, low),
        (torch.clamp, None, high), (torch.clamp_min, low), (torch.clamp_max, high), (functional.softplus, 1, high),
        (functional.elu, 1.0), (functional.softmax, int(net.rng.integers(1, len(net.shape)))), (torch.selu,),
        (functional.gelu,), (functional.hardsigmoid,), (functional.dropout, 0.2, False),
    )  # fmt: skip
    call = net.pick(*calls)
    net.apply(call[0], *call[1:])


def _combined(net: Growing) -> None:
    """A sum, difference or product with an older tensor, either one first, with a factor."""
    k, alpha = int(net.rng.integers(len(net.tensors))), net.pick(1, 2, -0.5)
    kind = net.pick(torch.add, torch.sub, torch.rsub, torch.mul)
    factor = {} if kind is torch.mul else {"alpha": alpha}
    first = net.chance()
    net.step(lambda t: kind(*((t[-1], t[k]) if first else (t[k], t[-1])), **factor))


def _constant(net: Growing) -> None:
    number = net.pick(0.5, -2.0, 3)
    size = net.shape[-1] if net.chance() else 1
    array = torch.from_numpy((net.rng.standard_normal(size) + net.pick(0, 2)).astype(np.float32))
    kind = int(net.rng.integers(9))
    calls: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda x: x + number,
        lambda x: number - x,
        lambda x: x * number,
        lambda x: x / number,
        lambda x: torch.rsub(x, number, alpha=2),
        lambda x: torch.add(x, number, alpha=3),
        lambda x: x**2,
        lambda x: torch.maximum(x, torch.tensor(number)),
        lambda x: torch.minimum(torch.tensor(number), x),
    )
    if net.chance(0.6):
        net.apply(calls[kind])
        return
    net.module.register_buffer(name := f"c{len(net.module.steps)}", array)
    other = net.pick(torch.add, torch.sub, torch.mul)
    first = net.chance()
    net.step(
        lambda t: other(t[-1], net.module.get_buffer(name)) if first else other(net.module.get_buffer(name), t[-1])
    )


# ---- moves -----------------------------------------------------------------------------------------------------------


def _moved(net: Growing) -> None:
    shape, rank = net.shape, len(net.shape)
    order = [0, *(1 + int(k) for k in net.rng.permutation(rank - 1))]
    factors = [n for n in shape if n > 1] or [1]
    match int(net.rng.integers(8)):
        case 0:
            net.apply(torch.permute, order)
        case 1 if rank > 2:
            a, b = net.rng.choice(range(1, rank), 2, replace=False)
            net.apply(torch.transpose, int(a), int(b))
        case 2 if rank > 2:
            net.apply(torch.flatten, int(net.rng.integers(1, rank - 1)))
        case 3:
            net.apply(torch.reshape, (1, *factors[:-2], int(np.prod(factors[-2:]))))
        case 4:
            net.apply(torch.unsqueeze, int(net.rng.integers(1, rank + 1)))
        case 5 if 1 in shape[1:]:
            net.apply(torch.squeeze, 1 + shape[1:].index(1))
        case 6 if shape[-1] % 2 == 0:
            net.apply(torch.unflatten, -1, (2, -1))
        case _:
            net.layer(nn.Flatten())


def _pad(net: Growing) -> None:
    n = int(net.rng.integers(1, len(net.shape)))
    widths = net.ints(0, 2, 2 * n)
    if net.chance():
        net.apply(functional.pad, widths, "constant", net.pick(0.0, 0.7, None))
    elif len(net.shape) == 4:
        zeros: Makes = nn.ZeroPad2d
        constant: Makes = nn.ConstantPad2d
        net.layer(net.pick(zeros(net.ints(0, 2, 4)), constant(net.ints(0, 2, 4), -1.5)))


def _joined(net: Growing) -> None:
    k = int(net.rng.integers(len(net.tensors)))
    axis = int(net.rng.integers(1, len(net.shape)))
    kind = net.pick(torch.cat, torch.cat, torch.stack)
    net.step(lambda t: kind([t[-1], t[k]], dim=axis))


def _shuffled(net: Growing) -> None:
    if net.axes and net.shape[1] > 1:
        net.apply(
            functional.channel_shuffle, int(net.pick(*[g for g in range(1, net.shape[1] + 1) if net.shape[1] % g == 0]))
        )


STEPS: tuple[Callable[[Growing], None], ...] = (
    _conv, _conv, _conv, _linear, _linear, _norm, _pool, _pool, _adaptive, _reduce, _activation, _activation,
    _function, _function, _combined, _combined, _constant, _constant, _moved, _moved, _pad, _joined, _shuffled,
)  # fmt: skip
