"""Random networks built twice: through GraphBuilder, and in plain numpy on the logical tensors of the model.

A value is a View and the array (samples, *logical shape) it must hold. The numpy side knows nothing of memory order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.graph import Graph
from freeml.ir.ops import Window

N_SAMPLES = 2
MAX_ELEMS = 400
UNARY: dict[str, tuple[tuple[float, ...], Callable[[np.ndarray], np.ndarray]]] = {
    "clamp": ((0.0, math.inf), lambda x: np.maximum(x, 0)),
    "leaky_relu": ((0.25,), lambda x: np.where(x > 0, x, x / 4)),
    "tanh": ((), np.tanh),
    "sigmoid": ((), lambda x: 1 / (1 + np.exp(-x))),
    "abs": ((), np.abs),
    "neg": ((), lambda x: -x),
}


@dataclass(frozen=True)
class Value:
    view: View
    array: np.ndarray  # (samples, *view.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.view.shape


@dataclass(frozen=True)
class Network:
    graph: Graph
    samples: list[np.ndarray]
    expected: list[np.ndarray]  # one per output, batch axis of 1 removed as Port does


class Twin:
    """Builds both sides of a network. `rng` makes weights; every method adds one op and returns its value."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = GraphBuilder("random")
        self.samples: list[np.ndarray] = []
        self.outputs: list[np.ndarray] = []
        self.n = 0

    def loc(self) -> str:
        self.n += 1
        return f"net:/op{self.n}"

    def input(self, shape: tuple[int, ...], *, channels_first: bool) -> Value:
        name = f"in{len(self.samples)}"
        view = self.builder.input(name, shape, channels_first=channels_first, dtype="float64")
        array = self.rng.normal(size=(N_SAMPLES, *shape))
        self.samples.append(array)
        return Value(view, array)

    def output(self, x: Value) -> None:
        self.builder.output(x.view, f"out{len(self.outputs)}", dtype="float64")
        squeezed = x.array[:, 0] if len(x.shape) > 1 and x.shape[0] == 1 else x.array
        self.outputs.append(squeezed)

    def network(self) -> Network:
        samples = [a[:, 0] if a.ndim > 2 and a.shape[1] == 1 else a for a in self.samples]
        return Network(self.builder.finish(), samples, self.outputs)

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        return Value(self.builder.reshape(x.view, shape), x.array.reshape(N_SAMPLES, *shape))

    def transpose(self, x: Value, order: tuple[int, ...]) -> Value:
        moved = x.array.transpose(0, *(axis + 1 for axis in order))
        return Value(self.builder.transpose(x.view, order), moved)

    def conv(self, x: Value, n_out: int, window: Window, groups: int) -> Value:
        c = x.shape[1]
        spatial = window.kernel[3 - len(x.shape) + 1 :] if len(x.shape) == 3 else window.kernel
        weight = self.rng.normal(size=(n_out, c // groups, *spatial)) / math.sqrt(c // groups * math.prod(spatial))
        bias = self.rng.normal(size=n_out) if self.rng.integers(2) else None
        view = self.builder.conv(x.view, Weight(weight), bias, window=window, groups=groups, loc=self.loc())
        return Value(view, np.stack([conv_nchw(a, weight, bias, window, groups) for a in x.array]))

    def dense(self, x: Value, n_out: int) -> Value:
        weight = self.rng.normal(size=(n_out, x.shape[-1])) / math.sqrt(x.shape[-1])
        bias = self.rng.normal(size=n_out)
        return Value(self.builder.dense(x.view, Weight(weight), bias, loc=self.loc()), x.array @ weight.T + bias)

    def affine(self, x: Value) -> Value:
        scale, offset = self.rng.normal(size=x.shape[1]), self.rng.normal(size=x.shape[1])
        spread = (1, -1, *(1,) * (len(x.shape) - 2))
        view = self.builder.affine(x.view, scale, offset, loc=self.loc())
        return Value(view, x.array * scale.reshape(1, *spread) + offset.reshape(1, *spread))

    def pool(self, x: Value, kind: str, window: Window, include_pad: bool) -> Value:
        view = self.builder.pool(x.view, kind, window=window, include_pad=include_pad, loc=self.loc())
        return Value(view, np.stack([pool_nchw(a, kind, window, include_pad) for a in x.array]))

    def reduce(self, x: Value, kind: str, axes: tuple[int, ...], keepdims: bool) -> Value:
        view = self.builder.reduce(x.view, kind, axes, keepdims=keepdims, loc=self.loc())
        over = tuple(axis + 1 for axis in axes)
        array = (
            x.array.mean(axis=over, keepdims=keepdims) if kind == "avg" else x.array.max(axis=over, keepdims=keepdims)
        )
        return Value(view, array)

    def unary(self, x: Value, fn: str) -> Value:
        params, call = UNARY[fn]
        return Value(self.builder.unary(x.view, fn, params, loc=self.loc()), call(x.array))

    def binary(self, kind: str, a: Value, b: Value) -> Value:
        rank = max(len(a.shape), len(b.shape))
        left, right = (v.array.reshape(N_SAMPLES, *(1,) * (rank - len(v.shape)), *v.shape) for v in (a, b))
        return Value(self.builder.binary(kind, a.view, b.view, loc=self.loc()), numpy_binary(kind, left, right))

    def binary_const(self, kind: str, x: Value, shape: tuple[int, ...], *, first: bool) -> Value:
        const = self.rng.normal(size=shape)
        pair = (Weight(const), x.view) if first else (x.view, Weight(const))
        view = self.builder.binary(kind, *pair, loc=self.loc())
        arrays = (const, x.array) if first else (x.array, const)
        return Value(view, numpy_binary(kind, *arrays))

    def softmax(self, x: Value, axis: int) -> Value:
        e = np.exp(x.array - x.array.max(axis=axis + 1, keepdims=True))
        return Value(self.builder.softmax(x.view, axis, loc=self.loc()), e / e.sum(axis=axis + 1, keepdims=True))

    def concat(self, values: list[Value], axis: int) -> Value:
        view = self.builder.concat([v.view for v in values], axis, loc=self.loc())
        return Value(view, np.concatenate([v.array for v in values], axis=axis + 1))

    def pad(self, x: Value, before: tuple[int, ...], after: tuple[int, ...], value: float) -> Value:
        widths = [(0, 0), *zip(before, after, strict=True)]
        view = self.builder.pad(x.view, before, after, value, loc=self.loc())
        return Value(view, np.pad(x.array, widths, constant_values=value))


def numpy_binary(kind: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return {"add": np.add, "sub": np.subtract, "mul": np.multiply}[kind](a, b)


def _as_4d(x: np.ndarray) -> np.ndarray:
    return x if x.ndim == 4 else x[:, :, None, :]


def conv_nchw(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, window: Window, groups: int) -> np.ndarray:
    """Tap by tap, on a zero-padded (N, C, H, W) or (N, C, L)."""
    image, kernel = _as_4d(x), _as_4d(weight)
    top, left, bottom, right = window.pad
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh, ow = window.out_size(image.shape[2], image.shape[3])
    n_out, per_group = kernel.shape[:2]
    y = np.zeros((image.shape[0], n_out, oh, ow))
    for o in range(n_out):
        first = o // (n_out // groups) * per_group
        for c in range(per_group):
            for i in range(kernel.shape[2]):
                for j in range(kernel.shape[3]):
                    y[:, o] += kernel[o, c, i, j] * _tap(padded[:, first + c], window, i, j, oh, ow)
        y[:, o] += 0 if bias is None else bias[o]
    return y if x.ndim == 4 else y[:, :, 0]


def pool_nchw(x: np.ndarray, kind: str, window: Window, include_pad: bool) -> np.ndarray:
    image = _as_4d(x)
    top, left, bottom, right = window.pad
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    oh, ow = window.out_size(image.shape[2], image.shape[3])
    inside = np.pad(np.ones(image.shape), widths, constant_values=float(include_pad))
    fill = -np.inf if kind == "max" else 0.0
    padded = np.pad(image, widths, constant_values=fill)
    grid = [(i, j) for i in range(window.kernel[0]) for j in range(window.kernel[1])]
    taps = np.stack([_tap(padded, window, i, j, oh, ow) for i, j in grid])
    counts = np.stack([_tap(inside, window, i, j, oh, ow) for i, j in grid])
    y = taps.max(axis=0) if kind == "max" else taps.sum(axis=0) / counts.sum(axis=0)
    return y if x.ndim == 4 else y[:, :, 0]


def _tap(x: np.ndarray, window: Window, i: int, j: int, oh: int, ow: int) -> np.ndarray:
    r, c = i * window.dilation[0], j * window.dilation[1]
    return x[
        ...,
        r : r + (oh - 1) * window.stride[0] + 1 : window.stride[0],
        c : c + (ow - 1) * window.stride[1] + 1 : window.stride[1],
    ]


# ---- Hypothesis ------------------------------------------------------------------------------------------------------

LAYOUT = ("reshape", "transpose", "transpose again", "reshape again")
ALL = (*LAYOUT, "conv", "dense", "affine", "pool", "reduce", "unary", "binary", "const", "softmax", "concat", "pad")


@st.composite
def networks(
    draw: st.DrawFn, *, batch: int | None = None, ops: tuple[str, ...] = ALL, max_ops: int = 7, n_outputs: int = 2
) -> Network:
    """Random chains with residuals. batch: the leading axis of every input (any of 1..3 where None)."""
    twin = Twin(draw(st.integers(0, 999)))
    n = batch or draw(st.integers(1, 3))
    shape = (n, *draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    values = [twin.input(shape, channels_first=draw(st.booleans()))]
    for _ in range(draw(st.integers(1, max_ops))):
        x = values[-1] if draw(st.integers(0, 3)) else draw(st.sampled_from(values))
        kind = draw(st.sampled_from(ops)).split()[0]
        y = _ADD[kind](draw, twin, x, values)
        if y is not None:
            values.append(y)
    twin.output(values[-1])
    if draw(st.booleans()) and n_outputs > 1:
        twin.output(draw(st.sampled_from(values)))
    return twin.network()


def _reshape(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value:
    left, shape = math.prod(x.shape), []
    for _ in range(draw(st.integers(0, 3))):
        n = draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0]))
        shape.append(n)
        left //= n
    return twin.reshape(x, tuple(draw(st.permutations([*shape, left]))))


def _transpose(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value:
    return twin.transpose(x, tuple(draw(st.permutations(range(len(x.shape))))))


def _window(draw: st.DrawFn, x: Value, *, pool: bool) -> Window | None:
    """Any window that reads at least one element of the input everywhere."""
    h, w = (1, x.shape[2]) if len(x.shape) == 3 else x.shape[2:]
    kernel, stride, dilation, pads = [], [], [], []
    for n in (h, w):
        k = draw(st.integers(1, min(3, n)))
        if len(x.shape) == 3 and not kernel:
            kernel, stride, dilation, pads = [1], [1], [1], [(0, 0)]
            continue
        d = draw(st.integers(1, 2)) if not pool else 1
        limit = k - 1 if pool else 2
        pad = (draw(st.integers(0, limit)), draw(st.integers(0, limit)))
        if (k - 1) * d + 1 > n + sum(pad):
            return None
        kernel.append(k)
        stride.append(draw(st.integers(1, 2)))
        dilation.append(d)
        pads.append(pad)
    return Window(
        kernel=(kernel[0], kernel[1]),
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        pad=(pads[0][0], pads[1][0], pads[0][1], pads[1][1]),
    )


def _conv(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value | None:
    if len(x.shape) not in (3, 4) or (window := _window(draw, x, pool=False)) is None:
        return None
    groups = draw(st.sampled_from([g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0]))
    n_out = groups * draw(st.integers(1, 2))
    return twin.conv(x, n_out, window, groups) if x.shape[0] * n_out * 36 < MAX_ELEMS * 4 else None


def _dense(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value:
    return twin.dense(x, draw(st.integers(1, 4)))


def _affine(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value | None:
    return twin.affine(x) if len(x.shape) > 1 else None


def _pool(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value | None:
    if len(x.shape) not in (3, 4) or (window := _window(draw, x, pool=True)) is None:
        return None
    return twin.pool(x, draw(st.sampled_from(("max", "avg"))), window, draw(st.booleans()))


def _reduce(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value | None:
    axes = draw(st.sets(st.integers(0, len(x.shape) - 1), min_size=1))
    keepdims = draw(st.booleans()) or len(axes) == len(x.shape)
    return twin.reduce(x, draw(st.sampled_from(("avg", "max"))), tuple(sorted(axes)), keepdims)


def _unary(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value:
    return twin.unary(x, draw(st.sampled_from(sorted(UNARY))))


def _binary(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value:
    mates = [x, *(v for v in values if v is not x and _broadcasts(v.shape, x.shape))]
    pair = [x, draw(st.sampled_from(mates))]
    a, b = draw(st.permutations(pair))
    return twin.binary(draw(st.sampled_from(("add", "sub", "mul"))), a, b)


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return math.prod(np.broadcast_shapes(a, b)) <= MAX_ELEMS
    except ValueError:
        return False


def _const(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value:
    rank = draw(st.integers(0, len(x.shape)))
    shape = tuple(draw(st.sampled_from((1, n))) for n in x.shape[len(x.shape) - rank :])
    return twin.binary_const(draw(st.sampled_from(("add", "sub", "mul"))), x, shape, first=draw(st.booleans()))


def _softmax(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value:
    return twin.softmax(x, draw(st.integers(0, len(x.shape) - 1)))


def _concat(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value | None:
    axis = draw(st.integers(0, len(x.shape) - 1))
    rest = [n for k, n in enumerate(x.shape) if k != axis]
    fits = [
        v for v in values if len(v.shape) == len(x.shape) and [n for k, n in enumerate(v.shape) if k != axis] == rest
    ]
    mates = [x, *draw(st.lists(st.sampled_from(fits), min_size=1, max_size=2))]
    if sum(math.prod(v.shape) for v in mates) > MAX_ELEMS:
        return None
    return twin.concat(draw(st.permutations(mates)), axis)


def _pad(draw: st.DrawFn, twin: Twin, x: Value, values: list[Value]) -> Value | None:
    if math.prod(n + 2 for n in x.shape) > 2 * MAX_ELEMS:
        return None
    amounts = st.tuples(*(st.integers(0, 1),) * len(x.shape))
    return twin.pad(x, draw(amounts), draw(amounts), draw(st.sampled_from((0.0, 0.0, 0.5))))


_ADD = {
    "affine": _affine,
    "binary": _binary,
    "concat": _concat,
    "const": _const,
    "conv": _conv,
    "dense": _dense,
    "pad": _pad,
    "pool": _pool,
    "reduce": _reduce,
    "reshape": _reshape,
    "softmax": _softmax,
    "transpose": _transpose,
    "unary": _unary,
}
