"""What values every activation takes on the calibration samples: true extremes and a random subsample."""

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
    """Extremes over all samples, and about 32,768 values drawn at random (fixed seed)."""

    lo: float
    hi: float
    values: npt.NDArray[np.float32]


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
            seen[name].append(Observed(float(flat.min()), float(flat.max()), drawn.astype(np.float32)))
        if on_progress:
            on_progress(stop - start)
    return {name: _joined(parts) for name, parts in seen.items()}


def _joined(parts: list[Observed]) -> Observed:
    values = np.concatenate([part.values for part in parts])
    return Observed(min(p.lo for p in parts), max(p.hi for p in parts), values)


def union(parts: Sequence[Observed]) -> Observed:
    """Observations of several values that must share one scale."""
    return parts[0] if len(parts) == 1 else _joined(list(parts))


def has_finite(observed: Mapping[str, Observed]) -> str | None:
    """The first value that took an infinite or undefined value, or None."""
    for name, seen in observed.items():
        if not (np.isfinite(seen.lo) and np.isfinite(seen.hi)):
            return name
    return None
