"""One flipped bit of the commit word: a cold start, at any step, and never a step that was not committed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from freeml import CompileOptions, compile_model
from freeml.sim.power_loss.explorer import CrashRig, rig_of_folder

from .probe import ONE_SLOT, rig

COMMIT, WORD_BYTES, SLOTS_BYTES = 16, 2, 16  # FML_NVM_COMMIT: one word, or two slots
DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"


def flipped(image: bytes, n_bytes: int) -> Iterator[tuple[int, bytes]]:
    for bit in range(8 * n_bytes):
        changed = bytearray(image)
        changed[COMMIT + bit // 8] ^= 1 << bit % 8
        yield bit, bytes(changed)


def believed(explored: CrashRig, n_bytes: int) -> list[tuple[int, int]]:
    """Commits and bits after whose flip there is no cold start, or an answer that is none of a blank NVM."""
    return [
        (commit, bit)
        for commit, image in enumerate(explored.images())
        for bit, changed in flipped(image, n_bytes)
        if not explored.explore("none", start=changed, n_inferences=1).closed
    ]


def test_any_flipped_bit_of_the_commit_word_leads_to_a_cold_start() -> None:
    assert believed(rig(ONE_SLOT), WORD_BYTES) == []


def test_a_commit_word_whose_check_goes_unread_is_found() -> None:
    assert len(believed(rig(ONE_SLOT, mutant="commit-word-check-unread"), WORD_BYTES)) > 20


def test_a_flipped_bit_of_one_of_two_slots_loses_one_step_at_most() -> None:
    """The other slot, if it was written, holds the commit before: an image of this model that is whole."""
    explored = rig()
    for image in explored.images():
        for _, changed in flipped(image, SLOTS_BYTES):
            report = explored.explore("none", start=changed, n_inferences=1)
            assert report.closed or "and whole" in report.reason


@pytest.mark.parametrize("capacitor_uf", [None, 6])
def test_the_commit_word_of_a_compiled_network_shows_a_flipped_bit(capacitor_uf: float | None, tmp_path: Path) -> None:
    options = CompileOptions(board="msp430fr5994", capacitor_uf=capacitor_uf, samples=1)
    made = compile_model(DIGITS, tmp_path / "out", data="digits", options=options)
    assert (made.manifest.tiles.commit_slots, made.manifest.tiles.commit_check) == (1, True)
    assert believed(rig_of_folder(tmp_path / "out", "digits"), WORD_BYTES) == []
