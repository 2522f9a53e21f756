"""An SPI FRAM takes no access for a time after power-up: drivers wait as long, by the core's timer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from freeml.board.board import load_board
from freeml.board.figures import Figure
from freeml.errors import BadBoard, ToolFailed
from freeml.resources import resource
from freeml.sim.cortexm.engine import CortexMEngine
from tests.cortexm.conftest import Compiled, firmware_of

BOARDS = ("nucleo_l476rg", "nucleo_l432kc", "nucleo_l073rz", "nucleo_u575zi_q", "nrf52840_dk")


@pytest.mark.parametrize("board", BOARDS)
def test_no_board_uses_its_fram_before_it_is_up(board: str, compiled: Compiled) -> None:
    """By the datasheet's time, and not for so long that it would cost a boot."""
    engine = CortexMEngine(firmware_of(compiled("digits", board)).firmware.path, load_board(board))
    nvm, memory = load_board(board).nvm, engine.memory
    assert nvm.power_up_us is not None
    engine.power_on()
    engine.run_to(engine.symbols["fml_boot"][0])
    waited_us = engine.taken.cycles * 1e6 / memory.clock_hz
    assert nvm.power_up_us.value < waited_us < 1.3 * nvm.power_up_us.value


LESS = [("* 17u / 16u", "* 15u / 16u"), ("    wait_for_power_up();\n    for (", "    for (")]


@pytest.mark.parametrize(("old", "new"), LESS, ids=["a little", "all"])
def test_a_driver_that_waits_for_less_is_refused(old: str, new: str, copied: Compiled) -> None:
    output = copied("digits", "nucleo_l476rg")
    path = output.folder / "firmware" / "fml_hal_fram.c"
    assert path.read_text().count(old) == 1, "the driver has changed: this test would test nothing"
    path.write_text(path.read_text().replace(old, new))
    engine = CortexMEngine(firmware_of(output).firmware.path, load_board("nucleo_l476rg"))
    engine.power_on()
    with pytest.raises(ToolFailed, match="selected before its power-up time is over"):
        engine.infer(bytes(64))


def test_a_chip_that_takes_longer_by_its_board_file_is_waited_for(compiled: Compiled) -> None:
    """The emulated chip is the board file's, the firmware another board's: the time is theirs, not the driver's."""
    board = load_board("nucleo_l476rg")
    slow = Figure(value=5000, source="datasheet CY15B104QI")
    other = board.model_copy(update={"nvm": board.nvm.model_copy(update={"power_up_us": slow})})
    engine = CortexMEngine(firmware_of(compiled("digits", "nucleo_l476rg")).firmware.path, other)
    engine.power_on()
    with pytest.raises(ToolFailed, match="power-up"):
        engine.infer(bytes(64))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('part = "CY15B104Q"\n', ""),
        ("power_up_us = .*\n", ""),
        ("power_up_us = { value = 1_000", "power_up_us = { value = 2_000_000"),
    ],
)
def test_a_board_file_names_chip_and_time(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text, n = re.subn(old, new, resource("boards", "nucleo_l476rg.toml").read_text())
    assert n == 1
    path.write_text(text)
    with pytest.raises(BadBoard, match="power_up_us"):
        load_board(str(path))
