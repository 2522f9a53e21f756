"""Capacitor, comparator and source against a real batteryless device.

    python -m benchmarks.energy_hardware --output benchmarks/results/energy_hardware.txt

Takes hardware/botoks_edges.csv.gz and iv_curves.csv of FREEML_DATA (their PROVENANCE.md has the circuit): number of on
periods, mean time on and off of each recording, all from its first loss of power on, against `freeml.energy.supply`. Of
each capacitor, one effective window is fitted to its recording at 400 uA, of the lamp one factor of current to its
recording at 18,000 lux; all else is as it was measured there.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from freeml.energy.cell import read_cell
from freeml.energy.source import Lit, nodes
from freeml.energy.supply import Capacitor, Comparator, Ldo, Supply

# PROVENANCE.md: comparator's own current on and off; LDO at 2.2 V; loads behind it, then BURN until power is lost.
ON_A, OFF_A, OUTPUT_V = 4.5e-6, 3e-6, 2.2
TASKS = ((2.3e-3, 600e-6), (0.75e-3, 700e-6), (7.25e-3, 1960e-6))
BURN_A = 3140e-6


@dataclass(frozen=True)
class Recording:
    """One recording: its setting, and the edges of the supply's output."""

    cap_uf: float
    source: str
    v_on_v: float
    v_off_v: float
    span_s: float
    on_s: tuple[float, ...]
    off_s: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.cap_uf:g} uF, {self.v_on_v:g} V, {self.source}"


@dataclass(frozen=True)
class Periods:
    """How often it was on, and mean times in s; NaN where there are none."""

    n_on: int
    on_s: float
    off_s: float


