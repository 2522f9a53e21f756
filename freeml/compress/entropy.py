"""Few bits for many weights: codebooks whose codes have at most so much entropy, found anew from the weights.

A weight gets the level of the least squared error plus a price times the bits that an entropy coder takes for that
level; levels become means of what they got, bits follow how often they are taken, and so on (Chou, Lookabaugh and Gray,
"Entropy-constrained vector quantization", IEEE Trans. ASSP 37(1), 1989, for numbers in place of vectors). First levels
are equally far apart, which is nearly best at any entropy (Farvardin and Modestino, "Optimum quantizer performance",
IEEE Trans. IT 30(3), 1984), as near as the bits asked for let them be. What is taken most is 0: most weights of a layer
go without being pruned by a rule of their own, and one that matters again comes back, as training goes straight through
(Wiedemann et al., "Entropy-Constrained Training of Deep Neural Networks", 2019, train probabilities in their place).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.types import Array, Const

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_BINS = 1024  # of the weights, symmetric: the middle one of _BINS + 1 is 0
_TURNS = 4  # levels, bits and what is taken have settled by then
_HALVINGS = 11  # of the interval that the first levels' distance is looked for in
_REACH, _FARTHEST = 3.0, 50.0  # standard deviations: that all levels cover at least, that two may be apart
# Squared error that a bit is worth where levels are 1 apart: that is 1 / 12, and falls by 6 dB a bit.
_PRICE = 2 * np.log(2) / 12
_LEAST_SHARE = 1e-9


@dataclass(frozen=True, slots=True)
class EntropyCodebook:
    """Weights (O, ...) as at most `levels` different int8 codes, one of them 0, of at most `bits` of entropy a weight.

    One scale for all. Weights that are 0 stay 0.
    """

    levels: int
    bits: float

    def __call__(self, weights: Array) -> Const:
        """The weights that the codes stand for, with their scales."""
        half = _BINS // 2
        step = max(float(np.abs(weights).max()), 1e-12) / half
        bins = np.rint(weights.astype(np.float64) / step).astype(np.int64).ravel() + half
        table = cheapest_levels(np.bincount(bins, minlength=_BINS + 1).astype(np.float64), self.levels, self.bits)
        largest = max(float(np.abs(table).max()), 1e-9)
        scale = step * largest / 127
        codes = np.floor(table / largest * 127 + 0.5)[bins].reshape(weights.shape)
        return Const(codes * scale, (scale,) * len(weights))


def cheapest_levels(count: Floats, k: int, bits: float) -> Floats:
    """The level of each bin (2 n + 1,), in bins from the middle one, from how often each occurs: at most k levels, one
    of them 0, whose entropy is at most `bits`, of small squared error for that."""
    at: Floats = np.arange(len(count)) - np.float64(len(count) // 2)
    deviation = float(np.sqrt((count * at**2).sum() / max(1.0, count.sum())))
    found = np.zeros(len(count))  # stays where levels are never few enough, as of two values
    if deviation == 0:
        return found
    low, high = 2 * _REACH / k, _FARTHEST
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        settled, entropy = _settled(count, at, k, middle * deviation)
        if entropy > bits:
            low = middle
        else:
            high, found = middle, settled
    return found


def _settled(count: Floats, at: Floats, k: int, step: float) -> tuple[Floats, float]:
    """The level of each bin, from levels so far apart on, and the entropy of what is taken, in bits."""
    zero = k // 2
    price = _PRICE * step**2
    taken = np.clip(np.rint(at / step), -zero, k - 1 - zero).astype(np.int64) + zero
    for turn in range(_TURNS + 1):
        weight = np.bincount(taken, weights=count, minlength=k)
        level = np.bincount(taken, weights=count * at, minlength=k) / np.maximum(weight, 1)
        level[zero] = 0.0
        share = weight / weight.sum()
        if turn < _TURNS:
            weight[zero] += 1  # is asked for, too, where nothing takes it
            (left,) = np.nonzero(weight)
            level, zero, k = level[left], int(np.searchsorted(left, zero)), len(left)
            bits = np.log2(np.maximum(share[left], _LEAST_SHARE))
            taken = _cheapest(at, level, level**2 - price * bits)
            taken[len(count) // 2] = zero
    used = share[share > 0]
    return level[taken], float(-(used * np.log2(used)).sum())


def _cheapest(at: Floats, level: Floats, own: Floats) -> Indices:
    """Which level costs least at each place, (at - level)**2 and what it costs of its own: own less at**2, which is the
    same for all. Levels rise; each has an interval of its own, or all of them are asked."""
    ends = np.diff(own) / (2 * np.maximum(np.diff(level), 1e-300))
    if (np.diff(level) > 0).all() and (np.diff(ends) > 0).all():
        return np.asarray(np.searchsorted(ends, at))
    return np.asarray(np.argmin(own - 2 * at[:, None] * level, axis=1))
