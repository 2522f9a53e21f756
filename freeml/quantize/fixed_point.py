"""Real factors as a 16-bit multiplier and a shift, and scales from ranges. All decisions about integers start here."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from freeml.ir.types import Quant

# Largest shift of the requantization: below 2**-32 every 32-bit accumulator gives zero, so more would say nothing.
MAX_SHIFT = 46


def multiplier(factor: float) -> tuple[int, int]:
    """(m, s) with factor ~ m / 2**s, m in 2**15 .. 2**16 - 1, s in 1..46; relative error at most 2**-16.

    A factor of zero, or one too small to matter, gives m = 0 or a shorter m. Raises ValueError from 2**15 on.
    """
    if factor < 0 or not math.isfinite(factor):
        raise ValueError(f"a requantization factor must be finite and not negative, not {factor}")
    if factor == 0:
        return 0, 1
    mantissa, exponent = math.frexp(factor)  # factor = mantissa * 2**exponent, mantissa in [0.5, 1)
    m, s = round(mantissa * 2**16), 16 - exponent
    if m == 2**16:
        m, s = m // 2, s - 1
    if s < 1:
        raise ValueError(f"a requantization factor of {factor} is above 2**15: the output scale cannot be right")
    if s > MAX_SHIFT:
        m, s = m >> min(s - MAX_SHIFT, 16), MAX_SHIFT
    return m, s


def multipliers(factors: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """`multiplier` for each factor."""
    pairs = [multiplier(float(factor)) for factor in factors]
    return np.array([m for m, _ in pairs], dtype=np.uint16), np.array([s for _, s in pairs], dtype=np.uint8)


def quant_of_range(lo: float, hi: float) -> Quant:
    """The int8 quantization whose codes span lo..hi; zero is always a code, so that padding is exact."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if hi - lo < 1e-12:
        return Quant(1 / 128, 0)
    scale = (hi - lo) / 255
    zero_point = round(-128 - lo / scale)
    return Quant(scale, max(-128, min(127, zero_point)))


def round_half_up(x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Nearest integer, halves towards plus infinity, as the device rounds."""
    return np.floor(x + 0.5).astype(np.int64)
