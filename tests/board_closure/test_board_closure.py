"""Closure over NVM images: it closes on firmware that is right, and no firmware that is wrong passes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mutants.mutant import table
from freeml import CompileOptions, compile_model
from freeml.firmware.output import Output, read_output
from freeml.ir.interpret import interpret
from freeml.sim.board import OnBoard
from freeml.sim.board_closure import BoardClosure, close
from freeml.sim.engine import NvmWrite
from tests.effort import PATIENCE_S

from .fake import COMMIT, FakeBoard

ROOT = Path(__file__).resolve().parents[2]
N_STEPS = 5


def counts_up(board: FakeBoard) -> Iterator[NvmWrite]:
    """Five steps: data into the slot that the commit does not name, then the commit."""
    magic, step = board.byte(0), board.byte(COMMIT)
    if magic != 0x5A or step > N_STEPS:
        yield NvmWrite(COMMIT, b"\0")
        yield NvmWrite(0, b"\x5a")
        step = 0
    while step < N_STEPS:
        before = board.byte(40 + step % 2) if step else 1
        yield NvmWrite(40 + (step + 1) % 2, bytes([2 * before]))
        step += 1
        yield NvmWrite(COMMIT, bytes([step]))
    board.answer = bytes([board.byte(40 + N_STEPS % 2)])
    yield NvmWrite(COMMIT, b"\0")


def doubles_in_place(board: FakeBoard) -> Iterator[NvmWrite]:
    """The same, reading what it writes."""
    if board.byte(0) != 0x5A or board.byte(COMMIT) > N_STEPS:
        yield NvmWrite(40, b"\1")
        yield NvmWrite(COMMIT, b"\0")
        yield NvmWrite(0, b"\x5a")
    if board.byte(COMMIT) == 0:
        yield NvmWrite(40, b"\1")
    for step in range(board.byte(COMMIT), N_STEPS):
        yield NvmWrite(40, bytes([2 * board.byte(40) % 256]))
        yield NvmWrite(COMMIT, bytes([step + 1]))
    board.answer = bytes([board.byte(40)])
    yield NvmWrite(COMMIT, b"\0")


def commits_first(board: FakeBoard) -> Iterator[NvmWrite]:
    step = board.byte(COMMIT) if board.byte(0) == 0x5A and board.byte(COMMIT) <= N_STEPS else 0
    yield NvmWrite(0, b"\x5a")
    while step < N_STEPS:
        before = board.byte(40 + step % 2) if step else 1
        yield NvmWrite(COMMIT, bytes([step + 1]))
        yield NvmWrite(40 + (step + 1) % 2, bytes([2 * before % 256]))
        step += 1
    board.answer = bytes([board.byte(40 + N_STEPS % 2)])
    yield NvmWrite(COMMIT, b"\0")


def trusts_ram(board: FakeBoard) -> Iterator[NvmWrite]:
    yield from counts_up(board)
    if board.fill % 2 == 1:
        board.answer = b"\0"


def never_ends(board: FakeBoard) -> Iterator[NvmWrite]:
    """Two states that lead to each other."""
    while True:
        yield NvmWrite(COMMIT, bytes([1 - board.byte(COMMIT) % 2]))
        yield NvmWrite(0, bytes([board.byte(COMMIT)]))


def explored(board: FakeBoard) -> BoardClosure:
    return close(board, b"", bytes([2**N_STEPS]), atomic_bytes=1)


@pytest.mark.parametrize("writes_in_a_run", [1, 2, 3, 100])
def test_firmware_that_reads_no_byte_it_writes_closes(writes_in_a_run: int) -> None:
    report = explored(FakeBoard(counts_up, writes_in_a_run))
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.images > 4 * N_STEPS


@pytest.mark.parametrize("writes_in_a_run", range(1, 14))
def test_the_next_inference_is_no_part_of_this_one(writes_in_a_run: int) -> None:
    """Where a run ends between publication and report, the image in between is not taken for a state to boot."""

    def numbers_its_answers(board: FakeBoard) -> Iterator[NvmWrite]:
        for write in counts_up(board):
            if write == NvmWrite(COMMIT, bytes([N_STEPS])):
                yield write
                yield NvmWrite(44, bytes([board.byte(44) + 1 & 0xFF]))
            else:
                yield write

    report = explored(FakeBoard(numbers_its_answers, writes_in_a_run))
    assert (report.divergences, report.reason) == (0, "")
    assert report.images < 200


@pytest.mark.parametrize("firmware", [doubles_in_place, commits_first, trusts_ram])
@pytest.mark.parametrize("writes_in_a_run", [1, 7])
def test_firmware_that_is_wrong_after_some_loss_is_found(firmware: object, writes_in_a_run: int) -> None:
    report = explored(FakeBoard(firmware, writes_in_a_run))  # type: ignore[arg-type]
    assert (report.closed, report.divergences) == (False, 1)
    assert "outputs are wrong" in report.reason


def test_firmware_that_commits_for_ever_without_an_answer_is_found() -> None:
    report = explored(FakeBoard(never_ends))
    assert (report.closed, report.divergences) == (False, 1)
    assert "no answer" in report.reason


def test_a_write_wider_than_the_memory_is_atomic_is_cut_in_two() -> None:
    """Two bytes that are only right together."""

    def pairs(board: FakeBoard) -> Iterator[NvmWrite]:
        if board.byte(40) != board.byte(41):
            board.answer = b"\xff"
            return
        yield NvmWrite(40, bytes([board.byte(40) ^ 1] * 2))
        board.answer = bytes([2**N_STEPS])
        yield NvmWrite(COMMIT, b"\0")

    start = FakeBoard(pairs)
    start.nvm = bytes(48)
    whole = close(start, b"", bytes([2**N_STEPS]), atomic_bytes=2)
    halves = close(FakeBoard(pairs), b"", bytes([2**N_STEPS]), atomic_bytes=1)
    assert halves.divergences == 1
    assert whole.writes < halves.writes or whole.divergences == 1


def test_the_time_limit_leaves_it_open() -> None:
    report = close(FakeBoard(counts_up), b"", b" ", atomic_bytes=1, limit_s=-1)
    assert (report.closed, report.divergences) == (False, 0)
    assert "time limit" in report.reason


# --- real firmware --------------------------------------------------------------------------------------------------

BOARDS = ["qemu_m4", "msp430fr5994", "nucleo_l476rg"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compiled for each board."""
    work = tmp_path_factory.mktemp("closure")
    model = ROOT / "examples" / "digits" / "digits.onnx"
    for board in BOARDS:
        compile_model(model, work / board, data="digits", options=CompileOptions(board=board, samples=1))
    return {board: work / board for board in BOARDS}


