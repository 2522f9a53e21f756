"""One scale and zero point for every value.

Scales that the model fixed stay. Functions with a known range get it (as TFLite does: Sigmoid and Softmax 1/256, Tanh
1/128). Ops that only move values (pooling by maximum, reshape, transpose, pad, concat) share one scale with what they
read, so they cost no requantisation. All other scales follow from what was observed.
"""

from __future__ import annotations

from collections.abc import Mapping

from freeml.errors import BadData
from freeml.ir.graph import Graph
from freeml.ir.ops import ArgMax, Concat, MaxPool, Pad, Reshape, Softmax, Transpose, Unary
from freeml.ir.types import DType, Quant
from freeml.quantize.observe import Observed, union
from freeml.quantize.ranges import Rule, with_headroom

_MOVING = (MaxPool, Reshape, Transpose, Pad, Concat)
_KNOWN_RANGE = {"sigmoid": Quant(1 / 256, -128), "tanh": Quant(1 / 128, 0)}


def missing(graph: Graph) -> list[str]:
    """Values whose scale must be found from samples; empty for a model that came quantised."""
    groups = _groups(graph)
    fixed = {groups[name] for name in _known(graph)}
    return [name for name, root in groups.items() if root not in fixed]


def assign_scales(graph: Graph, observed: Mapping[str, Observed], rule: Rule) -> dict[str, Quant]:
    """Scale and zero point by value. Raises BadData where a value has neither a fixed scale nor observations."""
    groups, known = _groups(graph), _known(graph)
    scores = set(score_values(graph))
    by_root = {groups[name]: quant for name, quant in known.items()}
    members: dict[str, list[str]] = {}
    for name, root in groups.items():
        members.setdefault(root, []).append(name)
    for root, names in members.items():
        if root in by_root:
            continue
        seen = [observed[name] for name in names if name in observed]
        if not seen:
            raise BadData(
                "this model is not quantised, so samples are needed to find the range of its activations",
                where=f"value {names[0]!r}",
                hint="give some with --data, for example --data samples.npz",
            )
        joined = union(seen)
        by_root[root] = rule(joined) if scores.isdisjoint(names) else with_headroom(joined)
    return {name: known.get(name, by_root[root]) for name, root in groups.items()}


def score_values(graph: Graph) -> list[str]:
    """The values that say what the network found: its outputs, seen through a final Softmax, ArgMax or Reshape."""
    values = set()
    for port in graph.outputs:
        value = port.value
        while (op := graph.producers.get(value)) is not None and isinstance(op, Softmax | ArgMax | Reshape):
            value = op.inputs[0]
        values.add(value)
    return sorted(values)


def _known(graph: Graph) -> dict[str, Quant]:
    """Scales that the model or the function itself fixes."""
    known = {name: type_.quant for name, type_ in graph.types.items() if type_.quant and type_.dtype is DType.F32}
    for op in graph.ops:
        if isinstance(op, Softmax):
            known.setdefault(op.output, Quant(1 / 256, -128))
        if isinstance(op, Unary) and op.fn in _KNOWN_RANGE:
            known.setdefault(op.output, _KNOWN_RANGE[op.fn])
    return known


def _groups(graph: Graph) -> dict[str, str]:
    """The representative of each float value's group of equal scales (union-find)."""
    parent = {name: name for name, type_ in graph.types.items() if type_.dtype is DType.F32}
    fixed: dict[str, Quant | None] = {**dict.fromkeys(parent), **_known(graph)}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for op in graph.ops:
        if not isinstance(op, _MOVING):
            continue
        for name in (name for name in op.inputs if name in parent):
            a, b = find(op.output), find(name)
            # What is joined by Concat or Pad spans more than one input: a fixed range of that input says too little.
            spans_more = isinstance(op, Concat | Pad) and fixed[b] is not None and fixed[a] is None
            if a != b and not spans_more and (fixed[a] is None or fixed[b] is None or fixed[a] == fixed[b]):
                parent[a] = b
                fixed[b] = fixed[b] or fixed[a]
    return {name: find(name) for name in parent}
