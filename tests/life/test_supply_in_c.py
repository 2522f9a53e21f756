"""The supply in C gives the numbers of the one in Python: time, event, voltage and every account."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from freeml.energy.boost import BQ25570, bq25570_buck
from freeml.energy.converter import CONVERTERS, converter_of
from freeml.energy.source import Diode, Operating, Power, Thevenin, nodes
from freeml.energy.supply import Capacitor, Comparator, Energy, Ldo, Lines, Supply
from freeml.energy.trace import Trace
from freeml.sim.life.supply import NativeSupply

CIRCUITS = {
    "diode, series resistance, leakage": {
        "capacitor": Capacitor(47e-6, esr_ohm=2.0, insulation_ohm=2e5),
        "diode_v": 0.3,
    },
    "LDO with a knee, clamp": {
        "capacitor": Capacitor(10e-6, esr_ohm=20.0, insulation_ohm=1e6, clamp_v=2.9),
        "ldo": Ldo(2.2, 0.3),
    },
    "clamp and diode": {"capacitor": Capacitor(1e-3, clamp_v=3.0), "diode_v": 0.2, "ldo": Ldo(1.8)},
    "nothing but a capacitor": {"capacitor": Capacitor(1e-6)},
    "step-down converter": {"capacitor": Capacitor(100e-6, insulation_ohm=1e9), "ldo": bq25570_buck(1.6)},
}
SOURCES = [
    Thevenin(np.array([4.2]), np.array([1500.0])),
    Diode(np.array([2e-3]), np.array([1e-6]), np.array([2.2])),
    Operating(np.array([3.3]), np.array([0.8e-3])),
    Operating(np.array([0.0]), np.array([0.0])),
]


def lines_of(number: int) -> Lines:
    """Every kind of source, behind nothing or behind a charger."""
    source = SOURCES[number % len(SOURCES)]
    if number < len(SOURCES):
        return Lines(*nodes(source, 0, points=16, most_v=6.0))
    return BQ25570.lines(source, 0)


def same(one: Energy, other: Energy) -> None:
    scale = max(one.moved_j, 1e-12)
    for name in (field.name for field in fields(Energy)):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9, abs=1e-10 * scale), name


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_supply_in_c_is_the_one_in_python(name: str) -> None:
    rng = np.random.default_rng(len(name))
    python = Supply(comparator=Comparator(2.8, 1.9, 5e-6, 1e-6), **CIRCUITS[name])  # type: ignore[arg-type]
    native = NativeSupply(python)
    seen = set()
    for _ in range(150):
        source = lines_of(int(rng.integers(0, 2 * len(SOURCES))))
        python.offer_lines(source)
        native.offer_lines(source)
        for _ in range(3):
            load_a, most_s = float(rng.choice([0, 1e-4, 5e-3])), float(rng.exponential(0.05))
            expected_s, event = python.advance(load_a, most_s)
            took_s, found = native.advance(load_a, most_s)
            assert found == event
            assert took_s == pytest.approx(expected_s, rel=1e-9, abs=1e-15)
            assert native.voltage_v == pytest.approx(python.voltage_v, rel=1e-9, abs=1e-15)
            seen.add(event)
    assert seen == {"time", "on", "off"}
    same(native.energy, python.energy)
    python.check()


PAIRS = [(name, source) for name in CONVERTERS for source in SOURCES]
PAIRS += [(name, Power(np.array([3e-4]))) for name in ("bq25504", "bq25570")]


@pytest.mark.parametrize(("converter", "source"), PAIRS)
def test_a_piece_of_a_trace_has_the_lines_of_each_sample(converter: str, source: Thevenin) -> None:
    trace = Trace("one", np.array([0.0]), 1.0, source)
    between = converter_of(converter)
    (piece,) = between.pieces(trace)
    lines = between.lines(trace, 0)
    volts = piece.volts if piece.volts.ndim == 1 else piece.volts[0]
    amperes = piece.amperes if piece.amperes.ndim == 1 else piece.amperes[0]
    if piece.low is not None and piece.high is not None:
        amperes = np.where(np.arange(len(volts)) < piece.split, piece.low[0], piece.high[0]) * amperes
    asked = np.linspace(0.0, 6.0, 601)
    expected = np.interp(asked, lines.nodes_v, lines.nodes_a, right=0.0)
    assert np.interp(asked, volts, amperes, right=0.0) == pytest.approx(expected, rel=1e-12)