def closed(output: Output, limit_s: float) -> BoardClosure:
    board = OnBoard.start(output, "zig")
    graph = output.graph
    rng = np.random.default_rng(5)
    inputs = {p.value: rng.integers(-128, 128, (1, *graph.types[p.value].shape)).astype(np.int8) for p in graph.inputs}
    answer = interpret(graph, inputs)
    expected = b"".join(answer[port.value][0].tobytes() for port in graph.outputs)
    atomic_bytes = output.manifest["nvm"]["atomic_bytes"]
    codes = board.model.codes(inputs)[0]
    return close(board.model.engine, codes, expected, atomic_bytes=atomic_bytes, limit_s=limit_s)


@pytest.mark.parametrize("board", ["qemu_m4", "msp430fr5994"])
def test_every_reachable_image_of_a_firmware_gives_the_same_answer(board: str, digits: dict[str, Path]) -> None:
    output = read_output(digits[board])
    report = closed(output, limit_s=PATIENCE_S)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.images > output.manifest["tiles"]["written_bytes"] / 4  # none is wider than a word of 32 bits


@pytest.mark.parametrize("board", BOARDS)
def test_a_runtime_that_commits_before_its_data_is_caught(board: str, digits: dict[str, Path], tmp_path: Path) -> None:
    output = read_output(shutil.copytree(digits[board], tmp_path / "out"))
    table()["commit-before-data"].apply_to(output.folder / "runtime" / "fml_runtime.c")
    report = closed(output, limit_s=PATIENCE_S)
    assert (report.closed, report.divergences) == (False, 1)
