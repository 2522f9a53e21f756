"""What a harvester gives over time: a source a sample, from its stamp to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.energy.source import Source, power_w
from freeml.errors import BadData

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trace:
    """n samples; each holds from its stamp to the next, the last one for `step_s`.

    name    for people
    time_s  (n,) from 0; strictly ascending in a trace that `check` accepts
    step_s  the usual time between samples
    source  what the harvester is, n samples of it
    notes   what was derived, from what, and what was assumed
    """

    name: str
    time_s: Floats
    step_s: float
    source: Source
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def duration_s(self) -> float:
        """To the end of the last sample."""
        return float(self.time_s[-1] - self.time_s[0]) + self.step_s

    def holds_s(self) -> Floats:
        """How long each sample holds (n,)."""
        return np.diff(self.time_s, append=self.time_s[-1:] + self.step_s)

    def power_w(self) -> Floats:
        """Power (n,) at the maximum power point."""
        return power_w(self.source)

    def energy_j(self) -> float:
        """Of the whole trace at the maximum power point."""
        return float(self.power_w() @ self.holds_s())

    def scaled(self, factor: float) -> Trace:
        """The same with `factor` times the current; said in its notes."""
        if factor == 1:
            return self
        return replace(self, source=self.source.scaled(factor), notes=(*self.notes, f"scaled by {factor:g}"))

    def between(self, from_s: float, to_s: float) -> Trace:
        """The samples that begin in from_s .. to_s, their stamps as they were."""
        since_s = self.time_s - self.time_s[0]
        first, end = np.searchsorted(since_s, [from_s, to_s]).tolist()
        return replace(self, time_s=self.time_s[first:end], source=self.source.take(slice(first, end)))

    def check(self) -> Trace:
        """The trace itself, which time and values allow to simulate. Raises BadData."""
        ascending = np.diff(self.time_s) > 0
        if len(self) < 2 or not ascending.all():
            at = int(np.argmin(ascending)) + 2 if len(self) > 1 else 1
            raise BadData(
                f"the stamp of sample {at} does not lie after the one before it", where=self.name, hint=_REPAIR
            )
        for name, values in self.source.columns().items():
            if not np.isfinite(values).all() or values.min() < 0:
                raise BadData(f"{name} falls to {np.nanmin(values):g}", where=self.name, hint=_REPAIR)
            if name.endswith(("_w", "_v", "_a")) and values.max() > _MOST:
                raise BadData(
                    f"{name} rises to {values.max():g}: no harvester gives that",
                    where=self.name,
                    hint="its unit may be another one, or --scale is too large",
                )
        return self


_MOST = 1e12  # of W, V and A: squares of more than that have digits that no sum of joules keeps
_REPAIR = "`freeml traces info` names the lines; --on-defect repair mends them"
