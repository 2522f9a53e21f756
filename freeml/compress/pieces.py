"""Layers separated where that lowers what binds and scores hardly move: a start that channels are then taken from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from freeml.compress.sensitivity import of_variants
from freeml.compress.separate import layer_cost, separate_layer
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Array

# What separation of one layer must save of the figure that binds most, and may cost of the scores: their squared error
# over their variance, and samples that change class. Where it costs more, channels of the whole layer are taken.
_LEAST_SAVED = 0.05
_MOST_ERROR = 0.05
_LEAST_AGREEMENT = 0.97


def separated_where_it_helps(
    graph: Graph,
    samples: Sequence[Array],
    excess: Callable[[Graph], Mapping[str, float]],
    keep: Collection[str] = (),
) -> Graph:
    """The graph with such layers in pieces, the costliest tried first.

    samples  calibration samples as the author gives them; keep: nodes that stay as they are
    excess   of a graph, how many times each bound is exceeded; the largest binds
    """
    layers = [op for op in graph.ops if isinstance(op, Conv | Dense) and op.loc not in set(keep)]
    for layer in sorted(layers, key=lambda op: -layer_cost(graph, op)):
        op = graph.producers[layer.output]
        assert isinstance(op, Conv | Dense)
        variant, told = separate_layer(graph, op, layer_cost(graph, op))
        if told.why_not or _worst(excess(variant)) > (1 - _LEAST_SAVED) * _worst(excess(graph)):
            continue
        moved = of_variants(graph, samples, [(0, variant)])[0]
        if moved.error <= _MOST_ERROR and moved.agreement >= _LEAST_AGREEMENT:
            graph = variant
    return graph


def _worst(times: Mapping[str, float]) -> float:
    return max(times.values(), default=0.0)
