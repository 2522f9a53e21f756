"""Which samples are for training, which for tuning, which for the final figure.

Four names: `train`; `calibration`, everything that is chosen by looking at data (ranges, thresholds, ranks); `test`,
seen once, for the accuracy that is quoted; `all`. A publisher's own split is kept. Where there is none, samples are
dealt by their place within their class, five at a time: three to train, one to calibration, one to test. Nothing here
is random, so a split is the same on every machine and for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData

TRAIN, CALIBRATION, TEST, ALL = "train", "calibration", "test", "all"
PARTS = (TRAIN, CALIBRATION, TEST)
ALIASES = {"val": CALIBRATION, "valid": CALIBRATION, "validation": CALIBRATION, "training": TRAIN, "testing": TEST}

Rows = npt.NDArray[np.intp]


def canonical(split: str, where: str = "") -> str:
    """One of train, calibration, test, all; aliases such as `val` are understood.

    >>> canonical("val")
    'calibration'
    """
    name = ALIASES.get(split, split)
    if name not in (*PARTS, ALL):
        raise unknown_split(split, PARTS, where)
    return name


def unknown_split(split: str, present: Iterable[str], where: str) -> BadData:
    """The error for a split that is not there, naming those that are."""
    names = [*present, ALL]
    return BadData(f"no split '{split}'", where=where, hint=f"there are: {', '.join(names)}")


def rows_of(parts: Mapping[str, Rows], split: str, where: str) -> Rows:
    """Row numbers of `split`; `all` is train, calibration and test in this order. Raises BadData for an empty part."""
    split = canonical(split, where)
    present = [name for name in PARTS if len(parts.get(name, ()))]
    if split == ALL and present:
        return np.concatenate([parts[name] for name in present])
    if split not in present:
        raise unknown_split(split, present, where)
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


def dealt(n_total: int, labels: npt.NDArray[Any] | None) -> dict[str, Rows]:
    """The split of samples that come without one: 60 % train, 20 % calibration, 20 % test of every class."""
    hand = _place_in_class(n_total, labels) % 5
    return {
        TRAIN: np.flatnonzero(hand < 3),
        CALIBRATION: np.flatnonzero(hand == 3),
        TEST: np.flatnonzero(hand == 4),
    }


def held_back(train: Rows, labels: npt.NDArray[Any] | None) -> dict[str, Rows]:
    """Train and calibration out of a publisher's training part: every twelfth sample of each class calibrates.

    `labels` are those of the rows in `train`. A part of fewer than twelve samples of every class is not divided.
    """
    back = _place_in_class(len(train), labels) % 12 == 11
    return {TRAIN: train[~back], CALIBRATION: train[back]}


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
