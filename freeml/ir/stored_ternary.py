"""Weights that are one value, its negative or zero: five in a byte, 1.6 bits each. Any row begins at a known byte.

Digits 0, 1, 2 stand for the negative, zero and the value. Five of them, the first the most significant, are a number v
of 0 .. 242, and the byte is v / 243 as a fraction of 256, rounded up: three times the fraction, the whole part is the
next digit. (llama.cpp packs ternary weights so, TQ1_0.)
"""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Encoding, Stored, as_bytes, matrix, weights_refused

_DIGITS = 5
_POWERS = 3 ** np.arange(_DIGITS - 1, -1, -1)
_ALL = 3**_DIGITS


class Ternary(Encoding):
    """Five weights in a byte, and the value."""

    def refusal(self, array: Array) -> str | None:
        if (why := weights_refused(array)) is not None:
            return why
        sizes = np.unique(np.abs(array[array != 0].astype(np.int64)))
        return None if len(sizes) <= 1 and sizes.max(initial=0) <= 127 else "not one value, its negative and zero"

    def encode(self, array: Array) -> Stored:
        rows = matrix(array)
        digits = np.pad(np.sign(rows) + 1, ((0, 0), (0, -rows.shape[1] % _DIGITS)), constant_values=1)
        numbers = digits.reshape(len(rows), -1, _DIGITS).astype(np.int64) @ _POWERS
        made = (numbers * 256 + _ALL - 1) // _ALL
        value = int(np.abs(rows.astype(np.int64)).max())
        return Stored({"weight": as_bytes(made.ravel())}, {"per_row": made.shape[1], "value": value})

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        rest = stored.sections["weight"].view(np.uint8).astype(np.int64).reshape(shape[0], -1)
        digits = []
        for _ in range(_DIGITS):
            digits.append(rest * 3 // 256)
            rest = rest * 3 % 256
        signs = np.stack(digits, axis=2).reshape(shape[0], -1)[:, : int(np.prod(shape[1:]))] - 1
        return (signs * stored.numbers["value"]).astype(np.int8).reshape(shape)
