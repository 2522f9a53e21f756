"""Sparse rows as gaps: for each value the number of zeros before it since the last one, in a few bits.

FreeML's published code counts the first gap from 1 and later ones as differences of positions, and cannot skip more
than its 16 bits hold. Here every gap counts zeros, the first one too, so that the least one is 0; a gap that the bits
do not hold is an escape, the largest gap with a zero behind it, which decodes like any other entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.types import Array


@dataclass(frozen=True, slots=True)
class Gaps:
    """counts (rows,): entries of each row; gaps (entries,): zeros to skip; values (entries,): what follows them."""

    counts: npt.NDArray[np.int64]
    gaps: npt.NDArray[np.int64]
    values: Array


def encode(matrix: Array, bits: int) -> Gaps:
    """(rows, n) -> its values that are not zero, by gaps of so many bits."""
    most = 2**bits - 1
    counts, gaps = [], []
    values: list[npt.NDArray[np.generic]] = []
    for row in matrix:
        at = np.flatnonzero(row)
        zeros = np.diff(at, prepend=-1) - 1
        escapes = zeros // (most + 1)
        n = len(at) + int(escapes.sum())
        last = np.cumsum(escapes + 1) - 1  # where each value's own entry is, behind its escapes
        row_gaps, row_values = np.full(n, most), np.zeros(n, dtype=matrix.dtype)
        row_gaps[last], row_values[last] = zeros % (most + 1), row[at]
        counts.append(n)
        gaps.append(row_gaps)
        values.append(row_values)
    return Gaps(np.array(counts, dtype=np.int64), _joined(gaps, np.int64), _joined(values, matrix.dtype))


def decode(encoded: Gaps, n: int) -> Array:
    """(rows, n) again, one entry after the other, as a device does."""
    matrix = np.zeros((len(encoded.counts), n), dtype=encoded.values.dtype)
    entry = 0
    for row, count in enumerate(encoded.counts):
        at = 0
        for _ in range(count):
            at += int(encoded.gaps[entry])
            matrix[row, at] = encoded.values[entry]
            at, entry = at + 1, entry + 1
    return matrix


def _joined(parts: Iterable[Array], dtype: npt.DTypeLike) -> Array:
    return np.concatenate([np.zeros(0, dtype=dtype), *parts]).astype(dtype)
