"""The checker is checked: mistakes seeded at compile time must be found, each by a test that names it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from freeml.sim.crash import Behaviour, CrashReport

from .probe import ONE_SLOT, STAGED, rig


def found(bug: str, behaviour: Behaviour, *defines: str, reproducible: bool = True, **options: Any) -> CrashReport:
    """Explore with a bug; its schedule alone must show it again, and the model without the bug must close."""
    with_bug = rig(f"FML_TEST_BUG_{bug}", *defines)
    report = with_bug.explore("all", behaviour, **options)
    assert report.divergences == 1, f"{bug} was not found"
    assert not report.closed
    if reproducible:
        again = with_bug.explore(report.schedule, behaviour, **options)
        assert again.divergences == 1, report.how_to_reproduce()
    return report


def test_one_commit_slot_on_nvm_that_tears_words_is_found() -> None:
    found("ONE_SLOT", "torn")


def test_data_written_after_its_commit_is_found() -> None:
    found("COMMIT_FIRST", "atomic")


def test_a_sum_accumulated_in_place_is_found() -> None:
    assert "write set" in found("IN_PLACE", "atomic").reason
    found("IN_PLACE", "atomic", any_write=True)


def test_a_position_in_sparse_weights_kept_without_commit_is_found() -> None:
    assert "write set" in found("STALE_INDEX", "atomic").reason
    found("STALE_INDEX", "atomic", any_write=True)


def test_a_decision_taken_again_after_a_reboot_is_found() -> None:
    found("DECIDE_AGAIN", "atomic")


def test_a_restore_that_trusts_ram_is_found() -> None:
    found("TRUST_RAM", "atomic", reproducible=False)  # what RAM holds after a reboot is not part of a schedule


def test_a_missing_barrier_before_the_commit_is_found_on_unordered_nvm() -> None:
    found("NO_BARRIER", "unordered")
    found("NO_BARRIER", "unordered", ONE_SLOT, unit_bytes=2)
    assert rig("FML_TEST_BUG_NO_BARRIER").explore("all", "atomic").closed, "on ordered NVM it does no harm"


def test_a_result_published_before_it_is_written_is_found() -> None:
    found("PUBLISH_FIRST", "atomic")


def test_an_input_committed_before_it_is_captured_is_found() -> None:
    found("EARLY_CAPTURE", "atomic")


def test_a_damaged_result_that_is_believed_is_found() -> None:
    found("CRC_IGNORED", "atomic", start="damaged")


def test_an_identity_written_before_the_image_is_whole_is_found() -> None:
    # what stands in NVM instead is garbage of the explorer's, which no schedule names
    found("COLD_ORDER", "atomic", start="other-digest", reproducible=False)


def test_a_commit_record_whose_check_is_ignored_is_found() -> None:
    found("CHECK_IGNORED", "torn")


def test_a_commit_slot_overwritten_without_being_erased_is_found() -> None:
    found("NO_ERASE", "torn", max_torn=1)


def test_a_tile_that_reads_what_it_writes_is_found() -> None:
    found("READS_WHAT_IT_WRITES", "atomic")


def test_a_store_to_nvm_past_the_hal_is_found() -> None:
    assert "past fml_hal_nvm_write" in found("PAST_THE_HAL", "atomic").reason


def test_a_range_that_is_a_byte_short_is_found() -> None:
    found("SHORT_RANGE", "atomic", STAGED, reproducible=False)  # what lies behind it in RAM is garbage of no schedule


def test_nvm_read_through_a_pointer_ends_the_program() -> None:
    """Where NVM hangs on a bus, its addresses have no memory: not in the explorer either."""
    explore = "from tests.crash.probe import rig; print(rig(*{defines}).explore('none', 'torn').closed)"
    ran = []
    for defines in ((STAGED,), (STAGED, "FML_TEST_BUG_READS_BY_POINTER")):
        command = [sys.executable, "-c", explore.format(defines=defines)]
        root = Path(__file__).resolve().parents[2]
        ran.append(subprocess.run(command, cwd=root, capture_output=True, text=True, check=False))
    assert (ran[0].returncode, ran[0].stdout) == (0, "True\n"), ran[0].stderr
    assert -ran[1].returncode in (signal.SIGSEGV, signal.SIGBUS)


def test_bugs_are_found_with_one_commit_slot_too() -> None:
    for bug in ("COMMIT_FIRST", "IN_PLACE", "DECIDE_AGAIN", "PUBLISH_FIRST", "EARLY_CAPTURE"):
        found(bug, "atomic", ONE_SLOT, unit_bytes=2)


def test_bugs_are_found_in_a_staged_model_too() -> None:
    for bug in ("COMMIT_FIRST", "IN_PLACE", "DECIDE_AGAIN", "PUBLISH_FIRST", "EARLY_CAPTURE", "CHECK_IGNORED"):
        found(bug, "torn", STAGED)
