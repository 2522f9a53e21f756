"""Arrays under documented keys -> Dataset. The one reader behind `.npz` files and users' functions.

Either one table of samples

    x, or x0, x1, ...   samples, (N, ...), one array per input of the model
    y                   optional: class numbers (N,), or real targets of a regression (N,) or (N, K)
    split               optional, (N,): 0 train, 1 calibration, 2 test, or these names

or one table per part: x_train, y_train, x_val, y_val, x_test, y_test (one input). Both may carry `classes`, the names
of the classes, and, for integer samples, `scale` and `zero_point`, one number per input, where
real = scale * (x - zero_point). A table without `split` is dealt by `splits.dealt`; training samples without a
calibration part give up every twelfth, or calibrate as a whole (`splits.held_back`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from freeml.data import splits
from freeml.data.dataset import Array, Dataset
from freeml.data.labels import Labels, Targets, labels_or_targets
from freeml.errors import BadData

KEYS_HINT = "keys: x (or x0, x1, ...) with optional y and split, or x_train, y_train, x_val, y_val, x_test, y_test"
HOW = "mark samples for it with the key split (0 train, 1 calibration, 2 test), or give x_train, x_val, x_test"
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
    labels, targets = labels_or_targets(arrays["y"], n_total, classes, name) if "y" in arrays else (None, None)
    deal = _deal(arrays.get("split"), labels, n_total, targets is not None, name)
    rows = splits.limited(splits.rows_of(deal.parts, split, name, HOW), limit)
    return Dataset(
        tuple(a[rows] for a in inputs),
        None if labels is None else labels[rows],
        classes,
        name,
        split,
        _quant(arrays, len(inputs), name),
        targets=None if targets is None else targets[rows],
        rows=rows,
        rule=deal.rule,
    )


def _deal(given: Array | None, labels: Labels | None, n_total: int, has_targets: bool, name: str) -> splits.Deal:
    if given is None:
        return splits.dealt(n_total, labels, has_targets=has_targets)
    return _given_split(given, labels, n_total, has_targets, name)


@dataclass(frozen=True, slots=True)
class _Part:
    """One table of a file in parts: samples, labels or targets or neither, and its rows in `x`."""

    key: str
    n_total: int
    x: Array
    labels: Labels | None
    targets: Targets | None
    rows: splits.Rows

    def cut(self, split: str, name: str) -> tuple[_Part, str]:
        """The rows that `split` gets of a training part that calibrates, too, and the rule."""
        deal = splits.held_back(self.rows, self.labels, has_targets=self.targets is not None)
        rows = splits.rows_of(deal.parts, split, name, HOW)
        labels = None if self.labels is None else self.labels[rows]
        targets = None if self.targets is None else self.targets[rows]
        return replace(self, x=self.x[rows], labels=labels, targets=targets, rows=rows), deal.rule


def _from_parts(arrays: Mapping[str, Array], split: str, limit: int | None, name: str) -> Dataset:
    """Only the arrays of the parts that are asked for are read; an archive reads an array when it is indexed."""
    classes = _class_names(arrays, name)
    present = [part for part in splits.PARTS if f"x_{SUFFIX[part]}" in arrays]
    divide = splits.TRAIN in present and splits.CALIBRATION not in present
    wanted = list(present) if split == splits.ALL else [split]
    if divide and split == splits.CALIBRATION:
        wanted = [splits.TRAIN]
    if wanted[0] not in present:
        raise splits.unknown_split(split, present, name, HOW)
    tables = [_part(arrays, part, classes, name) for part in wanted]
    rule = "the file's own parts"
    if divide and split in (splits.TRAIN, splits.CALIBRATION):
        tables[0], rule = tables[0].cut(split, name)
    if len({table.x.shape[1:] for table in tables}) > 1:
        raise BadData("the parts have samples of different shapes", where=name)
    starts = np.cumsum([0, *(table.n_total for table in tables)])
    keep = splits.evenly_spread(sum(len(table.x) for table in tables), limit)
    return Dataset(
        (np.concatenate([table.x for table in tables])[keep],),
        _joined([table.labels for table in tables], keep, name),
        classes,
        name,
        split,
        _quant(arrays, 1, name),
        targets=_joined([table.targets for table in tables], keep, name),
        rows=np.concatenate([table.rows + start for table, start in zip(tables, starts, strict=False)])[keep],
        tables=tuple((table.key, table.n_total) for table in tables),
        rule=rule,
    )


def _joined(parts: Sequence[Array | None], keep: splits.Rows, name: str) -> Array | None:
    """Labels or targets of all parts, or None where none has any."""
    known = [part for part in parts if part is not None]
    if known and len(known) < len(parts):
        raise BadData("some parts have labels and others none, or targets", where=name, hint=KEYS_HINT)
    return np.concatenate(known)[keep] if known else None


def _part(arrays: Mapping[str, Array], part: str, classes: tuple[str, ...], name: str) -> _Part:
    x_key, y_key = f"x_{SUFFIX[part]}", f"y_{SUFFIX[part]}"
    x = arrays[x_key]
    if x.ndim == 0:
        raise BadData(f"{x_key} is a single number; its first axis must be the samples", where=name)
    labels, targets = (None, None)
    if y_key in arrays:
        labels, targets = labels_or_targets(arrays[y_key], len(x), classes, f"{name}, {y_key}")
    return _Part(x_key, len(x), x, labels, targets, np.arange(len(x), dtype=np.intp))


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


def _given_split(given: Array, labels: Labels | None, n_total: int, has_targets: bool, name: str) -> splits.Deal:
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
        of_train = None if labels is None else labels[train]
        deal = splits.held_back(train, of_train, has_targets=has_targets)
        return splits.Deal({**parts, **deal.parts}, deal.rule)
    return splits.Deal(parts, "as the key split says")


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
