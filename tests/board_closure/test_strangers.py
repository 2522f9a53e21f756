"""NVM that another network's firmware left on the same board: its images at each of its commits, as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants.mutant import table
from freeml import CompileOptions, compile_model
from freeml.output.folder import Output, read_output
from freeml.sim.on_board import OnBoard, closure_of, images_of
from freeml.sim.power_loss.foreign import fitted
from tests.effort import PATIENCE_S
from tests.msp430_firmware.conftest import Compiled
from tests.msp430_firmware.machine import answers
from tests.msp430_firmware.networks import calibration, dense_network

WIDTHS, LARGER = (6, 5, 3), (6, 40, 4, 3)
BOARDS = ("msp430fr5969", "nucleo_l476rg")


def twin(board: str, work: Path) -> Output:
    """The same layers with other weights: every size is the same, the digest is not."""
    model = dense_network(work / "twin.onnx", *WIDTHS, seed=11)
    data = str(calibration(work / "twin.npz", WIDTHS[0]))
    compile_model(model, work / "twin", data=data, options=CompileOptions(board=board, samples=1))
    return read_output(work / "twin")


def left_by(other: Output) -> list[bytes]:
    """NVM at each commit of its first inference."""
    return images_of(OnBoard.start(other, "zig").emulator, other, answers(other, 1)[0][0])


def wrong_first_answers(output: Output, strangers: list[bytes]) -> int:
    """From how many of these images the first report is not that of a cold start."""
    engine = OnBoard.start(output, "zig").emulator
    (codes, expected), *_ = answers(output, 1)
    engine.sense(codes)
    wrong = 0
    for stranger in strangers:
        engine.nvm = fitted(stranger, len(engine.nvm))
        engine.power_on()
        assert engine.run()
        wrong += engine.outputs() != expected.outputs or engine.result() != expected.result(1)
    return wrong


@pytest.mark.parametrize("board", BOARDS)
def test_what_another_network_left_is_not_believed(board: str, compiled: Compiled, tmp_path: Path) -> None:
    """One of the same sizes, and a larger one, whose arena lies where this one's NVM ends."""
    output, same = compiled(WIDTHS, board), twin(board, tmp_path)
    assert same.board.nvm == output.board.nvm
    assert same.manifest.memory.arena_bytes == output.manifest.memory.arena_bytes
    strangers = left_by(same) + left_by(compiled(LARGER, board))
    assert len(strangers) >= 2 * (output.manifest.tiles.n_tiles + 4)
    assert wrong_first_answers(output, strangers) == 0


def test_closure_begins_with_what_another_network_left(compiled: Compiled, tmp_path: Path) -> None:
    output = compiled(WIDTHS, "msp430fr5969")
    strangers = left_by(twin("msp430fr5969", tmp_path))
    engine = OnBoard.start(output, "zig").emulator
    (codes, expected), *_ = answers(output, 1)
    without = closure_of(output, engine, codes, expected, limit_s=PATIENCE_S)
    report = closure_of(output, engine, codes, expected, limit_s=PATIENCE_S, strangers=strangers)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.images >= without.images + len(strangers)


@pytest.mark.parametrize("board", BOARDS)
def test_an_identity_by_its_magic_alone_is_found_by_what_another_network_left(
    board: str, copied: Compiled, tmp_path: Path
) -> None:
    output = copied(WIDTHS, board)
    table()["identity-by-magic-alone"].apply_to(output.folder / "runtime" / "fml_nvm.c")
    strangers = left_by(twin(board, tmp_path))
    amid_its_inference = output.manifest.tiles.n_tiles + 1
    assert wrong_first_answers(output, strangers) >= amid_its_inference
