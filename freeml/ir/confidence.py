"""Confidence in integers, as a device computes it from scores: no logarithm, no exponential, no floating point.

    fall_j  = requant(max - score_j, mult, shift)          in 1/32 of an octave: what softmax divides by 2 for each 32
    weight  = POWERS[fall & 31] >> (fall >> 5)             2^15 for the largest score; 0 from 16 octaves on
    share   = (2^30 + Z / 2) / Z, Z = sum of weights       the largest share, in 1/2^15
    entropy = (log2(Z / 2^15) + sum of weight * fall / Z)  in 1/256 bit

mult / 2^shift is scale / T * log2(e) * 32: the exit's temperature and the accumulator's scale in one multiplier. The C
is `fml_policy.c`; this is what it is compared with, bit for bit.

Error of the share against softmax in real numbers: rounding `fall` to 1/32 octave changes a weight by at most
2^(1/64) - 1 = 1.09 %, the multiplier's 16 bits by 0.54 % of 2^-7 at most, so a share p by p (1 - p) * 1.12 % <= 0.0028;
cutting each weight to whole numbers by K / 2^15; the division by 2^-16. `share_bound` is their sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.interpret_int import requantize
from freeml.ir.types import Array

ONE = 2**15
OCTAVE, _OCTAVES = 32, 16
_LOG_STEPS = 32
POWERS = tuple(round(ONE * 2 ** (-i / OCTAVE)) for i in range(OCTAVE))
LOGS = tuple(round(256 * np.log2(1 + i / _LOG_STEPS)) for i in range(_LOG_STEPS + 1))
MOST_CLASSES = 256  # sums of weights and of their products stay below 32 bits

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Softness:
    """The multiplier and shift of an exit: what a step of its scores is in 1/32 octave."""

    mult: int
    shift: int


@dataclass(frozen=True, slots=True)
class Confidence:
    """Of samples: classes (B,), largest shares (B,) in 1/2^15, entropies (B,) in 1/256 bit."""

    classes: Ints
    shares: Ints
    entropies: Ints

    @property
    def real(self) -> npt.NDArray[np.float64]:
        """Shares as real numbers."""
        return self.shares / ONE

    @property
    def published(self) -> Ints:
        """Confidence of a result, 0..255: shares rounded to that."""
        return (self.shares * 255 + ONE // 2) // ONE


def confidence(scores: Array, softness: Softness) -> Confidence:
    """Of int32 scores (B, K), K up to 256."""
    whole = scores.astype(np.int64)
    assert whole.shape[1] <= MOST_CLASSES, "sums of weights would leave 32 bits"
    fall = requantize(whole.max(axis=1, keepdims=True) - whole, softness.mult, softness.shift)
    fall = np.minimum(fall, OCTAVE * _OCTAVES)
    weights = np.asarray(POWERS, dtype=np.int64)[fall % OCTAVE] >> (fall // OCTAVE)
    total = weights.sum(axis=1)
    share = (ONE * ONE + total // 2) // total
    spread = ((weights * fall).sum(axis=1) * 8 + total // 2) // total
    return Confidence(np.asarray(whole.argmax(axis=1), dtype=np.int64), share, _log2(total) + spread)


def _log2(total: Ints) -> Ints:
    """log2(total / 2^15) in 1/256, of 2^15 .. 2^23: the octave, and a table with straight lines between its entries."""
    octave = np.zeros_like(total)
    for k in range(1, 9):
        octave += total >= (ONE << k)
    fraction = (total << 8 >> octave) - (ONE << 8)  # 0 .. 2^23 - 1
    step, rest = fraction >> 18, (fraction >> 10) & 255
    table = np.asarray(LOGS, dtype=np.int64)
    return np.asarray(octave * 256 + table[step] + (((table[step + 1] - table[step]) * rest + 128) >> 8))


def share_bound(n_classes: int) -> float:
    """How far a share may be from that of softmax in real numbers, for scores that are exact."""
    return 0.0028 + n_classes / ONE + 2**-16
