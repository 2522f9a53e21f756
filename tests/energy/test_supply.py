"""A capacitor between a source and a load: joules add up, and times are those of circuits solved otherwise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from benchmarks.energy_hardware import compare
from freeml.energy import linear
from freeml.energy.source import Diode, Operating, Thevenin, nodes
from freeml.energy.supply import BALANCE, Capacitor, Comparator, Ldo, Supply
from freeml.errors import BadData


@pytest.mark.parametrize("k", [0.0, 1e-9, 0.1, 0.4999, 0.5, 0.5001, 3.0, 80.0])
def test_closed_forms_are_the_integrals_of_the_exponential(k: float) -> None:
    v0, slope, t_s = 1.3, -0.7, 1.0

    def volts(t: float) -> float:
        return v0 + linear.change_v(slope, k, t)

    of_v, of_v2 = linear.integrals(v0, slope, k, t_s)
    assert of_v == pytest.approx(quad(volts, 0, t_s, epsabs=1e-13)[0], rel=1e-11)
    assert of_v2 == pytest.approx(quad(lambda t: volts(t) ** 2, 0, t_s, epsabs=1e-13)[0], rel=1e-11)
    asked_s = min(0.3, 3 / k) if k else 0.3  # later the exponential is flat, and its inverse has lost its digits
    assert linear.time_to_s(slope, k, volts(asked_s) - v0) == pytest.approx(asked_s, rel=1e-11)


def constant(amperes: float) -> tuple[list[float], list[float]]:
    return [0.0, 5.0, 5.001], [amperes, amperes, 0.0]


def test_a_constant_current_charges_as_charge_says() -> None:
    supply = Supply(Capacitor(111e-6), Comparator(3.1, 2.4), voltage_v=2.4)
    supply.offer(*constant(1e-3))
    took_s, event = supply.advance(0.0, 10.0)
    assert event == "on"
    assert took_s == pytest.approx(111e-6 * 0.7 / 1e-3)  # 77.7 ms, by hand
    took_s, event = supply.advance(3e-3, 10.0)
    assert event == "off"
    assert took_s == pytest.approx(111e-6 * 0.7 / 2e-3)
    supply.check()


CIRCUITS = [
    {"capacitor": Capacitor(47e-6, esr_ohm=2.0, insulation_ohm=2e5), "diode_v": 0.3},
    {"capacitor": Capacitor(10e-6, esr_ohm=20.0, insulation_ohm=1e6, clamp_v=2.9), "ldo": Ldo(2.2, 0.3)},
    {"capacitor": Capacitor(1e-3, clamp_v=3.0), "diode_v": 0.2, "ldo": Ldo(1.8)},
    {"capacitor": Capacitor(1e-6)},
]
SAMPLES = [
    Thevenin(np.array([4.2]), np.array([1500.0])),
    Diode(np.array([2e-3]), np.array([1e-6]), np.array([2.2])),
    Operating(np.array([3.3]), np.array([0.8e-3])),
    Operating(np.array([0.0]), np.array([0.0])),
]


@pytest.mark.parametrize("number", range(len(CIRCUITS)))
def test_every_joule_has_one_place_whatever_happens(number: int) -> None:
    rng = np.random.default_rng(number)
    supply = Supply(comparator=Comparator(2.8, 1.9, 5e-6, 1e-6), **CIRCUITS[number])  # type: ignore[arg-type]
    switched = set()
    for _ in range(120):
        supply.offer(*nodes(SAMPLES[int(rng.integers(0, len(SAMPLES)))], 0, points=16, most_v=6.0))
        for _ in range(3):
            switched.add(supply.advance(float(rng.choice([0, 1e-4, 5e-3])), float(rng.exponential(0.05)))[1])
    energy = supply.energy
    assert switched == {"time", "on", "off"}
    assert abs(energy.missing_j) <= BALANCE * energy.moved_j
    held_j = 0.5 * supply.capacitor.capacitance_f * supply.voltage_v**2
    assert energy.stored_j == pytest.approx(held_j, rel=1e-9, abs=1e-15)  # it was empty at first
    assert min(energy.used_j, energy.harvested_j, energy.converted_j) > 0
    assert (energy.clipped_j > 0) == (supply.capacitor.clamp_v < math.inf)
    assert (energy.leaked_j > 0) == (supply.capacitor.insulation_ohm < math.inf)


def test_a_wrong_account_would_be_seen() -> None:
    supply = Supply(Capacitor(1e-6), Comparator(3.0, 2.0))
    supply.offer(*constant(1e-3))
    supply.advance(0.0, 1e-3)
    supply.check()
    supply.energy.used_j += 1e-8 * supply.energy.harvested_j
    with pytest.raises(AssertionError, match="do not add up"):
        supply.check()


def test_the_voltage_is_that_of_a_numerical_solution() -> None:
    capacitor = Capacitor(47e-6, esr_ohm=5.0, insulation_ohm=5e4)
    supply = Supply(capacitor, Comparator(9.0, 1.0, off_a=3e-6), diode_v=0.25)
    volts, amperes = nodes(SAMPLES[1], 0, points=32, most_v=4.0)
    supply.offer(volts, amperes)

    def slope(_: float, v: list[float]) -> list[float]:
        into_a = 0.0
        for _ in range(60):  # the terminal's voltage and the current through ESR, by iteration
            terminal_v = v[0] + capacitor.esr_ohm * into_a
            into_a = np.interp(terminal_v + 0.25, volts, amperes, right=0.0) - 3e-6 - terminal_v / 5e4
        return [into_a / capacitor.capacitance_f]

    for end_s in (0.02, 0.2):
        supply.voltage_v = 0.0
        supply.advance(0.0, end_s)
        solved = solve_ivp(slope, (0, end_s), [0.0], rtol=1e-9, atol=1e-12, max_step=end_s / 50)
        assert supply.voltage_v == pytest.approx(solved.y[0, -1], rel=1e-6)


@pytest.mark.parametrize(
    ("source", "comparator", "says"),
    [
        (Thevenin(np.array([2.5]), np.array([1e4])), Comparator(3.0, 2.0), "settles at 2.5 V, short of 3 V"),
        (Thevenin(np.array([4.0]), np.array([1e6])), Comparator(3.0, 2.0, off_a=2e-6), "settles at 2 V"),
        (Thevenin(np.array([4.0]), np.array([1e4])), Comparator(3.0, 2.0), ""),
        (Operating(np.array([3.5]), np.array([1e-6])), Comparator(3.0, 2.0, off_a=2e-6), "no more than what is drawn"),
    ],
)
def test_why_a_load_never_starts_is_said_and_happens(source: Thevenin, comparator: Comparator, says: str) -> None:
    supply = Supply(Capacitor(10e-6), comparator)
    supply.offer(*nodes(source, 0))
    assert says in supply.why_never_on()
    assert bool(says) == bool(supply.why_never_on())
    assert supply.advance(0.0, 1000.0)[1] == ("time" if says else "on")


def test_a_source_whose_lines_are_none_is_refused() -> None:
    supply = Supply(Capacitor(1e-6), Comparator(3.0, 2.0))
    with pytest.raises(BadData, match="end at no current"):
        supply.offer([0.0, 1.0], [1e-3, 1e-3])
    with pytest.raises(BadData, match="switches on at"):
        Comparator(2.0, 3.0)


def test_on_and_off_times_are_those_of_a_real_device(data_dir: Path) -> None:
    """One window a capacitor from 400 uA, one factor of the lamp's current from 18,000 lux; all else as measured."""
    rows, fits = compare(data_dir / "hardware")
    assert fits["111 uF"] == pytest.approx(0.65, abs=0.03)  # PROVENANCE.md: the true window is nearer 0.65 than 0.7 V
    assert len(rows) == 28
    for row in rows:
        fitted_n, fitted_on, fitted_off = row.errors(row.fitted)
        if "constant" in row.name:
            assert abs(row.fitted.n_on - row.real.n_on) <= max(1, 0.04 * row.real.n_on), row.name
            most = 0.10 if row.name == "111 uF, 3.1 V, constant 800 uA" else 0.07
            assert abs(fitted_on) <= most, row.name
            assert abs(fitted_off) <= 0.06, row.name
            assert max(map(abs, row.errors(row.nominal)[1:])) <= 0.13, row.name
        elif row.real.n_on:
            assert abs(fitted_on) <= 0.07, row.name
            assert abs(fitted_off) <= 0.10, row.name
        else:
            assert row.fitted.n_on == row.nominal.n_on == 0, row.name
            assert "short of 3.05 V" in row.why
        assert not math.isnan(fitted_n) or not row.real.n_on
