"""What a board file says of a step is never less than what its emulator measures: plans made with it make progress."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeml import CompileOptions, compile_model
from freeml.firmware.output import read_output
from freeml.profile import check_measured, profile_output

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
BOARDS = [
    "msp430fr5994",
    "msp430fr5969",
    "qemu_m0",
    "qemu_m4",
    "qemu_m33",
    "nucleo_l476rg",
    "nucleo_l432kc",
    "nucleo_l073rz",
    "nucleo_u575zi_q",
    "nrf52840_dk",
]


@pytest.mark.parametrize("board", BOARDS)
def test_no_step_takes_more_energy_than_the_board_file_says(board: str, tmp_path: Path) -> None:
    options = CompileOptions(board=board, samples=1, toolchain="zig")
    tiles = compile_model(DIGITS, tmp_path / "out", data="digits", options=options).tiles
    output = read_output(tmp_path / "out")
    measured = check_measured(output, output.board, profile_output(output, output.board, "zig"))
    assert tiles.budget is not None
    fixed = {"cold": tiles.cold_start.cost, "capture": tiles.capture.cost, "publish": tiles.publish.cost}
    layers = {layer.loc: layer.cost for layer in tiles.layers}
    for step in measured["steps"]:
        planned = layers.get(step["loc"]) or fixed[step["loc"].split()[0]]
        assert planned is not None
        assert tiles.budget.energy_uj(planned.charge_pc) >= step["uj"], step["loc"]
