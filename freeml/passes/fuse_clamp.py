"""Fuse Relu, Relu6 and Clip into the layer before them; the device then clamps while it stores.

A clamp behind max pooling moves before it first (both are monotone, so they commute), as torch code often pools before
the activation. Where a quantized model fixed a scale of the layer's output, what saturated there still does; a layer
whose own steps are the larger ones keeps them, and its clamp stays a table, as one with bounds that are no codes of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeml.ir.graph import Graph
from freeml.ir.ops import Binary, Conv, Dense, MaxPool, Op, Reshape, Unary
from freeml.ir.types import Quant, TensorType
from freeml.passes.rewrite import rename, through_reshapes

_SAME_CODE = 1e-4  # of a step; scales and bounds are float32


@dataclass(frozen=True, slots=True)
class FuseClamp:
    """Graph@FLOAT -> Graph@FLOAT."""

    def __call__(self, graph: Graph) -> Graph:
        """Apply until nothing changes; each step removes or moves up one clamp."""
        while True:
            for op in graph.ops:
                if isinstance(op, Unary) and op.fn == "clamp":
                    changed = _fuse(graph, op) or _hoist(graph, op)
                    if changed is not None:
                        graph = changed
                        break
            else:
                return graph


def _fuse(graph: Graph, op: Unary) -> Graph | None:
    layer = through_reshapes(graph, op.inputs[0])
    if not isinstance(layer, Conv | Dense | Binary) or graph.uses[op.inputs[0]] != 1:
        return None
    quant, own = graph.types[op.output].quant, graph.types[op.inputs[0]].quant or graph.types[layer.output].quant
    clamp: tuple[float, float] = (op.params[0], op.params[1])
    if not _may_move(own, quant, clamp):
        return None
    if own is not None and quant not in (None, own):
        clamp = _within(own.range(), clamp)
    if layer.clamp is not None:
        clamp = _within(layer.clamp, clamp)
    fused = replace(layer, clamp=clamp)
    types: dict[str, TensorType] = {}
    for value in {layer.output, op.inputs[0]}:
        known = graph.types[value]
        types[value] = replace(known, quant=quant or known.quant)
    ops = [fused if other is layer else other for other in graph.ops if other is not op]
    outputs = tuple(replace(p, value=op.inputs[0]) if p.value == op.output else p for p in graph.outputs)
    return graph.with_ops(rename(ops, {op.output: op.inputs[0]}), types=types, outputs=outputs)


def _may_move(own: Quant | None, clamped: Quant | None, clamp: tuple[float, float]) -> bool:
    """Whether a layer may clamp, whose result has the scale `own`, in place of an op behind it.

    Rounding straight to the scale behind the clamp is off by half a step of that scale at most; where the model has
    none there, the bounds that the layer's codes reach have to be codes.
    """
    if own is None or clamped is not None:
        return own is None or clamped is None or own.scale <= clamped.scale
    lo, hi = own.range()
    steps = [bound / own.scale for bound in clamp if lo < bound < hi]
    return all(abs(step - round(step)) < _SAME_CODE for step in steps)


def _within(bounds: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    lo, hi = (min(max(bound, limits[0]), limits[1]) for bound in bounds)
    return lo, hi


def _hoist(graph: Graph, op: Unary) -> Graph | None:
    """pool -> clamp becomes clamp -> pool, where the clamp can then be fused into a layer."""
    pool = graph.producers.get(op.inputs[0])
    if not isinstance(pool, MaxPool) or graph.uses[pool.output] != 1 or graph.types[pool.output].quant is not None:
        return None
    layer = _layer_above(graph, pool.inputs[0])
    own, clamped = graph.types[layer.output].quant if layer else None, graph.types[op.output].quant
    if layer is None or not _may_move(own, clamped, (op.params[0], op.params[1])):
        return None
    above = graph.fresh(f"{op.output}.hoisted")
    first = replace(op, inputs=pool.inputs, output=above)
    second = replace(pool, inputs=(above,), output=op.output)
    ops: list[Op] = []
    for other in graph.ops:
        if other is pool:
            ops.append(first)
        else:
            ops.append(second if other is op else other)
    return graph.with_ops(ops, types={above: replace(graph.types[pool.inputs[0]], quant=clamped)})


def _layer_above(graph: Graph, value: str) -> Op | None:
    """The Conv, Dense or Binary that a clamp on `value` would reach, through pools and reshapes read only once."""
    op = graph.producers.get(value)
    while isinstance(op, MaxPool | Reshape) and graph.uses[op.output] == 1:
        op = graph.producers.get(op.inputs[0])
    return op if isinstance(op, Conv | Dense | Binary) and graph.uses[op.output] == 1 else None
