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
    for shrink in np.linspace(1.0, 0.3, 29):
        quant = quant_of_range(seen.lo * shrink, seen.hi * shrink)
        error = float(np.mean((quant.dequantize(quant.quantize(seen.values)) - seen.values) ** 2))
        if error < best_error:
            best, best_error = quant, error
    return best


def with_headroom(seen: Observed) -> Quant:
    """All that was seen fits, and a sixteenth more on each side that has a tail.

    For the scores a network ends in: later samples go beyond the calibration's extremes, and clipping a score is a far
    larger error than a step that is an eighth larger.
    """
    margin = (seen.hi - seen.lo) / 16
    return quant_of_range(seen.lo - margin if seen.lo < 0 else seen.lo, seen.hi + margin if seen.hi > 0 else seen.hi)


RULES: dict[str, Rule] = {
    "min-max": min_max,
    "percentile-99.99": lambda seen: percentile(seen, 99.99),
    "percentile-99.9": lambda seen: percentile(seen, 99.9),
    "mse": least_squares,
}
