"""What a file says, in SI units, before anything is derived from it: samples in its order, defects included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeml.energy.defects import Defects

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Clock = Literal["calendar", "counter", "steps"]
MOST_SAMPLES = 30_000_000


@dataclass(frozen=True, slots=True)
class Curves:
    """I-V curves on one grid of voltages: voltage_v (m,) ascending, current_a (n, m); positive current is delivered."""

    voltage_v: Floats
    current_a: Floats


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded trace of n samples.

    kind     the format, in words
    time_s   (n,) stamps as recorded, from 0; they may stand still or go back
    clock    where stamps come from: dates, a counter, or nothing but the order of samples
    step_s   the usual time between samples
    columns  (n,) values by name; units are the last word of a name
    lines    (n,) line of each sample in the file, or its number from 1 in a binary file
    curves   of a file of I-V curves, else None
    load_ohm over which a voltage was recorded, where the format says it
    notes    what a reader took from the format's own documentation
    """

    kind: str
    time_s: Floats
    clock: Clock
    step_s: float
    columns: Mapping[str, Floats]
    lines: Ints
    defects: Defects = field(default_factory=Defects)
    curves: Curves | None = None
    notes: tuple[str, ...] = ()
    load_ohm: float | None = None

    def __len__(self) -> int:
        return len(self.time_s)

    def mean(self, column: str) -> float:
        """Mean over samples, as recorded."""
        return float(self.columns[column].mean())


def usual_step_s(time_s: Floats) -> float:
    """Median of the steps forward; 0 where there is none."""
    steps = np.diff(time_s)
    forward = steps[steps > 0]
    # a clock's digits, not those of a difference of binary fractions
    return float(f"{np.median(forward):.9g}") if forward.size else 0.0
