"""Labelled samples of one split: the one type that every source of data turns into.

Checked once, where it is made: equal lengths, numbers only, no NaN or infinity, labels that are class numbers or real
targets. All later layers rely on that and check nothing again. Every sample knows its row in the source. Samples that
were quantized by whoever published them (int8 features of a keyword spotter) stay integer codes beside their scale and
zero point, so that an int8 model gets the very codes and a float model their real values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.data.labels import Targets, labels_or_targets
from freeml.data.splits import evenly_spread
from freeml.errors import BadData

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """The samples of one split.

    inputs       one array per input of the model, each (N, ...); float32, or the integers that the source has
    labels       (N,) int64 class numbers from 0, or None; given real numbers, they become targets
    class_names  name of each class number; empty where the source has none
    name, split  what `load` was asked for
    quant        per input (scale, zero_point) with real = scale * (code - zero_point), or None for real values
    targets      (N, K) float64 that a regression should give, or None
    rows         (N,) row of each sample, counted from 0 through all tables of the source; by default it is the table
    tables       name and number of rows of each table of the source
    rule         how the split came about, in words

    Raises BadData if the parts contradict each other.
    """

    inputs: tuple[Array, ...]
    labels: npt.NDArray[np.int64] | None
    class_names: tuple[str, ...]
    name: str
    split: str
    quant: tuple[tuple[float, int] | None, ...] = ()
    targets: Targets | None = None
    rows: npt.NDArray[np.intp] | None = None
    tables: tuple[tuple[str, int], ...] = ()
    rule: str = ""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise BadData("a data set needs at least one input array", where=self.name)
        n_given = np.asarray(self.inputs[0]).shape[:1]
        if self.rows is None and n_given:
            object.__setattr__(self, "rows", np.arange(n_given[0], dtype=np.intp))
            object.__setattr__(self, "tables", ((f"split '{self.split}'", n_given[0]),))
        object.__setattr__(self, "inputs", tuple(self._samples(a, i) for i, a in enumerate(self.inputs)))
        object.__setattr__(self, "quant", self.quant or (None,) * len(self.inputs))
        lengths = sorted({len(a) for a in self.inputs})
        if len(lengths) > 1:
            raise BadData(f"the inputs have different numbers of samples: {_listed(lengths)}", where=self.name)
        if lengths[0] == 0:
            raise BadData(f"the split '{self.split}' has no samples", where=self.name)
        self._check_quant()
        if self.labels is not None:
            labels, targets = labels_or_targets(self.labels, lengths[0], self.class_names, self.name)
            object.__setattr__(self, "labels", labels)
            object.__setattr__(self, "targets", self.targets if targets is None else targets)

    def _samples(self, array: Array, index: int) -> Array:
        """One input: integers as they are, everything else float32; finite."""
        array = np.asarray(array)
        if array.ndim == 0:
            what = f"input {index} is a single number; its first axis must be the samples"
            raise BadData(what, where=self.name)
        if array.dtype.kind == "b":
            return array.astype(np.uint8)
        if array.dtype.kind in "iu":
            return array
        if array.dtype.kind != "f":
            raise BadData(f"input {index} is {array.dtype}; samples are numbers", where=self.name)
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, dtype=np.float32)
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1) if array.size else np.ones(len(array), bool)
        if not finite.all():
            bad = np.flatnonzero(~finite)
            of = f"{len(bad)} of {len(array)} samples, the first is {self.place(int(bad[0]))}"
            hint = "mend or drop these rows; rows count from 0"
            raise BadData(f"input {index} has NaN or infinity in {of}", where=self.name, hint=hint)
        return array

    def _check_quant(self) -> None:
        if len(self.quant) != len(self.inputs):
            raise BadData(f"{len(self.quant)} quantizations for {len(self.inputs)} inputs", where=self.name)
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
        """Every input as float32 real values, (N, ...); quantized samples are dequantized."""
        return tuple(_real(a, q) for a, q in zip(self.inputs, self.quant, strict=True))

    def take(self, n: int) -> Dataset:
        """`n` samples spread evenly over the split, always the same ones; the whole split where it has no more."""
        return self.select(evenly_spread(len(self), n))

    def select(self, rows: npt.NDArray[np.intp]) -> Dataset:
        """The samples with these row numbers, in this order."""
        return replace(
            self,
            inputs=tuple(a[rows] for a in self.inputs),
            labels=None if self.labels is None else self.labels[rows],
            targets=None if self.targets is None else self.targets[rows],
            rows=None if self.rows is None else self.rows[rows],
        )

    def place(self, index: int) -> str:
        """Where sample `index` of this split comes from, in words: its row in the file, counted from 0."""
        row = index if self.rows is None else int(self.rows[index])
        for key, n_rows in self.tables:
            if row < n_rows:
                return f"row {row} of {key}"
            row -= n_rows
        return f"row {row}"

    def check_classes(self, n: int | None) -> None:
        """Raise BadData for a label that a network of so many classes has none for; None: nobody knows how many."""
        if self.labels is None or n is None or not len(self) or (highest := int(self.labels.max())) < n:
            return
        row = self.place(int(self.labels.argmax()))
        raise BadData(
            f"label {highest} of {row} is no class of this network, which has classes 0 to {n - 1}",
            where=self.name,
            hint="number the classes from 0, in the order of the network's scores",
        )

    def check_differ(self) -> None:
        """Raise BadData for labels that are all the same: nothing is learned from them."""
        if self.labels is not None and len(self) and (self.labels == self.labels[0]).all():
            raise BadData(
                f"all {len(self)} samples have the label {self.labels[0]}: a network that always gives it would be "
                "right",
                where=self.name,
                hint="give samples of every class",
            )


def _real(array: Array, quant: tuple[float, int] | None) -> npt.NDArray[np.float32]:
    if quant is None:
        return array.astype(np.float32, copy=False)
    scale, zero_point = quant
    real: npt.NDArray[np.float32] = (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return real


def _listed(values: list[int]) -> str:
    return ", ".join(str(v) for v in values)
