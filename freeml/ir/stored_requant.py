"""Biases in 16 bits, and one number in place of one for each output channel."""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Encoding, Stored


class Narrow(Encoding):
    """Biases that fit 16 bits, in 16 bits: 2 bytes an output in place of 4."""

    def refusal(self, array: Array) -> str | None:
        if array.dtype.kind not in "if":
            return "not a bias"
        fits = bool((np.abs(array) < 2**15).all())
        return None if fits else "a bias does not fit 16 bits"

    def encode(self, array: Array) -> Stored:
        return Stored({"bias": array.astype(np.int16)}, {})

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        return stored.sections["bias"].astype(np.int32).reshape(shape)


class Single(Encoding):
    """One multiplier, or one shift, that all outputs of a layer share."""

    def refusal(self, array: Array) -> str | None:
        same = array.size > 0 and bool((array == array.flat[0]).all())
        return None if same else "outputs differ"

    def encode(self, array: Array) -> Stored:
        return Stored({"scale": array.reshape(-1)[:1].copy()}, {})

    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(stored.sections["scale"], shape)
