"""Boost chargers: power at the capacitor, cold start, full, and joules that add up."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.energy.boost import BQ25504, BQ25570, Boost, bq25570_buck, efficiency
from freeml.energy.source import Diode, Operating, Power, Thevenin
from freeml.energy.supply import BALANCE, Capacitor, Comparator, Ldo, Supply
from freeml.errors import BadData

SUN = Diode(np.array([1e-3]), np.array([1e-6]), np.array([4.0]))


def charged(boost: Boost, source: Operating, start_v: float, end_v: float, uf: float = 100.0) -> float:
    """Seconds from one voltage to another; without leakage, quiescent current aside."""
    supply = Supply(Capacitor(uf * 1e-6), Comparator(end_v, end_v / 2), voltage_v=start_v)
    supply.offer_lines(boost.lines(source, 0))
    took_s, event = supply.advance(0.0, 1e6)
    supply.check()
    assert event == "on"
    return took_s


@pytest.mark.parametrize("boost", [BQ25504, BQ25570], ids=lambda one: one.name)
def test_charging_takes_the_energy_of_the_capacitor_over_power_times_efficiency(boost: Boost) -> None:
    source = Operating(np.array([1.0]), np.array([300e-6]))
    watts = 300e-6 * efficiency(1.0, 300e-6)
    by_hand = 0.5 * 100e-6 * (3.3**2 - 2.0**2) / watts
    assert charged(boost, source, 2.0, 3.3) == pytest.approx(by_hand, rel=2e-5)


def test_a_cold_start_is_twenty_times_worse_and_needs_more_volts() -> None:
    source = Operating(np.array([0.5]), np.array([1e-3]))
    by_hand = 0.5 * 100e-6 * 1.7**2 / (0.5e-3 * 0.05)
    assert charged(BQ25570, source, 0.0, 1.7) == pytest.approx(by_hand, rel=2e-3)  # below 50 mV it is a current
    low = Operating(np.array([0.25]), np.array([1e-3]))
    supply = Supply(Capacitor(1e-6), Comparator(1.0, 0.5))
    supply.offer_lines(BQ25570.lines(low, 0))
    assert supply.advance(0.0, 1e4) == (1e4, "time")
    assert charged(BQ25570, low, 2.0, 3.0) > 0  # once it runs, 0.25 V do


def test_less_than_the_least_input_gives_nothing() -> None:
    lines = BQ25504.lines(Operating(np.array([0.1]), np.array([1e-3])), 0)
    assert max(lines.nodes_a) == 0


def test_the_input_is_held_at_a_share_of_the_open_voltage() -> None:
    watts = {}
    for share in (0.5, 0.8, None):
        boost = Boost("any", 0.1, 0.3, 1e-6, 1.8, 5.0, 0.0, tracked=share)
        lines = boost.lines(SUN, 0)
        at = int(np.searchsorted(lines.nodes_v, 3.0))
        watts[share] = lines.nodes_v[at] * lines.nodes_a[at] / lines.shares[at]
    best = float((SUN.best()[0] * SUN.best()[1])[0])
    assert watts[None] == pytest.approx(best)
    assert 0.5 * best < watts[0.5] < watts[0.8] < best
    half = Boost("any", 0.1, 0.3, 1e-6, 1.8, 5.0, 0.0, tracked=0.5)
    matched = half.lines(Thevenin(np.array([2.0]), np.array([1e3])), 0)
    at = int(np.searchsorted(matched.nodes_v, 3.0))
    assert matched.nodes_v[at] * matched.nodes_a[at] / matched.shares[at] == pytest.approx(1e-3)  # V^2 / 4 R


@pytest.mark.parametrize("boost", [BQ25504, BQ25570], ids=lambda one: one.name)
def test_every_joule_has_one_place_behind_a_charger_too(boost: Boost) -> None:
    rng = np.random.default_rng(3)
    capacitor = Capacitor(47e-6, esr_ohm=1.0, insulation_ohm=1e7, clamp_v=boost.full_v - 0.1)
    idle = Comparator(3.0, 2.4, boost.quiescent_a, boost.quiescent_a)
    supply = Supply(capacitor, idle, ldo=bq25570_buck(1.8) if boost is BQ25570 else Ldo(1.8, 0.2))
    sources = [SUN, Power(np.array([2e-3])), Power(np.array([0.0])), Operating(np.array([0.6]), np.array([4e-3]))]
    for _ in range(60):
        supply.offer_lines(boost.lines(sources[int(rng.integers(0, len(sources)))], 0))
        supply.advance(float(rng.choice([0, 1e-5, 5e-3])), float(rng.exponential(0.3)))
    energy = supply.energy
    assert abs(energy.missing_j) <= BALANCE * energy.moved_j
    assert energy.stored_j == pytest.approx(0.5 * 47e-6 * supply.voltage_v**2, rel=1e-9)
    assert min(energy.harvested_j, energy.used_j, energy.leaked_j, energy.clipped_j, energy.converted_j) > 0
    assert energy.converted_j > 0.1 * energy.harvested_j  # no charger is better than its table


def test_a_buck_converter_takes_power_out_over_efficiency() -> None:
    supply = Supply(Capacitor(100e-6), Comparator(4.0, 2.5), ldo=bq25570_buck(2.2), voltage_v=4.0)
    assert supply.advance(0.0, 1.0) == (0.0, "on")
    took_s, event = supply.advance(2e-3, 10.0)
    assert event == "off"
    watts = 2e-3 * 2.2 / 0.92
    assert took_s == pytest.approx(0.5 * 100e-6 * (4.0**2 - 2.5**2) / watts, rel=2e-5)
    assert supply.energy.used_j == pytest.approx(2e-3 * 2.2 * took_s, rel=2e-5)
    supply.check()


def test_a_buck_converter_below_its_output_is_refused() -> None:
    Supply(Capacitor(1e-6), Comparator(3.0, 2.4), ldo=bq25570_buck(2.2))  # 2.2 + 0.2 is more than 2.4 in binary
    with pytest.raises(BadData, match=r"needs 2\.4 V"):
        Supply(Capacitor(1e-6), Comparator(3.0, 2.0), ldo=bq25570_buck(2.2))
