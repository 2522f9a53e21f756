"""How weights are stored where bytes bind: each layer in the smallest form that there is a kernel for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from freeml.board.board import Board
from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Const
from freeml.ir.verify import storable
from freeml.plan.encode import encoded

_WEIGHT = 1  # position among an op's inputs
# Larger arrays are taken as they are while a search looks at hundreds of networks: encoders go value by value.
_MOST_TRIED = 30_000


def smallest(graph: Graph, most_weights: int | None = None) -> dict[str, str]:
    """The encoding of each layer's weights that takes the fewest bytes, by what the layer computes; none where dense
    codes do, or where a layer has more weights than that. graph: integer."""
    found = {}
    for op in graph.ops:
        if isinstance(op, ConvI8 | DenseI8):
            const = graph.consts[op.inputs[_WEIGHT]]
            forms = storable(type(op)).get(_WEIGHT, frozenset())
            name = None if most_weights and const.array.size > most_weights else _smallest_of(forms, const)
            if name is not None:
                found[op.output] = name
    return found


@lru_cache(maxsize=4096)
def _smallest_of(forms: frozenset[str], const: Const) -> str | None:
    best, least = None, const.array.nbytes
    for name in sorted(forms):
        if ENCODINGS[name].refusal(const.array) is None:
            size = replace(const, encoding=name).size_bytes
            if size < least:
                best, least = name, size
    return best


def stored(graph: Graph, encodings: Mapping[str, str]) -> Graph:
    """A float or an integer graph whose layers' weights are stored so. Layers that share weights keep dense ones."""
    consts: dict[str, Const] = {}
    for op in graph.ops:
        weighted = isinstance(op, Conv | Dense | ConvI8 | DenseI8) and op.output in encodings
        if weighted and graph.uses[op.inputs[_WEIGHT]] == 1:
            name = op.inputs[_WEIGHT]
            consts[name] = replace(graph.consts[name], encoding=encodings[op.output])
    return graph.with_ops(graph.ops, consts=consts)


def stored_bytes(graph: Graph, board: Board, *, as_small_as_can_be: bool) -> int:
    """Of all constants of an integer graph, as the board's plan stores them, or with weights in their smallest form."""
    if as_small_as_can_be:
        graph = stored(graph, smallest(graph, _MOST_TRIED))
    return sum(const.size_bytes for const in encoded(graph, board).consts.values())
