"""Weights as int8 codes with one scale per output channel, biases as int32 with the input zero point folded in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.types import Const, Quant
from freeml.quantize.fixed_point import round_half_up

# Model files give a bias's step in single precision: the product of two such numbers, rounded.
_SAME_STEP = 1e-6


@dataclass(frozen=True, slots=True)
class WeightCodes:
    """weight i8 of the constant's shape, bias i32 (O,) with the zero point folded in, scales (O,) real per code."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scales: npt.NDArray[np.float64]


def quantize_weights(weight: Const, bias: Const, x: Quant) -> WeightCodes:
    """Symmetric per output channel; the model's own codes where it came quantized (Const.code_scales).

    Raises ValueError where a bias does not fit 32 bits beside the products.
    """
    array = weight.array.astype(np.float64)
    rows = array.reshape(array.shape[0], -1)
    offset = bias.array.astype(np.float64)
    if weight.code_scales is not None:
        scales = np.broadcast_to(np.array(weight.code_scales, dtype=np.float64), (array.shape[0],))
    else:
        scales = np.abs(rows).max(axis=1) / 127
        # A channel of (nearly) no weights is a constant: its scale must still hold the bias in 30 bits.
        scales = np.maximum(scales, np.maximum(np.abs(offset) / (x.scale * 2**30), 1e-12))
    codes = np.clip(round_half_up(rows / scales[:, None]), -128, 127)
    folded = _bias_codes(bias, x.scale * scales) - x.zero_point * codes.sum(axis=1)
    if (np.abs(folded) >= 2**31).any():
        raise ValueError("a bias is too large for the scales of its input and weights")
    return WeightCodes(codes.astype(np.int8).reshape(array.shape), folded.astype(np.int32), np.array(scales))


def _bias_codes(bias: Const, steps: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """In steps of input scale times weight scale; the model's own codes where it has them in these steps."""
    offset = bias.array.astype(np.float64)
    if bias.code_scales is not None:
        own = np.broadcast_to(np.array(bias.code_scales, dtype=np.float64), steps.shape)
        if np.allclose(own, steps, rtol=_SAME_STEP, atol=0):
            return np.rint(offset / own).astype(np.int64)
    return round_half_up(offset / steps)
