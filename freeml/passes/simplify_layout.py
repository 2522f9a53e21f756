"""Remove layout ops that do nothing, merge neighbours, and let inputs and outputs absorb the ones at the edge.

A Transpose or Reshape that is the only reader of an input becomes part of how samples are stored on arrival (Port), and
one that only feeds an output part of how the answer is read: the device does nothing for either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.ops import Op, Reshape, Transpose
from freeml.ir.types import Port
from freeml.passes.rewrite import prune, rename


@dataclass(frozen=True, slots=True)
class SimplifyLayout:
    """Graph@FLOAT -> Graph@FLOAT."""

    def __call__(self, graph: Graph) -> Graph:
        """Apply until nothing changes."""
        while True:
            changed = _absorb_input(graph) or _absorb_output(graph) or _drop_or_merge(graph)
            if changed is None:
                return graph
            graph = changed


def _drop_or_merge(graph: Graph) -> Graph | None:
    for op in graph.ops:
        if not isinstance(op, Reshape | Transpose):
            continue
        source = op.inputs[0]
        same_shape = graph.types[source].shape == graph.types[op.output].shape
        trivial = same_shape and (isinstance(op, Reshape) or op.order == tuple(range(len(op.order))))
        if trivial and op.output not in graph.output_values:
            return graph.with_ops(rename((o for o in graph.ops if o is not op), {op.output: source}))
        before = graph.producers.get(source)
        if isinstance(op, Reshape) and isinstance(before, Reshape):
            merged: Op = replace(op, inputs=before.inputs)
            return prune(graph.with_ops(merged if o is op else o for o in graph.ops))
        if isinstance(op, Transpose) and isinstance(before, Transpose):
            merged = replace(op, inputs=before.inputs, order=tuple(before.order[axis] for axis in op.order))
            return prune(graph.with_ops(merged if o is op else o for o in graph.ops))
    return None


def _absorb_input(graph: Graph) -> Graph | None:
    for port in graph.inputs:
        readers = graph.readers(port.value)
        if len(readers) != 1 or graph.uses[port.value] != 1:
            continue
        op = readers[0]
        if op.output in graph.output_values:
            continue  # an input is never an output too: one of them would have to be copied
        moved = _moved_port(port, graph.types[port.value].shape, op)
        if moved is None:
            continue
        quant = graph.types[op.output].quant or graph.types[port.value].quant
        types = {op.output: replace(graph.types[op.output], quant=quant)}
        inputs = tuple(moved if p is port else p for p in graph.inputs)
        return graph.with_ops((o for o in graph.ops if o is not op), types=types, inputs=inputs)
    return None


def _absorb_output(graph: Graph) -> Graph | None:
    inputs = {port.value for port in graph.inputs}
    for port in graph.outputs:
        op = graph.producers.get(port.value)
        if not isinstance(op, Reshape | Transpose) or graph.uses[port.value] != 1:
            continue
        source = op.inputs[0]
        if source in inputs or graph.uses[source] != 1:
            continue
        back = _inverse(op, graph.types[source].shape)
        moved = _moved_port(port, graph.types[port.value].shape, back)
        if moved is None:
            continue
        outputs = tuple(replace(moved, value=source) if p is port else p for p in graph.outputs)
        quant = graph.types[port.value].quant or graph.types[source].quant
        types = {source: replace(graph.types[source], quant=quant)}
        return graph.with_ops((o for o in graph.ops if o is not op), types=types, outputs=outputs)
    return None


def _inverse(op: Reshape | Transpose, source_shape: tuple[int, ...]) -> Reshape | Transpose:
    if isinstance(op, Reshape):
        return Reshape(output=op.inputs[0], inputs=(op.output,), loc=op.loc)
    order = tuple(int(axis) for axis in np.argsort(op.order))
    assert len(order) == len(source_shape)
    return Transpose(output=op.inputs[0], inputs=(op.output,), loc=op.loc, order=order)


def _moved_port(port: Port, stored: tuple[int, ...], op: Op) -> Port | None:
    """The port whose memory is what `op` makes of the old one; None where axes would have to be split."""
    if isinstance(op, Reshape):
        return replace(port, value=op.output)
    if not isinstance(op, Transpose):
        return None
    # Author's axes that each stored axis consists of, in memory order; ones may stand anywhere.
    groups, axes = [], [axis for axis in port.order if port.shape[axis] != 1]
    for length in stored:
        group: list[int] = []
        while axes and math.prod(port.shape[axis] for axis in group) < length:
            group.append(axes.pop(0))
        if math.prod(port.shape[axis] for axis in group) != length:
            return None
        groups.append(group)
    ones = [axis for axis in port.order if port.shape[axis] == 1]
    order = (*ones, *(axis for k in op.order for axis in groups[k]))
    return replace(port, value=op.output, order=order)
