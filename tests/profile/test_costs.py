"""Plans against emulated boards: no step is dearer than planned, and whole networks are not planned far too dear."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.costs import Row, network, row
from benchmarks.cycles.boards import capture_of, many_rows
from benchmarks.cycles.measure import start
from freeml.board.board import board_names, load_board
from freeml.firmware.build import Toolchain, find_cross_compiler
from freeml.pipeline import for_toolchain
from freeml.plan.price import ONE_WORD, CountedPrices
from freeml.sim.board_device import BoardDevice
from freeml.sim.profile import measure_boots, random_codes
from tests.msp430.oracle import find_toolchain

BOARDS = [name for name in board_names() if load_board(name).memory_map]
CASES: list[tuple[str, str, Toolchain]] = [
    *(("digits", board, "zig") for board in BOARDS),
    *(("digits", board, "gcc") for board in ("msp430fr5994", "qemu_m0", "nucleo_l476rg")),
    *(("tiny_cnn", board, "zig") for board in ("msp430fr5969", "qemu_m0", "qemu_m4")),
]

find_toolchain()  # unpacks the archive with MSP430's GCC into the cache folder, where there is one


@pytest.mark.parametrize(("name", "board", "toolchain"), CASES)
def test_no_step_is_dearer_than_planned_nor_a_network_by_half(
    name: str, board: str, toolchain: Toolchain, tmp_path: Path
) -> None:
    """Each compiler against its own table; cycles and charge of every step, and of all of them."""
    find_cross_compiler(toolchain, load_board(board).memory_map)
    found = row(network(name, tmp_path), board, toolchain)
    assert isinstance(found, Row), found
    assert found.least_step_ratio >= 1, found.worst_step
    assert 1 <= found.cycles_ratio <= 1.5
    assert 1 <= found.charge_ratio <= 1.5
    assert 1 <= found.analyzed_energy <= 1.5
    assert 1 <= found.analyzed_time <= 1.5


@pytest.mark.parametrize("buffer_bytes", [8, 32])
@pytest.mark.parametrize(
    ("board_name", "toolchain"),
    [("msp430fr5994", "gcc"), ("nucleo_l476rg", "zig"), ("qemu_m0", "zig"), ("qemu_m4", "zig")],
)
def test_what_a_long_sample_adds_to_its_capture_is_not_dearer_than_planned(
    board_name: str, toolchain: Toolchain, buffer_bytes: int
) -> None:
    """Between samples of other lengths than the figure was measured with; what every step has in common is aside."""
    board = for_toolchain(load_board(board_name), toolchain)
    find_cross_compiler(toolchain, board.memory_map)
    taken, planned = [], []
    for n_bytes in (192, 960):
        work, capture = capture_of(n_bytes, buffer_bytes, board, toolchain)
        taken.append(capture.cycles)
        planned.append(CountedPrices(board).costs(work, ONE_WORD).at(0).cycles)
    assert taken[1] - taken[0] <= planned[1] - planned[0] <= 1.5 * (taken[1] - taken[0])


@pytest.mark.parametrize("name", ["msp430fr5994", "nucleo_l073rz", "qemu_m0", "qemu_m4"])
def test_a_boot_that_looks_for_its_step_in_a_long_table_is_not_dearer_than_planned(name: str) -> None:
    board, deep = load_board(name), many_rows()
    assert board.cycles is not None
    emulator, tiles, _ = start(deep, board, "zig")
    boots = measure_boots(BoardDevice(emulator, tiles), random_codes(deep.graph), most=2 * len(tiles.layers))
    assert max(boot.cycles for boot in boots) <= board.cycles.boot.value
