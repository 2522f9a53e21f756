"""The checker is checked: mistakes of benchmarks/mutants must be found, each by a test that names it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freeml.board.figures import Behaviour
from freeml.sim.power_loss.explorer import CrashReport

from .probe import ONE_SLOT, STAGED, how_to_reproduce, rig

OF_ANY_MODEL = [
    "commit-before-data",
    "sum-in-place",
    "a-decision-taken-again",
    "result-published-before-it-is-written",
    "input-committed-before-it-is-captured",
]


def found(mutant: str, behaviour: Behaviour, *defines: str, reproducible: bool = True, **options: Any) -> CrashReport:
    """Explore with a mistake; its schedule alone must show it again."""
    with_bug = rig(*defines, mutant=mutant)
    report = with_bug.explore("all", behaviour, **options)
    assert report.divergences == 1, f"{mutant} was not found"
    assert not report.closed
    if reproducible:
        again = with_bug.explore(report.schedule, behaviour, **options)
        assert again.divergences == 1, how_to_reproduce(report)
    return report


def test_one_commit_slot_on_nvm_that_tears_words_is_found() -> None:
    assert rig(ONE_SLOT).explore("all", "torn").divergences == 1


def test_data_written_after_its_commit_is_found() -> None:
    found("commit-before-data", "atomic")


def test_a_sum_accumulated_in_place_is_found() -> None:
    assert "write set" in found("sum-in-place", "atomic").reason
    found("sum-in-place", "atomic", any_write=True)


def test_a_position_in_sparse_weights_kept_without_commit_is_found() -> None:
    assert "write set" in found("a-position-kept-without-commit", "atomic").reason
    found("a-position-kept-without-commit", "atomic", any_write=True)


def test_a_decision_taken_again_after_a_reboot_is_found() -> None:
    found("a-decision-taken-again", "atomic")


OF_DECISIONS = [
    "a-decision-in-two-commits",
    "a-decision-acted-on-before-its-commit",
    "state-of-a-policy-changed-in-place",
    "a-refined-answer-over-the-one-before",
]


@pytest.mark.parametrize("mutant", OF_DECISIONS)
def test_a_decision_that_is_not_one_commit_is_found(mutant: str) -> None:
    found(mutant, "atomic")
    found(mutant, "atomic", ONE_SLOT, unit_bytes=2)


def test_state_that_a_decision_made_again_counts_twice_is_found_also_where_writes_go_anywhere() -> None:
    found("state-of-a-policy-changed-in-place", "atomic", any_write=True)


def test_the_commit_of_a_decision_that_is_whole_over_the_result_of_another_is_found() -> None:
    mutant = "a-decision-over-a-commit-of-another"
    found(mutant, "torn-unordered")
    assert rig(mutant=mutant).explore("all", "atomic").closed, "where no byte tears it does no harm"


def test_outputs_handed_out_of_a_network_that_stopped_are_found() -> None:
    found("outputs-of-a-network-that-stopped", "atomic")


def test_a_restore_that_trusts_ram_is_found() -> None:
    # what RAM holds after a reboot is not part of a schedule
    found("ram-trusted-after-a-reboot", "atomic", reproducible=False)


def test_a_missing_barrier_before_the_commit_is_found_on_unordered_nvm() -> None:
    mutant = "no-barrier-before-a-commit"
    found(mutant, "unordered", ONE_SLOT, unit_bytes=2)
    found(mutant, "torn-unordered")
    assert rig(mutant=mutant).explore("all", "atomic").closed, "on ordered NVM it does no harm"
    assert rig(mutant=mutant).explore("all", "torn").closed
    assert rig(mutant=mutant).explore("all", "unordered").closed, "the barriers within the commit do"


@pytest.mark.parametrize("mutant", ["no-barrier-after-a-commit", "no-barrier-after-the-identity"])
def test_a_step_that_ends_before_its_commit_is_persistent_is_found(mutant: str) -> None:
    for slots, behaviour, unit_bytes in (
        ((), "unordered", 1),
        ((), "torn-unordered", 1),
        ((ONE_SLOT,), "unordered", 2),
    ):
        assert "waits for a barrier" in found(mutant, behaviour, *slots, unit_bytes=unit_bytes).reason  # type: ignore[arg-type]
    assert rig(mutant=mutant).explore("all", "torn").closed, "on ordered NVM it does no harm"


@pytest.mark.parametrize(
    "mutant",
    [
        "no-barrier-in-a-commit-to-two-slots",
        "no-barrier-after-the-erasure-of-a-commit-slot",
        "no-barrier-between-word-and-check",
    ],
)
def test_writes_of_a_commit_that_wait_together_are_found_where_losses_tear_and_lose_units(mutant: str) -> None:
    found(mutant, "torn-unordered")
    assert rig(mutant=mutant).explore("all", "torn").closed, "on ordered NVM it does no harm"


def test_a_damaged_image_that_looks_whole_amid_its_cold_start_is_found() -> None:
    mutant = "no-barrier-after-the-identity-is-withdrawn"
    found(mutant, "unordered", start="damaged")
    found(mutant, "unordered", ONE_SLOT, start="damaged", unit_bytes=2)


def test_a_result_published_before_it_is_written_is_found() -> None:
    found("result-published-before-it-is-written", "atomic")


def test_an_input_committed_before_it_is_captured_is_found() -> None:
    found("input-committed-before-it-is-captured", "atomic")


def test_a_damaged_result_that_is_believed_is_found() -> None:
    found("crc-of-a-result-ignored", "atomic", start="damaged")


def test_an_identity_written_before_the_image_is_whole_is_found() -> None:
    # what stands in NVM instead is garbage of the explorer's, which no schedule names
    found("identity-written-before-the-image-is-whole", "atomic", start="other-digest", reproducible=False)


def test_a_commit_record_whose_check_is_ignored_is_found() -> None:
    found("check-of-a-commit-slot-ignored", "torn")


def test_a_commit_slot_overwritten_without_being_erased_is_found() -> None:
    found("commit-slot-not-erased", "torn", max_torn=1)


def test_a_tile_that_reads_what_it_writes_is_found() -> None:
    found("a-tile-that-reads-what-it-writes", "atomic")


def test_a_store_to_nvm_past_the_hal_is_found() -> None:
    assert "past fml_hal_nvm_write" in found("a-store-to-nvm-past-the-hal", "atomic").reason


def test_a_range_that_is_a_byte_short_is_found() -> None:
    # what lies behind it in RAM is garbage of no schedule
    found("a-range-a-byte-short", "atomic", STAGED, reproducible=False)


def test_nvm_read_through_a_pointer_ends_the_program() -> None:
    """Where NVM hangs on a bus, its addresses have no memory: not in the explorer either."""
    explore = "from tests.crash.probe import rig; print(rig({}).explore('none', 'torn').closed)"
    ran = []
    for arguments in (f"'{STAGED}'", f"'{STAGED}', mutant='nvm-read-through-a-pointer'"):
        command = [sys.executable, "-c", explore.format(arguments)]
        root = Path(__file__).resolve().parents[2]
        ran.append(subprocess.run(command, cwd=root, capture_output=True, text=True, check=False))
    assert (ran[0].returncode, ran[0].stdout) == (0, "True\n"), ran[0].stderr
    assert -ran[1].returncode in (signal.SIGSEGV, signal.SIGBUS)


@pytest.mark.parametrize("mutant", OF_ANY_MODEL)
def test_mistakes_are_found_with_one_commit_slot_too(mutant: str) -> None:
    found(mutant, "atomic", ONE_SLOT, unit_bytes=2)


@pytest.mark.parametrize("mutant", [*OF_ANY_MODEL, "check-of-a-commit-slot-ignored"])
def test_mistakes_are_found_in_a_staged_model_too(mutant: str) -> None:
    found(mutant, "torn", STAGED)
