"""Which channels can be taken out of a network together, and the network without them.

Every position on the last axis of a value belongs to one bundle: what must go together, because an addition, a
depthwise convolution or a reshape binds it. A bundle is pinned where somebody outside sees it or where taking it out
changes more than it removes: inputs and outputs, softmax and index, groups of channels. Convolutions and dense layers
mix channels, so that their inputs and outputs belong to different bundles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.ops import ArgMax, Binary, Concat, Conv, Dense, Op, Pad, Reshape, Softmax, Transpose
from freeml.ir.types import Array, Const, TensorType

Bundles = npt.NDArray[np.int64]  # of a value's last axis


@dataclass(frozen=True, slots=True)
class Channels:
    """of: bundle of each position on the last axis, by value. free: bundles that may be taken out."""

    of: Mapping[str, Bundles]
    free: frozenset[int]

    def made_by(self, op: Conv | Dense) -> tuple[int, ...]:
        """Bundles that a layer's outputs belong to and that are free, each once."""
        return tuple(int(b) for b in dict.fromkeys(self.of[op.output].tolist()) if b in self.free)


def mixes(op: Op) -> bool:
    """Whether an op adds its input's channels up, so that one that is gone leaves its outputs where they are."""
    return isinstance(op, Dense) or (isinstance(op, Conv) and op.groups == 1)


def channels(graph: Graph) -> Channels:
    """The bundles of a float graph."""
    found = _Binding(graph)
    for op in graph.ops:
        found.bind(op)
    for port in graph.outputs:
        found.pin(found.of[port.value])
    of = {name: np.array([found.root(int(b)) for b in bundles]) for name, bundles in found.of.items()}
    pinned = {found.root(b) for b in found.pinned}
    made = {b for op in graph.ops if mixes(op) for b in of[op.output].tolist()}
    return Channels(of, frozenset(made - pinned))


