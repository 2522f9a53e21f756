"""Closure on firmware that decides by its energy meter: each reading after each loss, and no decision is made twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from freeml.plan.step_table import Kind, step_table
from freeml.sim.device import Answer, Result
from freeml.sim.instruction import NvmWrite
from freeml.sim.power_loss.closure import BoardClosure, Reading, close
from freeml.sim.power_loss.control_block import Position

from .fake import COMMIT, MAGIC, FakeBoard, FakeControl, Firmware

# Capture, tile, decision, tile, decision, tile, publication; the reports of a whole network, and of one that stopped.
KINDS = [Kind.CAPTURE, *[Kind.TILES, Kind.DECIDE] * 2, Kind.TILES, Kind.PUBLISH, Kind.REPORT, Kind.REPORT]
TABLE = step_table((kind, 1) for kind in KINDS)
DECISIONS, PUBLISH, WHOLE, STOPPED = (2, 4), 6, 7, 8
OTHER_SLOT = COMMIT + 8
DEPTH, DATA = 32, 40  # where the newest result's depth lies, and two bytes used in turn
LITTLE, MUCH = (10, 2000), (1000, 3000)
ANSWER = Answer(bytes([3]), 0, 0, 3, (Answer(None, 0, 0, 1), Answer(None, 0, 0, 2)))


class DecidingControl(FakeControl):
    def newest(self, image: bytes | bytearray) -> Result | None:
        at = self.position(image)
        if at is None:
            return None
        return Result(1, 0, 0, image[DEPTH]) if self.kind_of(at) is Kind.REPORT else Result(0, 0, 0, 0)


CONTROL = DecidingControl(steps=TABLE, commit_slots=1, identity=b"")


def decides(board: FakeBoard, *, again: bool = False, early: bool = False, erases: bool = False) -> Iterator[NvmWrite]:
    """Each step is one commit; `again`: the tile behind a decision makes it once more; `early`: publishes before it;
    `erases`: the slot of its commit before its answer is written, as firmware with two slots does."""
    step = board.byte(COMMIT)
    if board.byte(0) != MAGIC or step >= TABLE.n_steps:
        yield NvmWrite(COMMIT, b"\0")
        yield NvmWrite(0, bytes([MAGIC]))
        step = 0
    while step not in (WHOLE, STOPPED):
        following = step + 1
        decision = step - 1 if again and step - 1 in DECISIONS else step
        if decision in DECISIONS and board.energy_uj < 100:
            following = STOPPED
            if erases:
                yield NvmWrite(OTHER_SLOT, b"N")
            yield NvmWrite(DEPTH, bytes([1 + DECISIONS.index(decision)]))
            if early:
                break
        elif step == PUBLISH:
            yield NvmWrite(DEPTH, bytes([1 + len(DECISIONS)]))
        elif KINDS[step] is Kind.TILES:
            yield NvmWrite(DATA + step // 2 % 2, bytes([1 + step // 2]))
        yield NvmWrite(COMMIT, bytes([following]))
        step = following
    board.answer = bytes([3]) if step == WHOLE else b"what was there"
    board.numbered = Result(1, 0, 0, board.byte(DEPTH))


def closed(firmware: Firmware, readings: Sequence[Reading]) -> BoardClosure:
    return close(FakeBoard(firmware), b"codes", ANSWER, CONTROL, atomic_bytes=1, readings=readings, limit_s=60)


def test_closure_takes_every_way_that_readings_of_the_meter_open() -> None:
    steps = {readings: closed(decides, readings) for readings in ((LITTLE,), (MUCH,), (LITTLE, MUCH))}
    assert [report.reason for report in steps.values()] == ["", "", ""]
    assert [report.steps for report in steps.values()] == [4, 8, 9]
    assert steps[LITTLE, MUCH].images > steps[(MUCH,)].images > steps[(LITTLE,)].images


def test_a_slot_that_is_erased_is_no_commit_and_what_follows_it_is_explored() -> None:
    report = closed(lambda board: decides(board, erases=True), (LITTLE, MUCH))
    assert report.reason == ""
    assert report.images > closed(decides, (LITTLE, MUCH)).images


@pytest.mark.parametrize(
    ("mistake", "reason"), [({"again": True}, "which was decided against"), ({"early": True}, "NVM holds")]
)
def test_a_decision_that_is_made_twice_or_told_before_its_commit_is_found(
    mistake: dict[str, bool], reason: str
) -> None:
    report = closed(lambda board: decides(board, **mistake), (LITTLE, MUCH))
    assert report.divergences == 1
    assert reason in report.reason


def test_a_decision_made_again_goes_unseen_where_the_meter_always_shows_the_same() -> None:
    """What the readings are for."""
    assert closed(lambda board: decides(board, again=True), (MUCH,)).closed


def test_depths_that_are_still_open_follow_from_where_a_boot_begins() -> None:
    image = bytearray(64)
    image[0], image[DEPTH] = MAGIC, 2
    found = {step: list(CONTROL.depths_from(Position(step, 0), image)) for step in range(TABLE.n_steps - 2)}
    assert found == {0: [1, 2, 3], 1: [1, 2, 3], 2: [1, 2, 3], 3: [2, 3], 4: [2, 3], 5: [3], 6: [3]}
    image[COMMIT] = STOPPED
    assert list(CONTROL.depths_from(Position(STOPPED, 0), image)) == [2]
    assert list(CONTROL.depths_from(None, image)) == [1, 2, 3]
