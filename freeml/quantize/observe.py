"""What values every activation takes on the calibration samples: each sample's extremes and a random subsample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.types import Array, DType

_KEPT = 1 << 15


@dataclass(frozen=True, slots=True)
class Observed:
    """Extremes of each sample (N,), and about 32,768 values drawn at random (fixed seed)."""

    lows: npt.NDArray[np.float64]
    highs: npt.NDArray[np.float64]
    values: npt.NDArray[np.float32]

    @classmethod
    def between(cls, lo: float, hi: float) -> Observed:
        """One sample that reaches from lo to hi."""
        return cls(np.array([lo]), np.array([hi]), np.array([lo, hi], dtype=np.float32))

    @property
    def lo(self) -> float:
        """The smallest value of all samples."""
        return float(self.lows.min())

    @property
    def hi(self) -> float:
        """The largest value of all samples."""
        return float(self.highs.max())


def observe(
    graph: Graph, samples: Sequence[Array], on_progress: Callable[[int], None] | None = None
) -> dict[str, Observed]:
    """Run the float graph on samples (as the author gives them) and watch every float value."""
    names = [name for name, type_ in graph.types.items() if type_.dtype is DType.F32]
    seen: dict[str, list[Observed]] = {name: [] for name in names}
    n_samples = len(samples[0])
    rng = np.random.default_rng(0)
    for start, stop in chunks(graph, n_samples):
        inputs = encode_inputs(graph, [array[start:stop] for array in samples])
        values = interpret(graph, inputs, names)
        for name in names:
            flat = values[name].ravel()
            # Not every n-th value: that would see the same few channels over and over.
            share = min(flat.size, -(-_KEPT * (stop - start) // n_samples))
            drawn = flat if share == flat.size else flat[rng.integers(0, flat.size, share)]
            each = values[name].reshape(stop - start, -1).astype(np.float64)
            seen[name].append(Observed(each.min(axis=1), each.max(axis=1), drawn.astype(np.float32)))
        if on_progress:
            on_progress(stop - start)
    return {name: _joined(parts) for name, parts in seen.items()}


def _joined(parts: list[Observed]) -> Observed:
    """Of samples that were watched one part after the other."""
    return Observed(
        np.concatenate([part.lows for part in parts]),
        np.concatenate([part.highs for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def union(parts: Sequence[Observed]) -> Observed:
    """Observations of several values of the same samples that must share one scale."""
    if len(parts) == 1:
        return parts[0]
    return Observed(
        np.min([part.lows for part in parts], axis=0),
        np.max([part.highs for part in parts], axis=0),
        np.concatenate([part.values for part in parts]),
    )


def undefined(observed: Mapping[str, Observed]) -> tuple[npt.NDArray[np.bool_], str | None]:
    """Samples (N,) that give an infinite or undefined value, and the first value that is one, or None."""
    bad, first = np.zeros(0, dtype=bool), None
    for name, seen in observed.items():
        here = ~(np.isfinite(seen.lows) & np.isfinite(seen.highs))
        bad = here if not bad.size else bad | here
        first = name if first is None and here.any() else first
    return bad, first
