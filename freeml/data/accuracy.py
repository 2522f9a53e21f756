"""What a network's outputs are worth: predicted classes, accuracy, agreement of two networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def predicted_classes(output: Array) -> npt.NDArray[np.int64] | None:
    """Classes (B,) from one output (B, ...): scores of several classes, one index, or one probability; else None.

    None stands for an output that is not a decision, such as an autoencoder's reconstruction of more than one axis.
    """
    flat = output.reshape(output.shape[0], -1)
    several_axes = sum(n > 1 for n in output.shape[1:]) > 1
    if several_axes:
        return None
    if flat.shape[1] > 1:
        return np.asarray(np.argmax(flat, axis=1), dtype=np.int64)
    if np.issubdtype(output.dtype, np.integer):
        return np.asarray(flat[:, 0], dtype=np.int64)
    return np.asarray(flat[:, 0] > 0.5, dtype=np.int64)


def accuracy(output: Array, labels: npt.NDArray[np.integer] | None) -> float | None:
    """Share of samples whose predicted class is the label; None without labels or classes."""
    classes = predicted_classes(output)
    if labels is None or classes is None or len(labels) == 0:
        return None
    scores = output.reshape(output.shape[0], -1).shape[1]
    if scores > 1 and int(labels.max()) >= scores:
        return None
    return float(np.mean(classes == labels))


def agreement(a: Array, b: Array) -> float | None:
    """Share of samples on which two networks predict the same class; None where outputs are no decisions."""
    first, second = predicted_classes(a), predicted_classes(b)
    if first is None or second is None:
        return None
    return float(np.mean(first == second))
