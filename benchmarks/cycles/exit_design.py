"""Heads of exits that their kernels are profiled on: numbers of classes and features, tiles and scales that differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.cycles.design import Design, Layers
from freeml.ir.int_ops import ExitHead, ExitMix
from freeml.ir.ops import Op
from freeml.ir.types import Const, DType, TensorType

# (features, classes, shift of what is requantised)
_HEADS = (
    (64, 10, 22),
    (16, 12, 20),
    (200, 6, 24),
    (33, 10, 12),
    (512, 4, 26),
    (128, 40, 18),
    (7, 3, 30),
    (320, 10, 21),
)
_MIXES = ((10, 0), (12, 16), (40, 18), (4, 9), (100, 20), (6, 0))


class ExitLayers(Layers):
    """Layers of int32 sums."""

    def sums(self, cls: type[Op], inputs: tuple[str, ...], k: int, **fields: Any) -> str:
        """A value of K sums; its tile is of a random size."""
        y = self._add(cls, inputs, (k,), **fields)
        self.types[y] = TensorType((k,), DType.I32)
        self.tiled(y, unit_bytes=4)
        return y

    def head(self, n: int, k: int, shift: int, before: str | None = None, carry_shift: int = 0) -> str:
        """Scores of an exit, alone or on those before."""
        weight, bias, mult, shifts = self.weights(k, n)
        self.consts[shifts] = Const(np.full(k, shift, dtype=np.uint8))
        if shift < 18:  # so that none leaves 30 bits
            small = self.consts[mult].array >> 8
            self.consts[mult] = replace(self.consts[mult], array=small.astype(np.uint16))
        sums = () if before is None else (before,)
        return self.sums(
            ExitHead,
            (self.source(n), *sums, weight, bias, mult, shifts),
            k,
            carry_mult=30_000 if carry_shift else 1,
            carry_shift=carry_shift,
        )

    def mix(self, k: int, shift: int) -> None:
        """One sum on another."""
        a, b = self.head(8, k, 20), self.head(8, k, 20)
        self.sums(ExitMix, (a, b), k, carry_mult=20_000 if shift else 1, carry_shift=shift)


def exit_designs(most_tile_bytes: int, *, few: bool, repeats: int = 3) -> Iterator[Design]:
    """All of them, `repeats` times with other constants and tiles."""
    for again in range(repeats):
        layers = ExitLayers(f"exits{again}", np.random.default_rng([2029, again]), most_tile_bytes, few=few)
        for features, classes, shift in _HEADS:
            layers.head(features, classes, shift)
            carry_shift = int(layers.rng.choice([0, 10, 16, 19]))
            layers.head(features, classes, shift, layers.head(8, classes, 20), carry_shift)
        for classes, shift in _MIXES:
            layers.mix(classes, shift)
        yield layers.design()
