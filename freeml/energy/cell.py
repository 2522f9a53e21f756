"""A solar cell by its measured I-V curves: a table of illuminance, voltage and current."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeml.energy import opened
from freeml.errors import BadData

Floats = npt.NDArray[np.float64]

_COLUMNS = ("illuminance_lux", "voltage_v", "current_a")
_MOST_POINTS = 100_000
_LEVELS = 512  # of the table of maximum power points
_GRID = 128  # voltages of the same


@dataclass(frozen=True, slots=True)
class Cell:
    """Curves at rising illuminance on one grid of voltages.

    name             of the cell
    illuminance_lux  (k,) ascending, above 0
    voltage_v        (m,) ascending from 0
    current_a        (k, m), 0 from the open voltage on
    Between levels current is interpolated in a straight line, below the lowest and above the highest level it is in
    proportion to light, as a cell's photo current is; the open voltage above the highest level is that of it.
    """

    name: str
    illuminance_lux: Floats
    voltage_v: Floats
    current_a_at: Floats

    def current_a(self, lux: Floats, voltage_v: float | Floats) -> Floats:
        """Current (n,) under light (n,) at a voltage, one or (n,)."""
        asked_v = np.broadcast_to(np.asarray(voltage_v, float), lux.shape)
        at_levels = np.array([np.interp(asked_v, self.voltage_v, row, right=0.0) for row in self.current_a_at])
        level = np.searchsorted(self.illuminance_lux, lux)
        upper = np.minimum(level, len(self.illuminance_lux) - 1)
        column = np.arange(len(lux))
        high_lux, high_a = self.illuminance_lux[upper], at_levels[upper, column]
        lower = np.maximum(upper - 1, 0)
        low_lux = np.where(level == 0, 0.0, self.illuminance_lux[lower])
        low_a = np.where(level == 0, 0.0, at_levels[lower, column])
        span = np.where(high_lux > low_lux, high_lux - low_lux, 1.0)
        between = low_a + (lux - low_lux) / span * (high_a - low_a)
        beyond = level == len(self.illuminance_lux)
        return np.maximum(np.where(beyond, high_a * lux / high_lux, between), 0.0)

    def best(self, lux: Floats) -> tuple[Floats, Floats]:
        """Voltage and current (n,) of most power under light (n,)."""
        top = float(self.illuminance_lux[-1])
        levels = np.concatenate([[0.0], np.geomspace(self.illuminance_lux[0] / 1000, top, _LEVELS)])
        levels = np.union1d(levels, self.illuminance_lux)
        grid = np.linspace(0.0, self.voltage_v[-1], _GRID)
        power = np.array([self.current_a(levels, float(v)) * v for v in grid])
        best_v = grid[np.argmax(power, axis=0)]
        inside = np.clip(lux, 0.0, top)
        voltage_v = np.interp(inside, levels, best_v)
        power_w = np.interp(inside, levels, power.max(axis=0)) * np.maximum(lux, top) / top
        return voltage_v, np.divide(power_w, voltage_v, out=np.zeros_like(power_w), where=voltage_v > 0)


def read_cell(path: Path, name: str | None) -> Cell:
    """A cell of a table with the columns illuminance_lux, voltage_v, current_a, and `cell` where it holds several.

    Raises BadData.
    """
    points, names = _points(path, name)
    if name is None and len(names) > 1:
        raise BadData(f"the table holds {len(names)} cells", where=str(path), hint=f"--cell {path}:{sorted(names)[0]}")
    if not points:
        known = ", ".join(sorted(names)[:8])
        raise BadData(f"no curve of the cell {name}" if name else "no curve", where=str(path), hint=f"it has: {known}")
    return _on_grid(name or next(iter(names), path.stem), points)


def _points(path: Path, name: str | None) -> tuple[dict[float, list[tuple[float, float]]], set[str]]:
    """Voltage and current by illuminance; names of all cells."""
    header: list[str] = []
    points: dict[float, list[tuple[float, float]]] = {}
    names: set[str] = set()
    for number, line in opened.lines(path):
        fields = [field.strip() for field in line.split(",")]
        if not header:
            header = [field.lower() for field in fields]
            missing = [column for column in _COLUMNS if column not in header]
            if missing:
                raise BadData(f"no column {missing[0]}", where=f"{path}:1", hint=f"columns are {', '.join(_COLUMNS)}")
            continue
        if not line.strip():
            continue
        try:
            lux, volts, amperes = (float(fields[header.index(column)]) for column in _COLUMNS)
            own = fields[header.index("cell")] if "cell" in header else ""
        except (ValueError, IndexError):
            raise BadData("a row that is not numbers", where=f"{path}:{number}") from None
        if not all(np.isfinite([lux, volts, amperes])) or lux <= 0:
            raise BadData("a row that is no point of a curve under light", where=f"{path}:{number}")
        names.add(own)
        if name in (None, own):
            points.setdefault(lux, []).append((volts, amperes))
        if number > _MOST_POINTS:
            raise BadData(f"more than {_MOST_POINTS:,} points", where=str(path))
    return points, names - {""}


def _on_grid(name: str, points: dict[float, list[tuple[float, float]]]) -> Cell:
    grid = np.unique(np.concatenate([[0.0], *(np.array(curve)[:, 0] for curve in points.values())]))
    grid = grid[grid >= 0]
    curves = {lux: _closed(np.array(sorted(curve))) for lux, curve in points.items()}
    grid = np.union1d(grid, [curve[-1, 0] for curve in curves.values()])
    levels = sorted(curves)
    rows = [np.interp(grid, curves[lux][:, 0], curves[lux][:, 1], right=0.0) for lux in levels]
    return Cell(name, np.array(levels), grid, np.maximum(np.array(rows), 0.0))


def _closed(curve: Floats) -> Floats:
    """A curve (m, 2) that ends at no current: where it was cut off before, its last two points go on."""
    if curve[-1, 1] <= 0 or len(curve) < 2:
        return curve
    (v0, i0), (v1, i1) = curve[-2:]
    slope = (i1 - i0) / (v1 - v0) if v1 > v0 else 0.0
    open_v = v1 - i1 / slope if slope < 0 else v1
    # A straight line overshoots the knee of a curve that was cut off early: never more than a fifth further.
    return np.vstack([curve, [min(open_v, 1.2 * v1), 0.0]])
