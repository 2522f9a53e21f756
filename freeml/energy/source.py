"""Kinds of source that a trace can be: what each sample says of current at a voltage, and where it gives most.

All arrays have one entry a sample, (n,). A source never draws: its current is zero where a diode would block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from freeml.energy.cell import Cell
from freeml.errors import BadData

Floats = npt.NDArray[np.float64]
Keep: TypeAlias = "slice | npt.NDArray[Any]"


class Source(Protocol):
    """What a harvester gives, sample by sample."""

    name: ClassVar[str]

    def __len__(self) -> int: ...

    def take(self, keep: Keep) -> Source:
        """Some of the samples."""

    def scaled(self, factor: float) -> Source:
        """The same with `factor` times the current at every voltage: a larger cell, several in parallel."""

    def current_a(self, voltage_v: float | Floats) -> Floats:
        """Current (n,) into a load that holds it at a voltage, one for all samples or (n,)."""

    def best(self) -> tuple[Floats, Floats]:
        """Voltage and current (n,) of the maximum power point."""

    def columns(self) -> dict[str, Floats]:
        """What is written to a table, by name with unit."""


def power_w(source: Source) -> Floats:
    """Power (n,) at the maximum power point."""
    if isinstance(source, Power):
        return source.power_w
    voltage_v, current_a = source.best()
    return voltage_v * current_a


@dataclass(frozen=True, slots=True)
class Power:
    """Power alone: at which voltage it comes is not known, so only a converter that tracks it can take it."""

    name: ClassVar[str] = "power"
    power_w: Floats

    def __len__(self) -> int:
        return len(self.power_w)

    def take(self, keep: Keep) -> Power:
        """Some of the samples."""
        return Power(self.power_w[keep])

    def scaled(self, factor: float) -> Power:
        """So many times the power."""
        return Power(self.power_w * factor)

    def current_a(self, voltage_v: float | Floats) -> Floats:  # noqa: ARG002 - the same question to every source
        """Raises BadData: the trace does not say."""
        raise _no_voltage()

    def best(self) -> tuple[Floats, Floats]:
        """Raises BadData: the trace does not say at which voltage."""
        raise _no_voltage()

    def columns(self) -> dict[str, Floats]:
        """power_w."""
        return {"power_w": self.power_w}


def _no_voltage() -> BadData:
    return BadData(
        "this trace says power, but at no voltage",
        hint="give --cell-voltage, or take a converter that tracks the maximum power point",
    )


@dataclass(frozen=True, slots=True)
class Operating:
    """Points at which a recorder harvested: that current up to that voltage, none above."""

    name: ClassVar[str] = "operating point"
    voltage_v: Floats
    current: Floats

    def __len__(self) -> int:
        return len(self.voltage_v)

    def take(self, keep: Keep) -> Operating:
        """Some of the samples."""
        return Operating(self.voltage_v[keep], self.current[keep])

    def scaled(self, factor: float) -> Operating:
        """So many times the current."""
        return Operating(self.voltage_v, self.current * factor)

    def current_a(self, voltage_v: float | Floats) -> Floats:
        """Current (n,) at a voltage."""
        return np.where(voltage_v <= self.voltage_v, self.current, 0.0)

    def best(self) -> tuple[Floats, Floats]:
        """The point itself."""
        return self.voltage_v, self.current

    def columns(self) -> dict[str, Floats]:
        """voltage_v, current_a."""
        return {"voltage_v": self.voltage_v, "current_a": self.current}


@dataclass(frozen=True, slots=True)
class Thevenin:
    """A voltage behind a resistance."""

    name: ClassVar[str] = "Thevenin source"
    open_v: Floats
    resistance_ohm: Floats

    def __len__(self) -> int:
        return len(self.open_v)

    def take(self, keep: Keep) -> Thevenin:
        """Some of the samples."""
        return Thevenin(self.open_v[keep], self.resistance_ohm[keep])

    def scaled(self, factor: float) -> Thevenin:
        """So many times the current: resistance divided by the factor; nothing at all for zero."""
        if not factor:
            return Thevenin(np.zeros_like(self.open_v), self.resistance_ohm)
        return Thevenin(self.open_v, self.resistance_ohm / factor)

    def current_a(self, voltage_v: float | Floats) -> Floats:
        """Current (n,) at a voltage."""
        return np.maximum(self.open_v - voltage_v, 0.0) / self.resistance_ohm

    def best(self) -> tuple[Floats, Floats]:
        """Half the open voltage."""
        half_v = self.open_v / 2
        return half_v, half_v / self.resistance_ohm

    def columns(self) -> dict[str, Floats]:
        """open_voltage_v, source_resistance_ohm."""
        return {"open_voltage_v": self.open_v, "source_resistance_ohm": self.resistance_ohm}


@dataclass(frozen=True, slots=True)
class Diode:
    """A solar cell as one diode: I(V) = photo - saturation (exp(exponent V) - 1)."""

    name: ClassVar[str] = "solar cell, one diode"
    photo_a: Floats
    saturation_a: Floats
    exponent_per_v: Floats

    def __len__(self) -> int:
        return len(self.photo_a)

    def take(self, keep: Keep) -> Diode:
        """Some of the samples."""
        return Diode(self.photo_a[keep], self.saturation_a[keep], self.exponent_per_v[keep])

    def scaled(self, factor: float) -> Diode:
        """So many cells in parallel."""
        return Diode(self.photo_a * factor, self.saturation_a * (factor or 1.0), self.exponent_per_v)

    def current_a(self, voltage_v: float | Floats) -> Floats:
        """Current (n,) at a voltage."""
        with np.errstate(over="ignore"):
            dark_a = self.saturation_a * np.expm1(self.exponent_per_v * voltage_v)
        return np.maximum(self.photo_a - dark_a, 0.0)

    def best(self) -> tuple[Floats, Floats]:
        """Where d(VI)/dV = 0: (1 + x) e^x = 1 + photo / saturation, with x = exponent V."""
        from scipy.special import wrightomega

        # x + 1 = W(e y) = omega(1 + ln y), which does not overflow where y does
        x = np.real(wrightomega(1.0 + np.log1p(np.maximum(self.photo_a, 0.0) / self.saturation_a))) - 1.0
        voltage_v = np.maximum(x, 0.0) / self.exponent_per_v
        return voltage_v, self.current_a(voltage_v)

    def columns(self) -> dict[str, Floats]:
        """photo_current_a, saturation_current_a, exponent_per_v."""
        return {
            "photo_current_a": self.photo_a,
            "saturation_current_a": self.saturation_a,
            "exponent_per_v": self.exponent_per_v,
        }


@dataclass(frozen=True, slots=True)
class Lit:
    """A cell of measured I-V curves, under light."""

    name: ClassVar[str] = "solar cell, measured curves"
    cell: Cell
    illuminance_lux: Floats
    factor: float = 1.0

    def __len__(self) -> int:
        return len(self.illuminance_lux)

    def take(self, keep: Keep) -> Lit:
        """Some of the samples."""
        return Lit(self.cell, self.illuminance_lux[keep], self.factor)

    def scaled(self, factor: float) -> Lit:
        """So many cells in parallel."""
        return Lit(self.cell, self.illuminance_lux, self.factor * factor)

    def current_a(self, voltage_v: float | Floats) -> Floats:
        """Current (n,) at a voltage."""
        return self.factor * self.cell.current_a(self.illuminance_lux, voltage_v)

    def best(self) -> tuple[Floats, Floats]:
        """From a table over illuminance."""
        voltage_v, current_a = self.cell.best(self.illuminance_lux)
        return voltage_v, self.factor * current_a

    def columns(self) -> dict[str, Floats]:
        """The points of most power, voltage_v and current_a: a table of a trace does not hold the cell."""
        voltage_v, current_a = self.best()
        return {"voltage_v": voltage_v, "current_a": current_a}


@dataclass(frozen=True, slots=True)
class IvCurves:
    """A recorded I-V curve a sample, on one grid of voltages: grid_v (m,) ascending, currents (n, m)."""

    name: ClassVar[str] = "I-V curves"
    grid_v: Floats
    currents: Floats

    def __len__(self) -> int:
        return len(self.currents)

    def take(self, keep: Keep) -> IvCurves:
        """Some of the samples."""
        return IvCurves(self.grid_v, self.currents[keep])

    def scaled(self, factor: float) -> IvCurves:
        """So many times the current."""
        return IvCurves(self.grid_v, self.currents * factor)

    def current_a(self, voltage_v: float | Floats) -> Floats:
        """Current (n,) at a voltage; none beyond the grid."""
        asked_v = np.broadcast_to(np.asarray(voltage_v, float), (len(self),))
        right = np.clip(np.searchsorted(self.grid_v, asked_v), 1, len(self.grid_v) - 1)
        share = (asked_v - self.grid_v[right - 1]) / (self.grid_v[right] - self.grid_v[right - 1])
        row = np.arange(len(self))
        low, high = self.currents[row, right - 1], self.currents[row, right]
        current = low + np.clip(share, 0.0, 1.0) * (high - low)
        return np.where(asked_v > self.grid_v[-1], 0.0, np.maximum(current, 0.0))

    def best(self) -> tuple[Floats, Floats]:
        """The point of the grid with most power."""
        at = np.argmax(self.currents * self.grid_v, axis=1)
        return self.grid_v[at], np.maximum(self.currents[np.arange(len(self)), at], 0.0)

    def columns(self) -> dict[str, Floats]:
        """The points of most power, voltage_v and current_a; curves themselves are written to Shepherd files."""
        voltage_v, current_a = self.best()
        return {"voltage_v": voltage_v, "current_a": current_a}


def nodes(source: Source, sample: int, points: int = 64, most_v: float = 10.0) -> tuple[list[float], list[float]]:
    """I-V lines of one sample, for `Supply.offer`: voltages from 0 and currents that end at none."""
    volts, amperes = all_nodes(source.take(np.array([sample])), points, most_v)
    return volts[0].tolist(), amperes[0].tolist()


def all_nodes(source: Source, points: int = 64, most_v: float = 10.0) -> tuple[Floats, Floats]:
    """I-V lines of each sample: voltages (n, m) that rise from 0, and currents (n, m) that end at none.

    One line says all of a Thevenin source; a point at which a recorder harvested is its current up to its voltage.
    Curves are taken at `points` voltages up to `most_v` or their end: a line is as far away as the curve bends between.
    """
    zero = np.zeros(len(source))
    if isinstance(source, Thevenin):
        gives = source.open_v > 0
        short_a = np.where(gives, source.open_v / source.resistance_ohm, 0.0)
        return np.stack([zero, np.where(gives, source.open_v, 1.0)], 1), np.stack([short_a, zero], 1)
    if isinstance(source, Operating):
        gives = source.voltage_v > 0
        volts, amperes = np.where(gives, source.voltage_v, 1.0), np.where(gives, source.current, 0.0)
        return np.stack([zero, volts, volts * 1.001], 1), np.stack([amperes, amperes, zero], 1)
    coarse = np.stack([source.current_a(float(v)) for v in np.linspace(0.0, most_v, points)], 1)
    last = np.where(coarse > 0, np.arange(points), -1).max(1)
    end_v = np.where(last < 0, 1.0, np.minimum(most_v, most_v * (last + 1) / (points - 1)))
    grid = np.linspace(zero, end_v, points, axis=1)
    amperes = np.stack([source.current_a(grid[:, k]) for k in range(points)], 1)
    amperes[:, -1] = 0.0
    return grid, amperes
