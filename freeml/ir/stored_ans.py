"""Weights in an asymmetric numeral system: as many bits as their frequencies ask for, zeros a fraction of one.

States are 16 bits, 256 .. 65535, and frequencies shares of 256. Decoding: of state s, the low byte is looked for in the
shares, from the first on; the value's share f and what is left of the byte, r, make the state f * (s >> 8) + r; below
256 it takes a byte of the stream in. Codebook: value and share in turn, the largest share first. Restart table: for
every `rows` rows the offset of the stream in units of 2^`unit` bytes, and the state. Rows are encoded from the last on.
Source: Duda, "Asymmetric numeral systems" (arXiv 1311.2540), the variant of ranges.
"""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import (
    Array,
    Encoding,
    Stored,
    as_bytes,
    joined,
    matrix,
    restart_rows,
    restart_units,
    weights_refused,
)

MOST_VALUES = 64
_SHARES = 256
_ENTRY_BYTES = 4


class Ans(Encoding):
    """All weights, by shares of a table for the layer."""

    def refusal(self, array: Array) -> str | None:
        if (why := weights_refused(array)) is not None:
            return why
        n = len(np.unique(array))
        return None if n <= MOST_VALUES else f"{n} different values, more than {MOST_VALUES}"

    def encode(self, array: Array) -> Stored:
        rows = matrix(array)
        values, shares = shares_of(rows)
        order = np.argsort(values)
        symbols = order[np.searchsorted(values[order], rows)]
        bits = -np.log2(shares / _SHARES)[symbols].sum()
        step = restart_rows(int(bits) // 8, len(rows), _ENTRY_BYTES)
        made = [_encoded(symbols[first : first + step].ravel(), shares) for first in range(0, len(rows), step)]
        unit = restart_units(sum(len(stream) for _, stream in made), len(made))
        stream, starts = joined([np.array(one, np.uint8) for _, one in made], unit)
        restart = np.stack([starts, np.array([state for state, _ in made], np.uint16)], axis=1)
        book = np.stack([values.view(np.uint8), shares.astype(np.uint8)], axis=1).ravel().view(np.int8)
        sections = {"weight": as_bytes(stream), "codebook": book, "restart": restart}
        return Stored(sections, {"rows": step, "unit": unit})

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        stream = stored.sections["weight"].view(np.uint8)
        book = stored.sections["codebook"].reshape(-1, 2)
        shares = book[:, 1].view(np.uint8).astype(np.int64).tolist()
        values = book[:, 0].tolist()
        n, step = int(np.prod(shape[1:])), stored.numbers["rows"]
        slots = np.repeat(np.arange(len(shares)), shares).tolist()
        starts = (np.cumsum(shares) - shares).tolist()
        found: list[int] = []
        for k, (offset, state) in enumerate(stored.sections["restart"].tolist()):
            at = offset << stored.numbers["unit"]
            for _ in range(n * (min(shape[0], (k + 1) * step) - k * step)):
                symbol = slots[state & 255]
                state = shares[symbol] * (state >> 8) + (state & 255) - starts[symbol]  # noqa: PLW2901
                if state < _SHARES:
                    state, at = state << 8 | int(stream[at]), at + 1  # noqa: PLW2901
                found.append(values[symbol])
        return np.array(found, np.int8).reshape(shape)


def shares_of(rows: Array) -> tuple[Array, Array]:
    """Values by falling share, and their shares, each at least 1, together 256; two values at least."""
    values, counts = np.unique(rows, return_counts=True)
    if len(values) == 1:
        values, counts = np.array([values[0], ~values[0]], np.int8), np.array([counts[0], 0])
    exact = counts / counts.sum() * _SHARES
    shares = np.maximum(1, np.floor(exact)).astype(np.int64)
    while shares.sum() > _SHARES:
        shares[np.argmax(shares)] -= 1
    while shares.sum() < _SHARES:  # where a slot more saves most
        gain = np.where(shares < _SHARES - 1, counts * np.log2((shares + 1) / shares), -1.0)
        shares[np.argmax(gain)] += 1
    order = np.argsort(-shares, kind="stable")
    return values[order], shares[order]


def _encoded(symbols: Array, shares: Array) -> tuple[int, list[int]]:
    """The state that decoding begins with, and the bytes that it takes in."""
    sizes = shares.tolist()
    starts = (np.cumsum(shares) - shares).tolist()
    state, out = _SHARES, []
    for symbol in symbols[::-1].tolist():
        size = sizes[symbol]
        if state >= size << 8:
            out.append(state & 255)
            state >>= 8
        state = (state // size << 8) + state % size + starts[symbol]
    return state, out[::-1]
