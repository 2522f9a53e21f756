"""Labelled samples of one split: the one type that every source of data turns into.

Checked once, where it is made: equal lengths, numbers only, no NaN or infinity, labels that are class numbers. All
later layers rely on that and check nothing again. Samples that were quantised by whoever published them (int8 features
of a keyword spotter) stay integer codes beside their scale and zero point, so that an int8 model gets the very codes
and a float model their real values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.data.splits import evenly_spread
from freeml.errors import BadData

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """The samples of one split.

    inputs       one array per input of the model, each (N, ...); float32, or the integers that the source has
    labels       (N,) int64 class numbers from 0, or None
    class_names  name of each class number; empty where the source has none
    name, split  what `load` was asked for
    quant        per input (scale, zero_point) with real = scale * (code - zero_point), or None for real values

    Raises BadData if the parts contradict each other.
    """

    inputs: tuple[Array, ...]
    labels: npt.NDArray[np.int64] | None
    class_names: tuple[str, ...]
    name: str
    split: str
    quant: tuple[tuple[float, int] | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.inputs:
            raise BadData("a data set needs at least one input array", where=self.name)
        object.__setattr__(self, "inputs", tuple(_samples(a, i, self.name) for i, a in enumerate(self.inputs)))
        object.__setattr__(self, "quant", self.quant or (None,) * len(self.inputs))
        lengths = sorted({len(a) for a in self.inputs})
        if len(lengths) > 1:
            raise BadData(f"the inputs have different numbers of samples: {_listed(lengths)}", where=self.name)
        if lengths[0] == 0:
            raise BadData(f"the split '{self.split}' has no samples", where=self.name)
        self._check_quant()
        if self.labels is not None:
            object.__setattr__(self, "labels", class_numbers(self.labels, lengths[0], self.class_names, self.name))

    def _check_quant(self) -> None:
        if len(self.quant) != len(self.inputs):
            raise BadData(f"{len(self.quant)} quantisations for {len(self.inputs)} inputs", where=self.name)
        for array, quant in zip(self.inputs, self.quant, strict=True):
            if quant is None:
                continue
            scale, zero_point = quant
            if array.dtype.kind not in "iu":
                raise BadData(f"a scale is given, but the samples are {array.dtype}, not integers", where=self.name)
            if not (np.isfinite(scale) and scale > 0):
                raise BadData(f"the scale of the samples is {scale}; it must be above 0", where=self.name)
            info = np.iinfo(array.dtype)
            if not info.min <= zero_point <= info.max:
                raise BadData(f"zero point {zero_point} is outside {array.dtype}", where=self.name)

    def __len__(self) -> int:
        return len(self.inputs[0])

    def real_inputs(self) -> tuple[npt.NDArray[np.float32], ...]:
        """Every input as float32 real values, (N, ...); quantised samples are dequantised."""
        return tuple(_real(a, q) for a, q in zip(self.inputs, self.quant, strict=True))

    def take(self, n: int) -> Dataset:
        """`n` samples spread evenly over the split, always the same ones; the whole split where it has no more."""
        return self.select(evenly_spread(len(self), n))

    def shuffled(self, seed: int) -> Dataset:
        """The same samples in an order that depends on `seed` only."""
        return self.select(np.random.default_rng(seed).permutation(len(self)))

    def select(self, rows: npt.NDArray[np.intp]) -> Dataset:
        """The samples with these row numbers, in this order."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, inputs=tuple(a[rows] for a in self.inputs), labels=labels)


def class_numbers(labels: Array, n_samples: int, class_names: tuple[str, ...], where: str) -> npt.NDArray[np.int64]:
    """Labels as (N,) int64, checked against the number of samples and of classes; whole floats are accepted."""
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
    low, high = (labels.min(), labels.max()) if len(labels) else (0, 0)
    if low < 0:
        raise BadData(f"label {low} is below 0", where=where, hint="number the classes from 0")
    if class_names and high >= len(class_names):
        raise BadData(f"label {high}, but there are {len(class_names)} class names", where=where)
    if high > np.iinfo(np.int32).max:
        raise BadData(f"label {high} is no class number", where=where)
    return labels.astype(np.int64)


def _samples(array: Array, index: int, where: str) -> Array:
    """One input: integers as they are, everything else float32; finite."""
    array = np.asarray(array)
    if array.ndim == 0:
        raise BadData(f"input {index} is a single number; its first axis must be the samples", where=where)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind != "f":
        raise BadData(f"input {index} is {array.dtype}; samples are numbers", where=where)
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1) if array.size else np.ones(len(array), bool)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise BadData(
            f"input {index} has NaN or infinity in {len(bad)} of {len(array)} samples, the first is {bad[0]}",
            where=where,
        )
    return array


def _real(array: Array, quant: tuple[float, int] | None) -> npt.NDArray[np.float32]:
    if quant is None:
        return array.astype(np.float32, copy=False)
    scale, zero_point = quant
    real: npt.NDArray[np.float32] = (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return real


def _listed(values: list[int]) -> str:
    return ", ".join(str(v) for v in values)
