"""Boost chargers with maximum power point tracking: from a sample of a trace to lines at the storage capacitor.

A charger gives power, P / V at the capacitor: a chord between voltages 1 % apart lies at most 2e-5 above it. Below
`charge_from_v` at the capacitor, only the cold start works, poorly, and from a higher input voltage.
Efficiencies by input voltage and current are those that nes-lab/shepherd-tools (virtual_source_fixture.yaml) reads from
the data sheets' curves; of thresholds and quiescent currents `BQ25504` and `BQ25570` say what each one rests on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from freeml.energy.source import Diode, Power, Source, Thevenin
from freeml.energy.supply import Buck, Lines

Floats = npt.NDArray[np.float64]

# Rows: input from 0, 128, 256 ... 1408 mV; columns: below 8 uA, from 8, 16, 32 ... uA, from 8 mA.
_EFFICIENCY = np.array(
    [
        [0.01, 0.01, 0.02, 0.05, 0.10, 0.15, 0.15, 0.20, 0.25, 0.30, 0.30, 0.35],
        [0.10, 0.20, 0.30, 0.40, 0.50, 0.55, 0.56, 0.57, 0.58, 0.59, 0.60, 0.61],
        [0.20, 0.40, 0.50, 0.60, 0.65, 0.66, 0.67, 0.68, 0.69, 0.70, 0.71, 0.72],
        [0.35, 0.55, 0.65, 0.71, 0.73, 0.74, 0.75, 0.75, 0.76, 0.77, 0.77, 0.78],
        [0.45, 0.65, 0.70, 0.73, 0.75, 0.77, 0.78, 0.79, 0.80, 0.81, 0.81, 0.82],
        [0.50, 0.70, 0.74, 0.76, 0.78, 0.79, 0.80, 0.81, 0.82, 0.83, 0.83, 0.84],
        [0.52, 0.73, 0.76, 0.78, 0.80, 0.81, 0.82, 0.83, 0.84, 0.85, 0.85, 0.86],
        [0.53, 0.75, 0.77, 0.79, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.86, 0.87],
        [0.55, 0.77, 0.78, 0.80, 0.82, 0.83, 0.85, 0.86, 0.87, 0.87, 0.87, 0.88],
        [0.56, 0.78, 0.79, 0.81, 0.83, 0.85, 0.87, 0.88, 0.88, 0.88, 0.88, 0.89],
        [0.58, 0.79, 0.80, 0.82, 0.84, 0.86, 0.88, 0.89, 0.89, 0.89, 0.89, 0.90],
        [0.60, 0.80, 0.81, 0.83, 0.85, 0.87, 0.89, 0.90, 0.90, 0.90, 0.90, 0.90],
    ]
)
_ROW_V = 0.128
_COLUMN_A = 8.192e-6  # 2^13 nA; each column twice the one before
_RATIO = 1.01  # of neighbouring voltages at the capacitor
_LEAST_V = 0.05  # below that, the charger's current stays what it is there: P / V has no end
_EDGE_V = 0.05  # over which the cold start gives way to the charger: data sheets give 1.6 to 1.9 V
_KNOWN_V = 1.408  # input of power alone: the table's last row, as of a harvester that is matched to its charger


@dataclass(frozen=True, slots=True)
class Boost:
    """A charger.

    least_v        input from which it works once it runs; cold_v and cold_w to start from an empty capacitor
    charge_from_v  at the capacitor, where the charger takes over from the cold start
    full_v         at the capacitor, where it stops (VBAT_OV)
    quiescent_a    out of the capacitor
    cold_share     efficiency of the cold start
    tracked        share of the open voltage at which it holds its input; None: a source's own best point
    """

    name: str
    least_v: float
    cold_v: float
    cold_w: float
    charge_from_v: float
    full_v: float
    quiescent_a: float
    cold_share: float = 0.05
    tracked: float | None = 0.8

    def lines(self, source: Source, sample: int) -> Lines:
        """What a sample gives at the capacitor."""
        made = self.scaled(source.take(np.array([sample])))
        low_w, high_w = float(made.low_w[0]), float(made.high_w[0])
        if not (low_w or high_w):
            return Lines([0.0, self.full_v], [0.0, 0.0], [1.0])
        below = np.arange(len(made.volts)) < made.split
        amperes = made.amperes_per_w * np.where(below, low_w, high_w)
        low, high = float(made.low_share[0]), float(made.high_share[0])
        shares = [low if node < made.split - 1 else high for node in range(len(amperes) - 1)]
        return Lines(made.volts.tolist(), amperes.tolist(), shares)

    def scaled(self, source: Source) -> Scaled:
        """What each sample gives at the capacitor."""
        volts, amperes = self._input(source)
        watts = volts * amperes
        starts = (volts >= self.cold_v) & (watts >= self.cold_w)
        share = np.where(volts >= self.least_v, efficiencies(volts, amperes), 0.0)
        below, above = _grid(_LEAST_V, self.charge_from_v), _grid(self.charge_from_v + _EDGE_V, self.full_v)
        grid = np.array([0.0, *below, *above, self.full_v + _EDGE_V])
        per_w = np.array([1 / _LEAST_V, *(1 / v for v in below), *(1 / v for v in above), 0.0])
        return Scaled(
            volts=grid,
            amperes_per_w=per_w,
            split=len(below) + 1,
            low_w=np.where(starts, watts * self.cold_share, 0.0),
            high_w=watts * share,
            low_share=np.full(len(watts), self.cold_share),
            high_share=np.where(share > 0, share, self.cold_share),
        )

    def _input(self, source: Source) -> tuple[Floats, Floats]:
        """Voltage and current (n,) at the charger's input; of power alone, at a voltage that the table knows."""
        if isinstance(source, Power):
            return np.full(len(source), _KNOWN_V), source.power_w / _KNOWN_V
        open_v = _open_v(source)
        if self.tracked is None or open_v is None:
            return source.best()
        held_v = self.tracked * open_v
        return held_v, source.current_a(held_v)


