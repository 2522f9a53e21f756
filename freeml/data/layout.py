"""Samples in the axis order that a model reads.

Data sets here are channels first, models from TFLite read channels last, dense networks read a row. Only changes that
keep the meaning of every value are made: axes of length 1 come and go, the channel axis moves from one end to the
other, everything is laid out in one row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from freeml.data.dataset import Array, Dataset
from freeml.errors import BadData

Shape = tuple[int, ...]


def fit_inputs(dataset: Dataset, shapes: Sequence[Shape]) -> Dataset:
    """The same samples with input i of shape (N, *shapes[i]); `shapes` are the model's, without the batch axis.

    Raises BadData naming both shapes where there is no such way.
    """
    if len(shapes) != len(dataset.inputs):
        raise BadData(
            f"the model has {len(shapes)} inputs, the data {len(dataset.inputs)}",
            where=dataset.name,
            hint="an .npz file gives several inputs as x0, x1, ...",
        )
    pairs = zip(dataset.inputs, shapes, strict=True)
    fitted = tuple(_fitted(a, tuple(s), f"{dataset.name}, input {i}") for i, (a, s) in enumerate(pairs))
    return replace(dataset, inputs=fitted)


def _fitted(array: Array, wanted: Shape, name: str) -> Array:
    have = array.shape[1:]
    if have == wanted:
        return array
    if _without_ones(have) == _without_ones(wanted):
        return array.reshape(len(array), *wanted)
    for moved in (np.moveaxis(array, 1, -1), np.moveaxis(array, -1, 1)) if array.ndim > 2 else ():
        if _without_ones(moved.shape[1:]) == _without_ones(wanted):
            return np.ascontiguousarray(moved).reshape(len(array), *wanted)
    if len(_without_ones(wanted)) <= 1 and math.prod(have) == math.prod(wanted):
        return array.reshape(len(array), *wanted)
    hint = "the first axis of the array counts the samples"
    if _without_ones(array.shape) == _without_ones(wanted):
        hint += ": for one sample, give x[None]"
    elif math.prod(have) == math.prod(wanted):
        hint += f"; the values are as many: bring each sample into the shape {wanted}"
    raise BadData(f"the model reads {wanted}, the samples are {have}", where=name, hint=hint)


def _without_ones(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)
