"""Inputs and outputs that RAM does not hold come and go piece by piece, in one power cycle and in order."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freeml import CompileOptions, compile_model
from freeml.analysis import analyze
from freeml.board.board import load_board
from freeml.errors import ToolFailed
from freeml.frontend.load import load_model
from freeml.output.folder import Output, read_output
from freeml.sim.power_loss.cuts import lose_power_on_board
from tests.cortexm.conftest import TOOLCHAINS, on_board
from tests.effort import PATIENCE_S
from tests.msp430_firmware.machine import answers, samples

SIDE = 132  # SIDE * SIDE codes are more than the RAM of an FR5994 has, and with a second input than an STM32L073's
OUTPUTS = (4, 33, 33)


def network(second_side: int) -> onnx.ModelProto:
    """Two images in, a map and a vector out: neither inputs nor outputs end with a piece."""
    rng = np.random.default_rng(5)
    weights = {
        "w": rng.normal(size=(4, 1, 2, 2)).astype(np.float32),
        "v": rng.normal(size=(1, 1, 3, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["map"], strides=[4, 4]),
        helper.make_node("Conv", ["z", "v"], ["small"], strides=[6, 6]),
    ]
    size = (second_side - 3) // 6 + 1
    images = [("x", SIDE), ("z", second_side)]
    graph = helper.make_graph(
        nodes,
        "pieces",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, side, side]) for name, side in images],
        [
            helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, *OUTPUTS]),
            helper.make_tensor_value_info("small", TensorProto.FLOAT, [1, 1, size, size]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pieces")


def made(work: Path, board: str) -> Output:
    """The network compiled for a board, once."""
    side = {"msp430fr5994": 9, "msp430fr5969": 9, "nucleo_l073rz": 63}[board]
    out = work / board
    if not out.is_dir():
        rng = np.random.default_rng(1)
        onnx.save(network(side), work / f"{board}.onnx")
        inputs = {f"x{k}": rng.normal(size=(8, 1, n, n)).astype(np.float32) for k, n in enumerate((SIDE, side))}
        np.savez(work / f"{board}.npz", **inputs)
        options = CompileOptions(board=board, capacitor_uf=1000)
        compile_model(work / f"{board}.onnx", out, data=str(work / f"{board}.npz"), options=options)
    return read_output(out)


BOARDS = ["msp430fr5994", "msp430fr5969", "nucleo_l073rz"]


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("board", BOARDS)
def test_a_sample_larger_than_ram_is_inferred_on_and_all_outputs_are_shown(
    board: str, toolchain: str, work: Path
) -> None:
    output = made(work, board)
    windows = output.manifest.windows
    assert windows.inputs_bytes > load_board(board).memory.sram_bytes.value or board == "nucleo_l073rz"
    assert windows.inputs_bytes % windows.input_bytes > 0
    assert windows.outputs_bytes % windows.output_bytes > 0
    engine = on_board(output, toolchain).emulator
    engine.power_on()
    for codes, expected in samples(output, 3):
        assert engine.infer(codes).outputs == expected


@pytest.mark.parametrize("board", BOARDS[:2])
def test_a_loss_between_two_pieces_begins_with_the_first_one_again(board: str, work: Path) -> None:
    output = made(work, board)
    engine = on_board(output).emulator
    report = lose_power_on_board(engine, answers(output, 4), "every", limit_s=PATIENCE_S, most_cuts=150)
    assert (report.divergences, report.reason) == (0, "")


WRONG = {
    "does not wait for the next piece": ("if (taken == 0 && !fml", "if (taken == 0 && piece == 0 && !fml"),
    "does not empty the window": ("    piece++;\n    fml_window_empty();\n", "    piece++;\n"),
    "keeps where it was before the loss": ("        piece = 0;\n    }\n", "    }\n"),
    "shows the first piece alone": ("                at = 0;\n", "                return FML_OK;\n"),
    "shows every piece as the first": ("fml_window_outputs_first += ", "fml_window_outputs_first += 0u * "),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_firmware_that_takes_or_shows_pieces_wrongly_is_found(
    wrong: str, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its answers, or because it waits for a piece for ever."""
    monkeypatch.setattr("freeml.sim.msp430.engine.MOST_INSTRUCTIONS", 3_000_000)
    made(work, "msp430fr5994")
    output = read_output(shutil.copytree(work / "msp430fr5994", tmp_path / "copy"))
    source = output.folder / "firmware" / "fml_board_window.c"
    old, new = WRONG[wrong]
    assert source.read_text().count(old) == 1
    source.write_text(source.read_text().replace(old, new))
    engine = on_board(output).emulator
    try:
        wrong_answers = lose_power_on_board(engine, answers(output, 2), "random:1", limit_s=PATIENCE_S).divergences
    except ToolFailed:
        return
    assert wrong_answers


@pytest.mark.parametrize("board", BOARDS)
def test_analyze_says_the_same_as_compile_of_pieces(board: str, work: Path) -> None:
    made(work, board)
    analysis = analyze(load_model(work / f"{board}.onnx"), load_board(board), 1000)
    assert analysis.fits
    assert analysis.regions["sram"].fits


def test_windows_have_room_for_everything_where_ram_has() -> None:
    digits = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
    made = compile_model(digits, data="digits", options=CompileOptions(board="msp430fr5994", samples=1))
    windows = made.manifest.windows
    assert (windows.input_bytes, windows.output_bytes) == (64, 10)
    assert not [text for text in made.manifest.warnings if "pieces" in text]