@dataclass(frozen=True, slots=True)
class Scaled:
    """n samples behind a charger, as lines on one grid of voltages at the capacitor.

    volts          (m,) from 0; amperes_per_w (m,) currents there of 1 W
    split          number of nodes at which the cold start works; the charger works at the others
    low_w, high_w  (n,) what comes out of the one and of the other
    low_share, high_share  (n,) of what the harvester gives
    """

    volts: Floats
    amperes_per_w: Floats
    split: int
    low_w: Floats
    high_w: Floats
    low_share: Floats
    high_share: Floats


def _open_v(source: Source) -> Floats | None:
    """Open voltage (n,) of a source that has one in closed form."""
    if isinstance(source, Thevenin):
        return source.open_v
    if isinstance(source, Diode):
        return np.log1p(np.maximum(source.photo_a, 0.0) / source.saturation_a) / source.exponent_per_v
    return None


@cache
def _grid(first_v: float, last_v: float) -> tuple[float, ...]:
    """Voltages at most 1 % apart, both ends in it."""
    count = max(2, math.ceil(math.log(last_v / first_v) / math.log(_RATIO)) + 1)
    return tuple(float(volts) for volts in np.geomspace(first_v, last_v, count))


def efficiency(volts: float, amperes: float) -> float:
    """Of the charger at an input.

    >>> efficiency(0.3, 5e-6), efficiency(2.0, 20e-3)
    (0.2, 0.9)
    """
    return float(efficiencies(np.array([volts]), np.array([amperes]))[0])


def efficiencies(volts: Floats, amperes: Floats) -> Floats:
    """The same at inputs (n,)."""
    row = np.minimum((volts / _ROW_V).astype(int), len(_EFFICIENCY) - 1)
    doublings = np.floor(np.log2(np.maximum(amperes, _COLUMN_A) / _COLUMN_A)).astype(int) + 1
    column = np.where(amperes < _COLUMN_A, 0, np.minimum(doublings, _EFFICIENCY.shape[1] - 1))
    return np.asarray(_EFFICIENCY[row, column], np.float64)


# Below 1 uA, then from 1, 2, 4 ... uA, from 1 mA.
_BUCK_FROM_A = (0.0, *(1.024e-6 * 2**column for column in range(11)))
_BUCK_SHARES = (0.40, 0.50, 0.60, 0.73, 0.82, 0.86, 0.88, 0.90, 0.91, 0.92, 0.93, 0.92)


def bq25570_buck(output_v: float) -> Buck:
    """The step-down converter of a BQ25570, set to an output voltage."""
    return Buck(output_v, 0.2, _BUCK_FROM_A, _BUCK_SHARES)


# assumed: thresholds and currents as TI's data sheets are remembered, SLUSAH0 (BQ25504: input from 130 mV once it runs,
# cold start from 330 mV typical and 15 uW, charger from 1.8 V, 330 nA) and SLUSBH2C (BQ25570: 100 mV, 330 mV and 5 uW,
# 1.73 V, 488 nA); nobody looked them up for this table, and full_v is what a board's resistors set. What was compared
# with another model is the BQ25570 from 1.73 V on (benchmarks/results/energy_shepherd.txt).
BQ25504 = Boost("BQ25504", 0.13, 0.33, 15e-6, 1.8, 3.6, 330e-9)
BQ25570 = Boost("BQ25570", 0.1, 0.33, 5e-6, 1.73, 5.5, 488e-9)
