"""Arrays under documented keys -> Dataset. The one reader behind `.npz` files and users' functions.

Either one table of samples

    x, or x0, x1, ...   samples, (N, ...), one array per input of the model
    y                   optional class numbers, (N,)
    split               optional, (N,): 0 train, 1 calibration, 2 test, or these names

or one table per part: x_train, y_train, x_val, y_val, x_test, y_test (one input). Both may carry `classes`, the names
of the classes, and, for integer samples, `scale` and `zero_point`, one number per input, where
real = scale * (x - zero_point). A table without `split` is dealt by `splits.dealt`; training samples without a
calibration part give up every twelfth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.data import splits
from freeml.data.dataset import Array, Dataset, class_numbers
from freeml.errors import BadData

KEYS_HINT = "keys: x (or x0, x1, ...) with optional y and split, or x_train, y_train, x_val, y_val, x_test, y_test"
SUFFIX = {splits.TRAIN: "train", splits.CALIBRATION: "val", splits.TEST: "test"}


def from_arrays(arrays: Mapping[str, Array], split: str, limit: int | None, name: str) -> Dataset:
    """The samples of `split` from arrays under the keys above; at most `limit`, evenly spread. Raises BadData."""
    split = splits.canonical(split, name)
    if any(f"x_{suffix}" in arrays for suffix in SUFFIX.values()):
        return _from_parts(arrays, split, limit, name)
    return _from_table(arrays, split, limit, name)


def _from_table(arrays: Mapping[str, Array], split: str, limit: int | None, name: str) -> Dataset:
    inputs = tuple(arrays[key] for key in _input_keys(arrays, name))
    for array in inputs:
        if array.ndim == 0:
            raise BadData("x is a single number; its first axis must be the samples", where=name)
    n_total = len(inputs[0])
    if any(len(a) != n_total for a in inputs):
        raise BadData(f"the inputs have {', '.join(str(len(a)) for a in inputs)} samples", where=name)
    classes = _class_names(arrays, name)
    labels = class_numbers(arrays["y"], n_total, classes, name) if "y" in arrays else None
    given = arrays.get("split")
    parts = splits.dealt(n_total, labels) if given is None else _given_split(given, labels, n_total, name)
    rows = splits.limited(splits.rows_of(parts, split, name), limit)
    chosen = None if labels is None else labels[rows]
    return Dataset(tuple(a[rows] for a in inputs), chosen, classes, name, split, _quant(arrays, len(inputs), name))


def _from_parts(arrays: Mapping[str, Array], split: str, limit: int | None, name: str) -> Dataset:
    """Only the arrays of the parts that are asked for are read; an archive reads an array when it is indexed."""
    classes = _class_names(arrays, name)
    present = [part for part in splits.PARTS if f"x_{SUFFIX[part]}" in arrays]
    divide = splits.TRAIN in present and splits.CALIBRATION not in present
    wanted = list(present) if split == splits.ALL else [split]
    if divide and split == splits.CALIBRATION:
        wanted = [splits.TRAIN]
    if wanted[0] not in present:
        raise splits.unknown_split(split, present, name)
    tables = [_part(arrays, part, classes, name) for part in wanted]
    if divide and split in (splits.TRAIN, splits.CALIBRATION):
        x, y = tables[0]
        rows = splits.rows_of(splits.held_back(np.arange(len(x), dtype=np.intp), y), split, name)
        tables = [(x[rows], None if y is None else y[rows])]
    if len({x.shape[1:] for x, _ in tables}) > 1:
        raise BadData("the parts have samples of different shapes", where=name)
    x = np.concatenate([x for x, _ in tables])
    known = [y for _, y in tables if y is not None]
    if known and len(known) < len(tables):
        raise BadData("some parts have labels and others none", where=name, hint=KEYS_HINT)
    keep = splits.evenly_spread(len(x), limit)
    labels = np.concatenate(known)[keep] if known else None
    return Dataset((x[keep],), labels, classes, name, split, _quant(arrays, 1, name))


def _part(
    arrays: Mapping[str, Array], part: str, classes: tuple[str, ...], name: str
) -> tuple[Array, npt.NDArray[np.int64] | None]:
    x_key, y_key = f"x_{SUFFIX[part]}", f"y_{SUFFIX[part]}"
    x = arrays[x_key]
    if x.ndim == 0:
        raise BadData(f"{x_key} is a single number; its first axis must be the samples", where=name)
    return x, class_numbers(arrays[y_key], len(x), classes, f"{name}, {y_key}") if y_key in arrays else None


def _input_keys(arrays: Mapping[str, Array], name: str) -> list[str]:
    numbered = sorted(int(key[1:]) for key in arrays if re.fullmatch(r"x(0|[1-9][0-9]{0,2})", key))
    if "x" in arrays and numbered:
        raise BadData(f"both x and x{numbered[0]} are there", where=name, hint=KEYS_HINT)
    if "x" in arrays:
        return ["x"]
    if not numbered:
        found = ", ".join(sorted(arrays)[:8]) or "none"
        raise BadData(f"no samples under the key x; found: {found}", where=name, hint=KEYS_HINT)
    if numbered != list(range(len(numbered))):
        raise BadData(f"inputs are numbered {', '.join(f'x{i}' for i in numbered)}", where=name, hint="count from x0")
    return [f"x{i}" for i in numbered]


def _given_split(given: Array, labels: npt.NDArray[np.int64] | None, n_total: int, name: str) -> dict[str, splits.Rows]:
    """Row numbers per part from the key `split`."""
    if given.shape != (n_total,):
        raise BadData(f"split has shape {given.shape}, not ({n_total},)", where=name)
    if given.dtype.kind in "SU":
        words, place = np.unique(given, return_inverse=True)
        codes = np.array([_part_number(_text(word), name) for word in words], dtype=np.int64)[place.reshape(-1)]
    elif given.dtype.kind in "iu" and n_total and given.min() >= 0 and given.max() <= 2:
        codes = given.astype(np.int64)
    else:
        raise BadData("split must hold 0 (train), 1 (calibration), 2 (test), or these names", where=name)
    parts = {part: np.flatnonzero(codes == i) for i, part in enumerate(splits.PARTS)}
    train = parts[splits.TRAIN]
    if len(train) and not len(parts[splits.CALIBRATION]):
        parts |= splits.held_back(train, None if labels is None else labels[train])
    return parts


def _part_number(word: str, name: str) -> int:
    part = splits.ALIASES.get(word, word)
    if part not in splits.PARTS:
        raise BadData(f"split holds '{word[:40]}'", where=name, hint=f"use {', '.join(splits.PARTS)}")
    return splits.PARTS.index(part)


def _class_names(arrays: Mapping[str, Array], name: str) -> tuple[str, ...]:
    if "classes" not in arrays:
        return ()
    classes = arrays["classes"]
    if classes.ndim != 1 or classes.dtype.kind not in "SU":
        raise BadData(f"classes is {classes.dtype} of shape {classes.shape}, not a list of names", where=name)
    return tuple(_text(c) for c in classes)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _quant(arrays: Mapping[str, Array], n_inputs: int, name: str) -> tuple[tuple[float, int] | None, ...]:
    if "scale" not in arrays and "zero_point" not in arrays:
        return (None,) * n_inputs
    if "scale" not in arrays or "zero_point" not in arrays:
        raise BadData("scale and zero_point belong together", where=name)
    scales, zeros = arrays["scale"].reshape(-1), arrays["zero_point"].reshape(-1)
    if len(scales) != n_inputs or len(zeros) != n_inputs:
        raise BadData(f"{len(scales)} scales and {len(zeros)} zero points for {n_inputs} inputs", where=name)
    if scales.dtype.kind not in "iuf" or zeros.dtype.kind not in "iu":
        raise BadData("scale must be a number and zero_point a whole number", where=name)
    return tuple((float(s), int(z)) for s, z in zip(scales, zeros, strict=True))
