"""Bounds of memory: a firmware that is linked keeps to them, and they are no far cry from it on any board."""

from __future__ import annotations

import pytest

from benchmarks.costs import network
from freeml.board.board import board_names, load_board
from freeml.c_files import c_files
from freeml.firmware.measure import measure_firmware
from freeml.ir.graph import Graph
from freeml.needs import bounds, plan_within
from freeml.pipeline import for_toolchain

LINKED = [name for name in board_names() if load_board(name).code is not None]
# How far a bound may lie above what is linked: stack is that of the most that any kernel takes.
FLASH, SRAM = 1.25, 1.6


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return network("digits", tmp_path_factory.mktemp("digits")).graph


@pytest.mark.parametrize("name", LINKED)
def test_a_bound_lies_above_what_is_linked_and_near_it(name: str, digits: Graph) -> None:
    board = for_toolchain(load_board(name), "zig")
    planned = plan_within(digits, board)
    found = bounds(planned, board)
    program, files = c_files(planned.graph, planned.memory, planned.feasible, board, header=(), windows=planned.windows)
    assert board.memory_map is not None
    made = measure_firmware(files, program.name, board.memory_map, "zig")
    assert made is not None
    assert made.size.flash_bytes <= found["flash"].needed_bytes <= FLASH * made.size.flash_bytes
    used = made.size.ram_bytes + made.stack_bytes
    assert used <= found["sram"].needed_bytes <= SRAM * used
