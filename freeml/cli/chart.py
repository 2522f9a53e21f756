"""A line over time in characters: of each column the mean as a bar of eighths, and the range above it in dots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData

Floats = npt.NDArray[np.float64]

_HEIGHT = 12
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_MARGIN = 11


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows of text, and the figures behind them: mean and highest value of each column of characters."""

    rows: tuple[str, ...]
    from_s: float
    to_s: float
    means: Floats
    highest: Floats

    def as_json(self) -> dict[str, Any]:
        """The figures."""
        both = {"mean": self.means.tolist(), "highest": self.highest.tolist()}
        return {"from_s": self.from_s, "to_s": self.to_s, **both}


def chart(time_s: Floats, values: Floats, *, from_s: float, seconds: float | None, width: int) -> Chart:
    """Values (n,) at stamps (n,) between two times. Raises BadData where there are none."""
    columns = max(10, width - _MARGIN)
    to_s = float(time_s.max()) if seconds is None else from_s + seconds
    inside = (time_s >= from_s) & (time_s <= to_s)
    if not inside.any() or to_s <= from_s:
        raise BadData(f"no sample between {from_s:g} and {to_s:g} s", where="--from, --seconds")
    at = np.minimum(((time_s[inside] - from_s) / (to_s - from_s) * columns).astype(int), columns - 1)
    shown = values[inside]
    counts = np.bincount(at, minlength=columns)
    sums = np.bincount(at, weights=shown, minlength=columns)
    means = np.divide(sums, counts, out=np.full(columns, np.nan), where=counts > 0)
    highest = np.full(columns, -np.inf)
    np.maximum.at(highest, at, shown)
    highest[counts == 0] = np.nan
    return Chart(tuple(_drawn(means, highest, from_s, to_s)), from_s, to_s, means, highest)


def _drawn(means: Floats, highest: Floats, from_s: float, to_s: float) -> list[str]:
    top = float(np.nanmax(highest))
    top = top if top > 0 else 1.0
    eighths = np.nan_to_num(np.clip(np.rint(means / top * _HEIGHT * 8), 0, _HEIGHT * 8)).astype(int)
    peaks = np.nan_to_num(np.clip(highest / top * _HEIGHT, 0, _HEIGHT - 1e-9)).astype(int)
    rows = []
    for row in range(_HEIGHT - 1, -1, -1):
        label = f"{top * (row + 1) / _HEIGHT:9.4g} " if row in (_HEIGHT - 1, _HEIGHT // 2) else " " * 10
        cells = [
            _EIGHTHS[min(8, max(0, level - 8 * row))] if level > 8 * row else ("·" if peak >= row and peak > 0 else " ")
            for level, peak in zip(eighths, peaks, strict=True)
        ]
        rows.append(f"{label}│{''.join(cells)}")
    end = f"{to_s:g} s"
    line = f"{from_s:g} s"
    rows.append(" " * _MARGIN + line + end.rjust(max(1, len(means) - len(line))))
    return rows
