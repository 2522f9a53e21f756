"""Channels of exits put in one order, so that one matrix serves several depths.

A matrix that several exits read takes the same channel of each for the same thing, and nothing in training made a
network's maps agree on that. But their order is free: the convolution that makes a map and whatever reads it, weights
permuted alike, compute the same numbers, at no byte and no cycle. So the channels of later exits are matched with those
of the first that has as many: an assignment of most agreement between matrices that were trained for each alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from freeml.exits.branch import Branched
from freeml.exits.heads import Heads
from freeml.ir.graph import Graph
from freeml.ir.ops import AvgPool, Binary, Conv, Dense, MaxPool, Op, Pad, Reshape, Unary
from freeml.ir.types import Array, Const

Order = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Aligned:
    """The network with its channels in the orders that were found; of each exit the order (C,), None: as it was."""

    branched: Branched
    orders: tuple[Order | None, ...]

    def features(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Features (N, F) of the network before, as those of the one behind."""
        ordered = zip(self.branched.features, self.orders, strict=True)
        return {
            name: values[name] if order is None else values[name][:, _wide(order, values[name].shape[1])]
            for name, order in ordered
        }


def aligned(branched: Branched, alone: Heads, deviations: Mapping[str, Array]) -> Aligned:
    """Match the channels of exits of as many features.

    alone       separate heads, a matrix each: what adds to earlier sums says less of an exit's own features
    deviations  (F,) of the features by name
    """
    first: dict[tuple[int, int], int] = {}
    orders: list[Order | None] = []
    for depth, (point, size) in enumerate(zip(branched.points, branched.sizes, strict=True)):
        channels = branched.graph.types[point.value].shape[-1]
        known = first.setdefault((size, channels), depth)
        order, graph = None, None
        if known != depth:
            order = _matched(*(_worth(branched, alone, deviations, k, channels) for k in (known, depth)))
            others = [other.value for other in branched.points if other.value != point.value]
            graph = reordered(branched.graph, point.value, order, keeping=others)
        orders.append(None if graph is None else order)
        branched = branched if graph is None else replace(branched, graph=graph)
    return Aligned(branched, tuple(orders))


def _worth(branched: Branched, alone: Heads, deviations: Mapping[str, Array], depth: int, channels: int) -> Array:
    """(K * places, C): what a channel of usual size adds to each score, beyond what it adds to all."""
    (part,) = alone.exits[depth].slices
    added = alone.matrices[part.matrix].array * part.gain * deviations[branched.features[depth]]
    return np.asarray((added - added.mean(axis=0)).reshape(-1, channels))


def _matched(wanted: Array, of: Array) -> Order:
    """The order of channels of `of` whose products with those of `wanted` have the largest sum."""
    from scipy.optimize import linear_sum_assignment  # takes a second to import

    return np.asarray(linear_sum_assignment(-(wanted.T @ of))[1], dtype=np.int64)


def in_orders(graph: Graph, values: Sequence[str], orders: Sequence[Order | None]) -> Graph:
    """Orders that were found before, put on the same network again."""
    for value, order in zip(values, orders, strict=True):
        if order is not None:
            made = reordered(graph, value, order)
            assert made is not None, f"%{value} has no channels that are free"
            graph = made
    return graph


def reordered(graph: Graph, value: str, order: Order, keeping: Sequence[str] = ()) -> Graph | None:
    """The same float network, channel c of a map being what channel order[c] was.

    keeping  values whose channels must stay where they are
    None where channels are not free: they are those of an input or output, joined with others, or weights serve twice.
    """
    work = _Reordering(graph, order)
    todo = [value]
    while todo:
        name = todo.pop()
        if name in work.moved:
            continue
        work.moved.add(name)
        producer = graph.producers.get(name)
        reads = [None if producer is None else work.makes(producer), *(work.reads(op) for op in graph.readers(name))]
        for more in reads:
            if more is None:
                return None
            todo.extend(more)
    ports = {port.value for port in (*graph.inputs, *graph.outputs)}
    return None if work.moved & {*ports, *keeping} else work.done()


def _wide(order: Order, n: int) -> Order:
    """Of a last axis that is rows of channels, one behind the other."""
    return (np.arange(0, n, len(order))[:, None] + order).reshape(-1)


@dataclass
class _Reordering:
    """Values whose channels move, and of which inputs of which ops the weights move with them, along which axes."""

    graph: Graph
    order: Order
    moved: set[str] = field(default_factory=set)
    weights: set[tuple[str, int, int]] = field(default_factory=set)

    def makes(self, op: Op) -> list[str] | None:
        """What else moves with the output of an op; None where it cannot."""
        if isinstance(op, Conv) and op.groups == 1:
            return self._move(op, (1, 0), (2, 0))
        return None if isinstance(op, Dense) else self._along(op)

    def reads(self, op: Op) -> list[str] | None:
        """The same of an op that reads a value that moves."""
        if isinstance(op, Conv) and op.groups == 1:
            return self._move(op, (1, 3))
        return self._move(op, (1, 1)) if isinstance(op, Dense) else self._along(op)

    def _along(self, op: Op) -> list[str] | None:
        """Ops whose channels know nothing of each other: output and inputs move together."""
        values = [op.output, *(name for name in op.inputs if name in self.graph.types)]
        channels, *others = (self.graph.types[name].shape[-1] for name in values)
        if isinstance(op, Conv) and [op.groups] == others == [channels]:
            self._move(op, (1, 0), (2, 0))
        elif isinstance(op, Binary) and set(others) == {channels}:
            const = self.graph.consts.get(op.inputs[1])
            if const is not None and const.array.size > 1 and const.shape[-1] > 1:
                self._move(op, (1, const.array.ndim - 1))
        elif isinstance(op, Reshape):
            return None if (channels % len(self.order) or others[0] % len(self.order)) else values
        elif not isinstance(op, MaxPool | AvgPool | Unary | Pad) or (
            isinstance(op, Pad) and (op.before[-1] or op.after[-1])
        ):
            return None
        return values

    def _move(self, op: Op, *weights: tuple[int, int]) -> list[str]:
        """Weights, as (which input, axis): nothing else moves with them."""
        self.weights |= {(op.output, *one) for one in weights}
        return []

    def done(self) -> Graph | None:
        """The network with all that moved; None where a matrix or kernel serves several ops."""
        ops, consts = list(self.graph.ops), dict[str, Const]()
        place = {op.output: k for k, op in enumerate(ops)}
        for output, which, axis in sorted(self.weights):
            op = ops[place[output]]
            name = op.inputs[which]
            const = consts.get(name) or self.graph.consts[name]
            if self.graph.uses[name] > 1:
                if const.array.ndim > 1:
                    return None
                name = self.graph.fresh(f"{output}.input{which}")
                ops[place[output]] = replace(op, inputs=(*op.inputs[:which], name, *op.inputs[which + 1 :]))
            consts[name] = _moved(const, axis, _wide(self.order, const.shape[axis]))
        return self.graph.with_ops(ops, consts=consts)


def _moved(const: Const, axis: int, order: Order) -> Const:
    scales = const.code_scales
    if axis == 0 and scales is not None and len(scales) > 1:
        scales = tuple(scales[k] for k in order)
    return replace(const, array=np.take(const.array, order, axis=axis), code_scales=scales)
