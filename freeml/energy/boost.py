"""Boost chargers with maximum power point tracking: from a sample of a trace to lines at the storage capacitor.

A charger gives power, P / V at the capacitor: a chord between voltages 1 % apart lies at most 2e-5 above it. Below
`charge_from_v` at the capacitor, only the cold start works, poorly, and from a higher input voltage.
Efficiencies by input voltage and current are those that nes-lab/shepherd-tools (virtual_source_fixture.yaml) reads from
the data sheets' curves; all else is typical of TI's SLUSBH2C (BQ25570) and SLUSAH0 (BQ25504).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from freeml.energy.source import Diode, Power, Source, Thevenin
from freeml.energy.supply import Buck, Lines

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
        volts, amperes = self._input(source.take(np.array([sample])))
        watts = volts * amperes
        cold_w = watts * self.cold_share if volts >= self.cold_v and watts >= self.cold_w else 0.0
        share = efficiency(volts, amperes) if volts >= self.least_v else 0.0
        if not watts or not (cold_w or share):
            return Lines([0.0, self.full_v], [0.0, 0.0], [1.0])
        below = _grid(_LEAST_V, self.charge_from_v)
        above = _grid(self.charge_from_v + _EDGE_V, self.full_v)
        grid = [0.0, *below, *above, self.full_v + _EDGE_V]
        given = [cold_w / _LEAST_V, *(cold_w / v for v in below), *(watts * share / v for v in above), 0.0]
        shares = [self.cold_share] * len(below) + [share or self.cold_share] * (len(above) + 1)
        return Lines(grid, given, shares)

    def _input(self, one: Source) -> tuple[float, float]:
        """Voltage and current at the charger's input; of power alone, at a voltage that the table knows."""
        if isinstance(one, Power):
            watts = float(one.power_w[0])
            return _KNOWN_V, watts / _KNOWN_V
        open_v = _open_v(one)
        if self.tracked is None or open_v is None:
            volts, amperes = one.best()
            return float(volts[0]), float(amperes[0])
        volts_held = self.tracked * open_v
        return volts_held, float(one.current_a(volts_held)[0])


def _open_v(one: Source) -> float | None:
    """Open voltage of a source that has one in closed form."""
    if isinstance(one, Thevenin):
        return float(one.open_v[0])
    if isinstance(one, Diode):
        return float(np.log1p(max(float(one.photo_a[0]), 0.0) / one.saturation_a[0]) / one.exponent_per_v[0])
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
    row = min(int(volts / _ROW_V), len(_EFFICIENCY) - 1)
    column = 0 if amperes < _COLUMN_A else min(int(math.log2(amperes / _COLUMN_A)) + 1, _EFFICIENCY.shape[1] - 1)
    return float(_EFFICIENCY[row, column])


# Below 1 uA, then from 1, 2, 4 ... uA, from 1 mA.
_BUCK_FROM_A = (0.0, *(1.024e-6 * 2**column for column in range(11)))
_BUCK_SHARES = (0.40, 0.50, 0.60, 0.73, 0.82, 0.86, 0.88, 0.90, 0.91, 0.92, 0.93, 0.92)


def bq25570_buck(output_v: float) -> Buck:
    """The step-down converter of a BQ25570, set to an output voltage."""
    return Buck(output_v, 0.2, _BUCK_FROM_A, _BUCK_SHARES)


BQ25504 = Boost("BQ25504", 0.13, 0.33, 15e-6, 1.8, 3.6, 330e-9)
BQ25570 = Boost("BQ25570", 0.1, 0.33, 5e-6, 1.73, 5.5, 488e-9)
