"""Layers that kernels of stored formats are profiled on: densities, row lengths, tiles and scales that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.cycles.design import Design, Layers
from freeml.ir.encoding import ENCODINGS
from freeml.ir.int_ops import DenseI8
from freeml.ir.types import Array, Const

# (inputs, outputs, density)
_SPARSE = (
    (64, 16, 0.5),
    (128, 24, 0.1),
    (200, 40, 0.02),
    (512, 16, 0.05),
    (768, 12, 0.004),
    (256, 60, 0.3),
    (640, 9, 0.01),
    (100, 33, 0.0),
)
_SPARSE_PARTS = ((256, 2, 0.2, 100), (128, 3, 0.05, 30), (640, 2, 0.01, 300))


class CodedLayers(Layers):
    """Layers of dense ops whose weights are stored in a form."""

    def coded(self, encoding: str, weight: Array, *, odd: bool = False, part: int = 0, narrow: bool = False) -> None:
        """The last dense layer again, with these weights, stored so."""
        n_out, n_in = weight.shape
        self.dense(n_in, n_out, odd=odd, part=part)
        op = self.ops[-1]
        assert isinstance(op, DenseI8)
        assert ENCODINGS[encoding].refusal(weight) is None, encoding
        self.consts[op.inputs[1]] = Const(weight, encoding=encoding)
        if narrow:
            self.consts[op.inputs[2]] = replace(self.consts[op.inputs[2]], encoding="int16")

    def sparse(self, n_in: int, n_out: int, density: float) -> Array:
        """Codes of which this share is not zero, in rows that differ."""
        spread = self.rng.uniform(0.5, 1.5, (n_out, 1)) * density
        values = self.rng.integers(1, 128, (n_out, n_in)) * self.rng.choice([-1, 1], (n_out, n_in))
        return np.where(self.rng.random((n_out, n_in)) < spread, values, 0).astype(np.int8)


def _gaps(layers: CodedLayers) -> None:
    for n_in, n_out, density in _SPARSE:
        layers.coded("gaps", layers.sparse(n_in, n_out, density))
    layers.coded("gaps", layers.sparse(128, 24, 0.1), odd=True, narrow=True)
    for n_in, n_out, density, part in _SPARSE_PARTS:
        layers.coded("gaps", layers.sparse(n_in, n_out, density), part=part)


_FIRMWARES: tuple[tuple[Callable[[CodedLayers], None], ...], ...] = ((_gaps,),)


def coded_designs(most_tile_bytes: int, *, few: bool, repeats: int = 3) -> Iterator[Design]:
    """All layers, `repeats` times with other constants and tiles."""
    for again in range(repeats):
        for index, families in enumerate(_FIRMWARES):
            rng = np.random.default_rng([2027, again, index])
            layers = CodedLayers(f"coded{again}_{index}", rng, most_tile_bytes, few=few)
            for family in families:
                family(layers)
            yield layers.design()