def recordings(folder: Path) -> list[Recording]:
    """All of a file, in its order."""
    rows: dict[tuple[str, ...], list[tuple[float, int]]] = {}
    with gzip.open(folder / "botoks_edges.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            key = tuple(row[name] for name in ("experiment", "cap_uf", "source", "v_on_v", "v_off_v"))
            rows.setdefault(key, []).append((float(row["time_s"]), int(row["v_out_on"])))
    found = []
    for (_, cap_uf, source, v_on, v_off), changes in rows.items():
        times, on = np.array([one[0] for one in changes]), np.array([one[1] for one in changes])
        edges = np.flatnonzero(np.diff(on)) + 1
        edges = edges[int(len(edges) > 0 and on[edges[0]] == 1) :]
        lengths, states = np.diff(times[edges]), on[edges][:-1]
        span_s = float(times[-1] - times[edges[0] if len(edges) else 0])
        on_s, off_s = (tuple(lengths[states == state].tolist()) for state in (1, 0))
        found.append(Recording(float(cap_uf), source, float(v_on), float(v_off), span_s, on_s, off_s))
    return found


def measured(one: Recording) -> Periods:
    """Whole periods of a recording; its first and last are cut off."""
    return Periods(len(one.on_s), _mean(one.on_s), _mean(one.off_s))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def lines(one: Recording, folder: Path, factor: float = 1.0) -> tuple[list[float], list[float]]:
    """The source of a recording as I-V lines."""
    name, amount, _ = one.source.split(" ")
    if name == "constant":
        amperes = float(amount) * 1e-6
        return [0.0, 5.0, 5.001], [amperes, amperes, 0.0]
    cell = read_cell(folder / "iv_curves.csv", name)
    return nodes(Lit(cell, np.array([float(amount)]), factor), 0, points=128, most_v=4.0)


def circuit(one: Recording, source: tuple[list[float], list[float]], window_v: float | None = None) -> Supply:
    """The circuit of a recording, just after a loss of power."""
    v_on = one.v_on_v if window_v is None else one.v_off_v + window_v
    supply = Supply(
        Capacitor(one.cap_uf * 1e-6),
        Comparator(v_on, one.v_off_v, ON_A, OFF_A),
        ldo=Ldo(OUTPUT_V),
        voltage_v=one.v_off_v,
    )
    supply.offer(*source)
    return supply


def simulate(one: Recording, source: tuple[list[float], list[float]], window_v: float | None = None) -> Periods:
    """The same for the time of the recording, from a loss of power on."""
    supply = circuit(one, source, window_v)
    left_s, on_s, off_s = one.span_s, [], []
    while left_s > 0:
        waited_s, event = supply.advance(0.0, left_s)
        left_s -= waited_s
        if event != "on":
            break
        off_s.append(waited_s)
        ran_s = 0.0
        for length_s, load_a in (*TASKS, (float("inf"), BURN_A)):
            took_s, event = supply.advance(load_a, min(length_s, left_s - ran_s))
            ran_s += took_s
            if event == "off" or ran_s >= left_s:
                break
        left_s -= ran_s
        if event == "off":
            on_s.append(ran_s)
    supply.check()
    return Periods(len(on_s), _mean(on_s), _mean(off_s))


def fit_window(one: Recording, folder: Path) -> float:
    """The window in V that fits time on and off of a recording best."""
    real, source = measured(one), lines(one, folder)

    def miss(window_v: float) -> float:
        made = simulate(one, source, window_v)
        return (made.on_s / real.on_s - 1) ** 2 + (made.off_s / real.off_s - 1) ** 2

    return float(minimize_scalar(miss, bounds=(0.4, 0.9), method="bounded", options={"xatol": 1e-4}).x)


def fit_factor(one: Recording, folder: Path) -> float:
    """The factor of a lamp's current that fits time on and off of a recording best."""
    real = measured(one)

    def miss(factor: float) -> float:
        made = simulate(one, lines(one, folder, factor))
        return (made.on_s / real.on_s - 1) ** 2 + (made.off_s / real.off_s - 1) ** 2

    return float(minimize_scalar(miss, bounds=(0.6, 1.6), method="bounded", options={"xatol": 1e-3}).x)


@dataclass(frozen=True)
class Row:
    """A recording beside its simulation; errors as shares of what was measured."""

    name: str
    real: Periods
    nominal: Periods
    fitted: Periods
    why: str

    def errors(self, made: Periods) -> tuple[float, float, float]:
        """Of the number of on periods, time on, time off."""
        pairs = ((made.n_on, self.real.n_on), (made.on_s, self.real.on_s), (made.off_s, self.real.off_s))
        return tuple(found / wanted - 1 if wanted else float("nan") for found, wanted in pairs)  # type: ignore[return-value]


def compare(folder: Path) -> tuple[list[Row], dict[str, float]]:
    """Every recording, and what was fitted."""
    all_of_them = recordings(folder)
    fits: dict[str, float] = {}
    for one in all_of_them:
        if one.source == "constant 400 uA":
            fits[f"{one.cap_uf:g} uF"] = fit_window(one, folder)
        elif one.source.endswith("18000 lux") and one.v_on_v < 3:
            fits["lamp"] = fit_factor(one, folder)
    rows = []
    for one in all_of_them:
        constant = one.source.startswith("constant")
        window = fits[f"{one.cap_uf:g} uF"] if constant else None
        factor = 1.0 if constant else fits["lamp"]
        fitted = simulate(one, lines(one, folder, factor), window)
        nominal = simulate(one, lines(one, folder))
        rows.append(
            Row(one.name, measured(one), nominal, fitted, circuit(one, lines(one, folder, factor)).why_never_on())
        )
    return rows, fits


def report(rows: list[Row], fits: dict[str, float]) -> str:
    """The table."""
    text = ["python -m benchmarks.energy_hardware", ""]
    text += [f"fitted, {name}: {fit:.4f} {'of the current' if name == 'lamp' else 'V'}" for name, fit in fits.items()]
    text += ["", f"{'':64} errors in % of n, on, off"]
    text += [f"{'recording':36} {'n on':>5} {'on ms':>8} {'off ms':>8} {'fitted':>24} {'nominal':>24}"]
    for row in rows:
        real = row.real
        if not real.n_on:
            text.append(f"{row.name:36} {0:5}   never on; simulated: on {row.fitted.n_on} times, {row.why}")
            continue
        shown = ["".join(f"{100 * value:8.1f}" for value in row.errors(made)) for made in (row.fitted, row.nominal)]
        text.append(f"{row.name:36} {real.n_on:5} {real.on_s * 1e3:8.2f} {real.off_s * 1e3:8.2f} {shown[0]} {shown[1]}")
    return "\n".join(text) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    text = report(*compare(Path(os.environ["FREEML_DATA"]) / "hardware"))
    sys.stdout.write(text)
    if args.output:
        args.output.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
