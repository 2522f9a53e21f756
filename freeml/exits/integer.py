"""The heads in integers: what a device computes, and what each integer is for.

    raw    = sum over features of w[c, f] * x[f] + b[c]            int8 codes, int32; zero point of x folded into b
    part_k = sum over slices of requant(raw, mult[c], shift[c])    int32 to int32: (v * m + 2^(s-1)) >> s in 64 bits
    acc_k  = part_k + sum over j < k of requant(part_j, mix[k][j]) nothing where mix is 0, part_j itself where it is 1

A slice's sum is requantised once, into the one scale that the scores of all depths share, so that they compare. That
scale is the finest in which no sum of any codes leaves 31 bits: what rounding loses (half a unit a term) lies far
below a code of a feature. acc_k are the scores of exit k: the class is the first of the largest, as everywhere. Where
all of mix is 1, acc_k is acc_(k-1) + part_k, the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.exits.heads import Heads
from freeml.ir.interpret_int import requantize
from freeml.ir.types import Array, Const, Quant
from freeml.quantize.fixed_point import multiplier, multipliers
from freeml.quantize.weights import WeightCodes, quantize_weights

_MOST = 2**30  # of an accumulator, and of what is added to it
_LARGEST_FACTOR = 2.0**14


@dataclass(frozen=True, slots=True)
class IntSlice:
    """weight i8 (K, F), the same for slices that share a matrix; bias i32 (K,), mult u16 (K,), shift u8 (K,)."""

    features: str
    matrix: int
    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    mult: npt.NDArray[np.uint16]
    shift: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class IntExit:
    """slices, and of each exit before the multiplier and shift; (1, 0): as it is, None: it does not count."""

    slices: tuple[IntSlice, ...]
    mix: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class IntHeads:
    """All exits in integers; real score = scale * acc."""

    exits: tuple[IntExit, ...]
    scale: float

    def run(self, codes: Mapping[str, Array]) -> list[npt.NDArray[np.int32]]:
        """Scores (B, K) of every exit, from int8 codes (B, ...) of the features by name."""
        parts: list[npt.NDArray[np.int64]] = []
        found: list[npt.NDArray[np.int32]] = []
        for exit_ in self.exits:
            part = np.asarray(sum(run_slice(one, codes[one.features]) for one in exit_.slices), dtype=np.int64)
            acc = part
            for before, factor in zip(parts, exit_.mix, strict=True):
                if factor is not None:
                    acc = acc + (before if factor == (1, 0) else requantize(before, *factor))
            assert (np.abs(acc) < 2**31).all(), "an accumulator leaves 32 bits: its bound is wrong"
            parts.append(part)
            found.append(acc.astype(np.int32))
        return found


def run_slice(part: IntSlice, codes: Array) -> npt.NDArray[np.int64]:
    """What a slice adds, (B, K), in units of the accumulator."""
    rows = codes.reshape(len(codes), -1).astype(np.float64)
    raw = (rows @ part.weight.T.astype(np.float64)).astype(np.int64) + part.bias  # exact: below 2^53
    return requantize(raw, part.mult, part.shift)


def quantize_heads(heads: Heads, quants: Mapping[str, Quant]) -> IntHeads:
    """Integers for heads whose features have these scales. Raises ValueError where a bias is too large for them."""
    least = _least(heads, quants)
    codes = [_codes(heads, depth, least, quants) for depth in range(len(heads.exits))]
    scale = _scale(heads, codes, quants)
    exits = []
    for exit_, parts in zip(heads.exits, codes, strict=True):
        slices = []
        for part, of in zip(exit_.slices, parts, strict=True):
            mult, shift = multipliers(part.gain * quants[part.features].scale * of.scales / scale)
            slices.append(IntSlice(part.features, part.matrix, of.weight, of.bias, mult, shift))
        mix = tuple(None if m == 0 else (1, 0) if m == 1 else multiplier(m) for m in exit_.mix)
        exits.append(IntExit(tuple(slices), mix))
    return IntHeads(tuple(exits), scale)


def _codes(heads: Heads, depth: int, least: Mapping[int, float], quants: Mapping[str, Quant]) -> list[WeightCodes]:
    """Codes of an exit's slices. A matrix has the same codes in every slice; the bias goes with the first one."""
    found = []
    for number, part in enumerate(heads.exits[depth].slices):
        matrix = heads.matrices[part.matrix]
        scales = np.maximum(np.abs(matrix.array).max(axis=1), least[part.matrix]) / 127
        bias = heads.biases[depth].array / part.gain * (number == 0)
        fixed = replace(matrix, code_scales=tuple(scales))
        found.append(quantize_weights(fixed, Const(bias), quants[part.features]))
    return found


def _least(heads: Heads, quants: Mapping[str, Quant]) -> dict[int, float]:
    """By matrix: below that, a row of (nearly) no weights would have no scale that holds the biases in 30 bits."""
    found: dict[int, float] = {}
    for exit_, bias in zip(heads.exits, heads.biases, strict=True):
        for part in exit_.slices:
            needed = np.abs(bias.array).max() / part.gain / (quants[part.features].scale * 2**30)
            found[part.matrix] = max(found.get(part.matrix, 1e-10), 127 * float(needed))
    return found


def _scale(heads: Heads, codes: list[list[WeightCodes]], quants: Mapping[str, Quant]) -> float:
    """Of all accumulators: the largest sum that any codes could make, over 2^30."""
    bounds: list[npt.NDArray[np.float64]] = []
    most, unit = 0.0, 0.0
    for exit_, parts in zip(heads.exits, codes, strict=True):
        bound = np.zeros(heads.n_classes)
        for part, of in zip(exit_.slices, parts, strict=True):
            real = part.gain * quants[part.features].scale * of.scales
            bound = bound + real * (np.abs(of.weight.astype(np.float64)).sum(axis=1) * 128 + np.abs(of.bias))
            unit = max(unit, float(real.max()))
        total = bound + sum(m * b for m, b in zip(exit_.mix, bounds, strict=True))
        bounds.append(bound)
        most = max(most, float(total.max()))
    return max(most * (1 + 2**-12) / _MOST, unit / _LARGEST_FACTOR)
