"""Ranges from observations: min-max, percentiles, and the range with the least squared error.

No rule is best for every network: clipping rare extremes buys resolution for the rest, or loses what they meant. So the
choice is made by the measured error of the network's output (search.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from freeml.ir.types import Quant
from freeml.quantize.fixed_point import quant_of_range
from freeml.quantize.observe import Observed

Rule = Callable[[Observed], Quant]

_SQUARE_FITS = 1e15  # float32


def min_max(seen: Observed) -> Quant:
    """All that was seen fits."""
    return quant_of_range(seen.lo, seen.hi)


def percentile(seen: Observed, percent: float) -> Quant:
    """All but (100 - percent) % of the values fit, half of that left out on each side."""
    tail = (100 - percent) / 2
    lo, hi = np.percentile(seen.values, [tail, 100 - tail])
    # A side without a tail keeps its true extreme: zero of a Relu is no outlier.
    return quant_of_range(seen.lo if lo == seen.values.min() else float(lo), float(hi))


def least_squares(seen: Observed) -> Quant:
    """The shrunk range with the least mean squared rounding and clipping error over the subsample."""
    best, best_error = min_max(seen), np.inf
    values = seen.values if np.abs(seen.values).max() < _SQUARE_FITS else seen.values.astype(np.float64)
    for shrink in np.linspace(1.0, 0.3, 29):
        quant = quant_of_range(seen.lo * shrink, seen.hi * shrink)
        error = float(np.mean((quant.dequantize(quant.quantize(values)) - values) ** 2))
        if error < best_error:
            best, best_error = quant, error
    return best


def with_headroom(seen: Observed) -> Quant:
    """All that was seen fits, and a sixteenth more on each side that has a tail; but no lone sample sets it alone.

    For the scores a network ends in: later samples go beyond the calibration's extremes, and clipping a score is a far
    larger error than a step that is an eighth larger. Each side ends at most half the usual range beyond what all but
    the most extreme hundredth of the samples reach.
    """
    usual_lo, usual_hi = float(np.quantile(seen.lows, 0.01)), float(np.quantile(seen.highs, 0.99))
    width = max(usual_hi, 0.0) - min(usual_lo, 0.0)
    lo, hi = max(seen.lo, usual_lo - width / 2), min(seen.hi, usual_hi + width / 2)
    margin = (hi - lo) / 16
    return quant_of_range(lo - margin if lo < 0 else lo, hi + margin if hi > 0 else hi)


RULES: dict[str, Rule] = {
    "min-max": min_max,
    "percentile-99.99": lambda seen: percentile(seen, 99.99),
    "percentile-99.9": lambda seen: percentile(seen, 99.9),
    "mse": least_squares,
}
