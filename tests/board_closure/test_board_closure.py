"""Closure over NVM images: it closes on firmware that is right, and no firmware that is wrong passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutants.mutant import table
from freeml.firmware.build import Toolchain
from freeml.output.folder import Output
from freeml.sim.device import Answer, Result
from freeml.sim.instruction import NvmWrite
from freeml.sim.on_board import OnBoard, closure_of
from freeml.sim.power_loss.closure import BoardClosure, close
from freeml.sim.power_loss.first_images import blank_images
from tests.effort import PATIENCE_S
from tests.msp430_firmware.conftest import HAS_GCC, Compiled
from tests.msp430_firmware.machine import answers

from .fake import COMMIT, CONTROL, NO_COMMIT, NVM_BYTES, FakeBoard, Firmware

N_STEPS = 5
BLANK = list(blank_images(NVM_BYTES))
RIGHT = Answer(bytes([2**N_STEPS]), 0, 0)


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


def commits_first(board: FakeBoard) -> Iterator[NvmWrite]:
    step = board.byte(COMMIT) if board.byte(0) == 0x5A and board.byte(COMMIT) <= N_STEPS else 0
    yield NvmWrite(0, b"\x5a")
    while step < N_STEPS:
        before = board.byte(40 + step % 2) if step else 1
        yield NvmWrite(COMMIT, bytes([step + 1]))
        yield NvmWrite(40 + (step + 1) % 2, bytes([2 * before % 256]))
        step += 1
    board.answer = bytes([board.byte(40 + N_STEPS % 2)])


def trusts_ram(board: FakeBoard) -> Iterator[NvmWrite]:
    yield from counts_up(board)
    if board.fill % 2 == 1:
        board.answer = b"\0"


def never_ends(board: FakeBoard) -> Iterator[NvmWrite]:
    """Two states that lead to each other."""
    while True:
        yield NvmWrite(COMMIT, bytes([1 - board.byte(COMMIT) % 2]))
        yield NvmWrite(0, bytes([board.byte(COMMIT)]))


def reachable(firmware: Firmware) -> set[bytes]:
    """The same set the plain way: from every image to the answer, a loss before each write and behind the last."""
    board = FakeBoard(firmware)
    seen: set[bytes] = set()
    todo = [board.nvm, *(image.content for image in BLANK)]
    while todo:
        board.nvm = image = todo.pop()
        if image not in seen:
            seen.add(image)
            board.power_on()
            published = False
            while not published:
                before = board.nvm
                published, _ = board.logged_writes()
                todo.append(before)
    return seen


def explored(board: FakeBoard) -> BoardClosure:
    return close(board, b"", RIGHT, CONTROL, atomic_bytes=1, first=BLANK)


@pytest.mark.parametrize("writes_in_a_run", [1, 2, 3, 100])
def test_firmware_that_reads_no_byte_it_writes_closes(writes_in_a_run: int) -> None:
    report = explored(FakeBoard(counts_up, writes_in_a_run))
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.images == len(reachable(counts_up))


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
    assert report.images == len(reachable(numbers_its_answers))


@pytest.mark.parametrize("firmware", [doubles_in_place, commits_first, trusts_ram])
@pytest.mark.parametrize("writes_in_a_run", [1, 7])
def test_firmware_that_is_wrong_after_some_loss_is_found(firmware: object, writes_in_a_run: int) -> None:
    report = explored(FakeBoard(firmware, writes_in_a_run))  # type: ignore[arg-type]
    assert (report.closed, report.divergences) == (False, 1)
    assert "outputs are wrong" in report.reason


@pytest.mark.parametrize("wrong", [Result(2, 0, 0, 1), Result(1, 1, 0, 1), Result(1, 0, 1, 1), Result(1, 0, 0, 2)])
def test_a_report_of_another_number_class_confidence_or_depth_is_found(wrong: Result) -> None:
    board = FakeBoard(counts_up)
    board.numbered = wrong
    report = explored(board)
    assert (report.closed, report.divergences) == (False, 1)
    assert "the report is" in report.reason


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
        board.answer = RIGHT.outputs

    start = FakeBoard(pairs)
    start.nvm = bytes(NVM_BYTES)
    whole = close(start, b"", RIGHT, NO_COMMIT, atomic_bytes=2)
    halves = close(start, b"", RIGHT, NO_COMMIT, atomic_bytes=1)
    assert (whole.closed, halves.divergences) == (True, 1)


def test_the_time_limit_leaves_it_open() -> None:
    report = close(FakeBoard(counts_up), b"", RIGHT, CONTROL, atomic_bytes=1, limit_s=-1)
    assert (report.closed, report.divergences) == (False, 0)
    assert "time limit" in report.reason


def trusts_a_byte(board: FakeBoard) -> Iterator[NvmWrite]:
    """A byte that is not zero is the answer."""
    if board.byte(40) == 0:
        yield NvmWrite(40, bytes([2**N_STEPS]))
    board.answer = bytes([board.byte(40)])


def test_a_torn_byte_that_is_believed_is_found_where_memory_tears() -> None:
    found = []
    for tears in (False, True):
        board = FakeBoard(trusts_a_byte)
        board.nvm = bytes(NVM_BYTES)
        found.append(close(board, b"", RIGHT, NO_COMMIT, atomic_bytes=1, tears=tears))
    whole, torn = found
    assert (whole.closed, torn.divergences) == (True, 1)


@pytest.mark.parametrize("tears", [False, True])
def test_every_write_has_a_loss_before_it_and_where_memory_tears_one_within(tears: bool) -> None:
    """Of a run that loses no power: each of its images is booted, and each with the next byte torn."""
    board = FakeBoard(counts_up)
    board.nvm = bytes(NVM_BYTES)
    board.power_on()
    passed: set[bytes] = set()
    published = False
    while not published:
        before = board.nvm
        published, writes = board.logged_writes()
        for write in writes:
            at, (new,) = write.offset_bytes, write.data
            passed |= {before, before[:at] + bytes([new ^ 0xFF]) + before[at + 1 :]} if tears else {before}
    booted: set[bytes] = set()

    class Noted(FakeBoard):
        def power_on(self, fill: int | None = None) -> None:
            booted.add(self.nvm)
            super().power_on(fill)

    noted = Noted(counts_up)
    noted.nvm = bytes(NVM_BYTES)
    report = close(noted, b"", RIGHT, CONTROL, atomic_bytes=1, tears=tears)
    assert (report.closed, report.images) == (True, len(booted))
    assert passed <= booted


# --- real firmware --------------------------------------------------------------------------------------------------

SMALL = (6, 5, 3)
SMALL_BOARDS = [
    ("qemu_m4", "zig"),
    ("msp430fr5994", "zig"),
    pytest.param("msp430fr5994", "gcc", marks=pytest.mark.skipif(not HAS_GCC, reason="no msp430-elf-gcc")),
    ("msp430fr5969", "zig"),
    ("nucleo_l476rg", "zig"),
]


def closed(output: Output, toolchain: Toolchain = "zig") -> dict[str, Any]:
    engine = OnBoard.start(output, toolchain).emulator
    (codes, expected), *_ = answers(output, 1)
    return closure_of(output, engine, codes, expected, limit_s=PATIENCE_S)


@pytest.mark.parametrize(("board", "toolchain"), SMALL_BOARDS)
def test_every_reachable_image_gives_the_same_answer_whatever_was_there_first(
    board: str, toolchain: Toolchain, compiled: Compiled
) -> None:
    """Blank, of other models and layouts, damaged; units that tear where the board's NVM does."""
    output = compiled(SMALL, board)
    report = closed(output, toolchain=toolchain)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.steps == output.manifest.tiles.n_tiles + 3


def test_every_reachable_image_of_a_convolutional_network_gives_the_same_answer(compiled: Compiled) -> None:
    output = compiled("digits", "msp430fr5994")
    report = closed(output)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.steps == output.manifest.tiles.n_tiles + 3


# Mistakes of benchmarks/mutants, and a board that shows them.
CAUGHT = [
    ("commit-before-data", "qemu_m4"),
    ("commit-before-data", "msp430fr5994"),
    ("commit-before-data", "nucleo_l476rg"),
    ("identity-by-magic-alone", "msp430fr5994"),
    ("identity-without-the-first-word-of-the-digest", "msp430fr5994"),
    ("identity-without-the-second-word-of-the-digest", "qemu_m4"),
    ("identity-without-the-layout-version", "qemu_m4"),
    ("identity-without-the-magic-number", "msp430fr5994"),
]


@pytest.mark.parametrize(("mutant", "board"), CAUGHT)
def test_a_runtime_that_is_wrong_is_caught(mutant: str, board: str, copied: Compiled) -> None:
    output = copied(SMALL, board)
    table()[mutant].apply_to(output.folder / "runtime" / Path(table()[mutant].file).name)
    report = closed(output)
    assert (report.closed, report.divergences) == (False, 1)
