"""What each float op computes, in torch, over a batch, with gradients; ops that only move elements serve codes, too.

ir/interpret_float.py is the oracle.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

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
from freeml.ir.types import TensorType
from freeml.ir.windows import divisors
from freeml.train import functions
from freeml.train.windows import convolve, largest, total


def run_op(op: Op, args: list[Tensor], out: TensorType) -> Tensor:
    """Evaluate one float op. args: values (B, ...) and constants (no batch axis); result (B, *out.shape)."""
    match op:
        case Conv():
            x, weight, bias = args
            return _clamped(convolve(x, weight, bias, op.window, op.groups, out.shape[:2], 0.0), op.clamp)
        case Dense():
            x, weight, bias = args
            return _clamped(F.linear(x, weight, bias), op.clamp)
        case MaxPool():
            return largest(args[0], op.window, out.shape[:2], -torch.inf)
        case AvgPool():
            return _average(op, args[0], out)
        case Binary():
            return _clamped(_binary(op.kind, args[0], args[1]), op.clamp)
        case Unary():
            return functions.apply(op.fn, op.params, args[0])
        case Softmax():
            return torch.softmax(args[0], dim=-1)
    return run_layout_op(op, args, out)


def run_layout_op(op: Op, args: list[Tensor], out: TensorType) -> Tensor:
    """Ops that only move or select elements; the same code serves real numbers and codes."""
    x = args[0]
    match op:
        case Reshape():
            return x.reshape(x.shape[0], *out.shape)
        case Transpose():
            return x.permute(0, *(axis + 1 for axis in op.order))
        case Concat():
            return torch.cat(args, dim=op.axis + 1)
        case Pad():
            return pad(x, op.before, op.after, op.value)
        case ArgMax():
            index = x.shape[-1] - 1 - x.flip(-1).argmax(dim=-1) if op.last else x.argmax(dim=-1)
            return index[..., None].to(torch.int32)
    raise AssertionError(f"no torch for {type(op).__name__}")


def pad(x: Tensor, before: tuple[int, ...], after: tuple[int, ...], value: float) -> Tensor:
    """(B, ...) with `before` and `after` elements of `value` on each axis but the first."""
    amounts = [n for pair in zip(reversed(before), reversed(after), strict=True) for n in pair]  # last axis first
    return F.pad(x, amounts, value=value) if any(amounts) else x


def _clamped(y: Tensor, clamp: tuple[float, float] | None) -> Tensor:
    if clamp == (0.0, math.inf):  # the same, and a third of the time of a clamp's gradient
        return F.relu(y)
    return y if clamp is None else y.clamp(*clamp)


def _binary(kind: str, a: Tensor, b: Tensor) -> Tensor:
    match kind:
        case "add":
            return a + b
        case "sub":
            return a - b
        case "mul":
            return a * b
    raise AssertionError(f"no binary op {kind!r}")


def _average(op: AvgPool, x: Tensor, out: TensorType) -> Tensor:
    count = divisors(op.window, (x.shape[1], x.shape[2]), (out.shape[0], out.shape[1]), include_pad=op.include_pad)
    return total(x, op.window, out.shape[:2]) / torch.from_numpy(count)[None, :, :, None].to(x.dtype)
