"""Small int8 graphs for the tests of the planner: a builder, fixed networks, and random graphs for Hypothesis."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st

from freeml.ir import int_ops as q
from freeml.ir import ops as f
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import Op, Window
from freeml.ir.types import Const, DType, Port, Quant, TensorType
from freeml.ir.verify import verify_graph

QUANT = Quant(0.1, 3)


class Builder:
    """Adds ops in execution order; every method returns the name of the value it defines."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self.consts: dict[str, Const] = {}
        self.inputs: list[str] = []

    def shape(self, x: str) -> tuple[int, ...]:
        return self.types[x].shape if x in self.types else self.consts[x].shape

    def input(self, *shape: int) -> str:
        name = f"in{len(self.inputs)}"
        self.inputs.append(name)
        self.types[name] = TensorType(shape, DType.I8, QUANT)
        return name

    def const(self, array: np.ndarray) -> str:
        name = f"k{len(self.consts)}"
        self.consts[name] = Const(array)
        return name

    def random(self, *shape: int) -> str:
        return self.const(self.rng.integers(-127, 128, shape, dtype=np.int8))

    def add_op(self, cls: type[Op], inputs: tuple[str, ...], shape: tuple[int, ...], **fields: object) -> str:
        name = f"v{len(self.ops)}"
        is_wide = cls in (f.ArgMax, q.ExitHead, q.ExitMix)
        self.types[name] = TensorType(shape, DType.I32 if is_wide else DType.I8, None if is_wide else QUANT)
        self.ops.append(cls(output=name, inputs=inputs, loc=f"/{cls.__name__}", **fields))
        return name

    def conv(self, x: str, n_out: int, k: int = 3, pad: int | None = None, groups: int = 1, stride: int = 1) -> str:
        h, w, c = self.shape(x)
        p = k // 2 if pad is None else pad
        window = Window(kernel=(k, k), stride=(stride, stride), pad=(p, p, p, p))
        consts = (self.random(n_out, k, k, c // groups), *self._requant(n_out))
        shape = (*window.out_size(h, w), n_out)
        return self.add_op(q.ConvI8, (x, *consts), shape, window=window, groups=groups, x_zp=3, y_zp=3, lo=-128, hi=127)

    def dense(self, x: str, n_out: int) -> str:
        consts = (self.random(n_out, prod(self.shape(x))), *self._requant(n_out))
        return self.add_op(q.DenseI8, (x, *consts), (n_out,), y_zp=3, lo=-128, hi=127)

    def _requant(self, n: int) -> tuple[str, str, str]:
        bias = self.rng.integers(-999, 999, n, dtype=np.int32)
        return (
            self.const(bias),
            self.const(np.full(n, 40_000, np.uint16)),
            self.const(np.full(n, 22, np.uint8)),
        )

    def maxpool(self, x: str, window: Window) -> str:
        h, w, c = self.shape(x)
        return self.add_op(q.MaxPoolI8, (x,), (*window.out_size(h, w), c), window=window, lo=-120, hi=120)

    def conv_pool(self, x: str, n_out: int, pool: Window, k: int = 3, groups: int = 1, stride: int = 1) -> str:
        h, w, c = self.shape(x)
        window = Window(kernel=(k, k), stride=(stride, stride), pad=(k // 2,) * 4)
        consts = (self.random(n_out, k, k, c // groups), *self._requant(n_out))
        shape = (*pool.out_size(*window.out_size(h, w)), n_out)
        fields = {"window": window, "groups": groups, "pool": pool, "x_zp": 3, "y_zp": 3, "lo": -128, "hi": 127}
        return self.add_op(q.ConvPoolI8, (x, *consts), shape, **fields)

    def pool2(self, x: str) -> str:
        return self.maxpool(x, Window(kernel=(2, 2), stride=(2, 2)))

    def global_average(self, x: str) -> str:
        h, w, c = self.shape(x)
        table = (self.const(np.array([60_000], np.uint16)), self.const(np.array([18], np.uint8)))
        window = Window(kernel=(h, w))
        return self.add_op(
            q.AvgPoolI8, (x, *table), (1, 1, c), window=window, include_pad=False, x_zp=3, y_zp=3, lo=-128, hi=127
        )

    def add(self, a: str, b: str) -> str:
        shape = tuple(np.broadcast_shapes(self.shape(a), self.shape(b)))
        return self.add_op(q.AddI8, (a, b), shape, mult_a=300, mult_b=-200, offset=700, shift=8, lo=-128, hi=127)

    def mul(self, a: str, b: str) -> str:
        shape = tuple(np.broadcast_shapes(self.shape(a), self.shape(b)))
        fields = {"a_zp": 3, "b_zp": -5, "y_zp": 1, "mult": 20_000, "shift": 20, "lo": -128, "hi": 127}
        return self.add_op(q.MulI8, (a, b), shape, **fields)

    def lut(self, x: str) -> str:
        return self.add_op(q.LutI8, (x, self.const(self.rng.permutation(256).astype(np.int8))), self.shape(x))

    def softmax(self, x: str) -> str:
        table = self.const((60_000 * np.exp(-np.arange(256) / 40)).astype(np.uint16))
        return self.add_op(q.SoftmaxI8, (x, table), self.shape(x))

    def exit_head(self, x: str, n_classes: int, *before: str) -> str:
        consts = (self.random(n_classes, prod(self.shape(x))), *self._requant(n_classes))
        return self.add_op(q.ExitHead, (x, *before, *consts), (n_classes,), carry_mult=40_000, carry_shift=16)

    def exit_mix(self, a: str, b: str) -> str:
        return self.add_op(q.ExitMix, (a, b), self.shape(a), carry_mult=40_000, carry_shift=16)

    def argmax(self, x: str) -> str:
        return self.add_op(f.ArgMax, (x,), (*self.shape(x)[:-1], 1))

    def concat(self, axis: int, *parts: str) -> str:
        x = self.shape(parts[0])
        joined = sum(self.shape(part)[axis] for part in parts)
        return self.add_op(f.Concat, parts, (*x[:axis], joined, *x[axis + 1 :]), axis=axis)

    def pad(self, x: str, before: tuple[int, ...], after: tuple[int, ...]) -> str:
        shape = tuple(b + n + a for b, n, a in zip(before, self.shape(x), after, strict=True))
        return self.add_op(q.PadI8, (x,), shape, before=before, after=after, value=3)

    def reshape(self, x: str, *shape: int) -> str:
        return self.add_op(f.Reshape, (x,), shape)

    def flatten(self, x: str) -> str:
        return self.reshape(x, prod(self.shape(x)))

    def transpose(self, x: str, *order: int) -> str:
        return self.add_op(f.Transpose, (x,), tuple(self.shape(x)[axis] for axis in order), order=order)

    def graph(self, *outputs: str) -> Graph:
        def port(value: str) -> Port:
            shape = self.types[value].shape
            return Port(value, value, shape, tuple(range(len(shape))))

        ports_in, ports_out = tuple(map(port, self.inputs)), tuple(map(port, outputs))
        read = {name for op in self.ops for name in op.inputs}
        consts = {name: const for name, const in self.consts.items() if name in read}
        graph = Graph("test", ports_in, ports_out, tuple(self.ops), self.types, consts, Stage.QUANTIZED)
        return verify_graph(graph)


def tiny_cnn() -> Graph:
    """The model of PEERS.md, section 3: 3,818 parameters, 94,720 multiply-accumulates."""
    b = Builder()
    x = b.pool2(b.conv(b.input(16, 16, 1), 8))
    x = b.pool2(b.conv(x, 16))
    return b.graph(b.dense(b.flatten(x), 10))


@st.composite
def int8_graphs(draw: st.DrawFn, max_ops: int = 12) -> Graph:
    """Random graphs of all int8 ops, with residuals, shared operands, nested concatenations and several outputs."""
    b = Builder(draw(st.integers(0, 99)))
    values = [
        b.input(*draw(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))))
        for _ in range(draw(st.integers(1, 2)))
    ]
    for _ in range(draw(st.integers(1, max_ops))):
        # Recent values more often: chains make ops run in place.
        x = values[-1] if draw(st.booleans()) else draw(st.sampled_from(values))
        made = _ADD_ONE[draw(st.sampled_from(sorted(_ADD_ONE)))](b, draw, x, values)
        if made is not None:
            values.append(made)
    read = {name for op in b.ops for name in op.inputs}
    unread = [value for value in values if value not in read]
    extra = draw(st.lists(st.sampled_from(values + [op.output for op in b.ops]), max_size=2))
    kept = draw(st.booleans())  # else some results are computed for nobody
    return b.graph(*dict.fromkeys([*(unread if kept else unread[-1:]), *extra]))


def _conv(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    k = draw(st.sampled_from((1, 3)))
    return b.conv(x, draw(st.integers(1, 4)), k)


def _conv_pool(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    h, w, c = b.shape(x)
    groups, k = draw(st.sampled_from((1, c))), draw(st.sampled_from((1, 3)))
    kernel = (draw(st.integers(1, min(3, h))), draw(st.integers(1, min(3, w))))
    stride = tuple(n + draw(st.integers(0, 1)) for n in kernel)
    pad = tuple(draw(st.integers(0, kernel[axis % 2] - 1)) for axis in range(4))
    return b.conv_pool(x, groups * draw(st.integers(1, 3)), Window(kernel=kernel, stride=stride, pad=pad), k, groups)


def _maxpool(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str | None:
    h, w, _ = b.shape(x)
    kernel = draw(st.tuples(st.integers(1, min(3, h)), st.integers(1, min(3, w))))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pad = draw(st.tuples(*(st.integers(0, (kernel[axis % 2] - 1)) for axis in range(4))))
    if draw(st.booleans()):
        pad = (0, 0, *pad[2:])
    return b.maxpool(x, Window(kernel=kernel, stride=stride, pad=pad))


def _binary(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    shape = b.shape(x)
    mates = [v for v in values if _broadcast(b.shape(v), shape)]
    other = draw(st.sampled_from([*mates, ""])) or b.random(*(draw(st.sampled_from((1, n))) for n in shape))
    operands = (x, other) if other in b.consts or draw(st.booleans()) else (other, x)
    return draw(st.sampled_from((b.add, b.mul)))(*operands)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(a, b, strict=True))


def _concat(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    axis = draw(st.integers(0, 2))
    shape = b.shape(x)
    others = [i for i in range(3) if i != axis]
    mates = [v for v in values if all(b.shape(v)[i] == shape[i] for i in others)]
    parts = draw(st.lists(st.sampled_from(mates), min_size=1, max_size=2))
    return b.concat(axis, *draw(st.permutations([x, *parts])))


def _pad(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    amounts = st.tuples(*(st.integers(0, 1),) * 3)
    return b.pad(x, draw(amounts), draw(amounts))


def _reshape(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    h, w, c = b.shape(x)
    return b.reshape(x, *draw(st.sampled_from(((h, w, c), (1, h * w, c), (h * w, 1, c), (1, 1, h * w * c), (w, h, c)))))


def _transpose(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    return b.transpose(x, *draw(st.permutations((0, 1, 2))))


def _dense(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    n = draw(st.integers(1, 6))
    return b.reshape(b.dense(b.flatten(x), n), 1, 1, n)


def _average(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    return b.global_average(x)


def _lut(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    return b.lut(x)


def _softmax(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> str:
    return b.softmax(x)


def _argmax(b: Builder, draw: st.DrawFn, x: str, values: list[str]) -> None:
    b.argmax(x)  # not among `values`: its result is no int8 operand


_ADD_ONE = {
    "argmax": _argmax,
    "average": _average,
    "binary": _binary,
    "binary again": _binary,
    "concat": _concat,
    "concat again": _concat,
    "conv": _conv,
    "conv pool": _conv_pool,
    "dense": _dense,
    "lut": _lut,
    "lut again": _lut,
    "maxpool": _maxpool,
    "maxpool again": _maxpool,
    "pad": _pad,
    "reshape": _reshape,
    "softmax": _softmax,
    "transpose": _transpose,
}
