"""The float oracle: what each float op computes, in numpy, over a batch. The C code is never compared with less."""

from __future__ import annotations

from typing import cast

import numpy as np

from freeml.ir import unary
from freeml.ir.ops import (
    ArgMax,
    AvgPool,
    Binary,
    Concat,
    Conv,
    Dense,
    MaxPool,
    Op,
    Pad,
    Reshape,
    Softmax,
    Transpose,
    Unary,
)
from freeml.ir.types import Array, TensorType
from freeml.ir.windows import convolve, divisors, taps

Clamp = tuple[float, float] | None


def run_op(op: Op, args: list[Array], out: TensorType) -> Array:
    """Evaluate one float op. args: values (B, ...) and constants (no batch axis); result (B, *out.shape)."""
    match op:
        case Conv():
            x, weight, bias = args
            y = convolve(x, weight.astype(x.dtype), op.window, op.groups, out.shape[:2], 0.0)  # type: ignore[arg-type]
            return _clamped(y + bias.astype(x.dtype), op.clamp)
        case Dense():
            x, weight, bias = args
            return _clamped(x @ weight.T.astype(x.dtype) + bias.astype(x.dtype), op.clamp)
        case MaxPool():
            best: Array = taps(args[0], op.window, (out.shape[0], out.shape[1]), -np.inf).max(axis=(-2, -1))
            return best
        case AvgPool():
            return _average(op, args[0], out)
        case Binary():
            return _clamped(_binary(op.kind, args[0], args[1].astype(args[0].dtype)), op.clamp)
        case Unary():
            return unary.apply(op.fn, op.params, cast(unary.Floats, args[0]))
        case Softmax():
            e = np.exp(args[0] - args[0].max(axis=-1, keepdims=True))
            return cast(Array, e / e.sum(axis=-1, keepdims=True))
    return run_layout_op(op, args, out)


def run_layout_op(op: Op, args: list[Array], out: TensorType) -> Array:
    """Ops that only move or select elements; the same code serves float and integer graphs."""
    x = args[0]
    match op:
        case Reshape():
            return x.reshape(x.shape[0], *out.shape)
        case Transpose():
            return np.asarray(x.transpose(0, *(axis + 1 for axis in op.order)))
        case Concat():
            return np.concatenate(args, axis=op.axis + 1)
        case Pad():
            widths = [(0, 0), *zip(op.before, op.after, strict=True)]
            return np.pad(x, widths, constant_values=op.value)
        case ArgMax():
            index = x.shape[-1] - 1 - np.argmax(x[..., ::-1], axis=-1) if op.last else np.argmax(x, axis=-1)
            return np.asarray(index[..., None], dtype=np.int32)
    raise AssertionError(f"no interpretation of {type(op).__name__}")


def _clamped(y: Array, clamp: Clamp) -> Array:
    return y if clamp is None else np.clip(y, *clamp)


def _binary(kind: str, a: Array, b: Array) -> Array:
    match kind:
        case "add":
            return np.asarray(a + b)
        case "sub":
            return np.asarray(a - b)
        case "mul":
            return np.asarray(a * b)
    raise AssertionError(f"no binary op {kind!r}")


def _average(op: AvgPool, x: Array, out: TensorType) -> Array:
    out_hw = (out.shape[0], out.shape[1])
    total = taps(x, op.window, out_hw, 0.0).sum(axis=(-2, -1))
    count = divisors(op.window, (x.shape[1], x.shape[2]), out_hw, include_pad=op.include_pad)
    return cast(Array, total / count[None, :, :, None].astype(x.dtype))
