"""`freeml tune OUT --trace T`: thresholds and a reserve, found by lives on calibration samples and a trace.

What is searched: each fixed depth; thresholds of confidence, from the front that calibration samples have of accuracy
and energy; the energy rule with several reserves; the best thresholds with each reserve. All of these live on the
trace; the winner has most right answers an hour. The first to beat is the whole network, or the cheapest thresholds
that cost no accuracy on calibration samples, where a life under them is as often right, less SLACK: what takes less for
the same is right with less energy, too. Another one takes its place only where it is better by SLACK, by CHANCE of the
root of its right answers, and by CHANCE of what an accuracy on so many samples is uncertain by: what is better by less
may be worse elsewhere. Last, each threshold of the winner is moved to quantiles of calibration shares, where that
gains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.exits.policy import NEVER, Policy, PolicyKind
from freeml.exits.search import Outcome, Samples, cheapest, everywhere, searched
from freeml.ir.confidence import confidence
from freeml.sim.life.bound import Bound, cost_of
from freeml.sim.life.outcomes import RIGHT, Outcomes
from freeml.sim.life.policies import Exits
from freeml.sim.life.run import Lived
from freeml.sim.life.setting import Setting

Ints = npt.NDArray[np.int64]

SLACK, CHANCE = 0.003, 0.3
RESERVES = (-0.5, 0.0, 0.5)  # of what one charge of the capacitor gives
_MOST_THRESHOLDS, _MOST_WITH_RESERVES = 12, 3
_STEPS = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85)


@dataclass(frozen=True)
class Judged:
    """A policy and its life. family: as what it was tried."""

    family: str
    policy: Policy
    lived: Lived


@dataclass(frozen=True)
class Tuned:
    """The winner, and how many lived.

    of_family  "always-full"; the best of "best-fixed", "confidence", "energy"; the winner as "tuned"
    """

    best: Judged
    of_family: dict[str, Judged]
    tried: int


def tune(setting: Setting, progress: Callable[[str], None] = lambda _: None) -> Tuned:
    """Find the policy of most right answers an hour. The setting's samples should be those of calibration."""
    known: dict[bytes, Judged] = {}

    def judge(family: str, policy: Policy) -> Judged:
        raw = policy.to_bytes()
        if raw not in known:
            known[raw] = Judged(family, policy, setting.live(policy, log_what=0))
        return known[raw]

    exits, depths = setting.exits, len(setting.exits.softness) + 1
    progress("fixed depths")
    fixed = [judge("best-fixed", exits.fixed(depth)) for depth in range(1, depths + 1)]
    progress("thresholds")
    front = front_of(setting)
    sure = [judge("confidence", exits.confidence(one)) for one in _spread(front)]
    progress("reserves")
    reserves_uj = [share * setting.charge_uj for share in RESERVES]
    energy = [judge("energy", exits.with_reserve(exits.fixed(1), reserve)) for reserve in reserves_uj]
    best_sure = sorted(sure, key=worth, reverse=True)[:_MOST_WITH_RESERVES]
    both = [judge("both", exits.with_reserve(one.policy, reserve)) for one in best_sure for reserve in reserves_uj]
    tops = {"best-fixed": max(fixed, key=worth), "confidence": max(sure, key=worth), "energy": max(energy, key=worth)}
    n_samples = len(setting.outcomes.right)
    first = judge("confidence", exits.confidence(without_loss(setting, front)))
    best = first if first.lived.right >= (1 - SLACK) * fixed[-1].lived.right else fixed[-1]
    for one in (*tops.values(), max(both, key=worth)):
        best = one if is_better(one, best, n_samples) else best
    progress("one threshold at a time")
    best = _moved(setting, best, judge)
    return Tuned(best, {"always-full": fixed[-1], **tops, "tuned": best}, len(known))


def worth(one: Judged) -> tuple[int, float]:
    """More right answers, then less energy."""
    return one.lived.right, -one.lived.energy.used_j


def is_better(one: Judged, other: Judged, n_samples: int) -> bool:
    """By more than what is by chance of the events, and of the samples that they show."""
    least = other.lived.right
    return one.lived.right > least * (1 + SLACK + CHANCE / math.sqrt(n_samples)) + CHANCE * math.sqrt(least)


def shares_of(outcomes: Outcomes, exits: Exits) -> Ints:
    """(n, D) confidence of each sample at each exit, in 1/2^15."""
    found = [confidence(outcomes.scores[:, k], soft).shares for k, soft in enumerate(exits.softness)]
    return np.column_stack(found)


def front_of(setting: Setting) -> list[Outcome]:
    """What thresholds are worth on the samples, by rising energy: the front of accuracy and energy."""
    costs = [cost_of(setting.load, depth)[0] * setting.middle_v * 1e6 for depth in range(1, setting.load.depths + 1)]
    right = setting.outcomes.right == RIGHT
    samples = Samples(shares_of(setting.outcomes, setting.exits), right, np.array(costs))
    return sorted({*searched(samples, 16), *everywhere(samples, 24)}, key=lambda one: one.energy_uj)


def without_loss(setting: Setting, front: Sequence[Outcome]) -> tuple[int, ...]:
    """Thresholds of least energy that are as often right on the samples as the whole network."""
    found = cheapest(front, float((setting.outcomes.right[:, -1] == RIGHT).mean()))
    return (NEVER,) * (setting.load.depths - 1) if found is None else found.thresholds


def _spread(front: Sequence[Outcome]) -> list[tuple[int, ...]]:
    """Thresholds of the front, evenly spread."""
    chosen = np.unique(np.linspace(0, len(front) - 1, _MOST_THRESHOLDS).round().astype(int))
    return list(dict.fromkeys(front[k].thresholds for k in chosen))


def _moved(setting: Setting, best: Judged, judge: Callable[[str, Policy], Judged]) -> Judged:
    """The best with one threshold after the other where lives say it should be."""
    if best.policy.kind not in (PolicyKind.CONFIDENCE, PolicyKind.CONFIDENCE_OR_ENERGY):
        return best
    shares = shares_of(setting.outcomes, setting.exits)
    for k, quantiles in enumerate(_quantiles(shares)):
        for threshold in quantiles:
            values = [row.threshold for row in best.policy.rows]
            values[k] = threshold
            one = judge("moved", best.policy.with_thresholds(tuple(values)))
            best = one if is_better(one, best, len(shares)) else best
    return best


def _quantiles(shares: Ints) -> Iterator[list[int]]:
    for k in range(shares.shape[1]):
        steps = np.quantile(shares[:, k], _STEPS, method="higher")
        yield [*dict.fromkeys(int(step) for step in steps), NEVER]


def check_bound(bound: Bound, some: Sequence[Judged]) -> None:
    """Asserts that no policy had more right answers than any can."""
    for one in some:
        assert one.lived.right <= bound.right, f"{one.family}: {one.lived.right} right, beyond {bound.right}"
