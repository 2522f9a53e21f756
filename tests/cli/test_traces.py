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


def test_charge_says_how_often_a_load_is_on_and_where_each_joule_went(walk: Path) -> None:
    for converter in ("bq25504", "bq25570"):
        told = freeml("traces", "charge", walk, "--converter", converter, "--capacitor", "1uF", "--json").json
        energy = told["energy_uj"]
        assert energy["harvested"] == pytest.approx(sum(energy.values()) - energy["harvested"], rel=1e-9)
        assert told["starts"] > 2
        assert told["on_s"]["least"] <= told["on_s"]["mean"] <= told["on_s"]["most"]
    assert "starts in" in freeml("traces", "charge", walk, "--converter", "bq25504", "--capacitor", "1uF").out
    refused("traces", "charge", walk, says="power, but at no voltage")
    refused("traces", "charge", walk, "--output", 1.8, says="no step-down converter")
    behind = ("--converter", "bq25570", "--capacitor", "1uF", "--output", 1.8)
    less = freeml(
        "traces", "charge", walk, *behind, "--v-off", 2.1, "--json"
    ).json  # power at 1.8 V is less than at 3 V
    assert less["on_s"]["mean"] > told["on_s"]["mean"]


def test_charge_says_why_a_load_is_never_on(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time_s,open_voltage_v,source_resistance_ohm\n0,2.5,1000\n10,2.5,1000\n")
    told = freeml("traces", "charge", tmp_path / "t.csv", "--v-on", 3, "--json").json
    assert told["starts"] == 0
    assert told["why_never_on"] == "it settles at 2.5 V, short of 3 V"
    through = freeml("traces", "charge", tmp_path / "t.csv", "--v-on", 3, "--converter", "bq25504", "--json").json
    assert through["starts"] > 0
    better = ("--converter", "bq25504", "--tracked", 0.5, "--json")
    half = freeml("traces", "charge", tmp_path / "t.csv", "--v-on", 3, *better).json
    assert half["energy_uj"]["used"] > through["energy_uj"]["used"]  # half the open voltage is best of such a source
    assert half["energy_uj"]["harvested"] == pytest.approx(2.5**2 / 4e3 * 20 * 1e6, rel=0.05)
