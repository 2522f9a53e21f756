"""What every pass needs: replace ops, rename values, drop what nobody reads. Nothing is mutated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from freeml.ir.graph import Graph
from freeml.ir.ops import Op, Reshape
from freeml.ir.types import Quant


def rename(ops: Iterable[Op], names: Mapping[str, str]) -> list[Op]:
    """Ops whose inputs follow `names`; outputs keep their names."""
    return [replace(op, inputs=tuple(names.get(name, name) for name in op.inputs)) for op in ops]


def prune(graph: Graph) -> Graph:
    """Without ops that lead to no output."""
    live = set(graph.output_values)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if op.output in live:
            kept.append(op)
            live.update(op.inputs)
    return graph.with_ops(reversed(kept))


def through_reshapes(graph: Graph, value: str) -> Op | None:
    """The op behind a value, seen through reshapes that keep the last axis and have no other reader.

    None where an input of the graph is behind it, or where some value on the way is read elsewhere.
    """
    op = graph.producers.get(value)
    while isinstance(op, Reshape) and graph.uses[op.output] == 1:
        source = op.inputs[0]
        if graph.types[source].shape[-1:] != graph.types[op.output].shape[-1:]:
            return None
        op = graph.producers.get(source)
    if op is None or graph.uses[op.output] != 1 or isinstance(op, Reshape):
        return None
    return op


def agreed(*quants: Quant | None) -> bool:
    """Whether at most one scale is fixed among values that are to become one: another would round and saturate."""
    return len({quant for quant in quants if quant is not None}) <= 1
