"""What a sample is expected to give: class numbers, or real targets of a regression.

Whole numbers are classes, whatever their type; so are booleans, and -1 and 1 where these are the only two. Numbers with
a fraction are targets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]
Targets = npt.NDArray[np.float64]


def labels_or_targets(
    y: Array, n_samples: int, names: tuple[str, ...], where: str
) -> tuple[Labels | None, Targets | None]:
    """Class numbers (N,), or targets (N, K): one of the two. Raises BadData naming the row that is neither."""
    y = np.asarray(y)
    if y.dtype.kind == "f" and y.ndim in (1, 2) and len(y) == n_samples:
        finite = np.isfinite(y).reshape(len(y), -1).all(axis=1)
        if not finite.all():
            raise BadData(f"the label of row {np.argmin(finite)} is NaN or infinite", where=where)
        if not (y == np.rint(y)).all():
            if names:
                row = int(np.argmax((y != np.rint(y)).reshape(len(y), -1).any(axis=1)))
                raise BadData(f"the label of row {row} is not a whole number, but classes have names", where=where)
            return None, y.reshape(len(y), -1).astype(np.float64)
    return class_numbers(y, n_samples, names, where), None


def class_numbers(labels: Array, n_samples: int, class_names: tuple[str, ...], where: str) -> Labels:
    """Labels as (N,) int64, checked against the number of samples and of classes; whole floats are accepted.

    Of labels -1 and 1, -1 becomes class 0: that is how two classes are written for a score with a sign.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        hint = "give class numbers, not one-hot rows: y.argmax(axis=1)" if labels.ndim == 2 else ""
        raise BadData(f"labels have shape {labels.shape}, not (N,)", where=where, hint=hint)
    if len(labels) != n_samples:
        raise BadData(f"{n_samples} samples but {len(labels)} labels", where=where)
    if labels.dtype.kind not in "biuf":
        raise BadData(f"labels are {labels.dtype}, not class numbers", where=where)
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        raise BadData("labels are not whole numbers", where=where)
    if not len(labels):
        return labels.astype(np.int64)
    if labels.dtype.kind in "if" and labels.min() == -1 and np.isin(labels, (-1, 1)).all():
        labels = labels > 0
    low, high = (int(labels.argmin()), int(labels.argmax()))
    if labels[low] < 0:
        raise BadData(f"label {labels[low]:g} of row {low} is below 0", where=where, hint="number the classes from 0")
    if class_names and labels[high] >= len(class_names):
        what = f"label {labels[high]:g} of row {high}, but there are {len(class_names)} class names"
        raise BadData(what, where=where, hint="number the classes from 0")
    if labels[high] > np.iinfo(np.int32).max:
        raise BadData(f"label {labels[high]:g} of row {high} is no class number", where=where)
    return labels.astype(np.int64)
