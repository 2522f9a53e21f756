"""The samples that compression trains on and judges by; test samples are never read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from freeml.data import Dataset, fit_inputs, load
from freeml.data.splits import held_back
from freeml.errors import BadData
from freeml.ir.graph import Graph

Data = str | Dataset | tuple[Dataset, Dataset]


@dataclass(frozen=True, slots=True)
class Samples:
    """train: what weights are fitted to. calibration: what everything is chosen and judged by."""

    train: Dataset
    calibration: Dataset

    @property
    def split(self) -> Mapping[str, str]:
        """What was used for what, in words."""
        return {
            "train": f"{len(self.train):,} samples of {self.train.name}, split '{self.train.split}'",
            "calibration": f"{len(self.calibration):,} samples of {self.calibration.name}, "
            f"split '{self.calibration.split}'",
            "test": "not read",
        }

    def among(self, dataset: Dataset) -> int:
        """How many samples of a data set trained or calibrated."""
        known = {one for split in (self.train, self.calibration) for one in _digests(split)}
        return sum(one in known for one in _digests(dataset))


def _digests(dataset: Dataset) -> Iterator[bytes]:
    """Of each sample, by what it is: splits may come from files of their own, whose rows say nothing."""
    for sample in zip(*dataset.inputs, strict=True):
        yield hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in sample)).digest()


def samples_of(data: Data, graph: Graph) -> Samples:
    """Samples in the shapes that the graph reads.

    data: a specification, whose splits train and calibration are taken; one Dataset, of which every twelfth sample of
    each class calibrates; or two, (train, calibration). Raises BadData.
    """
    if isinstance(data, str):
        calibration = load(data, "calibration")
        try:
            train = load(data, "train")
        except BadData as error:
            if not error.what.startswith("no split"):
                raise
            train, calibration = _divided(calibration)  # samples without labels all calibrate
    elif isinstance(data, Dataset):
        train, calibration = _divided(data)
    else:
        train, calibration = data
    shapes = [port.shape for port in graph.inputs]
    return Samples(fit_inputs(train, shapes), fit_inputs(calibration, shapes))


def _divided(data: Dataset) -> tuple[Dataset, Dataset]:
    n = len(data)
    if data.labels is not None or data.targets is not None:
        deal = held_back(np.arange(n), data.labels, has_targets=data.targets is not None)
        train, back = deal.parts["train"], deal.parts["calibration"]
    else:
        train, back = np.arange(n), np.arange(n)[11::12]
        if len(back):
            train = np.setdiff1d(train, back)
    if not len(back):
        raise BadData(
            f"{n} samples are too few to train on and to judge by", where=data.name, hint="give at least 12 samples"
        )
    return data.select(train), data.select(back)
