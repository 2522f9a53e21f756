"""Remove layout ops that do nothing, merge neighbours, and let inputs and outputs absorb the ones at the edge.

A Transpose or Reshape that is the only reader of an input becomes part of how samples are stored on arrival (Port), and
one that only feeds an output part of how the answer is read: the device does nothing for either. Two values to which a
quantized model gave different scales never become one: between them lies a rescaling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.ops import Op, Reshape, Transpose
from freeml.ir.types import Port, Quant
from freeml.passes.rewrite import agreed, prune, rename


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
        if not agreed(graph.types[source].quant, graph.types[op.output].quant):
            continue
        same_shape = graph.types[source].shape == graph.types[op.output].shape
        trivial = same_shape and (isinstance(op, Reshape) or op.order == tuple(range(len(op.order))))
        quant = graph.types[op.output].quant or graph.types[source].quant
        if trivial and op.output not in graph.output_values and _may_have(graph, source, quant):
            types = {source: replace(graph.types[source], quant=quant)}
            return graph.with_ops(rename((o for o in graph.ops if o is not op), {op.output: source}), types=types)
        before = graph.producers.get(source)
        if type(before) is not type(op) or not agreed(graph.type_of(before.inputs[0]).quant, quant):
            continue
        merged = replace(op, inputs=before.inputs)
        if isinstance(merged, Transpose) and isinstance(before, Transpose):
            merged = replace(merged, order=tuple(before.order[axis] for axis in merged.order))
        types = {op.output: replace(graph.types[op.output], quant=quant)}
        return prune(graph.with_ops((merged if o is op else o for o in graph.ops), types=types))
    return None


def _may_have(graph: Graph, value: str, quant: Quant | None) -> bool:
    """Whether a scale is that of a value, or may become it because nobody else reads the value."""
    return graph.types[value].quant == quant or graph.uses[value] == 1


def _absorb_input(graph: Graph) -> Graph | None:
    for port in graph.inputs:
        readers = graph.readers(port.value)
        if len(readers) != 1 or graph.uses[port.value] != 1:
            continue
        op = readers[0]
        if op.output in graph.output_values:
            continue  # an input is never an output too: one of them would have to be copied
        if not agreed(graph.types[op.output].quant, graph.types[port.value].quant):
            continue
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
        if not agreed(graph.types[port.value].quant, graph.types[source].quant):
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
