"""Thresholds of exits, found on calibration samples: one for all, one for each, or by a rule that searches nothing.

A sample ends at the first exit whose share is at least its threshold, else at the network's own answer. What that is
worth is two numbers, accuracy and mean energy; a policy is better where no other has more of one and not less of the
other.

*searched*   for a price of energy, the best threshold of one exit given those of the others is exact: every sample has
             its outcome there and its outcome behind it, and the best cut of the samples by share is a maximum of
             running sums. Exits take turns until none gains; prices from 0 up give the corners of the front, single
             thresholds moved from there, and one for all, what lies between. (The published search draws a million
             combinations.)
*heuristic*  from accuracy and calibration error of each exit alone (Multimodal Adaptive Inference for Document Images,
             arXiv 2405.12705): m_i = 1 - acc_i / ECE_i, t_i = (m_i - min m + eps) / (max m - min m + 2 eps).
             Accurate, calibrated exits get low thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.exits.policy import NEVER, share
from freeml.ir.confidence import ONE
from freeml.ir.types import Array

Ints = npt.NDArray[np.int64]
_EPS, _LEAST_ERROR = 0.1, 1e-3
_STEPS = 33


@dataclass(frozen=True, slots=True)
class Samples:
    """What calibration samples gave.

    shares   (N, D) confidence of each exit, in 1/2^15
    right    (N, D + 1) whether each depth's class is the label; the last one is the network's own
    cost_uj  (D + 1,) energy of an inference that ends at each depth
    """

    shares: Ints
    right: npt.NDArray[np.bool_]
    cost_uj: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What thresholds are worth: accuracy, mean energy of an inference, share of samples that end at each depth."""

    thresholds: tuple[int, ...]
    accuracy: float
    energy_uj: float
    ends: tuple[float, ...]


def depths(shares: Array, thresholds: Sequence[int]) -> Ints:
    """Where each sample ends, 0 for the first exit, D for the network's own answer."""
    stops = shares >= np.asarray(thresholds, dtype=np.int64)
    return np.asarray(np.where(stops.any(axis=1), stops.argmax(axis=1), shares.shape[1]), dtype=np.int64)


def outcome(samples: Samples, thresholds: Sequence[int]) -> Outcome:
    """Of thresholds on samples."""
    at = depths(samples.shares, thresholds)
    rows, n = np.arange(len(at)), samples.right.shape[1]
    ends = np.bincount(at, minlength=n) / len(at)
    accuracy = float(samples.right[rows, at].mean())
    return Outcome(tuple(map(int, thresholds)), accuracy, float(ends @ samples.cost_uj), tuple(map(float, ends)))


def everywhere(samples: Samples, n_steps: int = 64) -> tuple[Outcome, ...]:
    """One threshold for all exits, from never to always: the front."""
    values = sorted({NEVER, *(ONE * k // n_steps for k in range(n_steps + 1))}, reverse=True)
    return front([outcome(samples, (value,) * samples.shares.shape[1]) for value in values])


def searched(samples: Samples, n_prices: int = 48) -> tuple[Outcome, ...]:
    """A threshold for each exit: the front."""
    found = [outcome(samples, (NEVER,) * samples.shares.shape[1])]
    whole = float(samples.cost_uj[-1])
    for price in [0.0, *np.geomspace(1e-3, 3.0, n_prices)]:
        starts = [found[-1].thresholds, *(one.thresholds for one in everywhere(samples, 16)[::4])]
        found += [outcome(samples, _best(samples, start, price / whole)) for start in dict.fromkeys(starts)]
    corners = front(found)
    moved = [thresholds for one in corners for thresholds in _neighbours(samples, one.thresholds)]
    return front([*corners, *everywhere(samples), *(outcome(samples, one) for one in dict.fromkeys(moved))])


def _neighbours(samples: Samples, thresholds: Sequence[int]) -> list[tuple[int, ...]]:
    """One threshold moved to quantiles of the shares."""
    found = []
    for k in range(len(thresholds)):
        steps = np.quantile(samples.shares[:, k], np.linspace(0, 1, _STEPS), method="higher")
        found += [(*thresholds[:k], int(step), *thresholds[k + 1 :]) for step in steps]
    return found


def _best(samples: Samples, start: Sequence[int], price: float) -> tuple[int, ...]:
    """Thresholds that no change of one of them betters, for right answers less price times energy."""
    value = samples.right - price * samples.cost_uj[None, :]
    thresholds = list(start)
    for _ in range(20):
        before = tuple(thresholds)
        for k in range(len(thresholds)):
            others = [*thresholds[:k], NEVER, *thresholds[k + 1 :]]
            at = depths(samples.shares, others)
            reach = np.flatnonzero(at > k)
            # What stopping gains over going on, by falling share: the best cut is where the running sum is largest.
            gain = value[reach, k] - value[reach, at[reach]]
            order = np.argsort(-samples.shares[reach, k], kind="stable")
            ordered = samples.shares[reach, k][order]
            sums = np.cumsum(gain[order])
            last = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, dtype=bool)
            sums = np.where(last, sums, -np.inf)
            i = int(sums.argmax()) if len(sums) else -1
            thresholds[k] = int(ordered[i]) if i >= 0 and sums[i] > 1e-12 else NEVER
        if tuple(thresholds) == before:
            break
    return tuple(thresholds)


def front(found: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Those that no other beats in both, from the dearest to the cheapest."""
    best: list[Outcome] = []
    for one in sorted(found, key=lambda one: (one.energy_uj, -one.accuracy)):
        if not best or one.accuracy > best[-1].accuracy:
            best.append(one)
    return tuple(reversed(best))


def cheapest(found: Sequence[Outcome], accuracy: float) -> Outcome | None:
    """The one of least energy that is at least so accurate."""
    fitting = [one for one in found if one.accuracy >= accuracy]
    return min(fitting, key=lambda one: (one.energy_uj, -one.accuracy)) if fitting else None


def heuristic(accuracies: Sequence[float], errors: Sequence[float], eps: float = _EPS) -> tuple[int, ...]:
    """Thresholds of the exits from accuracy and calibration error of all depths, the network's own answer last.

    An error below 0.001 counts as that: a ratio to nothing would say nothing of the others.
    """
    m = 1 - np.asarray(accuracies) / np.maximum(np.asarray(errors), _LEAST_ERROR)
    t = (m - m.min() + eps) / (np.ptp(m) + 2 * eps)
    return tuple(share(float(one)) for one in t[:-1])
