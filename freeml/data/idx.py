"""IDX, the format of MNIST: a folder of `train-images`, `train-labels`, `t10k-images`, `t10k-labels`, gzip or not.

A file is two zero bytes, a type code, the number of axes, each axis as a big-endian 32-bit number, then the values,
big-endian. Declared sizes are bounded before memory is taken: by the file's own size, or by what gzip can hold in it.
The last twelfth of the training part (5,000 of MNIST's 60,000) is for calibration; all of it where it has no labels or
fewer than twelve samples.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from freeml.data import splits
from freeml.data.dataset import Array, Dataset
from freeml.data.labels import class_numbers
from freeml.errors import BadData

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 4 << 30
MAX_AXES = 8
DEFLATE_RATIO = 1032  # the most that deflate can expand one byte
CHUNK = 1 << 20

NAME = re.compile(r"(train|t10k|test)[-_](images|data|samples|labels)[-_.]idx\d[-_][a-z0-9]+(\.gz)?")


def load_idx_folder(folder: Path, split: str, limit: int | None, name: str, classes: tuple[str, ...] = ()) -> Dataset:
    """The samples of `split`: float32 (N, 1, H, W) for single images, otherwise (N, ...) as stored.

    Raises BadData for absent, damaged or contradictory files.
    """
    split = splits.canonical(split, name)
    files = idx_files(folder)
    present = [part for part in ("train", "test") if (part, "images") in files]
    if not present:
        hint = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., each with or without .gz"
        raise BadData("no IDX files in this folder", where=str(folder), hint=hint)
    parts = _parts_of(split, present, name)
    tables = [_table(files, part, split) for part in parts]
    if len({table.x.shape[1:] for table in tables}) > 1:
        raise BadData("train and test samples have different shapes", where=str(folder))
    labels = [table.y for table in tables if table.y is not None]
    if labels and len(labels) < len(tables):
        raise BadData("labels are there for one part only", where=str(folder))
    x = np.concatenate([table.x for table in tables]) if len(tables) > 1 else tables[0].x
    keep = splits.evenly_spread(len(x), limit)
    x = x[keep].astype(np.float32)
    if x.ndim == 3:
        x = x[:, None]
    return Dataset(
        (x,),
        np.concatenate(labels)[keep] if labels else None,
        classes,
        name,
        split,
        rows=tables[0].first_row + keep,
        tables=tuple((f"the {part} images", table.n_total) for part, table in zip(parts, tables, strict=True)),
        rule=tables[0].rule,
    )


def idx_files(folder: Path) -> dict[tuple[str, str], Path]:
    """(train or test, images or labels) -> file; of a file and its .gz the plain one."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # reverse: the plain name comes after its .gz and wins
        match = NAME.fullmatch(path.name)
        if match:
            part = "train" if match[1] == "train" else "test"
            found[part, "labels" if match[2] == "labels" else "images"] = path
    return found


def read_idx(path: Path) -> Array:
    """One IDX file, gzip if its name ends in .gz; big-endian values in native order. Raises BadData."""
    where = str(path)
    try:
        size = path.stat().st_size
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                return _read(stream, min(MAX_BYTES, size * DEFLATE_RATIO), where)
        with path.open("rb") as plain:
            return _read(plain, min(MAX_BYTES, size), where)
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"damaged IDX file: {error}", where=where) from error


def _read(stream: BinaryIO | gzip.GzipFile, most: int, where: str) -> Array:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in DTYPES or not 1 <= head[3] <= MAX_AXES:
        raise BadData(f"not an IDX file: it starts with {head.hex(' ') or 'nothing'}", where=where)
    axes = stream.read(4 * head[3])
    if len(axes) < 4 * head[3]:
        raise BadData("the IDX file ends within its header", where=where)
    shape = struct.unpack(f">{head[3]}I", axes)
    dtype = np.dtype(DTYPES[head[2]])
    promised = math.prod(shape) * dtype.itemsize
    if not promised:
        raise BadData(f"shape {shape} holds no values", where=where)
    if promised > most:
        raise BadData(f"shape {shape} needs {promised} bytes; this file can hold {most} at most", where=where)
    payload = bytearray()
    while len(payload) <= promised:
        chunk = stream.read(min(CHUNK, promised + 1 - len(payload)))
        if not chunk:
            break
        payload += chunk
    if len(payload) != promised:
        found = "more" if len(payload) > promised else f"{len(payload)} bytes"
        raise BadData(f"shape {shape} needs {promised} bytes, the file has {found}", where=where)
    return np.frombuffer(payload, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _parts_of(split: str, present: list[str], name: str) -> list[str]:
    """The files, train or test, that hold `split`."""
    if split == splits.ALL:
        return present
    part = "test" if split == splits.TEST else "train"
    if part not in present:
        there = [splits.TEST] if "test" in present else [splits.TRAIN, splits.CALIBRATION]
        raise splits.unknown_split(split, there, name)
    return [part]


@dataclass(frozen=True, slots=True)
class _Table:
    """Samples and labels of one part, cut to a split, of `n_total` in the file; and how it was cut."""

    x: Array
    y: Array | None
    first_row: int
    n_total: int
    rule: str


def _table(files: dict[tuple[str, str], Path], part: str, split: str) -> _Table:
    x = read_idx(files[part, "images"])
    y: Array | None = None
    if (part, "labels") in files:
        y = class_numbers(read_idx(files[part, "labels"]), len(x), (), str(files[part, "labels"]))
    if part == "test" or split == splits.ALL:
        return _Table(x, y, 0, len(x), "the folder's own parts")
    if y is None or len(x) < 12:
        return _Table(x, y, 0, len(x), "training images without labels, or fewer than twelve, all calibrate")
    n_train = len(x) - len(x) // 12
    rows = slice(None, n_train) if split == splits.TRAIN else slice(n_train, None)
    first_row = 0 if split == splits.TRAIN else n_train
    return _Table(x[rows], y[rows], first_row, len(x), "the last twelfth of the training images calibrates")
