"""`load`: from what a user writes after `--data` to a Dataset."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from freeml.data import splits
from freeml.data.callable import SPEC, load_callable
from freeml.data.cifar import load_cifar10_jpeg, load_cifar10_lossless
from freeml.data.dataset import Dataset
from freeml.data.digits import CLASSES as DIGITS
from freeml.data.digits import load_digits
from freeml.data.folders import require
from freeml.data.har import load_har
from freeml.data.idx import load_idx_folder
from freeml.data.kws import load_kws
from freeml.data.npz import load_npz
from freeml.errors import BadData

FASHION = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle_boot",
)


def load(spec: str, split: str = "test", *, limit: int | None = None) -> Dataset:
    """The samples of one split: train, calibration (or val), test or all.

    `spec` is a named set (`catalogue`), an `.npz` file (keys in `arrays.py`), a folder of IDX files, or
    `package.module:function`. `limit` keeps that many samples, evenly spread over the split and always the same:
    `load(s, limit=n)` is `load(s).take(n)`, only cheaper. Raises BadData.

    >>> load("digits", "test", limit=5).inputs[0].shape
    (5, 1, 8, 8)
    """
    split = splits.canonical(split, spec)
    splits.evenly_spread(1, limit)  # a limit below 1 is refused before any file is opened
    if spec in NAMED:
        return NAMED[spec](split, limit)
    path = Path(spec).expanduser()
    if path.is_dir():
        return load_idx_folder(path, split, limit, spec)
    if path.is_file() or spec.endswith(".npz"):
        if not path.exists():
            raise BadData("no such file", where=spec)
        return load_npz(path, split, limit, spec)
    if SPEC.fullmatch(spec):
        return load_callable(spec, split, limit)
    near = difflib.get_close_matches(spec, NAMED, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise BadData(
        f"'{spec}' is no data set, file or folder",
        hint=f"{guess}give one of {', '.join(NAMED)}, an .npz file, a folder of IDX files, or module:function",
    )


def _mnist(split: str, limit: int | None) -> Dataset:
    return _idx_set("mnist", split, limit, DIGITS)


def _fashion(split: str, limit: int | None) -> Dataset:
    return _idx_set("fashion-mnist", split, limit, FASHION)


def _idx_set(name: str, split: str, limit: int | None, classes: tuple[str, ...]) -> Dataset:
    """A set of MNIST's four files in the folder of its own name; says which file is missing."""
    parts = {splits.TEST: ("t10k",), splits.ALL: ("train", "t10k")}.get(split, ("train",))
    for part in parts:
        for file in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
            folder = require(name, f"{name}/{file}.gz", f"{name}/{file}").parent
    return load_idx_folder(folder, split, limit, name, classes)


def _har(split: str, limit: int | None) -> Dataset:
    return load_har(require("har", "har_hapt/hapt_visible.npz", "har_hapt/RawData"), split, limit)


def _kws(split: str, limit: int | None) -> Dataset:
    return load_kws(require("kws", "kws/kws_mfcc_visible.npz"), split, limit)


def _cifar10_jpeg(split: str, limit: int | None) -> Dataset:
    name = "cifar10-jpeg"
    train, test = "cifar10/train_jpeg.tar.xz", "cifar10/test_jpeg.tar.xz"
    needed = {splits.TEST: (test,), splits.ALL: (train, test)}.get(split, (train,))
    paths = [require(name, file) for file in needed]
    return load_cifar10_jpeg(paths[0], paths[-1], split, limit)


def _cifar10_lossless(split: str, limit: int | None) -> Dataset:
    return load_cifar10_lossless(require("cifar10-lossless", "cifar10/cifar10_lossless4000.npz"), split, limit)


NAMED: dict[str, Callable[[str, int | None], Dataset]] = {
    "digits": load_digits,
    "mnist": _mnist,
    "fashion-mnist": _fashion,
    "har": _har,
    "kws": _kws,
    "cifar10-jpeg": _cifar10_jpeg,
    "cifar10-lossless": _cifar10_lossless,
}
