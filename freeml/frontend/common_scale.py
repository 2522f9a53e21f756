"""One scale for a tensor that a quantized model reads in several: the first one would clamp what a wider one holds."""

from __future__ import annotations

from collections.abc import Iterable

from freeml.ir.types import Quant


def spanning(quants: Iterable[Quant]) -> Quant:
    """The widest of them where it holds the ranges of all, else a scale from the least to the greatest number."""
    quants = sorted(quants, key=lambda quant: (quant.scale, quant.zero_point))
    ranges = [quant.range() for quant in quants]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    widest = next((quant for quant in quants if quant.range() == (low, high)), None)
    scale = (high - low) / 255
    return widest or Quant(scale, max(-128, min(127, round(-128 - low / scale))))
