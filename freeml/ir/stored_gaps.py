"""Rows of weights that are mostly zero, as gaps in bytes: for each weight the zeros before it since the last one.

Index: for each row the number of its entries, one byte, or 255 and the number in two (low byte first); then a gap for
each entry. A gap of 255 skips 255 zeros and has another gap behind it, not a weight. Weights: an int8 for each entry.
Restart table: for every `rows` rows the offsets of weight and index, in units of 2^`unit` bytes.
"""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Encoding, Stored, as_bytes, joined, matrix, restart_rows, restart_units

ESCAPE = 255
_ENTRY_BYTES = 4  # of a restart point


class Gaps(Encoding):
    """int8 values of entries, and their gaps in bytes."""

    def refusal(self, array: Array) -> str | None:
        if array.dtype != np.int8 or array.ndim < 2 or array.size == 0:
            return "not the codes of weights"
        return None if matrix(array).shape[1] <= 65_535 else "rows too long"

    def encode(self, array: Array) -> Stored:
        rows = matrix(array)
        index, values = [gap_bytes(row) for row in rows], [row[row != 0] for row in rows]
        step = restart_rows(sum(map(len, index)) + int(np.count_nonzero(rows)), len(rows), _ENTRY_BYTES)
        return grouped(values, index, step)

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        weight, index, restart, step, bits = parts(stored)
        rows = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int8)
        for o, row in enumerate(rows):
            if o % step == 0:
                w, at = (int(offset) << bits for offset in restart[o // step])
            n, at = entries(index, at)
            here = 0
            for _ in range(n):
                while index[at] == ESCAPE:
                    here, at = here + ESCAPE, at + 1
                here, at = here + int(index[at]), at + 1
                row[here] = weight[w]
                here, w = here + 1, w + 1
        return rows.reshape(shape)


def gap_bytes(row: Array) -> Array:
    """The index of one row."""
    at = np.flatnonzero(row)
    zeros = np.diff(at, prepend=-1) - 1
    escapes = zeros // ESCAPE
    gaps = np.full(len(at) + int(escapes.sum()), ESCAPE)
    gaps[np.cumsum(escapes + 1) - 1] = zeros % ESCAPE
    return np.concatenate([count_bytes(len(at)), gaps]).astype(np.uint8)


def count_bytes(n: int) -> Array:
    """How many entries a row has."""
    return np.array([n] if n < ESCAPE else [ESCAPE, n & 255, n >> 8], np.uint8)


def entries(index: Array, at: int) -> tuple[int, int]:
    """The number of a row's entries, and where its gaps begin."""
    n = int(index[at])
    return (n, at + 1) if n < ESCAPE else (int(index[at + 1]) | int(index[at + 2]) << 8, at + 3)


def grouped(weights: list[Array], index: list[Array], step: int) -> Stored:
    """Streams of rows, with a restart point for every `step` of them."""
    firsts = range(0, len(index), step)
    groups = [np.concatenate(index[first : first + step]) for first in firsts]
    values = [np.concatenate(weights[first : first + step]).view(np.uint8) for first in firsts]
    most = max(sum(map(len, groups)), sum(map(len, values)))
    bits = restart_units(most, len(groups))
    weight, w_starts = joined(values, bits)
    whole, starts = joined(groups, bits)
    restart = np.stack([w_starts, starts], axis=1)
    sections = {"weight": as_bytes(weight), "index": as_bytes(whole), "restart": restart}
    return Stored(sections, {"rows": step, "unit": bits})


def parts(stored: Stored) -> tuple[Array, Array, Array, int, int]:
    """Weights, index, restart points (n, 2), rows from one to the next, and the bits of their unit."""
    weight, index, restart = (stored.sections[name] for name in ("weight", "index", "restart"))
    return weight, index.view(np.uint8), restart, stored.numbers["rows"], stored.numbers["unit"]
