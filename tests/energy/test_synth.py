"""Synthetic traces: seeds decide, statistics are those that are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeml.energy.synth import KINDS, Asked, make
from freeml.errors import BadData


@pytest.fixture
def shaken(tmp_path: Path) -> Path:
    """A minute of 2.5 Hz at 1 m/s^2 on the third axis."""
    wave = np.sin(2 * np.pi * 2.5 * np.arange(3000) / 50) / 9.80665
    acc = np.zeros((3000, 3))
    acc[:, 2] = 1 + wave
    np.savez(tmp_path / "acc.npz", acc=acc, acc_scale_g=1.0, fs=50)
    return tmp_path / "acc.npz"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_trace_and_another_seed_another(kind: str, shaken: Path) -> None:
    asked = [Asked(seed=seed, accelerometer=shaken) for seed in (1, 1, 2)]
    values = [next(iter(make(kind, one).columns.values())) for one in asked]
    assert np.array_equal(values[0], values[1])
    assert kind == "kinetic" or not np.array_equal(values[0], values[2])
    assert values[0].min() >= 0
    assert values[0].max() > 0


def test_markov_is_on_for_the_share_of_time_that_is_asked_for() -> None:
    made = make("markov", Asked(duration_s=20_000, step_s=0.05, on_s=0.5, off_s=1.5, power_w=1e-3))
    on = made.columns["power_w"] > 0
    assert on.mean() == pytest.approx(0.25, abs=0.02)
    assert np.diff(on.astype(int)).clip(0).sum() == pytest.approx(20_000 / 2, rel=0.08)
    assert set(np.unique(made.columns["power_w"])) == {0.0, 1e-3}


def test_a_mass_in_resonance_gives_what_the_formula_says(shaken: Path) -> None:
    made = make("kinetic", Asked(accelerometer=shaken, mass_kg=0.01, resonance_hz=2.5, damping=0.1))
    settled = made.columns["power_w"][1500:]
    # at resonance the relative velocity is a / (2 d w); half of the damping is electrical: P = m a^2 / (8 d w)
    assert settled.mean() == pytest.approx(0.01 * 1.0 / (8 * 0.1 * 2 * np.pi * 2.5), rel=0.03)


def test_nights_are_dark() -> None:
    sun, day = make("sun-cloud", Asked()), make("indoor-day", Asked())
    night = sun.time_s < 5 * 3600
    assert sun.columns["irradiance_w_m2"][night].max() == 0
    assert day.columns["illuminance_lux"][night].max() == 0


@pytest.mark.parametrize("asked", [Asked(duration_s=1.0, step_s=2.0), Asked(duration_s=1e12)])
def test_a_trace_of_no_or_too_many_samples_is_refused(asked: Asked) -> None:
    with pytest.raises(BadData):
        make("rf-walk", asked)
