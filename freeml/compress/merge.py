"""Dense layers with nothing between them become one, where that takes fewer weights: it computes the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.ops import Dense
from freeml.ir.types import Const


def merge_dense(graph: Graph, keep: Collection[str] = ()) -> Graph:
    """The graph with such layers multiplied out, from its inputs on. keep: nodes that stay as they are."""
    while (pair := _pair(graph, keep)) is not None:
        graph = _merged(graph, *pair)
    return graph


def _pair(graph: Graph, keep: Collection[str]) -> tuple[Dense, Dense] | None:
    for second in graph.ops_of(Dense):
        first = graph.producers.get(second.inputs[0])
        if not isinstance(first, Dense) or first.clamp is not None or graph.uses[first.output] > 1:
            continue
        if {first.loc, second.loc} & set(keep):
            continue
        inner, outer = (graph.consts[op.inputs[1]].array for op in (first, second))
        if outer.shape[0] * inner.shape[1] <= inner.size + outer.size:
            return first, second
    return None


def _merged(graph: Graph, first: Dense, second: Dense) -> Graph:
    inner, inner_bias, outer, outer_bias = (
        graph.consts[name].array.astype(np.float64) for op in (first, second) for name in op.inputs[1:]
    )
    names = [graph.fresh(f"{second.output}.{part}") for part in ("weight", "bias")]
    consts = {names[0]: Const(outer @ inner), names[1]: Const(outer @ inner_bias + outer_bias)}
    made = replace(second, inputs=(first.inputs[0], *names))
    ops = [made if op is second else op for op in graph.ops if op is not first]
    return graph.with_ops(ops, consts=consts)
