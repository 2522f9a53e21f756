"""freeml.json: what was planned is read back as it was made, other formats and damage are refused in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeml import CompileOptions, CompileResult, compile_model
from freeml.cli import main
from freeml.errors import BadOutput
from freeml.output.folder import MANIFEST, read_output
from freeml.output.manifest import FORMAT_VERSION

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"


def compiled(folder: Path, board: str = "host", **options: Any) -> CompileResult:
    """The digits, for a board."""
    made = CompileOptions(board=board, samples=1, **options)
    return compile_model(DIGITS, folder, data="digits", options=made)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of them for the host, which tests copy."""
    folder = tmp_path_factory.mktemp("digits") / "out"
    compiled(folder)
    return folder


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Something else in the manifest of a folder."""
    found = json.loads((folder / MANIFEST).read_text())
    change(found)
    (folder / MANIFEST).write_text(json.dumps(found))


@pytest.mark.parametrize("board", ["host", "msp430fr5994", "nucleo_l476rg"])
def test_a_manifest_is_read_back_as_it_was_made(board: str, tmp_path: Path) -> None:
    made = compiled(tmp_path / "out", board)
    found = read_output(tmp_path / "out")
    assert found.manifest == made.manifest
    assert (found.manifest.tiles, found.manifest.arena) == (made.tiles, made.plan)
    assert found.manifest.text() == (tmp_path / "out" / MANIFEST).read_text()


def test_scripts_read_entries_as_the_file_has_them(tmp_path: Path) -> None:
    manifest = compiled(tmp_path / "out").manifest
    written = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert {key: manifest[key] for key in written} == written
    assert manifest["quantisation"] == written["quantization"]


def test_what_was_said_of_nvm_and_capacitor_is_in_the_folder(tmp_path: Path) -> None:
    compiled(tmp_path / "out", "msp430fr5994", capacitor_uf=47.0, nvm="torn-unordered")
    found = read_output(tmp_path / "out")
    assert found.board.nvm.behaviours == ("torn", "torn-unordered")
    assert found.manifest.tiles.commit_slots == 2
    assert found.manifest.capacitor_uf == 47


def test_nobody_reads_the_sums_that_the_file_has_of_a_plan(tmp_path: Path) -> None:
    made = compiled(tmp_path / "out")
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["tiles"]["n_tiles"] == made.tiles.n_tiles
    changed(tmp_path / "out", lambda found: found["tiles"].update(n_tiles=99, written_ratio=7))
    assert read_output(tmp_path / "out").manifest.tiles == made.tiles


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found.pop("format_version"), "format 1, of freeml 0"),
        (
            lambda found: found.update(format_version=FORMAT_VERSION + 1, freeml="9.0"),
            f"format {FORMAT_VERSION + 1}, of freeml 9.0: this one reads format {FORMAT_VERSION}",
        ),
        (lambda found: found.update(format_version="2"), "format '2'"),
        (lambda found: found.update(name="other"), "manifest and graph are of two models"),
        (lambda found: found.pop("tiles"), "damaged: freeml.json: tiles: Field required"),
        (lambda found: found.update(tiles=[]), "damaged: freeml.json: tiles"),
        (lambda found: found["tiles"].update(commit_slots="2"), "damaged: freeml.json: tiles.commit_slots"),
        (lambda found: found["tiles"].pop("fixed"), "damaged: freeml.json: tiles.fixed"),
        (lambda found: found["tiles"]["layers"][0].update(more=1), "damaged: freeml.json: tiles.layers.0.more"),
        (lambda found: found["board"]["nvm"].update(atomic_bytes=3), "damaged: freeml.json: board.nvm.atomic_bytes"),
        (lambda found: found["tiles"]["layers"][0].update(tile_units=0), "plan is damaged, or of another version"),
        (lambda found: found["tiles"]["layers"][0].update(first_tile=2), "plan is damaged, or of another version"),
        (lambda found: found["tiles"]["layers"][0].update(n_tiles=10**12), "plan is damaged, or of another version"),
        (lambda found: found["tiles"]["layers"][0].update(parts=0), "plan is damaged, or of another version"),
        (lambda found: found["tiles"]["layers"][0].update(offset_bytes=-1), "plan is damaged, or of another version"),
        (lambda found: found["tiles"]["layers"][0].update(parts=10**12), "plan is damaged, or of another version"),
        (lambda found: found["tiles"]["layers"][0].update(n_units=10**12), "plan is damaged, or of another version"),
        (
            lambda found: found["tiles"]["layers"][0].update(
                n_units=1, tile_units=1, parts=10**12, n_tiles=10**12, macs=10**12
            ),
            "plan is damaged, or of another version",
        ),
        (lambda found: found["arena"].update(arena_bytes=10**12), "plan is damaged, or of another version"),
        (lambda found: found["arena"].update(arena_bytes=1), "plan is damaged, or of another version"),
    ],
)
def test_a_folder_of_another_format_or_with_damage_is_refused_in_words(
    change: Callable[[dict[str, Any]], object],
    says: str,
    digits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(digits, tmp_path / "out")
    changed(tmp_path / "out", change)
    with pytest.raises(BadOutput, match="compile the model again") as refusal:
        read_output(tmp_path / "out")
    assert says in refusal.value.what
    assert main(["verify", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().err
    assert "compile the model again" in printed
    assert "Traceback" not in printed
