"""Rows of weights that are mostly zero, as gaps in bytes: for each weight the zeros before it since the last one.

Index: for each row the number of its entries, one byte, or 255 and the number in two (low byte first); then a gap for
each entry. A gap of 255 skips 255 zeros and has another gap behind it, not a weight. Weights: an int8 for each entry,
or a code of `value_bits` bits, the highest first, of the value in the codebook.
Restart table: for every `rows` rows the offsets of weight and index, in units of 2^`unit` bytes.
"""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Encoding, Stored, book_of, codes_of, from_bits, matrix, weights_refused
from freeml.ir.stored_walk import grouped, parts

ESCAPE = 255
MOST_VALUES = 16


class Gaps(Encoding):
    """int8 values of entries, and their gaps in bytes."""

    def refusal(self, array: Array) -> str | None:
        return weights_refused(array)

    def encode(self, array: Array) -> Stored:
        rows = matrix(array)
        return grouped([row[row != 0].view(np.uint8) for row in rows], [gap_bytes(row) for row in rows])

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        weight, index, restart, step, bits = parts(stored)
        rows = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int8)
        for first in range(0, len(rows), step):
            w, at = (int(offset) << bits for offset in restart[first // step])
            for row in rows[first : first + step]:
                places, at = places_of(index, at)
                row[places] = weight[w : w + len(places)]
                w += len(places)
        return rows.reshape(shape)


class GapCodes(Encoding):
    """Codes of entries, and their gaps in bytes."""

    def refusal(self, array: Array) -> str | None:
        if (why := weights_refused(array)) is not None:
            return why
        n = len(np.setdiff1d(array, [0]))
        return None if n <= MOST_VALUES else f"{n} values other than zero, more than {MOST_VALUES}"

    def encode(self, array: Array) -> Stored:
        rows, book = matrix(array), book_of(array[array != 0])
        bits = max(1, (len(book) - 1).bit_length())
        made = grouped([codes_of(row[row != 0], book) for row in rows], [gap_bytes(row) for row in rows], bits)
        return Stored({**made.sections, "codebook": book}, {**made.numbers, "value_bits": bits})

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        weight, index, restart, step, unit = parts(stored)
        bits, book = stored.numbers["value_bits"], stored.sections["codebook"]
        rows = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int8)
        for first in range(0, len(rows), step):
            w, at = (int(offset) << unit for offset in restart[first // step])
            bit = 8 * w
            for row in rows[first : first + step]:
                places, at = places_of(index, at)
                row[places] = book[from_bits(weight, bit, bits, len(places))]
                bit += bits * len(places)
        return rows.reshape(shape)


def gap_bytes(row: Array) -> Array:
    """The index of one row."""
    at = np.flatnonzero(row)
    zeros = np.diff(at, prepend=-1) - 1
    escapes = zeros // ESCAPE
    gaps = np.full(len(at) + int(escapes.sum()), ESCAPE)
    gaps[np.cumsum(escapes + 1) - 1] = zeros % ESCAPE
    n = len(at)
    count = [n] if n < ESCAPE else [ESCAPE, n & 255, n >> 8]
    return np.concatenate([count, gaps]).astype(np.uint8)


def places_of(index: Array, at: int) -> tuple[list[int], int]:
    """Where the entries of the row are whose index begins there, and where that of the next one begins."""
    n = int(index[at])
    n, at = (n, at + 1) if n < ESCAPE else (int(index[at + 1]) | int(index[at + 2]) << 8, at + 3)
    places, here = [], -1
    for _ in range(n):
        while index[at] == ESCAPE:
            here, at = here + ESCAPE, at + 1
        here, at = here + int(index[at]) + 1, at + 1
        places.append(here)
    return places, at
