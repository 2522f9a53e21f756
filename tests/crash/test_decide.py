"""Decisions on the way through a network: what they publish, what state they keep, and that none is made twice."""

from __future__ import annotations

import ctypes
import itertools
from pathlib import Path

import pytest

from freeml.firmware.host import build_host_library
from freeml.plan.protocol import PUBLISHED, RECORD_BYTES, REFINED, RESULT_SLOT_BYTES, RESULTS
from freeml.sim.power_loss.explorer import BEHAVIOURS

from .probe import LAST_DECIDES, ONE_SLOT, PUBLISH, ROOT, how_to_reproduce, include_dirs, probe, rig
from .test_report import NO_RESULT, OK, Board

LITTLE, SOME, MUCH = 10, 2_000, 10_000  # uJ: on each side of the two levels of the probe's policy
DEPTHS = {(LITTLE,): 1, (SOME,): 1, (MUCH, LITTLE): 2, (MUCH, MUCH): 3}
DECISIONS, WHOLE = (3, 16), 24  # steps that decide; steps of an inference that never stops
STATE = RECORD_BYTES  # offset of the policy's state in a result slot: decisions so far, mean confidence, last depth


@pytest.fixture
def board(tmp_path: Path) -> Board:
    sources = [*probe(), ROOT / "hal" / "host" / "fml_hal_host.c"]
    return Board(ctypes.CDLL(str(build_host_library(sources, include_dirs(), tmp_path / "probe.so"))))


def step_with(board: Board, energy_uj: int) -> int:
    board.library.fml_host_set_energy_uj(ctypes.c_uint32(energy_uj))
    return board.step()


def newest(board: Board) -> bytes:
    """The slot of the newest result: of the later of two whole commits."""
    words = [int.from_bytes(board.nvm.raw[at : at + 4], "little") for at in (16, 24)]
    counts = [word >> 1 & 3 for word in words]
    word = words[1] if counts[1] == (counts[0] + 1) % 4 else words[0]
    at = RESULTS + (word & 1) * RESULT_SLOT_BYTES
    return board.nvm.raw[at : at + RESULT_SLOT_BYTES]


def infer(board: Board, *energies: int) -> int:
    """Steps to a result, with these readings at the decisions. Returns how many steps that were."""
    readings = iter(energies)
    for n in itertools.count(1):
        step = board.step_number()
        if step_with(board, next(readings) if step in DECISIONS else 0) == PUBLISHED:
            assert list(readings) == [], "every reading was asked for"
            return n
    raise AssertionError


@pytest.mark.parametrize("energies", DEPTHS)
def test_energy_at_each_decision_says_how_deep_the_network_runs(board: Board, energies: tuple[int, ...]) -> None:
    steps = infer(board, *energies)
    assert newest(board)[11] == DEPTHS[energies]
    assert steps == (*(step + 1 for step in DECISIONS), WHOLE - 1)[DEPTHS[energies] - 1]
    assert board.step() == OK
    assert board.told == [1]
    assert board.step_number() == 0


def test_a_result_published_early_has_no_outputs_and_the_next_whole_one_has(board: Board) -> None:
    infer(board, LITTLE)
    assert board.outputs()[0] == NO_RESULT
    board.boot()
    assert board.outputs()[0] == NO_RESULT
    board.step()
    infer(board, MUCH, MUCH)
    assert board.outputs()[0] == OK


def test_each_exit_on_the_way_publishes_its_answer_under_the_number_of_the_inference(board: Board) -> None:
    infer(board, LITTLE)
    board.step()
    found = []
    while (status := step_with(board, MUCH)) != PUBLISHED:
        if status == REFINED:
            slot = newest(board)
            found.append((int.from_bytes(slot[4:8], "little"), slot[11], slot[STATE]))
            assert (board.boot(), newest(board)) == (None, slot), "a reset gives the deepest answer"
    last = newest(board)
    assert found == [(2, 1, 2), (2, 2, 3)]
    assert (int.from_bytes(last[4:8], "little"), last[11]) == (2, 3)


