"""What a network takes of flash and SRAM once its firmware is linked: less than bounds that take no compiler say.

A search asks bounds, which are quick, less what they were too much on the least network and on the first; a finished
network is linked, and judged by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from freeml.board.board import Board
from freeml.c_files import c_files
from freeml.compress.types import Bounds, Cost
from freeml.errors import DoesNotFit, ToolMissing
from freeml.firmware.build import Toolchain
from freeml.firmware.measure import measure_firmware
from freeml.ir.graph import Graph
from freeml.needs import plan_within

NOTHING: Mapping[str, int] = MappingProxyType({})
_LINKED = ("flash_bytes", "sram_bytes")
_SURE = 0.75  # of what a bound is too much on one network, that it is on another one: kernels differ in code and stack


def asked(bounds: Bounds) -> bool:
    """Whether a bound is about what only the linker knows."""
    return any(name in bounds.limits() for name in _LINKED)


def linked(graph: Graph, board: Board, cost: Cost, toolchain: Toolchain = "auto") -> Cost:
    """The cost of an integer graph with sizes of its linked firmware in place of bounds; as it is where the board has
    no firmware of ours, this machine no compiler for it, or the network no plan."""
    planned = plan_within(graph, board)
    if board.memory_map is None or planned.refusal is not None or planned.tiles is None:
        return cost
    try:
        program, files = c_files(
            planned.graph, planned.memory, planned.tiles, board, header=(), windows=planned.windows
        )
        made = measure_firmware(files, program.name, board.memory_map, toolchain)
    except (DoesNotFit, ToolMissing):
        return cost
    if made is None:
        return cost
    return replace(cost, flash_bytes=made.size.flash_bytes, sram_bytes=made.size.ram_bytes + made.stack_bytes)


def surplus(graph: Graph, board: Board, cost: Cost, toolchain: Toolchain = "auto") -> Mapping[str, int]:
    """What bounds of this integer network are too much, by field of Cost; nothing where it cannot be linked."""
    found = linked(graph, board, cost, toolchain)
    return {name: max(0, getattr(cost, name) - getattr(found, name)) for name in _LINKED}


def between(least: Mapping[str, int], most: Mapping[str, int]) -> Mapping[str, int]:
    """What may be taken off bounds of networks between two: of the smaller surplus all, of one alone most."""
    return {name: min(least[name], most[name]) if most[name] else int(_SURE * least[name]) for name in least}


def without(cost: Cost, off: Mapping[str, int]) -> Cost:
    """A cost by bounds, less a surplus."""
    return replace(cost, **{name: getattr(cost, name) - n_bytes for name, n_bytes in off.items()})
