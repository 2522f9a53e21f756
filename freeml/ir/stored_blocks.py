"""Rows in blocks of 4 or 16 weights, each with as many entries (N:M): a small index, no decoding from one to the next.

Weights: an int8 for each entry; index: the place of each within its block, in 2 or 4 bits, from the lowest bits of each
byte up, each row from a byte on. A block with fewer entries than others has zeros at place 0. `per_block` entries a
block, `per_row` a row.
"""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Encoding, Stored, as_bytes, matrix, weights_refused
from freeml.ir.stored_codes import pack, unpack


class Blocks(Encoding):
    """As many entries in each block of a row: the length of blocks that takes less."""

    def refusal(self, array: Array) -> str | None:
        return weights_refused(array)

    def encode(self, array: Array) -> Stored:
        return min((_blocks(matrix(array), bits) for bits in (2, 4)), key=lambda made: made.size_bytes)

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        bits, n, per_row = (stored.numbers[name] for name in ("index_bits", "per_block", "per_row"))
        values = stored.sections["weight"].reshape(shape[0], per_row)
        places = unpack(stored.sections["index"].view(np.uint8).reshape(shape[0], -1), bits)[:, :per_row]
        columns = (np.arange(per_row) // n << bits) + places
        wide = np.zeros((shape[0], per_row // n << bits), np.int64)
        np.add.at(wide, (np.arange(shape[0])[:, None], columns), values)
        return wide[:, : int(np.prod(shape[1:]))].astype(np.int8).reshape(shape)


def _blocks(rows: Array, bits: int) -> Stored:
    length = 1 << bits
    blocks = np.pad(rows, ((0, 0), (0, -rows.shape[1] % length))).reshape(len(rows), -1, length)
    n = max(1, int(np.count_nonzero(blocks, axis=2).max()))
    first = np.argsort(blocks == 0, axis=2, kind="stable")[:, :, :n]  # places of entries, those of zeros behind them
    values = np.take_along_axis(blocks, first, axis=2)
    places = np.where(values == 0, 0, first).reshape(len(rows), -1)
    sections = {"weight": as_bytes(values.view(np.uint8).ravel()), "index": as_bytes(pack(places, bits).ravel())}
    return Stored(sections, {"per_row": places.shape[1], "per_block": n, "index_bits": bits})
