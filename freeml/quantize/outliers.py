"""Calibration samples far outside what the others show: one wrong value would cost every sample its resolution.

A sample is odd if, on some value of the float network, it reaches far beyond all but a few of the others, across a gap
where there is nobody. Whether the odd ones give the ranges is measured (search.py): large values may be real. They are
named in any case. Samples on which the float network is infinite or undefined cannot take part at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.quantize.observe import Observed, undefined

Rows = npt.NDArray[np.intp]

# At most this share of the samples is odd; what more of them show is what the data are like.
_MOST = 0.05
# The gap before an odd sample, in ranges of the others: half of it costs the others half a bit. An activation beyond
# the inputs' values spreads more from sample to sample, so it takes more.
_GAP_INPUT, _GAP_ACTIVATION = 0.5, 2.0
# Few samples say less about what is usual: with n of them the gap must be (1 + this / n) times as wide.
_FEW = 20
_TOLD = 5  # rows named one by one


@dataclass(frozen=True, slots=True)
class Odd:
    """Row numbers of samples on which the network is undefined, and of those that are far from the others."""

    broken: Rows
    far: Rows


def find_odd(graph: Graph, observed: Mapping[str, Observed]) -> Odd:
    """The odd samples among those that were observed.

    None are broken where more than a few are, or where samples themselves are infinite or undefined: that is refused.
    """
    bad, _ = undefined(observed)
    given, _ = undefined({port.value: observed[port.value] for port in graph.inputs if port.value in observed})
    n_most = _most(len(bad))
    broken = np.flatnonzero(bad)
    if len(broken) > n_most or given.any():
        return Odd(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))
    sound = np.flatnonzero(~bad)
    far = np.zeros(len(bad), dtype=bool)
    inputs = {port.value for port in graph.inputs}
    for name, seen in observed.items():
        gap = _GAP_INPUT if name in inputs else _GAP_ACTIVATION
        far[sound[_beyond_gap(seen.lows[sound], seen.highs[sound], gap)]] = True
    if far.sum() > n_most:
        far[:] = False
    return Odd(broken, np.flatnonzero(far))


def _most(n_samples: int) -> int:
    return max(1, int(n_samples * _MOST)) if n_samples >= 3 else 0


def _beyond_gap(lows: Array, highs: Array, gap: float) -> npt.NDArray[np.bool_]:
    """Which samples (N,) lie beyond a gap above the others' highs or below their lows."""
    n_samples = len(highs)
    n_most = _most(n_samples)
    if not n_most:
        return np.zeros(n_samples, dtype=bool)
    tops, bottoms = np.sort(highs)[::-1], np.sort(-lows)[::-1]
    width = max(tops[n_most], 0.0) + max(bottoms[n_most], 0.0)
    least = gap * (1 + _FEW / n_samples) * width
    return (highs > _edge(tops[: n_most + 1], least)) | (-lows > _edge(bottoms[: n_most + 1], least))


def _edge(falling: Array, least: float) -> float:
    """What lies beyond the lowest gap wider than `least`; infinity where there is none. At least 0: zero is a code."""
    falling = np.maximum(falling, 0.0)
    gaps = np.flatnonzero(falling[:-1] - falling[1:] > least)
    return float(falling[gaps[-1] + 1]) if len(gaps) else np.inf


def describe(
    graph: Graph, samples: Sequence[Array], odd: Odd, place: Callable[[int], str], *, left_out: bool
) -> list[str]:
    """A warning for each odd sample: its row, the value and where in which input, and what became of it.

    samples: as the author gives them; place: where a sample comes from, in words.
    """
    usual = np.setdiff1d(np.arange(len(samples[0])), np.concatenate([odd.broken, odd.far]))
    told = []
    for row in np.concatenate([odd.broken, odd.far]):
        if row in odd.broken:
            end = "the network is infinite or undefined on it: it does not calibrate"
        else:
            end = "it does not calibrate" if left_out else "it calibrates, too, since ranges without it measured worse"
        told.append(f"{place(int(row))}: {_where(graph, samples, usual, row)}; {end}")
    if len(told) > _TOLD:
        rest = ", ".join(place(int(row)) for row in np.concatenate([odd.broken, odd.far])[_TOLD:])
        told = [*told[:_TOLD], f"{len(told) - _TOLD} more samples are as far from the others: {rest}"]
    return told


def _where(graph: Graph, samples: Sequence[Array], usual: Rows, row: int) -> str:
    """The value of a sample that is farthest from those of the others, by their range at the same place."""
    worst, words = 0.0, "its values are usual, but what the network makes of them is far from all other samples"
    for port, array in zip(graph.inputs, samples, strict=True):
        others, one = array[usual].astype(np.float64), array[row].astype(np.float64)
        lo, hi = others.min(axis=0), others.max(axis=0)
        beyond = np.maximum(one - hi, lo - one)
        excess = beyond / (hi - lo + 1e-3 * max(float(hi.max() - lo.min()), 1e-12))
        at = np.unravel_index(int(np.argmax(excess)), excess.shape)
        if excess[at] > max(worst, 1.0):
            worst = float(excess[at])
            index = ", ".join(str(int(i)) for i in at)
            n_beyond = int((excess > 1).sum())
            more = f" and {n_beyond - 1:,} more of its values are" if n_beyond > 1 else " is"
            words = (
                f"{float(one[at]):g} at [{index}] of input '{port.name}'{more} far outside what the other samples have"
                f" there, {float(lo[at]):g} to {float(hi[at]):g}"
            )
    return words
