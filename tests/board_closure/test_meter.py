"""Closure on emulated boards whose firmware decides by their energy meter: every reading, after every loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeml.board.board import load_board
from freeml.c_files import c_files
from freeml.ir.graph import Graph
from freeml.output.folder import Sources, write_folder
from freeml.plan.planner import lay_out
from freeml.plan.protocol import STATE_BYTES
from freeml.plan.step_table import Kind
from freeml.plan.steps import TilePlan
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_tiles import verify_tiles
from freeml.plan.windows import whole_windows
from freeml.sim.answers import answers_of
from freeml.sim.board_device import BoardDevice, start_emulator
from freeml.sim.device import Answer, steps_to_report
from freeml.sim.instruction import Emulator
from freeml.sim.on_board import ClosedBoard, close_board
from freeml.sim.profile import counted, measure_steps, random_codes
from tests.deciding import NEVER, deciding_graph, with_policy, write_policy
from tests.effort import PATIENCE_S

BOARDS = ["qemu_m4", "msp430fr5994"]
LEVELS = (60, 180)  # uJ, of 300 and more that a full capacitor gives


def firmware(
    folder: Path, name: str, *, mistake: bool = False, state_bytes: int = 1
) -> tuple[Emulator, TilePlan, Graph]:
    """Of the network with two exits, which goes on at each while there is energy.

    mistake: the tile behind a decision reads the meter, too
    """
    board = load_board(name)
    graph, memory = lay_out(deciding_graph())
    tiles = verify_tiles(graph, memory, plan_tiles(graph, memory, board, sram_tile_bytes=64))
    tiles = with_policy(tiles, *((NEVER, level) for level in LEVELS), state_bytes=state_bytes)
    _, files = c_files(graph, memory, tiles, board, header=(), windows=whole_windows(graph))
    write_folder(folder, files)
    write_policy(folder / "runtime")
    if mistake:
        path = folder / "runtime" / "fml_runtime.c"
        text = path.read_text()
        old = "    ram->model->compute(ram->layer, arena_of(ram), ram->tile, ram->scratch, ram->unit, n);"
        assert text.count(old) == 1
        path.write_text(text.replace(old, f"{old}\n    ram->tile[0] ^= fml_hal_energy_uj() < {LEVELS[1]}u;"))
    emulator, _ = start_emulator(Sources(folder, graph, board), "zig")
    return emulator, tiles, graph


def sample(graph: Graph) -> tuple[bytes, Answer]:
    rng = np.random.default_rng(4)
    (one,) = answers_of(graph, {port.value: rng.integers(-128, 128, (1, 16), dtype=np.int8) for port in graph.inputs})
    return one


def closed(folder: Path, name: str, *, mistake: bool = False) -> ClosedBoard:
    emulator, tiles, graph = firmware(folder, name, mistake=mistake)
    return close_board(load_board(name), tiles, emulator, *sample(graph), limit_s=PATIENCE_S)


@pytest.mark.parametrize("name", BOARDS)
def test_each_reading_leads_to_a_depth_of_its_own(name: str, tmp_path: Path) -> None:
    emulator, tiles, graph = firmware(tmp_path / "out", name)
    codes, answer = sample(graph)
    device = BoardDevice(emulator, tiles)
    readings = device.readings(LEVELS)
    assert len(readings) == len(LEVELS) + 1
    device.nvm = bytes(len(device.nvm))
    for number, (reading, depth) in enumerate(zip(readings, (1, 2, 3), strict=True), 1):
        device.power_on()
        device.sense(codes)
        emulator.meter(*reading)
        if number > 1:
            device.step()  # the report that waits
        assert [step.depth for step in steps_to_report(device)][-2] == depth
        assert answer.wrong(device.outputs(), device.result(), number) == ""


@pytest.mark.parametrize("name", [*BOARDS, "nucleo_l476rg", "nucleo_l073rz"])
def test_a_decision_takes_no_more_than_was_planned(name: str, tmp_path: Path) -> None:
    """With a state as large as it may be, and a reading of the meter."""
    emulator, tiles, graph = firmware(tmp_path / "out", name, state_bytes=STATE_BYTES)
    device = BoardDevice(emulator, tiles)
    device.nvm = bytes(len(device.nvm))
    emulator.meter(*device.readings(LEVELS)[-1])
    steps = [step for step in measure_steps(device, random_codes(graph)) if step.kind is Kind.DECIDE]
    assert [step.depth for step in steps] == [1, 2]
    planned = [step.cost for step in tiles.fixed if step.kind is Kind.DECIDE]
    for step, cost in zip(steps, planned, strict=True):
        taken = counted(step)
        assert cost is not None
        assert tiles.restore is not None
        assert taken.cycles <= (cost - tiles.restore).cycles
        assert (taken.charge_pc or 0) <= (cost - tiles.restore).charge_pc


@pytest.mark.parametrize("name", BOARDS)
def test_every_reachable_image_with_every_reading_gives_an_answer_that_was_decided(name: str, tmp_path: Path) -> None:
    report = closed(tmp_path / "out", name)
    assert (report.closed, report.divergences) == (True, 0), report.reason


def test_a_network_that_looks_at_the_meter_elsewhere_is_found(tmp_path: Path) -> None:
    report = closed(tmp_path / "out", "qemu_m4", mistake=True)
    assert report.divergences == 1
