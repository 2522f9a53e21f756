"""Rules of the heads of exits: shapes, multipliers, and bounds of sums that no input can make them leave."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ExitHead, ExitMix
from freeml.ir.ops import Reshape
from freeml.ir.types import DType

_MOST_PART = 2**30  # the C holds twice a requantised sum in 32 bits
_MOST_SUM = 2**31 - 1

Ints = npt.NDArray[np.int64]


def broken_rules(graph: Graph, op: ExitHead | ExitMix) -> Iterator[str]:
    """What is wrong with an op whose inputs have the right element types."""
    if not (0 <= op.carry_mult <= 65_535 and 0 <= op.carry_shift <= 46):
        yield f"multiplier {op.carry_mult}, shift {op.carry_shift} of what is carried over"
        return
    if op.carry_shift == 0 and op.carry_mult != 1:
        yield "a multiplier without shift"
    shape = graph.types[op.output].shape
    sums = [name for name in op.inputs if name in graph.types and graph.types[name].dtype is DType.I32]
    if len(shape) != 1 or any(graph.types[name].shape != shape for name in sums):
        yield f"sums of other shapes than {shape}"
        return
    if isinstance(op, ExitHead):
        broken = list(_broken_head(graph, op))
        yield from broken
        if broken:
            return
    if any(most > _MOST_PART for most in _requantised(graph, op)):
        yield "a requantised sum may leave 30 bits"
    elif int(_bounds(graph, op.output).max()) > _MOST_SUM:
        yield "a sum may overflow 32 bits"


def _broken_head(graph: Graph, op: ExitHead) -> Iterator[str]:
    values = [name for name in op.inputs if name in graph.types]
    if len(values) > 2:
        yield f"{len(values)} values"
        return
    weight, bias, mult, shift = (graph.consts[name] for name in op.inputs[-4:])
    k = graph.types[op.output].shape
    if weight.dtype is not DType.I8 or weight.shape != (*k, graph.types[values[0]].n_elems):
        yield f"a weight {weight.shape} for {graph.types[values[0]]}"
    wanted = ((bias, DType.I32), (mult, DType.U16), (shift, DType.U8))
    if any(const.dtype is not dtype or const.shape != k for const, dtype in wanted):
        yield "biases or scales of another type than one for each class"
    elif not ((shift.array >= 1) & (shift.array <= 46)).all():
        yield "a shift outside 1..46"
    elif int(_raw_bounds(graph, op).max()) > _MOST_SUM:
        yield "an accumulator may overflow 32 bits"


def _raw_bounds(graph: Graph, op: ExitHead) -> Ints:
    """Of each class, the largest sum of products and bias over all codes."""
    weight, bias = (graph.consts[name].array.astype(np.int64) for name in op.inputs[-4:-2])
    return np.asarray(np.abs(weight).sum(axis=1) * 128 + np.abs(bias))


def _scaled(most: Ints, mult: Ints | int, shift: Ints | int) -> Ints:
    """The largest requantised number of those up to `most`; 0: as it is."""
    return np.asarray(np.where(np.asarray(shift) > 0, (most * mult >> shift) + 1, most))


def _requantised(graph: Graph, op: ExitHead | ExitMix) -> list[int]:
    """The largest of what is requantised in an op."""
    found = [_scaled(_bounds(graph, name), op.carry_mult, op.carry_shift) for name in _carried(graph, op)]
    found = found if op.carry_shift else []
    if isinstance(op, ExitHead):
        found.append(_own(graph, op))
    return [int(one.max()) for one in found]


def _own(graph: Graph, op: ExitHead) -> Ints:
    mult, shift = (graph.consts[name].array.astype(np.int64) for name in op.inputs[-2:])
    return _scaled(_raw_bounds(graph, op), mult, shift)


def _carried(graph: Graph, op: ExitHead | ExitMix) -> tuple[str, ...]:
    return tuple(name for name in op.inputs[1:] if name in graph.types)


def _bounds(graph: Graph, value: str) -> Ints:
    """Of each number of an int32 value, the largest that it may be, by what it is made of."""
    op = graph.producers.get(value)
    if isinstance(op, Reshape):
        return _bounds(graph, op.inputs[0])
    if isinstance(op, ExitHead | ExitMix):
        own = _own(graph, op) if isinstance(op, ExitHead) else _bounds(graph, op.inputs[0])
        before = [_scaled(_bounds(graph, name), op.carry_mult, op.carry_shift) for name in _carried(graph, op)]
        return np.asarray(sum(before, own))
    return np.full(graph.types[value].n_elems, _MOST_SUM, dtype=np.int64)
