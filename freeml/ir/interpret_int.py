"""The integer oracle: what each integer op computes, bit for bit, in numpy, over a batch.

Host, Cortex-M and MSP430 are compared with this code and must not differ in a single byte. Sums of products are formed
in floating point only where they are exact: |sum| below 2**24 in float32, below 2**53 in float64.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from freeml.ir.int_ops import (
    AddI8,
    AvgPoolI8,
    ConvI8,
    ConvPoolI8,
    DenseI8,
    ExitHead,
    ExitMix,
    LutI8,
    MaxPoolI8,
    MulI8,
    PadI8,
    SoftmaxI8,
)
from freeml.ir.interpret_float import run_layout_op
from freeml.ir.ops import Op
from freeml.ir.types import Array, TensorType
from freeml.ir.windows import convolve, divisors, taps

Ints = npt.NDArray[np.int64]


def requantize(acc: Array, mult: Array | int, shift: Array | int) -> Ints:
    """(acc * mult + 2**(shift - 1)) >> shift, elementwise, in 64 bits."""
    s = np.asarray(shift, dtype=np.int64)
    y: Ints = (acc.astype(np.int64) * np.asarray(mult, dtype=np.int64) + (np.int64(1) << (s - 1))) >> s
    return y


def run_int_op(op: Op, args: list[Array], out: TensorType) -> Array:
    """Evaluate one op of a quantized graph. args: values (B, ...) of int8 or int32, as Op.elements says, constants
    without a batch axis. Returns (B, *out.shape) of out.dtype."""
    match op:
        case ConvI8():
            x, weight, bias, mult, shift = args
            dtype = _exact_dtype(weight)
            acc = convolve(x.astype(dtype), weight.astype(dtype), op.window, op.groups, out.shape[:2], op.x_zp)  # type: ignore[arg-type]
            return _store(requantize(_whole(acc) + bias, mult, shift), op)
        case DenseI8():
            x, weight, bias, mult, shift = args
            dtype = _exact_dtype(weight)
            acc = x.astype(dtype) @ weight.astype(dtype).T
            return _store(requantize(_whole(acc) + bias, mult, shift), op)
        case ConvPoolI8():
            whole = TensorType((*op.window.out_size(*args[0].shape[1:3]), out.shape[2]), out.dtype, out.quant)
            return run_int_op(op.max_pool(), [run_int_op(op.conv(), args, whole)], out)
        case MaxPoolI8():
            best = taps(args[0], op.window, out.shape[:2], -128).max(axis=(-2, -1))  # type: ignore[arg-type]
            return cast(Array, np.clip(best, op.lo, op.hi).astype(np.int8))
        case AvgPoolI8():
            return _average(op, args, out)
        case AddI8():
            acc = args[0].astype(np.int64) * op.mult_a + args[1].astype(np.int64) * op.mult_b + op.offset
            return np.asarray(np.clip(acc >> op.shift, op.lo, op.hi), dtype=np.int8)
        case MulI8():
            acc = (args[0].astype(np.int64) - op.a_zp) * (args[1].astype(np.int64) - op.b_zp)
            return _store(requantize(acc, op.mult, op.shift), op)
        case LutI8():
            return np.asarray(args[1][args[0].astype(np.int64) + 128])
        case SoftmaxI8():
            return _softmax(args[0], args[1])
        case PadI8():
            return np.pad(args[0], [(0, 0), *zip(op.before, op.after, strict=True)], constant_values=op.value)
        case ExitHead():
            x, *before, weight, bias, mult, shift = args
            dtype = _exact_dtype(weight)
            acc = x.reshape(len(x), -1).astype(dtype) @ weight.astype(dtype).T
            part = requantize(_whole(acc) + bias, mult, shift)
            return (part + sum(carried(one, op) for one in before)).astype(np.int32)
        case ExitMix():
            return (args[0].astype(np.int64) + carried(args[1], op)).astype(np.int32)
    return run_layout_op(op, args, out)


def carried(acc: Array, op: ExitHead | ExitMix) -> Ints:
    """What an exit takes over of the sums of one before."""
    return requantize(acc, op.carry_mult, op.carry_shift) if op.carry_shift else acc.astype(np.int64)


def _exact_dtype(weight: Array) -> type[np.floating]:
    """float32 where no partial sum of any output channel can leave the exactly representable integers."""
    largest = np.abs(weight.astype(np.int64)).reshape(weight.shape[0], -1).sum(axis=1).max(initial=0) * 128
    return np.float32 if largest < 2**24 else np.float64


def _whole(acc: Array) -> Ints:
    return np.rint(acc).astype(np.int64)


def _store(values: Ints, op: ConvI8 | DenseI8 | AvgPoolI8 | MulI8) -> Array:
    return np.clip(values + op.y_zp, op.lo, op.hi).astype(np.int8)


def _average(op: AvgPoolI8, args: list[Array], out: TensorType) -> Array:
    x, mult, shift = args
    out_hw, in_hw = (out.shape[0], out.shape[1]), (x.shape[1], x.shape[2])
    # A tap outside the input counts as the zero point, that is, as real zero.
    acc = taps(x.astype(np.int64) - op.x_zp, op.window, out_hw, 0).sum(axis=(-2, -1))
    if mult.size == 1:
        return _store(requantize(acc, mult[0], shift[0]), op)
    entry = divisors(op.window, in_hw, out_hw, include_pad=op.include_pad) - 1
    return _store(requantize(acc, mult[entry][None, :, :, None], shift[entry][None, :, :, None]), op)


def _softmax(x: Array, table: Array) -> Array:
    codes = x.astype(np.int64)
    e = table.astype(np.int64)[codes.max(axis=-1, keepdims=True) - codes]
    total = e.sum(axis=-1, keepdims=True)
    y: Array = (np.minimum((e * 256 + total // 2) // total, 255) - 128).astype(np.int8)
    return y
