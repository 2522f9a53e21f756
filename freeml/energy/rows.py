"""Samples as a text reader collects them, eight bytes a value."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeml.energy.defects import Defects
from freeml.energy.recording import MOST_SAMPLES, Clock, Floats, Recording, usual_step_s
from freeml.errors import BadData


class Rows:
    """Lines, stamps and values of named columns, in the order of the file."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.names = tuple(names)
        self.lines = array("q")
        self.stamps = array("d")
        self.values = [array("d") for _ in names]
        self.defects = Defects()

    def add(self, line: int, stamp: float, values: Sequence[float]) -> None:
        """One sample. Raises BadData where there are too many."""
        if len(self.lines) >= MOST_SAMPLES:
            raise BadData(
                f"more than {MOST_SAMPLES:,} samples", where=f"{self.path}:{line}", hint="take a part of the recording"
            )
        self.lines.append(line)
        self.stamps.append(stamp)
        for column, value in zip(self.values, values, strict=True):
            column.append(value)

    def recording(
        self, kind: str, clock: Clock, *, step_s: float = 0.0, unit_s: float = 1.0, time_s: Floats | None = None
    ) -> Recording:
        """All of it; stamps are in units of `unit_s` where no others are given. Raises BadData where it is nothing."""
        if not self.lines:
            what = "no sample in the file"
            first = next(iter(self.defects), None)
            hint = f"line {first.line}: {first.what}; --on-defect repair may read it" if first else ""
            raise BadData(what, where=str(self.path), hint=hint)
        stamps = np.frombuffer(self.stamps, np.float64) if time_s is None else time_s
        if clock == "steps":
            stamps = np.asarray(np.arange(len(self.lines)) * step_s, np.float64)
        stamps = (stamps - stamps[0]) * (unit_s if clock == "counter" else 1.0)
        return Recording(
            kind,
            stamps,
            clock,
            step_s or usual_step_s(stamps),
            {name: np.array(values) for name, values in zip(self.names, self.values, strict=True)},
            np.array(self.lines),
            self.defects,
        )


def number(text: str) -> float | None:
    """A finite number, or None; a comma before decimals is read where there is no point."""
    try:
        value = float(text)
    except ValueError:
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            return None
    return value if abs(value) < float("inf") else None
