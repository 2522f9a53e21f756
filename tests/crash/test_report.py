"""The report of a result: at least once, with its number, and its outputs there until it is done with."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from freeml.firmware.host import build_host_library
from freeml.plan.protocol import RECORD_BYTES, RECORD_CHECKED, RESULT_SLOT_BYTES, RESULTS

from .probe import PUBLISH, ROOT, include_dirs, probe

NVM_BYTES, OUTPUT_BYTES = 132, 4
DEPTHS = 3  # of the probe
STATE_BYTES = 4  # of the probe's policy
ENOUGH_UJ = 10_000  # to go on at every decision
OK, PUBLISHED, NO_RESULT, NOT_REPORTED = 0, 1, -1, -3


class Result(ctypes.Structure):
    """fml_result_t."""

    _fields_ = (
        ("sequence", ctypes.c_uint32),
        ("class_index", ctypes.c_uint16),
        ("confidence", ctypes.c_uint8),
        ("depth", ctypes.c_uint8),
    )


Listener = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Result))


class Board:
    """The probe model on this machine; `answers` is what its reports return, one after the other, then FML_OK."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.model = ctypes.byref(ctypes.c_char.in_dll(library, "probe_model"))
        self.nvm = ctypes.create_string_buffer(NVM_BYTES)
        self.sram = ctypes.create_string_buffer(64)
        self.ram = ctypes.create_string_buffer(256)
        self.told: list[int] = []
        self.answers: list[int] = []
        self.codes = ctypes.create_string_buffer(bytes(range(8)), 8)
        self.inputs = (ctypes.c_void_p * 1)(ctypes.addressof(self.codes))
        self.listener = Listener(self._hear)
        library.fml_host_set_inputs(self.inputs)
        library.fml_host_set_report(self.listener)
        library.fml_host_set_energy_uj(ctypes.c_uint32(ENOUGH_UJ))
        self.boot()

    def _hear(self, _model: int, result: ctypes._Pointer[Result]) -> int:
        self.told.append(result.contents.sequence)
        return self.answers.pop(0) if self.answers else OK

    def boot(self) -> None:
        ctypes.memset(self.ram, 0xA5, len(self.ram))
        ctypes.memset(self.sram, 0x5A, len(self.sram))
        self.library.fml_boot(self.ram, self.model, self.nvm, self.sram)

    def step(self) -> int:
        return int(self.library.fml_step(self.ram))

    def step_number(self) -> int:
        """Of the step that is next, as RAM has it: behind model, NVM, tile and scratch."""
        at = 4 * ctypes.sizeof(ctypes.c_void_p)
        return int.from_bytes(self.ram.raw[at : at + 4], "little")

    def publish(self) -> None:
        for _ in range(PUBLISH + 1):
            status = self.step()
        assert status == PUBLISHED

    def outputs(self) -> tuple[int, bytes]:
        found = ctypes.create_string_buffer(OUTPUT_BYTES)
        span = (ctypes.c_uint16(0), ctypes.c_uint32(0), ctypes.c_uint32(OUTPUT_BYTES))
        return int(self.library.fml_read_output(self.ram, *span, found)), found.raw


@pytest.fixture
def board(tmp_path: Path) -> Board:
    sources = [*probe(), ROOT / "hal" / "host" / "fml_hal_host.c"]
    return Board(ctypes.CDLL(str(build_host_library(sources, include_dirs(), tmp_path / "probe.so"))))


def test_a_report_follows_publication_in_a_step_of_its_own(board: Board) -> None:
    board.publish()
    assert board.told == []
    assert board.step() == OK
    assert board.told == [1]


def test_a_report_that_is_refused_changes_nothing_and_is_made_again(board: Board) -> None:
    board.answers = [NOT_REPORTED, -77]
    board.publish()
    before = board.nvm.raw
    assert [board.step(), board.step()] == [NOT_REPORTED, -77]
    assert board.nvm.raw == before
    assert board.step() == OK
    assert board.told == [1, 1, 1]
    board.publish()
    board.step()
    assert board.told[-1] == 2


def test_outputs_are_there_from_publication_to_report_also_after_resets_and_at_no_other_time(board: Board) -> None:
    for step in range(PUBLISH):
        assert board.outputs()[0] == NO_RESULT, f"before step {step}"
        board.step()
    assert board.step() == PUBLISHED
    status, published = board.outputs()
    assert status == OK
    for _ in range(3):
        board.boot()
        assert board.outputs() == (OK, published)
    assert board.step() == OK
    assert board.outputs()[0] == NO_RESULT


def test_two_losses_in_a_row_before_the_report_is_committed_tell_the_same_number(board: Board) -> None:
    board.publish()
    image = board.nvm.raw
    for _ in range(3):
        board.nvm.raw = image  # the report was made, its commit was not reached
        board.boot()
        assert board.step() == OK
    assert board.told == [1, 1, 1]
    board.publish()
    board.step()
    assert board.told[3:] == [2]


def test_the_number_after_the_last_one_is_one(board: Board) -> None:
    board.publish()
    board.step()
    slot = next(at for at in (RESULTS, RESULTS + RESULT_SLOT_BYTES) if board.nvm.raw[at + RECORD_BYTES - 1] == DEPTHS)
    last = bytearray(board.nvm.raw)
    checked = slice(slot + RECORD_CHECKED, slot + RECORD_BYTES + STATE_BYTES)
    last[slot + RECORD_CHECKED : slot + RECORD_CHECKED + 4] = b"\xff" * 4
    crc = board.library.fml_crc16
    crc.restype = ctypes.c_uint16
    of = bytes(last[checked])
    last[slot : slot + 2] = crc(of, ctypes.c_size_t(len(of))).to_bytes(2, "little")
    board.nvm.raw = bytes(last)
    board.boot()
    board.publish()
    board.step()
    assert board.told == [1, 1]
