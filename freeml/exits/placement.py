"""Where exits may lie: values between the blocks of a network, and a choice of them that spreads its work.

A block ends in front of an op that mixes channels: convolutions (but those of each channel alone), dense layers, sums
of two values, concatenations. What follows a convolution - normalisation, activation, pooling - belongs to its block.
Points that all later values depend on (nothing else that was computed is still needed) come first: nothing that the
network knows is lost there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from freeml.errors import BadModel
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import ArgMax, Binary, Concat, Conv, Dense, Op, Reshape, Softmax
from freeml.plan.counts import count_ops

MOST_EXITS = 5
_LEAST_STEP = 0.06  # share of the network's work between two exits, and behind the last


@dataclass(frozen=True, slots=True)
class Point:
    """A place for an exit.

    value   of the network, (H, W, C) or (N,)
    loc     the model's own node
    share   of the network's multiplications that are done when it is known
    is_cut  the rest of the network needs no other value that is known there
    """

    value: str
    loc: str
    share: float
    is_cut: bool


def points(graph: Graph) -> tuple[Point, ...]:
    """All places of a float graph, by the work before them; values that say the answer itself are none."""
    assert graph.stage is Stage.FLOAT
    answers = _answers(graph)
    work = {name: count.macs for name, count in count_ops(graph).by_op.items()}
    total = sum(work.values()) or 1
    found: dict[str, Point] = {}
    for op in graph.ops:
        for name in op.inputs if _mixes(graph, op) else ():
            value = map_of(graph, name)
            producer = graph.producers.get(value)
            if producer is None or value in found or value in answers or _is_depthwise(graph, producer):
                continue
            behind = needed_for(graph, value)
            share = sum(work[one] for one in behind if one in work) / total
            found[value] = Point(value, loc_of(graph, value), share, _is_cut(graph, value))
    return tuple(sorted(found.values(), key=lambda point: point.share))


def automatic(graph: Graph, most: int = MOST_EXITS) -> tuple[Point, ...]:
    """At most so many points, the work between them as even as they allow. Raises BadModel where none is any."""
    every = [point for point in points(graph) if 0 < point.share <= 1 - _LEAST_STEP]
    left = [point for point in every if point.is_cut] or every
    if not left:
        raise BadModel(
            f"there is no place for an exit: no value leaves {_LEAST_STEP:.0%} of the work to what comes behind it",
            where=graph.name,
            hint="compile it without exits (--exits none), or name values of it (--exits LIST)",
        )
    chosen = [left[0]]
    for point in left[1:]:
        if point.share - chosen[-1].share >= _LEAST_STEP:
            chosen.append(point)
    while len(chosen) > most:
        # The one whose neighbours are nearest to each other says least that they do not say.
        gaps = [chosen[i + 1].share - (chosen[i - 1].share if i else 0.0) for i in range(len(chosen) - 1)]
        del chosen[gaps.index(min(gaps))]
    return tuple(chosen)


def listed(graph: Graph, names: Sequence[str]) -> tuple[Point, ...]:
    """Points by value, or by the model's own node. Raises BadModel for what is no value, or the answer itself."""
    # By what was computed: the model's node may give another shape than whoever reads it.
    known = {_computed(graph, point.value): point for point in points(graph)}
    answers, found = _answers(graph), []
    for name in names:
        fitting = [op for op in graph.ops if name in (op.output, op.loc, op.loc.rsplit(":", 1)[-1])]
        if not fitting:
            some = ", ".join(list(dict.fromkeys(op.loc.rsplit(":", 1)[-1] for op in graph.ops))[:8])
            raise BadModel(f"no value or node {name!r}", where=graph.name, hint=f"the first are {some}")
        value = map_of(graph, fitting[-1].output)
        if value in answers:
            raise BadModel(f"{name!r} is the network's answer: an exit lies before it", where=fitting[-1].loc)
        found.append(known.get(_computed(graph, value)) or _point_at(graph, value))
    order = sorted({point.value: point for point in found}.values(), key=lambda point: point.share)
    return tuple(order)


def _point_at(graph: Graph, value: str) -> Point:
    work = {name: count.macs for name, count in count_ops(graph).by_op.items()}
    behind = needed_for(graph, value)
    share = sum(work[name] for name in behind if name in work) / (sum(work.values()) or 1)
    return Point(value, loc_of(graph, value), share, _is_cut(graph, value))


def loc_of(graph: Graph, value: str) -> str:
    """The model's node that computes it, not one that only gives it another shape."""
    return graph.producers[_computed(graph, value)].loc


def _computed(graph: Graph, value: str) -> str:
    """The value before ops that only give it another shape."""
    while isinstance(op := graph.producers.get(value), Reshape) and op.inputs[0] in graph.producers:
        value = op.inputs[0]
    return value


def _mixes(graph: Graph, op: Op) -> bool:
    if isinstance(op, Conv):
        return not _is_pointwise_scale(op)
    if isinstance(op, Binary):
        return op.inputs[1] not in graph.consts
    return isinstance(op, Dense | Concat)


def _is_pointwise_scale(op: Conv) -> bool:
    """A batch normalisation that no convolution took in: one factor and one sum for each channel."""
    return op.groups > 1 and op.window.kernel == (1, 1)


def _is_depthwise(graph: Graph, op: Op) -> bool:
    """Half of a separable convolution: channels that know nothing of each other."""
    return isinstance(op, Conv) and op.window.kernel != (1, 1) and op.groups == graph.types[op.inputs[0]].shape[-1] > 1


def map_of(graph: Graph, value: str) -> str:
    """The value as a map (H, W, C), where it was only flattened."""
    while isinstance(op := graph.producers.get(value), Reshape) and len(graph.types[value].shape) < 3:
        value = op.inputs[0]
    return value


def depth_of(graph: Graph, value: str) -> tuple[int, int]:
    """Orders values by the multiplications, then the operations, that are needed for them."""
    needed = needed_for(graph, value)
    return sum(count.macs for name, count in count_ops(graph).by_op.items() if name in needed), len(needed)


def _answers(graph: Graph) -> set[str]:
    """Outputs, and what only a Softmax, an ArgMax or another shape parts from them."""
    found: set[str] = set()
    for port in graph.outputs:
        value = port.value
        found.add(value)
        while isinstance(op := graph.producers.get(value), Softmax | ArgMax | Reshape):
            value = op.inputs[0]
            found.add(value)
    return found


def needed_for(graph: Graph, value: str) -> set[str]:
    """The value and all that it is computed from."""
    needed, todo = set(), [value]
    while todo:
        name = todo.pop()
        if name not in needed and name not in graph.consts:
            needed.add(name)
            op = graph.producers.get(name)
            todo.extend(op.inputs if op else ())
    return needed


def _is_cut(graph: Graph, value: str) -> bool:
    """Whether values behind it read no other value that is needed for it, and no input of the network."""
    before = needed_for(graph, value)
    views = {value}
    for op in graph.ops:
        if isinstance(op, Reshape) and op.inputs[0] in views:
            views.add(op.output)
    inside = before - views | {port.value for port in graph.inputs}
    outside = [op for op in graph.ops if op.output not in before and op.output not in views]
    return not any(name in inside for op in outside for name in op.inputs)
