"""Keyword clips in folds by speaker: who is in the test of a fold is in nothing else of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from freeml.data import Dataset, load

_CALIBRATION = 10  # every tenth speaker of those that train


def folds(n_folds: int) -> Iterator[tuple[Dataset, Dataset, Dataset]]:
    """(train, calibration, test) of each fold, all clips of the set being in one test."""
    whole = load("kws", "all")
    with np.load(Path(os.environ["FREEML_DATA"]) / "kws" / "kws_mfcc_visible.npz", allow_pickle=False) as archive:
        speakers = archive["speaker"][whole.rows]  # the set has its rows in another order
    names = np.random.default_rng(0).permutation(np.unique(speakers))
    for fold in range(n_folds):
        tested = np.isin(speakers, names[fold::n_folds])
        others = np.setdiff1d(names, names[fold::n_folds], assume_unique=True)
        held = np.isin(speakers, others[::_CALIBRATION])
        rows = np.arange(len(whole))
        yield whole.select(rows[~tested & ~held]), whole.select(rows[~tested & held]), whole.select(rows[tested])
