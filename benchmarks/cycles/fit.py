"""The least prices that lie above every sample: a linear program for each kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linprog

HEADROOM = 1.06  # other shapes and data than the samples': carries, branches, the divisions of a softmax


def envelope(
    counts: Sequence[Mapping[str, float]], cycles: Sequence[float], whole: Sequence[float] | None = None
) -> dict[str, float]:
    """Prices, none negative, whose sums lie above all cycles, and relative to them as little as can be.

    whole: what the distance is relative to instead, where cycles are what remains of something that is priced already.
    """
    names = sorted({name for one in counts for name, count in one.items() if count})
    matrix = np.array([[one.get(name, 0.0) for name in names] for one in counts])
    wanted = np.asarray(cycles, dtype=float)
    scale = matrix.max(axis=0)
    scaled, weight = matrix / scale, 1 / np.maximum(wanted if whole is None else np.asarray(whole), 1.0)
    found = linprog(weight @ scaled, A_ub=-scaled, b_ub=-wanted, bounds=(0, None), method="highs")
    if found.status != 0:
        raise ArithmeticError(f"no prices: {found.message}")
    prices = found.x / scale * HEADROOM
    return {name: _rounded_up(price) for name, price in zip(names, prices, strict=True) if price > 0}


def _rounded_up(price: float) -> float:
    """To three significant digits."""
    step = 10.0 ** (np.floor(np.log10(price)) - 2)
    return float(f"{np.ceil(price / step - 1e-9) * step:.3g}")


def priced(counts: Mapping[str, float], prices: Mapping[str, float]) -> float:
    """What the prices say of a sample."""
    return sum(prices.get(name, 0.0) * count for name, count in counts.items())
