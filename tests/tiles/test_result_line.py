"""The line that reports a result on the UART: a capacitor that cannot pay for it gets a firmware without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from freeml import CompileOptions, CompileResult, compile_model
from freeml.firmware.build import build_firmware
from freeml.output.folder import read_output
from freeml.plan.result_line import LONGEST_LINE, report_with_line
from freeml.plan.step_table import Kind
from freeml.units import parse_capacitor

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
BOARDS = ["msp430fr5994", "nucleo_l476rg", "nucleo_l073rz"]


def made(board: str, out: Path, capacitor_uf: float | None = None) -> CompileResult:
    options = CompileOptions(board=board, samples=1, capacitor_uf=capacitor_uf, name="digits")
    return compile_model(DIGITS, out, data="digits", options=options)


def lines_of(result: CompileResult) -> list[str]:
    return [text for text in result.manifest.warnings if "UART" in text]


@pytest.mark.parametrize("board", BOARDS)
def test_a_line_that_the_capacitor_cannot_pay_for_is_left_out_and_said(board: str, tmp_path: Path) -> None:
    roomy = made(board, tmp_path / "roomy", 220)
    assert lines_of(roomy) == []
    cost = report_with_line(roomy.tiles, roomy.board)
    assert cost is not None
    assert roomy.tiles.budget is not None
    enough_uf = roomy.tiles.budget.needed_uf(cost)
    small = made(board, tmp_path / "small", 0.95 * enough_uf)
    (text,) = lines_of(small)
    remedy_uf = parse_capacitor(text.split("gives; ")[1].removesuffix(" would do").replace(" ", ""))
    assert enough_uf <= remedy_uf <= 1.2 * enough_uf
    assert lines_of(made(board, tmp_path / "remedy", remedy_uf)) == []
    for folder, is_there in ((tmp_path / "roomy", True), (tmp_path / "small", False)):
        elf = tmp_path / f"{folder.name}.elf"
        build_firmware(read_output(folder), elf, "zig")
        assert (b"freeml seq=" in elf.read_bytes()) == is_there


def test_the_price_of_a_line_is_its_time_on_the_wire(tmp_path: Path) -> None:
    result = made("msp430fr5994", tmp_path / "out")
    cost, alone = report_with_line(result.tiles, result.board), result.tiles.fixed_of(Kind.REPORT).cost
    assert cost is not None
    assert alone is not None
    on_the_wire_us = len(LONGEST_LINE) * 10 / 115_200 * 1e6
    assert on_the_wire_us < cost.time_us - alone.time_us < on_the_wire_us + 500
    source = (tmp_path / "out" / "firmware" / "fml_uart_msp430.c").read_text()
    written = "".join(re.findall(r'fml_uart_text\("([^"]*)"\)', source[source.index("void fml_board_tell") :]))
    digits = sum(map(len, ("4294967295", "65535", "255", "255")))
    assert len(written.replace("\\n", "\n")) + digits == len(LONGEST_LINE)


def test_a_board_without_a_uart_says_nothing(tmp_path: Path) -> None:
    result = made("qemu_m4", tmp_path / "out")
    assert report_with_line(result.tiles, result.board) is None
    assert lines_of(result) == []