class _Binding:
    """Bundles as they are found, op by op (union-find)."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.parent: list[int] = []
        self.pinned: set[int] = set()
        self.of: dict[str, Bundles] = {}
        uses: dict[str, int] = {}
        for op in graph.ops:
            for name in op.inputs:
                uses[name] = uses.get(name, 0) + (name in graph.consts)
        self.shared = {name for name, n in uses.items() if n > 1}
        for port in graph.inputs:
            self.of[port.value] = self.fresh(graph.types[port.value])
            self.pin(self.of[port.value])

    def fresh(self, type_: TensorType) -> Bundles:
        n = type_.shape[-1] if type_.shape else 1
        first = len(self.parent)
        self.parent.extend(range(first, first + n))
        return np.arange(first, first + n)

    def root(self, bundle: int) -> int:
        while self.parent[bundle] != bundle:
            self.parent[bundle] = self.parent[self.parent[bundle]]
            bundle = self.parent[bundle]
        return bundle

    def unite(self, a: Bundles, b: Bundles) -> None:
        for one, other in {(int(x), int(y)) for x, y in zip(a.ravel(), b.ravel(), strict=True) if x != y}:
            self.parent[self.root(one)] = self.root(other)

    def pin(self, bundles: Iterable[int]) -> None:
        self.pinned.update(int(b) for b in bundles)

    def bind(self, op: Op) -> None:
        out = self.graph.types[op.output]
        x = self.of[op.inputs[0]]
        if any(name in self.shared for name in op.inputs):  # what one reader of a constant loses, all lose
            for name in op.inputs:
                self.pin(self.of.get(name, ()))
            self.of[op.output] = self.fresh(out)
            self.pin(self.of[op.output])
            return
        match op:
            case Conv() if op.groups > 1:
                self.of[op.output] = self._grouped(op, x, out)
            case Conv() | Dense():
                self.of[op.output] = self.fresh(out)
            case Binary():
                self.of[op.output] = self._binary(op, x, out)
            case Concat():
                self.of[op.output] = self._concat(op, out)
            case Pad():
                self.of[op.output] = self._padded(op, x)
            case Reshape():
                self.of[op.output] = self._along_last(self._elements(op.inputs[0]).reshape(out.shape))
            case Transpose():
                self.of[op.output] = self._along_last(self._elements(op.inputs[0]).transpose(op.order))
            case Softmax() | ArgMax():
                self.pin(x)
                self.of[op.output] = self.fresh(out)
                self.pin(self.of[op.output])
            case _:  # elementwise, or a window over the other axes
                self.of[op.output] = x

    def _elements(self, value: str) -> Bundles:
        """Bundle of every element of a value."""
        return np.broadcast_to(self.of[value], self.graph.types[value].shape)

    def _along_last(self, elements: Bundles) -> Bundles:
        """One bundle for each position on the last axis: what shares one is united."""
        rows = elements.reshape(-1, elements.shape[-1] if elements.ndim else 1)
        for row in np.unique(rows, axis=0):
            self.unite(row, rows[0])
        return np.array(rows[0])

    def _grouped(self, op: Conv, x: Bundles, out: TensorType) -> Bundles:
        if op.groups == len(x):
            return np.repeat(x, out.shape[-1] // len(x))  # depthwise: an output has its input's bundle
        made = self.fresh(out)
        self.pin(x)
        self.pin(made)
        return made

    def _binary(self, op: Binary, x: Bundles, out: TensorType) -> Bundles:
        other = self.of.get(op.inputs[1])
        n = out.shape[-1] if out.shape else 1
        if other is not None and len(other) == len(x):
            self.unite(x, other)
            return x
        for bundles in (x, other):  # one channel beside many: it stays
            if bundles is not None and len(bundles) != n:
                self.pin(bundles)
        if len(x) == n:
            return x
        if other is not None:
            return other
        made = self.fresh(out)
        self.pin(made)
        return made

    def _concat(self, op: Concat, out: TensorType) -> Bundles:
        parts = [self.of[name] for name in op.inputs]
        if op.axis == len(out.shape) - 1:
            return np.concatenate(parts)
        for part in parts[1:]:
            self.unite(part, parts[0])
        return parts[0]

    def _padded(self, op: Pad, x: Bundles) -> Bundles:
        before, after = (self.fresh(TensorType((n,))) for n in (op.before[-1], op.after[-1]))
        return np.concatenate([before, x, after])


def remove(
    graph: Graph, bundles: Collection[int], *, known: Channels | None = None, means: Mapping[str, Array] | None = None
) -> Graph:
    """The graph without these bundles; every other number is what it was.

    means  mean (*shape) of values over samples: what a channel gave on average goes into the biases of those that read
           it. Without them it counts as zero.
    """
    known = known or channels(graph)
    gone = np.array(sorted(bundles), dtype=np.int64)
    assert set(bundles) <= known.free, "a pinned bundle cannot go"
    kept = {name: ~np.isin(of, gone) for name, of in known.of.items()}
    assert all(keep.any() for keep in kept.values()), "a value needs a channel that stays"
    types = {
        name: replace(graph.types[name], shape=(*graph.types[name].shape[:-1], int(keep.sum())))
        for name, keep in kept.items()
        if not keep.all()
    }
    consts: dict[str, Const] = {}
    ops = []
    for op in graph.ops:
        made = _narrow(graph, op, kept, None if means is None else means.get(op.inputs[0]))
        consts.update({name: Const(array) for name, array in made.items()})
        whole = kept.get(op.inputs[0])
        depthwise = isinstance(op, Conv) and op.groups > 1 and whole is not None and op.groups == len(whole)
        ops.append(replace(op, groups=int(whole.sum())) if depthwise and whole is not None else op)  # type: ignore[call-arg]
    return graph.with_ops(ops, types=types, consts=consts)


def _narrow(graph: Graph, op: Op, kept: Mapping[str, npt.NDArray[np.bool_]], mean: Array | None) -> dict[str, Array]:
    """Constants of an op that lose channels, by name."""
    arrays = {name: graph.consts[name].array for name in op.inputs if name in graph.consts}
    if isinstance(op, Conv | Dense):
        (weight, w), (bias, b) = arrays.items()
        x, y = kept[op.inputs[0]], kept[op.output]
        if mixes(op):
            if mean is not None and not x.all():
                b = b + _average(w, mean, x)
            w = w[..., x]
        return {weight: w[y], bias: b[y]} if not (x.all() and y.all()) else {}
    y = kept[op.output]
    return {
        name: array[..., y] for name, array in arrays.items() if array.ndim and array.shape[-1] == len(y) != y.sum()
    }


def _average(weight: Array, mean: Array, kept: npt.NDArray[np.bool_]) -> Array:
    """What the channels that go gave to each output on average, as if every tap of a window were inside."""
    channel = mean.reshape(-1, mean.shape[-1]).mean(axis=0)
    taps = weight.reshape(weight.shape[0], -1, weight.shape[-1]).sum(axis=1)
    return np.asarray(taps[:, ~kept] @ channel[~kept])
