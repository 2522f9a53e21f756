"""What a network's first boot finds in NVM: garbage, its images under another identity, what others left."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants.mutant import table
from benchmarks.power_loss.models import compiled, twin
from freeml import CompileOptions, compile_model
from freeml.output.folder import Output, read_output
from freeml.sim.power_loss.host import images_left, lose_power_on_host
from tests.effort import PATIENCE_S


def twin_of(output: Output, work: Path, nvm: str) -> Output:
    """The same layers with other weights."""
    model, data = twin("digits", work)
    out = work / "twin"
    compile_model(model, out, data=data, options=CompileOptions(name="digits", nvm=nvm, samples=1))
    other = read_output(out)
    assert other.board.nvm == output.board.nvm
    return other


@pytest.mark.parametrize("nvm", ["atomic", "torn"])
def test_what_another_network_left_at_any_commit_leads_to_a_cold_start(nvm: str, tmp_path: Path) -> None:
    output = compiled("digits", tmp_path, nvm)
    strangers = images_left(twin_of(output, tmp_path, nvm))
    assert len(strangers) == output.manifest.tiles.n_tiles + 4, "cold start, capture, tiles, publication, report"
    without = lose_power_on_host(output, "all", limit_s=PATIENCE_S)
    closure = lose_power_on_host(output, "all", limit_s=PATIENCE_S, strangers=strangers)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason
    assert closure.first_images > without.first_images > 20
    assert closure.images > without.images


@pytest.mark.parametrize("mutant", ["identity-by-magic-alone", "identity-without-the-first-word-of-the-digest"])
def test_a_runtime_that_reads_a_part_of_the_identity_is_found_by_a_first_boot(mutant: str, tmp_path: Path) -> None:
    output = compiled("digits", tmp_path)
    strangers = images_left(twin_of(output, tmp_path, "atomic"))
    table()[mutant].apply_to(output.folder / "runtime" / "fml_nvm.c")
    closure = lose_power_on_host(read_output(output.folder), "all", limit_s=PATIENCE_S, strangers=strangers)
    assert (closure.closed, closure.divergences) == (False, 1)
    by_stranger = "of another network" in closure.reason
    assert by_stranger == (mutant == "identity-by-magic-alone"), closure.reason


def test_an_image_of_its_own_is_no_strangers(tmp_path: Path) -> None:
    """What the tests above rest on: were a stranger's taken for whole, that would be said."""
    output = compiled("digits", tmp_path)
    closure = lose_power_on_host(output, "all", limit_s=PATIENCE_S, strangers=images_left(output))
    assert (closure.closed, closure.divergences) == (False, 1)
    assert "image 0 of another network" in closure.reason
