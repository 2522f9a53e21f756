"""Keyword spotting: Google Speech Commands v0.02, 12 classes, as the int8 MFCC that the MLPerf Tiny network reads.

The archive holds codes (N, 49, 10) with their scale and zero point, and a split by speaker. The codes stay codes:
`Dataset.quant` says what they mean, `real_inputs()` gives a float network its values.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from freeml.data import splits
from freeml.data.arrays import from_arrays
from freeml.data.dataset import Dataset
from freeml.data.npz import NpzArchive

CLASSES = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")


def load_kws(path: Path, split: str, limit: int | None) -> Dataset:
    """Samples (N, 49, 10, 1) int8: 49 frames of 20 ms, 10 cepstral coefficients; `quant` is (0.58470, 83)."""
    archive = NpzArchive(path)
    arrays = {
        "x": archive.require("mfcc_int8")[..., None],
        "y": archive.require("label"),
        "split": archive.require("split"),
        "scale": archive.require("scale"),
        "zero_point": archive.require("zero_point"),
    }
    part = from_arrays(arrays, splits.canonical(split, "kws"), limit, "kws")
    return replace(part, class_names=CLASSES)
