"""Layers that kernels are profiled on: every kind of op, in shapes, windows and tiles that differ.

A design is a graph of layers that do not feed each other, each cut into tiles of a size of its own. Their inputs are
made from one small input by sums with a column of constants, so that firmware of any board holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from freeml.ir import int_ops as q
from freeml.ir import ops as f
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import Op, Window
from freeml.ir.types import Const, DType, Port, Quant, TensorType
from freeml.ir.verify import verify_graph

QUANT = Quant(0.1, 3)
INPUT_BYTES = 64
_TILES = 12  # of a layer, at most: what is measured is the worst of them


@dataclass(frozen=True)
class Design:
    """A graph, and of each layer the units of its tiles (of a call's, where it is several) or, above 1, the products of
    its parts."""

    name: str
    graph: Graph
    tile_units: dict[str, int]
    part_macs: dict[str, int]


class Layers:
    """Collects layers; every method adds one and remembers its tile."""

    def __init__(self, name: str, rng: np.random.Generator, most_tile_bytes: int, *, few: bool) -> None:
        self.name, self.rng, self.most_tile_bytes, self.few = name, rng, most_tile_bytes, few
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {"x": TensorType((INPUT_BYTES,), DType.I8, QUANT)}
        self.consts: dict[str, Const] = {}
        self.tile_units: dict[str, int] = {}
        self.part_macs: dict[str, int] = {}
        self.sliced: dict[str, int] = {}  # Graph.slices
        self._sources: dict[int, str] = {}

    def design(self) -> Design:
        """All of it; the result is the largest of the input's codes."""
        self._add(f.ArgMax, ("x",), (1,))
        port_x = Port("x", "x", (INPUT_BYTES,), (0,))
        port_y = Port("y", self.ops[-1].output, (1,), (0,))
        ops = tuple(self.ops)
        graph = Graph(
            self.name, (port_x,), (port_y,), ops, self.types, self.consts, Stage.QUANTIZED, slices=self.sliced
        )
        return Design(self.name, verify_graph(graph), self.tile_units, self.part_macs)

    def source(self, *shape: int) -> str:
        """A value of this shape with codes of the whole range; its elements are a multiple of the input's, or fewer."""
        n = prod(shape)
        if n not in self._sources:
            self._sources[n] = self._flat(n)
        return self._add(f.Reshape, (self._sources[n],), shape)

    def _flat(self, n: int) -> str:
        rows = -(-n // INPUT_BYTES)
        column = self._const(self.rng.integers(-128, 128, (rows, 1)).astype(np.int8))
        row = self._add(f.Reshape, ("x",), (1, INPUT_BYTES))
        whole = self._add(
            q.AddI8,
            (row, column),
            (rows, INPUT_BYTES),
            mult_a=2**19,
            mult_b=2**19,
            offset=2**18,
            shift=19,
            lo=-128,
            hi=127,
        )
        if rows * INPUT_BYTES == n:
            return whole
        flat = self._add(f.Reshape, (whole,), (rows * INPUT_BYTES, 1, 1))
        window = Window(kernel=(rows * INPUT_BYTES - n + 1, 1))
        return self._add(q.MaxPoolI8, (flat,), (n, 1, 1), window=window, lo=-128, hi=127)

    def _const(self, array: np.ndarray) -> str:
        name = f"k{len(self.consts)}"
        self.consts[name] = Const(array)
        return name

    def _add(self, cls: type[Op], inputs: tuple[str, ...], shape: tuple[int, ...], **fields: object) -> str:
        name = f"v{len(self.ops)}"
        index = cls is f.ArgMax
        self.types[name] = TensorType(shape, DType.I32 if index else DType.I8, None if index else QUANT)
        self.ops.append(cls(output=name, inputs=inputs, loc=f"{cls.__name__}", **fields))
        return name

    def tiled(self, value: str, unit_bytes: int = 1, whole: int = 1) -> None:
        """Tiles of a layer: of a random number of units, or of runs of `whole` units, few enough of them."""
        units = prod(self.types[value].shape) * self.types[value].dtype.size_bytes // unit_bytes
        most = max(1, min(units, self.most_tile_bytes // unit_bytes))
        least = max(1, -(-units // _TILES))
        n = int(self.rng.integers(min(least, most), most + 1))
        if whole > 1 and self.rng.random() < 0.6:
            n = max(whole, n // whole * whole) if whole <= most else n
        self.tile_units[value] = n

    def weights(self, *shape: int, odd: bool = False) -> tuple[str, ...]:
        """Weights, and bias, mult and shift of each of shape[0] outputs; odd: shifts beyond those of routines."""
        n, products = shape[0], prod(shape[1:])
        mult = self.rng.integers(32_768, 65_536, n).astype(np.uint16)
        spread = 127 * 60 * max(1.0, products**0.5) / 100  # of sums, over codes
        shift = np.clip(16 + np.ceil(np.log2(spread)) + self.rng.integers(-1, 2, n), 18, 32)
        if odd:
            shift = np.where(self.rng.random(n) < 0.5, 16, shift)
        bias = self.rng.integers(-999, 999, n).astype(np.int32)
        weight = self.rng.integers(-127, 128, shape).astype(np.int8)
        return tuple(map(self._const, (weight, bias, mult, shift.astype(np.uint8))))

    def bounds(self) -> dict[str, int]:
        """Zero points, and the bounds of a ReLU now and then."""
        return {"y_zp": 3, "lo": int(self.rng.choice([-128, 3])), "hi": 127}

    def conv(
        self,
        shape: tuple[int, int, int],
        n_out: int,
        window: Window,
        groups: int = 1,
        *,
        odd: bool = False,
        part: int = 0,
    ) -> None:
        """A convolution of any kind; part: products of each part of an output."""
        x = self.source(*shape)
        out = (*window.out_size(*shape[:2]), n_out)
        consts = self.weights(n_out, *window.kernel, shape[2] // groups, odd=odd)
        y = self._add(q.ConvI8, (x, *consts), out, window=window, groups=groups, x_zp=5, **self.bounds())
        if part:
            self.tile_units[y], self.part_macs[y] = 1, part
        else:
            self.tiled(y, whole=n_out)

    def conv_pool(self, shape: tuple[int, int, int], n_out: int, window: Window, pool: Window, groups: int = 1) -> None:
        """A convolution with a max pool behind it, as one op."""
        x = self.source(*shape)
        out = (*pool.out_size(*window.out_size(*shape[:2])), n_out)
        consts = self.weights(n_out, *window.kernel, shape[2] // groups)
        y = self._add(q.ConvPoolI8, (x, *consts), out, window=window, groups=groups, pool=pool, x_zp=5, **self.bounds())
        self.tiled(y, whole=n_out)

    def dense(self, n_in: int, n_out: int, *, odd: bool = False, part: int = 0) -> None:
        """A dense layer."""
        y = self._add(q.DenseI8, (self.source(n_in), *self.weights(n_out, n_in, odd=odd)), (n_out,), **self.bounds())
        if part:
            self.tile_units[y], self.part_macs[y] = 1, part
        else:
            self.tiled(y)

    def maxpool(self, shape: tuple[int, int, int], window: Window, clamp: bool) -> None:
        """A max pool."""
        out = (*window.out_size(*shape[:2]), shape[2])
        bounds = {"lo": 3, "hi": 120} if clamp else {"lo": -128, "hi": 127}
        self.tiled(self._add(q.MaxPoolI8, (self.source(*shape),), out, window=window, **bounds), whole=shape[2])

    def avgpool(self, shape: tuple[int, int, int], window: Window, *, include_pad: bool = False) -> None:
        """An average pool; without padding, one multiplier."""
        taps = prod(window.kernel)
        n = taps if any(window.pad) else 1
        divisors = np.arange(1, taps + 1) if n > 1 else np.array([taps])
        shift = 16 + np.floor(np.log2(divisors)).astype(int)
        mult = np.minimum(65_535, 2.0**shift / divisors).astype(np.uint16)
        table = (self._const(mult), self._const(shift.astype(np.uint8)))
        out = (*window.out_size(*shape[:2]), shape[2])
        fields = {"window": window, "include_pad": include_pad, "x_zp": 3, "y_zp": 3, "lo": -128, "hi": 127}
        self.tiled(self._add(q.AvgPoolI8, (self.source(*shape), *table), out, **fields), whole=shape[2])

    def add(self, a: tuple[int, ...], b: tuple[int, ...], shift: int = 20, *, constant: bool = False) -> None:
        """A sum, with broadcasting."""
        mult = min(2 ** (shift - 1), q.MAX_ADD_MULT)
        self._binary(q.AddI8, a, b, constant, mult_a=mult, mult_b=-mult, offset=700, shift=shift)

    def mul(self, a: tuple[int, ...], b: tuple[int, ...], shift: int = 20, *, constant: bool = False) -> None:
        """A product, with broadcasting."""
        self._binary(q.MulI8, a, b, constant, a_zp=3, b_zp=-5, y_zp=1, mult=20_000, shift=shift)

    def _binary(self, cls: type[Op], a: tuple[int, ...], b: tuple[int, ...], constant: bool, **fields: int) -> None:
        right = self._const(self.rng.integers(-128, 128, b).astype(np.int8)) if constant else self.source(*b)
        shape = tuple(np.broadcast_shapes(a, b))
        self.tiled(self._add(cls, (self.source(*a), right), shape, lo=-128, hi=127, **fields))

    def lut(self, n: int) -> None:
        """A table of 256 codes."""
        table = self._const(self.rng.permutation(256).astype(np.uint8).view(np.int8))
        self.tiled(self._add(q.LutI8, (self.source(n), table), (n,)))

    def softmax(self, rows: int, n: int, slope: float) -> None:
        """Of rows of n."""
        table = self._const((65_535 * np.exp(-np.arange(256) / slope)).astype(np.uint16))
        self.tiled(self._add(q.SoftmaxI8, (self.source(rows, n), table), (rows, n)), unit_bytes=n)

    def argmax(self, rows: int, n: int, last: bool) -> None:
        """Of rows of n."""
        self.tiled(self._add(f.ArgMax, (self.source(rows, n),), (rows, 1), last=last), unit_bytes=4)

    def concat(self, shapes: list[tuple[int, ...]], axis: int) -> None:
        """Of values that lie elsewhere: each operand is a copy of rows."""
        joined = sum(shape[axis] for shape in shapes)
        first = shapes[0]
        out = (*first[:axis], joined, *first[axis + 1 :])
        parts = tuple(self.source(*shape) for shape in shapes)
        y = self._add(f.Concat, parts, out, axis=axis)
        rows = prod(out[:axis])
        self.tile_units[y] = max(
            1, min(rows, self.most_tile_bytes // prod(out[axis:]), int(self.rng.integers(1, rows + 1)))
        )

    def pad(self, shape: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]) -> None:
        """Constant padding."""
        out = tuple(b + n + a for b, n, a in zip(before, shape, after, strict=True))
        self.tiled(self._add(q.PadI8, (self.source(*shape),), out, before=before, after=after, value=3))

    def transpose(self, shape: tuple[int, ...], order: tuple[int, ...]) -> None:
        """Axes in another order."""
        self.tiled(self._add(f.Transpose, (self.source(*shape),), tuple(shape[k] for k in order), order=order))


def _window(k: tuple[int, int], stride: int = 1, pad: int = 0, dilation: int = 1) -> Window:
    return Window(kernel=k, stride=(stride, stride), pad=(pad,) * 4, dilation=(dilation, dilation))


def _convs(layers: Layers) -> None:
    layers.conv((8, 8, 16), 16, _window((3, 3), pad=1))
    layers.conv((8, 8, 16), 16, _window((3, 3), pad=1))
    layers.conv((16, 16, 1), 8, _window((5, 5), pad=2))
    layers.conv((16, 12, 3), 8, _window((3, 3), pad=1))
    layers.conv((16, 12, 3), 7, _window((3, 3), stride=2))
    layers.conv((32, 10, 1), 16, Window(kernel=(10, 4), stride=(2, 2), pad=(4, 1, 5, 1)))
    layers.conv((1, 64, 4), 12, Window(kernel=(1, 5), stride=(1, 1), pad=(0, 2, 0, 2)))
    layers.conv((64, 1, 6), 10, Window(kernel=(7, 1), stride=(2, 1), pad=(0, 0, 0, 0)))
    layers.conv((8, 8, 8), 8, _window((3, 3), pad=2, dilation=2))
    layers.conv((8, 8, 12), 12, _window((3, 3), pad=1), groups=3)
    layers.conv((8, 8, 16), 12, _window((1, 1), stride=2))
    layers.conv((8, 8, 5), 9, _window((3, 3), pad=1))
    layers.conv((4, 4, 32), 32, _window((3, 3), pad=1))
    layers.conv((4, 4, 32), 6, _window((3, 3)))
    layers.conv((16, 16, 1), 3, _window((2, 2)))
    layers.conv((8, 8, 2), 10, _window((4, 4), pad=1))
    layers.conv((8, 8, 16), 8, _window((3, 3), pad=1), odd=True)
    if not layers.few:
        layers.conv((16, 16, 16), 16, _window((3, 3), pad=1))
        layers.conv((16, 16, 16), 24, _window((3, 3), stride=2, pad=1))
        layers.conv((8, 8, 32), 16, _window((1, 1), stride=2))


def _pointwise(layers: Layers) -> None:
    for h, w, c, n_out in (
        (8, 8, 16, 16),
        (8, 8, 8, 24),
        (4, 4, 64, 32),
        (16, 4, 3, 8),
        (8, 8, 5, 7),
        (4, 4, 20, 33),
        (8, 8, 16, 1),
        (2, 2, 64, 48),
        (8, 4, 32, 16),
        (16, 16, 2, 4),
    ):
        layers.conv((h, w, c), n_out, _window((1, 1)))
    layers.conv((8, 8, 8), 8, _window((1, 1)), odd=True)
    for n_in, n_out in (
        (64, 16),
        (128, 10),
        (27, 12),
        (256, 32),
        (100, 7),
        (35, 64),
        (512, 6),
        (9, 20),
        (192, 3),
        (62, 40),
    ):
        layers.dense(n_in, n_out)
    layers.dense(64, 24, odd=True)


def _depthwise(layers: Layers) -> None:
    for h, w, c, k, stride, pad in (
        (8, 8, 16, 3, 1, 1),
        (8, 8, 16, 3, 2, 1),
        (16, 16, 8, 3, 1, 1),
        (8, 8, 8, 5, 1, 2),
        (8, 8, 5, 3, 1, 1),
        (8, 8, 32, 3, 1, 0),
        (4, 4, 64, 3, 1, 1),
        (8, 8, 7, 2, 2, 0),
        (16, 4, 16, 3, 1, 1),
        (8, 8, 3, 7, 1, 3),
        (8, 8, 12, 4, 1, 1),
    ):
        layers.conv((h, w, c), c, _window((k, k), stride=stride, pad=pad), groups=c)
    layers.conv((1, 64, 8), 8, Window(kernel=(1, 9), stride=(1, 1), pad=(0, 4, 0, 4)), groups=8)
    layers.conv((64, 1, 8), 8, Window(kernel=(9, 1), stride=(1, 1), pad=(4, 0, 4, 0)), groups=8)
    layers.conv((8, 8, 8), 16, _window((3, 3), pad=1), groups=8)
    layers.conv((8, 8, 4), 12, _window((3, 3), pad=1), groups=4)
    layers.conv((8, 8, 8), 8, _window((3, 3), pad=2, dilation=2), groups=8)
    layers.conv((8, 8, 8), 8, _window((3, 3), pad=1), groups=8, odd=True)
    layers.conv((16, 16, 4), 4, _window((9, 9)), groups=4)
    layers.conv((16, 12, 4), 4, _window((11, 11), pad=5), groups=4)


def _pools(layers: Layers) -> None:
    for h, w, c, k, stride, pad in (
        (8, 8, 16, 2, 2, 0),
        (8, 8, 8, 3, 2, 1),
        (16, 16, 4, 2, 2, 0),
        (8, 8, 5, 2, 2, 0),
        (8, 8, 16, 3, 1, 1),
        (4, 4, 64, 2, 2, 0),
        (16, 16, 1, 3, 3, 0),
        (8, 8, 7, 4, 4, 0),
    ):
        layers.maxpool((h, w, c), _window((k, k), stride=stride, pad=pad), clamp=bool(layers.rng.random() < 0.4))
    layers.maxpool((64, 1, 6), Window(kernel=(2, 1), stride=(2, 1)), clamp=False)
    layers.maxpool((1, 64, 8), Window(kernel=(1, 3), stride=(1, 3)), clamp=True)
    layers.maxpool((12, 12, 8), _window((12, 12)), clamp=False)
    for h, w, c, k, stride, pad in (
        (8, 8, 16, 8, 1, 0),
        (8, 8, 8, 2, 2, 0),
        (8, 8, 8, 3, 1, 1),
        (4, 4, 20, 4, 1, 0),
        (16, 16, 2, 4, 4, 0),
        (8, 8, 5, 2, 2, 0),
        (4, 4, 64, 4, 1, 0),
        (8, 8, 3, 3, 2, 1),
    ):
        layers.avgpool((h, w, c), _window((k, k), stride=stride, pad=pad))
    layers.avgpool((64, 1, 12), Window(kernel=(64, 1)))
    layers.avgpool((25, 5, 12), _window((25, 5)))
    layers.avgpool((12, 12, 4), _window((12, 12)))
    if not layers.few:
        layers.avgpool((25, 5, 64), _window((25, 5)))
    layers.avgpool((8, 8, 4), _window((3, 3), pad=1), include_pad=True)


def _elementwise(layers: Layers) -> None:
    for shift in (20, 18, 22):
        layers.add((8, 8, 8), (8, 8, 8), shift)
    layers.add((8, 8, 8), (8, 8, 8), 12)
    layers.add((8, 8, 8), (8, 8, 8), 17)
    layers.add((8, 8, 8), (1, 1, 8), constant=True)
    layers.add((8, 8, 8), (8, 8, 1), constant=True)
    layers.add((640,), (640,), 19)
    for shift in (20, 16, 24, 12):
        layers.mul((8, 8, 8), (8, 8, 8), shift)
    layers.mul((8, 8, 8), (1, 1, 8), constant=True)
    layers.mul((8, 8, 4), (8, 8, 1), constant=True)
    layers.mul((320,), (1,), constant=True)
    for n in (256, 640, 37, 512):
        layers.lut(n)
    for rows, n, slope in (
        (1, 10, 40.0),
        (8, 8, 10.0),
        (32, 6, 80.0),
        (1, 128, 30.0),
        (4, 16, 2000.0),
    ):
        layers.softmax(rows, n, slope)
    for rows, n, last in (
        (1, 10, False),
        (16, 12, True),
        (64, 4, False),
        (2, 128, True),
    ):
        layers.argmax(rows, n, last)


def _moves(layers: Layers) -> None:
    layers.concat([(8, 8, 4), (8, 8, 8)], 2)
    layers.concat([(8, 8, 1), (8, 8, 3)], 2)
    layers.concat([(4, 64), (4, 16)], 1)
    layers.concat([(320,), (64,)], 0)
    layers.concat([(4, 4, 32), (4, 4, 16)], 2)
    layers.pad((8, 8, 8), (1, 1, 0), (1, 1, 0))
    layers.pad((8, 8, 1), (2, 2, 0), (0, 1, 0))
    layers.pad((4, 4, 16), (0, 0, 3), (0, 0, 5))
    layers.pad((64, 4), (2, 0), (2, 1))
    layers.pad((320,), (4,), (4,))
    layers.pad((4, 4, 4, 8), (1, 1, 1, 1), (0, 1, 0, 1))
    layers.transpose((8, 8, 8), (2, 0, 1))
    layers.transpose((16, 24), (1, 0))
    layers.transpose((4, 4, 4, 8), (3, 1, 2, 0))
    layers.transpose((8, 8, 3), (2, 0, 1))
    layers.transpose((64, 2, 4), (0, 2, 1))


def _pooled(layers: Layers) -> None:
    two, three = _window((2, 2), stride=2), _window((3, 3), stride=3)
    layers.conv_pool((8, 8, 8), 8, _window((3, 3), pad=1), two)
    layers.conv_pool((16, 16, 1), 8, _window((5, 5), pad=2), two)
    layers.conv_pool((16, 16, 1), 4, _window((3, 3)), two)
    layers.conv_pool((8, 8, 16), 12, _window((3, 3), pad=1), _window((2, 2), stride=3))
    layers.conv_pool((16, 12, 3), 6, _window((3, 3), pad=1), three)
    layers.conv_pool(
        (64, 1, 6), 16, Window(kernel=(5, 1), stride=(1, 1), pad=(2, 0, 2, 0)), Window(kernel=(2, 1), stride=(2, 1))
    )
    layers.conv_pool((8, 8, 8), 16, _window((1, 1)), two)
    layers.conv_pool((8, 8, 4), 10, _window((1, 1)), two)
    layers.conv_pool((8, 8, 16), 16, _window((3, 3), pad=1), two, groups=16)
    layers.conv_pool((8, 8, 8), 8, _window((3, 3)), three, groups=8)
    layers.conv_pool((8, 8, 8), 8, _window((3, 3), pad=1), two, groups=2)
    layers.conv_pool((8, 8, 8), 24, _window((3, 3), pad=1), _window((4, 4), stride=4))


def _parts(layers: Layers) -> None:
    for n_in, n_out, part in (
        (128, 2, 30),
        (256, 2, 100),
        (62, 3, 11),
        (64, 4, 63),
    ):
        layers.dense(n_in, n_out, part=part)
    layers.conv((4, 4, 16), 1, _window((3, 3), pad=1), part=20)
    layers.conv((4, 4, 16), 1, _window((3, 3), pad=1), part=70)
    layers.conv((8, 8, 1), 1, _window((5, 5)), part=7)
    layers.conv((4, 4, 20), 2, _window((1, 1)), part=6)
    layers.conv((4, 4, 8), 2, _window((3, 3)), groups=2, part=15)
    layers.conv((8, 8, 3), 1, _window((4, 4), stride=2), part=26)
    layers.conv((4, 4, 32), 1, _window((3, 3), pad=1), part=140)


_FIRMWARES: tuple[tuple[Callable[[Layers], None], ...], ...] = (
    (_convs, _pointwise, _parts),
    (_depthwise, _pooled),
    (_pools, _elementwise, _moves),
)


def designs(most_tile_bytes: int, *, few: bool, repeats: int = 3) -> Iterator[Design]:
    """All layers, `repeats` times with other constants and tiles; few: for little memory."""
    for again in range(repeats):
        for index, families in enumerate(_FIRMWARES):
            rng = np.random.default_rng([2026, again, index])
            layers = Layers(f"design{again}_{index}", rng, most_tile_bytes, few=few)
            for family in families:
                family(layers)
            yield layers.design()
