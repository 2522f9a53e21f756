"""`freeml traces`: info, convert, synth and plot, for people and as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.runner import freeml, refused


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    ran = freeml("traces", "synth", "rf-walk", "--seed", 1, "--duration", 2, "-o", tmp_path / "walk.csv")
    assert ran.code == 0, ran
    return tmp_path / "walk.csv"


def test_info_says_format_means_and_power(walk: Path) -> None:
    told = freeml("traces", "info", walk, "--json").json
    assert (told["samples"], told["step_s"], told["needs"]) == (2000, 0.001, None)
    assert told["power"]["mean_uw"] == pytest.approx(told["means"]["power_w"] * 1e6)
    assert "2,000 samples" in freeml("traces", "info", walk).out


def test_info_of_a_recording_that_needs_more_says_which_option(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time_s,current_ma\n0,1\n1,-2\n2,3\n")
    told = freeml("traces", "info", tmp_path / "t.csv", "--json").json
    assert "--cell-voltage" in told["needs"]
    assert told["power"] is None
    assert [(one["rule"], one["line"]) for one in told["defects"]] == [("negative", 3)]
    shown = freeml("traces", "info", tmp_path / "t.csv", "--cell-voltage", 2, "--on-defect", "repair").out
    assert "repaired" in shown
    assert "negative" in shown


def test_convert_writes_a_table_and_a_recording_that_read_alike(walk: Path, tmp_path: Path) -> None:
    first = freeml("traces", "convert", walk, tmp_path / "t.h5", "--cell-voltage", 2, "--json").json
    again = freeml("traces", "convert", tmp_path / "t.h5", tmp_path / "t.csv", "--json").json
    assert again["mean_uw"] == pytest.approx(first["mean_uw"], rel=1e-6)
    assert (tmp_path / "t.csv").read_text().startswith("time_s,voltage_v,current_a\n")


def test_synth_gives_the_same_bytes_for_the_same_seed(walk: Path, tmp_path: Path) -> None:
    for name, seed in (("a.csv", 1), ("b.csv", 2)):
        freeml("traces", "synth", "rf-walk", "--seed", seed, "--duration", 2, "-o", tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == walk.read_bytes() != (tmp_path / "b.csv").read_bytes()


def test_light_through_a_cell_is_power(tmp_path: Path) -> None:
    cell = ("--cell-area", 2, "--cell-efficiency", 0.2)
    made = freeml("traces", "synth", "sun-cloud", *cell, "-o", tmp_path / "t.csv", "--json").json
    assert made["mean_uw"] == pytest.approx(made["means"]["irradiance_w_m2"] * 2e-4 * 0.2 * 1e6)


def test_plot_draws_bars_and_gives_their_figures(walk: Path) -> None:
    drawn = freeml("traces", "plot", walk, "--from", 0.5, "--seconds", 1)
    assert "█" in drawn.out
    assert "power_uw, 0.5 to 1.5 s" in drawn.out
    told = freeml("traces", "plot", walk, "--json").json
    assert max(told["mean"]) <= max(told["highest"])


def test_what_cannot_be_done_is_said_in_words(walk: Path, tmp_path: Path) -> None:
    refused("traces", "info", tmp_path / "none.csv", says="cannot be read")
    refused("traces", "convert", walk, tmp_path / "t.xyz", says="no kind of file")
    refused("traces", "convert", walk, tmp_path / "t.h5", says="--cell-voltage")
    refused("traces", "plot", walk, "--from", 99, says="no sample between")
    assert not list(tmp_path.glob(".*"))
    assert freeml("traces", "info", walk, "--unit", "furlong").code == 2
