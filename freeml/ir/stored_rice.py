"""Rows of weights that are mostly zero, as gaps in Rice's code: about as many bits as there is to say.

Index, bits with the highest of a byte first: for each row the number of its entries in `count_bits`; for each entry
the zeros before it, as quotient by 2^`index_bits` in zeros and a one, and what is left in `index_bits`. Weights: an
int8 for each entry, or where there are at most 16 values a code of `value_bits`. Restart points as with gaps in bytes.
Source: Rice, "Some practical universal noiseless coding techniques", JPL 79-22 (1979).
"""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Encoding, Stored, book_of, codes_of, from_bits, matrix, weights_refused
from freeml.ir.stored_walk import grouped, parts

MOST_VALUES = 16
_MOST_BITS = 12


class Rice(Encoding):
    """Gaps in Rice's code; values int8 or codes."""

    def refusal(self, array: Array) -> str | None:
        return weights_refused(array)

    def encode(self, array: Array) -> Stored:
        rows = matrix(array)
        book = book_of(array[array != 0])
        coded = len(book) <= MOST_VALUES
        bits = max(1, (len(book) - 1).bit_length()) if coded else 8
        values = [codes_of(row[row != 0], book) if coded else row[row != 0].view(np.uint8) for row in rows]
        counts = np.count_nonzero(rows, axis=1)
        count_bits = max(1, int(counts.max()).bit_length())
        gaps = [np.diff(np.flatnonzero(row), prepend=-1) - 1 for row in rows]
        index_bits = best_bits(np.concatenate(gaps))
        index = [rice_bits(one, index_bits, count_bits) for one in gaps]
        made = grouped(values, index, bits, 1)
        numbers = {"value_bits": bits, "index_bits": index_bits, "count_bits": count_bits}
        sections = {**made.sections, **({"codebook": book} if coded else {})}
        return Stored(sections, {**made.numbers, **numbers})

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        weight, index, restart, step, unit = parts(stored)
        bits, index_bits, count_bits = (stored.numbers[f"{what}_bits"] for what in ("value", "index", "count"))
        flat = np.unpackbits(index)
        rows = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int8)
        for first in range(0, len(rows), step):
            w, at = (8 * (int(offset) << unit) for offset in restart[first // step])
            for row in rows[first : first + step]:
                n, at = int(_number(flat[at : at + count_bits])), at + count_bits
                places, here = [], -1
                for _ in range(n):
                    quotient = int(np.argmax(flat[at:]))
                    at += quotient + 1
                    here += (quotient << index_bits) + _number(flat[at : at + index_bits]) + 1
                    at += index_bits
                    places.append(here)
                codes = from_bits(weight, w, bits, n)
                row[places] = codes.astype(np.uint8).view(np.int8) if bits == 8 else stored.sections["codebook"][codes]
                w += bits * n
        return rows.reshape(shape)


def best_bits(gaps: Array) -> int:
    """Of a remainder, such that all gaps take least."""
    sizes = [int((gaps >> bits).sum()) + gaps.size * (1 + bits) for bits in range(_MOST_BITS + 1)]
    return int(np.argmin(sizes))


def rice_bits(gaps: Array, bits: int, count_bits: int) -> Array:
    """The index of one row, a bit each."""
    out = [np.array([len(gaps) >> k & 1 for k in range(count_bits - 1, -1, -1)], np.uint8)]
    for gap in gaps.tolist():
        code = [0] * (gap >> bits) + [1] + [gap >> k & 1 for k in range(bits - 1, -1, -1)]
        out.append(np.array(code, np.uint8))
    return np.concatenate(out)


def _number(bits: Array) -> int:
    value = 0
    for bit in bits.tolist():
        value = 2 * value + bit
    return value
