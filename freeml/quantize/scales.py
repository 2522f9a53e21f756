"""One scale and zero point for every value.

Scales that the model fixed stay. Functions with a known range get it (as TFLite does: Sigmoid and Softmax 1/256, Tanh
1/128). Ops that only move values (pooling by maximum, reshape, transpose, pad, concat) share one scale with what they
read, so they cost no requantization, unless a scale is fixed that cannot hold what the other side may be. All other
scales follow from what was observed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from freeml.errors import BadData
from freeml.ir.graph import Graph
from freeml.ir.ops import ArgMax, Concat, MaxPool, Op, Pad, Reshape, Softmax, Transpose, Unary
from freeml.ir.types import DType, Quant
from freeml.quantize.observe import Observed, union
from freeml.quantize.ranges import Rule, with_headroom
from freeml.quantize.tables import inner_values

_MOVING = (MaxPool, Reshape, Transpose, Pad, Concat)
_KNOWN_RANGE = {"sigmoid": Quant(1 / 256, -128), "tanh": Quant(1 / 128, 0)}


def missing(graph: Graph) -> list[str]:
    """Values whose scale must be found from samples; empty for a model that came quantized."""
    fixed = _fixed(graph)
    return [name for name in _float_values(graph) if name not in fixed]


def assign_scales(
    graph: Graph, observed: Mapping[str, Observed], rule: Rule, ends: Collection[str] | None = None
) -> dict[str, Quant]:
    """Scale and zero point of every value that has codes; ends: as in `score_values`.

    Raises BadData where one is neither fixed nor observed.
    """
    scales = _fixed(graph)
    scores = set(score_values(graph, ends))
    for names in _groups(graph, scales):
        seen = [observed[name] for name in names if name in observed]
        if not seen:
            raise BadData(
                "this model is not quantized, so samples are needed to find the range of its activations",
                where=f"value {names[0]!r}",
                hint="give some with --data, for example --data samples.npz",
            )
        joined = union(seen)
        scales.update(dict.fromkeys(names, rule(joined) if scores.isdisjoint(names) else with_headroom(joined)))
    return {name: scales[name] for name in _float_values(graph)}


def score_values(graph: Graph, ends: Collection[str] | None = None) -> list[str]:
    """The values that say what the network found: its outputs, seen through a final Softmax, ArgMax or Reshape.

    ends: values of those outputs that are answers; all where None. Others are features that somebody reads.
    """
    values = set()
    for port in graph.outputs:
        value = port.value
        if ends is not None and value not in ends:
            continue
        while (op := graph.producers.get(value)) is not None and isinstance(op, Softmax | ArgMax | Reshape):
            value = op.inputs[0]
        values.add(value)
    return sorted(values)


def _float_values(graph: Graph) -> list[str]:
    inner = inner_values(graph)
    return [name for name, type_ in graph.types.items() if type_.dtype is DType.F32 and name not in inner]


def _fixed(graph: Graph) -> dict[str, Quant]:
    """Scales that follow without samples: the model's, along ops that only move values, then those of functions."""
    fixed = {name: type_.quant for name, type_ in graph.types.items() if type_.quant and type_.dtype is DType.F32}
    _follow_forward(graph, fixed)
    values = set(_float_values(graph))
    for op in reversed(graph.ops):
        for name in values.intersection(op.inputs) - fixed.keys() if isinstance(op, _MOVING) else ():
            if op.output in fixed and _ends_in(graph, name, fixed):
                fixed[name] = fixed[op.output]
        if _saturates(op, fixed) and op.inputs[0] in values - fixed.keys() and graph.uses[op.inputs[0]] == 1:
            fixed[op.inputs[0]] = fixed[op.output]
    for op in graph.ops:
        if isinstance(op, Softmax):
            fixed.setdefault(op.output, Quant(1 / 256, -128))
        if isinstance(op, Unary) and op.fn in _KNOWN_RANGE:
            fixed.setdefault(op.output, _KNOWN_RANGE[op.fn])
    _follow_forward(graph, fixed)
    return fixed


def _follow_forward(graph: Graph, fixed: dict[str, Quant]) -> None:
    for op in graph.ops:
        if isinstance(op, _MOVING) and op.output not in fixed:
            read = {fixed.get(name) for name in op.inputs}
            (scale, *others) = read
            if scale is not None and not others and _holds(scale, op):
                fixed[op.output] = scale


def _holds(scale: Quant, op: Op) -> bool:
    """Whether the scale of what an op that moves values reads has a code for all that it writes."""
    if not isinstance(op, Pad) or not math.isfinite(op.value):
        return True
    low, high = scale.range()
    return low - scale.scale / 2 <= op.value <= high + scale.scale / 2


def _saturates(op: Op, fixed: Mapping[str, Quant]) -> bool:
    """Whether an op is the clamp that codes of its own scale are: what it reads may have these codes, too."""
    if not isinstance(op, Unary) or op.fn != "clamp" or (scale := fixed.get(op.output)) is None:
        return False
    (low, high), half = scale.range(), scale.scale / 2
    return op.params[0] <= low + half and op.params[1] >= high - half


def _ends_in(graph: Graph, value: str, fixed: Mapping[str, Quant]) -> bool:
    """Whether all that reads a value moves it into one and the same scale, which may then be its own."""
    readers = graph.readers(value)
    scales = {fixed.get(op.output) if isinstance(op, _MOVING) else None for op in readers}
    return len(scales) == 1 and None not in scales and value not in graph.output_values


def _groups(graph: Graph, fixed: Mapping[str, Quant]) -> list[list[str]]:
    """Values without a fixed scale, in groups that share one because ops move values between them (union-find)."""
    parent = {name: name for name in _float_values(graph) if name not in fixed}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for op in graph.ops:
        if isinstance(op, _MOVING) and op.output in parent:
            for name in parent.keys() & set(op.inputs):
                parent[find(op.output)] = find(name)
    groups: dict[str, list[str]] = {}
    for name in parent:
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())
