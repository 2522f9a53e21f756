"""The 1,797 handwritten 8x8 digits inside the scikit-learn wheel: a data set that needs no download.

They are the test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin, Kaynak 1998, CC BY 4.0).
There is no published split: `splits.dealt` gives 60 % train, 20 % calibration, 20 % test of every digit. The writers
are not recorded, so train and test share writers and accuracy is kinder than for a new writer.
"""

from __future__ import annotations

import numpy as np

from freeml.data import splits
from freeml.data.dataset import Dataset

CLASSES = tuple(str(d) for d in range(10))


def load_digits(split: str, limit: int | None) -> Dataset:
    """Samples (N, 1, 8, 8) float32, values 0..16; labels 0..9."""
    from sklearn.datasets import load_digits as sklearn_digits

    table = sklearn_digits()
    labels = table.target.astype(np.int64)
    split = splits.canonical(split, "digits")
    deal = splits.dealt(len(labels), labels)
    rows = splits.limited(splits.rows_of(deal.parts, split, "digits"), limit)
    images = table.images[rows].astype(np.float32)[:, None]
    return Dataset((images,), labels[rows], CLASSES, "digits", split, rows=rows, rule=deal.rule)
