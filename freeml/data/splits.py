"""Which samples are for training, which for tuning, which for the final figure.

Four names: `train`; `calibration`, everything that is chosen by looking at data (ranges, thresholds, ranks); `test`,
seen once, for the accuracy that is quoted; `all`. A publisher's own split is kept. Where there is none, samples are
dealt by their place within their class, five at a time: three to train, one to calibration, one to test. Samples that
no figure depends on, because they have no labels, all calibrate, and so do samples too few to be divided. Nothing here
is random, so a split is the same on every machine and for ever, and each comes with its rule in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData

TRAIN, CALIBRATION, TEST, ALL = "train", "calibration", "test", "all"
PARTS = (TRAIN, CALIBRATION, TEST)
ALIASES = {"val": CALIBRATION, "valid": CALIBRATION, "validation": CALIBRATION, "training": TRAIN, "testing": TEST}

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Deal:
    """Row numbers by part, which may share rows, and how they came about: a clause for people."""

    parts: Mapping[str, Rows]
    rule: str


def canonical(split: str, where: str = "") -> str:
    """One of train, calibration, test, all; aliases such as `val` are understood.

    >>> canonical("val")
    'calibration'
    """
    name = ALIASES.get(split, split)
    if name not in (*PARTS, ALL):
        raise unknown_split(split, PARTS, where)
    return name


def unknown_split(split: str, present: Iterable[str], where: str, how: str = "") -> BadData:
    """The error for a split that is not there, naming those that are; how: what would make one."""
    hint = f"there are: {', '.join([*present, ALL])}"
    return BadData(f"no split '{split}'", where=where, hint=f"{hint}; {how}" if how else hint)


def rows_of(parts: Mapping[str, Rows], split: str, where: str, how: str = "") -> Rows:
    """Row numbers of `split`; `all` is train, calibration and test in this order, each row once.

    Raises BadData for an empty part.
    """
    split = canonical(split, where)
    present = [name for name in PARTS if len(parts.get(name, ()))]
    if split == ALL and present:
        together = np.concatenate([parts[name] for name in present])
        return together[np.sort(np.unique(together, return_index=True)[1])]
    if split not in present:
        raise unknown_split(split, present, where, how)
    return parts[split]


def evenly_spread(n_total: int, n: int | None) -> Rows:
    """`n` row numbers spread evenly over `n_total`, ascending; all of them for None or a larger `n`.

    >>> evenly_spread(10, 4).tolist()
    [0, 2, 5, 7]
    """
    if n is not None and n < 1:
        raise BadData(f"{n} samples asked for", hint="ask for at least 1")
    if n is None or n >= n_total:
        return np.arange(n_total, dtype=np.intp)
    return np.arange(n, dtype=np.intp) * n_total // n


def limited(rows: Rows, limit: int | None) -> Rows:
    """At most `limit` of `rows`, spread evenly."""
    return rows[evenly_spread(len(rows), limit)]


def dealt(n_total: int, labels: npt.NDArray[Any] | None, *, has_targets: bool = False) -> Deal:
    """The split of samples that come without one: 60 % train, 20 % calibration, 20 % test of every class.

    Without labels or targets, and with fewer than five samples, all of them are for calibration and for test.
    """
    if labels is None and not has_targets:
        return _undivided(n_total, "samples without labels are not divided: all calibrate, and test")
    if n_total < 5:
        return _undivided(n_total, "fewer than five samples are not divided: all calibrate, and test")
    hand = _place_in_class(n_total, labels) % 5
    rule = "of each five samples of a class, in the order of the file, three train, one calibrates, one tests"
    if labels is None:
        rule = "of each five samples, in the order of the file, three train, one calibrates, one tests"
    elif not {3, 4} <= set(hand.tolist()):
        # Classes too small to be dealt one by one: dealt as one row of samples, ordered by class.
        hand = np.empty(n_total, dtype=np.intp)
        hand[np.argsort(labels, kind="stable")] = np.arange(n_total) % 5
        rule = "of each five samples, ordered by class, three train, one calibrates, one tests: classes are small"
    train, calibration, test = np.flatnonzero(hand < 3), np.flatnonzero(hand == 3), np.flatnonzero(hand == 4)
    return Deal({TRAIN: train, CALIBRATION: calibration, TEST: test}, rule)


def _undivided(n_total: int, rule: str) -> Deal:
    every = np.arange(n_total, dtype=np.intp)
    return Deal({CALIBRATION: every, TEST: every}, rule)


def held_back(train: Rows, labels: npt.NDArray[Any] | None, *, has_targets: bool = False) -> Deal:
    """Train and calibration out of a publisher's training part: every twelfth sample of each class calibrates.

    `labels` are those of the rows in `train`. A part without labels or targets, or of fewer than twelve samples of
    every class, is not divided: all of it calibrates.
    """
    if labels is None and not has_targets:
        return Deal(
            {TRAIN: train, CALIBRATION: train}, "training samples without labels are not divided: all calibrate"
        )
    back = _place_in_class(len(train), labels) % 12 == 11
    if not back.any():
        return Deal({TRAIN: train, CALIBRATION: train}, "training samples are too few to be divided: all calibrate")
    each = "training sample" if labels is None else "training sample of each class"
    return Deal({TRAIN: train[~back], CALIBRATION: train[back]}, f"every twelfth {each} calibrates")


def _place_in_class(n_total: int, labels: npt.NDArray[Any] | None) -> Rows:
    """For each sample the number of earlier samples with its label, (n_total,)."""
    place = np.arange(n_total, dtype=np.intp)
    if labels is None:
        return place
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    first = np.searchsorted(ordered, ordered, side="left")
    place[order] = np.arange(n_total) - first
    return place
