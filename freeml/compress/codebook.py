"""Few values for many weights: codebooks of int8 codes, and ternary weights, found anew from the weights at each step.

A codebook has the levels of least squared error: weights become int8 codes, and dynamic programming over their
histogram finds the best k levels (Bruce, "Optimum Quantization", MIT report 429, 1965). So levels follow the weights
while these are trained, and are a function of them alone. Ternary weights are -1, 0 and 1 times a scale (Li, Zhang and
Liu, "Ternary Weight Networks", 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.types import Array, Const

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_N = 256  # codes are -128..127, bins 0..255
_TERNARY_SHARE = 0.7  # of the mean size of the weights: what is smaller becomes 0; Li et al., equation 6


@dataclass(frozen=True, slots=True)
class Codebook:
    """Weights (O, ...) as at most `levels` different int8 codes.

    zero         one of the levels is 0, and weights that are 0 have it: pruned ones stay pruned
    per_channel  one scale for each output channel; otherwise one for all, and one multiplier for the layer
    """

    levels: int
    zero: bool = True
    per_channel: bool = True

    def __call__(self, weights: Array) -> Const:
        """The weights that the codes stand for, with their scales."""
        codes, scales = _int8(weights, per_channel=self.per_channel)
        count = np.bincount(codes.ravel() + 128, minlength=_N).astype(np.float64)
        if self.zero:
            count[128] = 0  # zeros cost nothing, as they have a level of their own
        table = best_levels(count, self.levels, zero=self.zero)
        return _const(table[codes + 128], scales, weights.shape)


@dataclass(frozen=True, slots=True)
class OneScale:
    """Weights (O, ...) as int8 codes with one scale for all, and so one multiplier for the layer."""

    def __call__(self, weights: Array) -> Const:
        """The weights that the codes stand for, with their scales."""
        return _const(*_int8(weights, per_channel=False), weights.shape)


@dataclass(frozen=True, slots=True)
class Ternary:
    """Weights (O, ...) as -1, 0 and 1 times a scale, of each output channel or of the layer."""

    per_channel: bool = True

    def __call__(self, weights: Array) -> Const:
        """The weights that the codes stand for, with their scales; those that are 0 stay 0."""
        rows = weights.astype(np.float64).reshape(len(weights), -1)
        size = np.abs(rows)
        own = size if self.per_channel else size.reshape(1, -1)
        limit = _TERNARY_SHARE * _mean(own, own > 0)
        scales = np.broadcast_to(_mean(own, own > limit[:, None]), (len(rows),))
        limit = np.broadcast_to(limit, (len(rows),))
        codes = np.where(size > limit[:, None], np.sign(rows), 0).astype(np.int64)
        return _const(codes, np.maximum(scales, 1e-12), weights.shape)


def best_levels(count: Floats, k: int, *, zero: bool) -> Codes:
    """The level of each code (256,) from how often each occurs, with the least squared error; at most k levels."""
    cost, level = _costs(count)
    half = _N // 2 if zero else _N  # no level but 0 has bins on both sides of it
    left, left_starts = _chains(cost[:half, :half], k)
    if not zero:
        return _fill(level, _cuts(left_starts, k, _N), [])
    # Levels below the one that is 0 are found from the left, those above it from the right, on mirrored bins.
    right, right_starts = _chains(cost[::-1, ::-1].T[:half, :half], k)
    at = np.arange(_N) - 128.0
    squares = np.concatenate([[0.0], np.cumsum(count * at**2)])
    best = (np.inf, 0, 128, 128)
    for below in range(k):  # bins first..last get level 0: what is lost on its two sides adds up
        lower_loss = left[below][:129] - squares[:129]
        upper_loss = squares[129:] + right[k - 1 - below][127::-1]
        first, last = int(np.argmin(lower_loss)), int(np.argmin(upper_loss))
        total = float(lower_loss[first] + upper_loss[last])
        if total < best[0]:
            best = total, below, first, 128 + last
    _, below, first_bin, last_bin = best
    lower = _cuts(left_starts, below, first_bin)
    upper = [(_N - b, _N - a) for a, b in _cuts(right_starts, k - 1 - below, _N - 1 - last_bin)]
    return _fill(level, lower, upper)


def _costs(count: Floats) -> tuple[Floats, Codes]:
    """Squared error of one level for bins i..j, (256, 256), infinite where j < i, and that level, a whole code."""
    at = np.arange(_N) - 128.0
    sums = [np.concatenate([[0.0], np.cumsum(count * at**power)]) for power in (0, 1, 2)]
    n, first, second = (total[None, 1:] - total[:-1, None] for total in sums)
    middle = (at[:, None] + at[None, :]) / 2
    level = np.floor(np.divide(first, n, out=middle, where=n > 0) + 0.5)
    cost = np.maximum(second - 2 * level * first + level**2 * n, 0)
    return np.where(np.tri(_N, k=-1, dtype=bool), np.inf, cost), level.astype(np.int64)


def _chains(cost: Floats, k: int) -> tuple[list[Floats], list[Codes]]:
    """Least error of the first n bins, n from 0, with 0, 1, .. k levels; and where the last level then starts."""
    n = len(cost)
    least = [np.concatenate([[0.0], np.full(n, np.inf)])]
    starts = [np.zeros(n + 1, dtype=np.int64)]
    for _ in range(k):
        total = least[-1][:n, None] + cost  # the last level has bins i..j
        start = np.argmin(total, axis=0)
        fewer, found = least[-1], np.concatenate([[0.0], total[start, np.arange(n)]])
        better = found < fewer
        least.append(np.where(better, found, fewer))
        starts.append(np.where(better, np.concatenate([[0], start]), -1))  # -1: a level less does as well
    return least, starts


def _cuts(starts: list[Codes], k: int, n: int) -> list[tuple[int, int]]:
    """Bins [a, b) of each level that the first n bins have with k levels."""
    cuts = []
    while n:
        start = int(starts[k][n])
        if start >= 0:
            cuts.append((start, n))
            n = start
        k -= 1
    return cuts


def _fill(level: Codes, lower: list[tuple[int, int]], upper: list[tuple[int, int]]) -> Codes:
    """The level of each bin; 0 where no interval has it."""
    table = np.zeros(_N, dtype=np.int64)
    for a, b in (*lower, *upper):
        table[a:b] = level[a, b - 1]
    return table


def _int8(weights: Array, *, per_channel: bool) -> tuple[Codes, Floats]:
    """Weights (O, ...) as int8 codes (O, n), and the scale of each row."""
    rows = weights.astype(np.float64).reshape(len(weights), -1)
    scales = _largest(rows, per_channel) / 127
    return np.clip(np.floor(rows / scales[:, None] + 0.5), -128, 127).astype(np.int64), scales


def _largest(rows: Floats, per_channel: bool) -> Floats:
    """(O,), never zero."""
    largest = np.abs(rows).max(axis=1)
    return np.asarray(np.maximum(largest if per_channel else np.full(len(rows), largest.max()), 127e-12))


def _mean(values: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Of the chosen values in each row; 0 where there are none."""
    n = where.sum(axis=1)
    return np.asarray((values * where).sum(axis=1) / np.maximum(n, 1))


def _const(codes: Codes, scales: Floats, shape: tuple[int, ...]) -> Const:
    return Const((codes * scales[:, None]).reshape(shape), tuple(scales))
