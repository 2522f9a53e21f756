"""Weights of few different values, as codes of 4, 3 or 2 bits and a codebook of 16, 8 or 4 entries. Any row begins at a
known byte, so there is no restart table; `per_row` is the bytes of each.

4 and 2 bits: from the lowest bits of each byte up. 3 bits: eight codes in three bytes, their high bits in the first,
their two lower ones in the others, from the lowest bits up: no code lies in two bytes.
"""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Encoding, Stored, as_bytes, book_of, codes_of, matrix, weights_refused


class Codes(Encoding):
    """Codes of so many bits, one for each weight."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def refusal(self, array: Array) -> str | None:
        if (why := weights_refused(array)) is not None:
            return why
        n = len(np.unique(array))
        return None if n <= 2**self.bits else f"{n} different values, more than {2**self.bits}"

    def encode(self, array: Array) -> Stored:
        rows, book = matrix(array), book_of(array)
        codes = codes_of(rows.ravel(), book).reshape(rows.shape)
        made = _planes(codes) if self.bits == 3 else pack(codes, self.bits)
        book = np.pad(book, (0, 2**self.bits - len(book)))
        return Stored({"weight": as_bytes(made.ravel()), "codebook": book}, {"per_row": made.shape[1]})

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        made = stored.sections["weight"].view(np.uint8).reshape(shape[0], -1)
        codes = _of_planes(made) if self.bits == 3 else unpack(made, self.bits)
        n = int(np.prod(shape[1:]))
        found: Array = stored.sections["codebook"][codes[:, :n]].reshape(shape)
        return found


def pack(codes: Array, bits: int) -> Array:
    """(rows, n) -> (rows, bytes)."""
    each = 8 // bits
    filled = np.pad(codes, ((0, 0), (0, -codes.shape[1] % each))).reshape(len(codes), -1, each)
    packed: Array = (filled << (bits * np.arange(each))).sum(axis=2).astype(np.uint8)
    return packed


def unpack(packed: Array, bits: int) -> Array:
    """(rows, bytes) -> (rows, codes), those that fill up the last byte included."""
    each = 8 // bits
    codes: Array = (packed[:, :, None] >> (bits * np.arange(each)) & (2**bits - 1)).reshape(len(packed), -1)
    return codes


def _planes(codes: Array) -> Array:
    filled = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 8)))
    high = pack(filled >> 2, 1)
    low = pack(filled & 3, 2).reshape(*high.shape, 2)
    planes: Array = np.concatenate([high[:, :, None], low], axis=2).reshape(len(codes), -1)
    return planes


def _of_planes(planes: Array) -> Array:
    three = planes.reshape(len(planes), -1, 3)
    low = unpack(three[:, :, 1:].reshape(len(planes), -1), 2)
    codes: Array = low | unpack(three[:, :, 0], 1) << 2
    return codes