def test_an_inference_that_is_stopped_ends_at_its_next_exit(board: Board) -> None:
    while board.step_number() != DECISIONS[0] + 1:
        step_with(board, MUCH)
    board.library.fml_stop(board.ram)
    while (status := step_with(board, MUCH)) == OK:
        pass
    assert (status, newest(board)[11]) == (PUBLISHED, 2)
    board.step()
    infer(board, MUCH, MUCH)
    assert newest(board)[11] == 3, "the next inference goes on"
    board.library.fml_stop(board.ram)  # behind the last exit there is nothing to stop
    board.step()
    infer(board, MUCH, MUCH)


def test_the_state_of_a_policy_goes_on_through_decisions_publications_and_resets(board: Board) -> None:
    decisions = 0
    for energies in ((LITTLE,), (MUCH, MUCH), (MUCH, LITTLE), (LITTLE,), (MUCH, MUCH)):
        infer(board, *energies)
        board.boot()
        decisions += len(energies)
        assert newest(board)[STATE] == decisions
        board.step()


def test_a_decision_made_again_after_a_loss_counts_once_whatever_it_was_before(board: Board) -> None:
    """The loss comes right before its commit: everything but the last write is there."""
    while board.step_number() != DECISIONS[0]:
        step_with(board, MUCH)
    image = board.nvm.raw
    step_with(board, LITTLE)
    torn = bytearray(board.nvm.raw)
    torn[16:32] = image[16:32]
    board.nvm.raw = bytes(torn)
    board.boot()
    assert step_with(board, MUCH) == REFINED
    assert board.step_number() == DECISIONS[0] + 1
    assert newest(board)[STATE] == 1


@pytest.mark.parametrize("define", [(), (ONE_SLOT,)])
def test_a_damaged_state_is_not_believed(define: tuple[str, ...]) -> None:
    image = bytearray(rig(*define).images(2)[30])
    for slot in range(2):
        image[RESULTS + slot * RESULT_SLOT_BYTES + STATE] ^= 4
    report = rig(*define).explore("all", "atomic", start=bytes(image), up_to=0, n_inferences=1)
    assert (report.closed, report.divergences) == (True, 0), report.reason


def test_decisions_are_explored_with_every_answer_to_every_reading() -> None:
    """Two samples, at each of two decisions three readings, after which it stops or goes on: each way is a segment."""
    report = rig().explore("all", "atomic", n_inferences=1)
    decisions = [row for row in report.per_layer if row.name.startswith("decision")]
    assert [row.closed for row in decisions] == [True, True]
    assert [row.segments for row in decisions] == [2, 2]
    until_decided = 2 + 2 * (WHOLE - 1)  # cold start and capture; with each sample all steps behind
    assert report.segments == until_decided + 2 * len(DECISIONS), "each stop at a decision has a report"


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_schedule_may_say_what_the_meter_shows_at_each_reading(behaviour: str) -> None:
    for answers in ("0", "00", "002", "012", "02", "0010020"):
        report = rig().explore(f"9:{answers},end:{answers}", behaviour, n_inferences=3)  # type: ignore[arg-type]
        assert report.closed, report.reason
        assert report.divergences == 0, how_to_reproduce(report)


@pytest.mark.parametrize("energy_uj", [LITTLE, MUCH])
def test_a_last_decision_publishes_whatever_is_decided(tmp_path: Path, energy_uj: int) -> None:
    """Its report is that of the whole network, with outputs."""
    sources = [*probe(), ROOT / "hal" / "host" / "fml_hal_host.c"]
    library = tmp_path / "last.so"
    build_host_library(sources, include_dirs(), library, optimise=f"-D{LAST_DECIDES}")
    board = Board(ctypes.CDLL(str(library)))
    while board.step_number() != PUBLISH:
        step_with(board, MUCH)
    assert step_with(board, energy_uj) == PUBLISHED
    assert board.step_number() == PUBLISH + 1
    assert (newest(board)[11], newest(board)[STATE]) == (3, 3)
    assert board.outputs()[0] == OK


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_network_whose_end_is_a_decision_gives_the_uninterrupted_answers(behaviour: str) -> None:
    report = rig(LAST_DECIDES).explore("all", behaviour, n_inferences=1)  # type: ignore[arg-type]
    assert (report.closed, report.divergences) == (True, 0), f"{behaviour}: {report.reason}"
