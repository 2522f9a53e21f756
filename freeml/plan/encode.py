"""Graph@QUANTIZED + Board -> the same graph with constants stored as is best on the board: what planning begins with.

A constant that came with an encoding keeps it. All others are stored as they are.
"""

from __future__ import annotations

from dataclasses import replace

from freeml.board.board import Board
from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph
from freeml.ir.types import Const
from freeml.ir.verify import storable


def encoded(graph: Graph, board: Board, capacitor_uf: float | None = None) -> Graph:
    """The graph as it is stored on a board; the function that it computes is the same."""
    del board, capacitor_uf
    consts: dict[str, Const] = {}
    for op in graph.ops:
        legal = storable(type(op))
        if any(graph.consts[op.inputs[position]].encoding for position in legal):
            for position in legal:
                name = op.inputs[position]
                consts[name] = _narrowed(graph.consts[name], legal[position]) if position > 1 else graph.consts[name]
    return graph.with_ops(graph.ops, consts=consts) if consts else graph


def _narrowed(const: Const, legal: frozenset[str]) -> Const:
    """Biases and scales of a layer in another form: in few bytes, where they fit."""
    for name in sorted(legal):
        if const.encoding is None and ENCODINGS[name].refusal(const.array) is None:
            return replace(const, encoding=name)
    return const
