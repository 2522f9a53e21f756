"""How far bounds of memory lie above what is linked.

A search asks bounds, which are quick, less what they were too much on the least network and on the first; a finished
network is linked, and judged by that.
"""

from __future__ import annotations

from collections.abc import Mapping

from freeml.board.board import Board
from freeml.compress.cost import NOTHING, cost_of
from freeml.compress.types import Bounds, Cost
from freeml.firmware.build import Toolchain
from freeml.ir.graph import Graph

_ASKED = ("flash_bytes", "sram_bytes")
_LINKED = (*_ASKED, "near_bytes")
_SURE = 0.75  # of what a bound is too much on one network, that it is on another one: kernels differ in code and stack


def asked(bounds: Bounds) -> bool:
    """Whether a bound is about what only the linker knows."""
    return any(name in bounds.limits() for name in _ASKED)


def surplus(graph: Graph, board: Board, cost: Cost, toolchain: Toolchain) -> Mapping[str, int]:
    """What bounds of this integer network are too much, by field of Cost; nothing where it cannot be linked."""
    found = cost_of(graph, board, toolchain)
    return {name: max(0, getattr(cost, name) - getattr(found, name)) for name in _LINKED}


def between(least: Mapping[str, int], most: Mapping[str, int] = NOTHING) -> Mapping[str, int]:
    """What may be taken off bounds of networks between two: of the smaller surplus all, of one alone most."""
    return {
        name: min(n_bytes, most[name]) if most.get(name) else int(_SURE * n_bytes) for name, n_bytes in least.items()
    }
