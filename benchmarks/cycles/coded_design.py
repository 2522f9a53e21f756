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
# (inputs, outputs), and with products of a part
_FULL = ((64, 16), (128, 10), (27, 12), (256, 32), (101, 7), (35, 64), (512, 6))
_FULL_PARTS = ((128, 2, 30), (256, 2, 100), (62, 3, 11))


class CodedLayers(Layers):
    """Layers of dense ops whose weights are stored in a form."""

    def coded(
        self, encoding: str | None, weight: Array, *, odd: bool = False, part: int = 0, narrow: bool = False
    ) -> None:
        """A dense layer with these weights, stored so; None: as they are."""
        n_out, n_in = weight.shape
        self.dense(n_in, n_out, odd=odd, part=part)
        op = self.ops[-1]
        assert isinstance(op, DenseI8)
        assert encoding is None or ENCODINGS[encoding].refusal(weight) is None, encoding
        self.consts[op.inputs[1]] = Const(weight, encoding=encoding)
        if narrow:
            self.consts[op.inputs[2]] = replace(self.consts[op.inputs[2]], encoding="int16")

    def sparse(self, n_in: int, n_out: int, density: float) -> Array:
        """Codes of which this share is not zero, in rows that differ."""
        spread = self.rng.uniform(0.5, 1.5, (n_out, 1)) * density
        values = self.rng.integers(1, 128, (n_out, n_in)) * self.rng.choice([-1, 1], (n_out, n_in))
        return np.where(self.rng.random((n_out, n_in)) < spread, values, 0).astype(np.int8)

    def of_values(self, n_in: int, n_out: int, density: float, n: int) -> Array:
        """The same of so many values; 0: of any."""
        weight = self.sparse(n_in, n_out, density)
        if n == 0:
            return weight
        values = self.rng.choice(np.setdiff1d(np.arange(-127, 128), [0]), n, replace=False)
        return np.where(weight == 0, 0, self.rng.choice(values, weight.shape)).astype(np.int8)

    def signs(self, n_in: int, n_out: int, density: float) -> Array:
        """One value, its negative and zero."""
        return (np.sign(self.sparse(n_in, n_out, density)) * 101).astype(np.int8)


def _gaps(layers: CodedLayers) -> None:
    for n_in, n_out, density in _SPARSE:
        layers.coded("gaps", layers.sparse(n_in, n_out, density))
    layers.coded("gaps", layers.sparse(128, 24, 0.1), odd=True, narrow=True)
    for n_in, n_out, density, part in _SPARSE_PARTS:
        layers.coded("gaps", layers.sparse(n_in, n_out, density), part=part)


def _gap_codes(layers: CodedLayers) -> None:
    for k, (n_in, n_out, density) in enumerate(_SPARSE):
        layers.coded("gap_codes", layers.of_values(n_in, n_out, density, (2, 16, 4, 8)[k % 4]))
    for n_in, n_out, density, part in _SPARSE_PARTS:
        layers.coded("gap_codes", layers.of_values(n_in, n_out, density, 16), part=part)


def _rice(layers: CodedLayers) -> None:
    for k, (n_in, n_out, density) in enumerate(_SPARSE):
        layers.coded("rice", layers.of_values(n_in, n_out, density, (0, 16, 4, 8)[k % 4]))
    layers.coded("rice", layers.sparse(200, 20, 0.1), odd=True)
    for k, (n_in, n_out, density, part) in enumerate(_SPARSE_PARTS):
        layers.coded("rice", layers.of_values(n_in, n_out, density, 8 * (k % 2)), part=part)


def _codes(layers: CodedLayers) -> None:
    for bits in (4, 3, 2):
        for n_in, n_out in _FULL:
            layers.coded(f"codes{bits}", layers.of_values(n_in, n_out, 0.8, 2**bits - 1))
        layers.coded(f"codes{bits}", layers.of_values(64, 24, 0.8, 2**bits - 1), odd=True)
        for n_in, n_out, part in _FULL_PARTS:
            layers.coded(f"codes{bits}", layers.of_values(n_in, n_out, 0.8, 2**bits - 1), part=part)


def _ternary(layers: CodedLayers) -> None:
    for (n_in, n_out), density in zip(_FULL, (1.0, 0.5, 0.1, 0.7, 0.02, 0.3, 0.9), strict=True):
        layers.coded("ternary", layers.signs(n_in, n_out, density))
    for n_in, n_out, part in _FULL_PARTS:
        layers.coded("ternary", layers.signs(n_in, n_out, 1.0), part=part)


def _blocks(layers: CodedLayers) -> None:
    for (n_in, n_out), density in zip(_FULL, (0.5, 0.2, 0.02, 0.6, 0.05, 0.3, 0.01), strict=True):
        layers.coded("blocks", layers.sparse(n_in, n_out, density))
    for n_in, n_out, part in _FULL_PARTS:
        layers.coded("blocks", layers.sparse(n_in, n_out, 0.2), part=part)


def _ans(layers: CodedLayers) -> None:
    for k, (n_in, n_out, density) in enumerate(_SPARSE):
        layers.coded("ans", layers.of_values(n_in, n_out, density, (2, 40, 6, 15)[k % 4]))
    for n_in, n_out, density, part in _SPARSE_PARTS:
        layers.coded("ans", layers.of_values(n_in, n_out, density, 15), part=part)


_FIRMWARES: tuple[tuple[Callable[[CodedLayers], None], ...], ...] = (
    (_gaps, _gap_codes, _rice),
    (_codes, _ternary),
    (_blocks, _ans),
)


def coded_designs(most_tile_bytes: int, *, few: bool, repeats: int = 3) -> Iterator[Design]:
    """All layers, `repeats` times with other constants and tiles."""
    for again in range(repeats):
        for index, families in enumerate(_FIRMWARES):
            rng = np.random.default_rng([2027, again, index])
            layers = CodedLayers(f"coded{again}_{index}", rng, most_tile_bytes, few=few)
            for family in families:
                family(layers)
            yield layers.design()
