"""What each integer op computes, code for code, in torch, with straight-through gradients.

Forward, codes are whole numbers in floating point, and every sum of products is formed where it is exact: float32 below
2**24, otherwise float64, which also holds the product of a 32-bit accumulator and a 16-bit multiplier. Backward,
rounding is the identity and a clamp lets through what it did not change (Bengio, Leonard and Courville, "Estimating or
Propagating Gradients Through Stochastic Neurons", 2013); a table has the slope that its codes have over a few steps.
ir/interpret_int.py is the oracle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from freeml.ir.int_ops import AddI8, AvgPoolI8, ConvI8, DenseI8, LutI8, MaxPoolI8, MulI8, PadI8, SoftmaxI8
from freeml.ir.ops import Op
from freeml.ir.types import TensorType
from freeml.ir.windows import divisors
from freeml.train.float_ops import pad, run_layout_op
from freeml.train.windows import convolve, largest, total

_EXACT_FLOAT32 = 2**24
_CACHED = 2**15  # numbers that go through several steps at a time: as many as stay in a processor's cache
_SLOPE_STEPS = 4  # codes on either side over which a table's slope is taken


class _FloorClamp(torch.autograd.Function):
    """floor, then clamp to lo..hi; the gradient passes where the clamp changed nothing."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, lo: int, hi: int) -> Tensor:
        whole = v.floor()
        ctx.save_for_backward((whole >= lo) & (whole <= hi))
        return whole.clamp_(lo, hi)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0] * ctx.saved_tensors[0], None, None


class _Stored(torch.autograd.Function):
    """clamp(floor(((acc + bias) * mult + half) / (2 half)), lo, hi) + zp, whole numbers in float32, in one pass.

    Backward the real factor, where the clamp changed nothing.
    """

    @staticmethod
    def forward(
        ctx: Any, acc: Tensor, bias: Tensor, mult: Tensor, half: Tensor, bounds: tuple[int, int, int]
    ) -> Tensor:
        low, high, zero_point = bounds
        factor = mult * 0.5 / half
        base = bias * factor + 0.5  # exact, as all that follows: whole numbers of at most 48 bits times a power of two
        top = math.nextafter(high + 1, -math.inf)  # what floor makes of it is the last code within the bounds
        codes, inside = torch.empty_like(acc, dtype=torch.float32), torch.empty_like(acc, dtype=torch.bool)
        samples = max(1, _CACHED // max(1, acc[:1].numel()))
        for start in range(0, len(acc), samples):
            part = slice(start, start + samples)
            v = torch.addcmul(base, acc[part].to(torch.float64), factor)
            clamped = v.clamp(low, top)
            torch.eq(v, clamped, out=inside[part])
            codes[part] = clamped.floor_().add_(zero_point)
        ctx.save_for_backward(inside, factor)
        ctx.dtype, ctx.bias = acc.dtype, bias
        return codes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        inside, factor = ctx.saved_tensors
        passed = (grads[0] * inside).mul_(factor.to(grads[0].dtype))
        return passed.to(ctx.dtype), passed.sum_to_size(ctx.bias.shape).double(), None, None, None


class _Coded(torch.autograd.Function):
    """Codes in place of the real weights that they stand for: `codes`, with the gradient of `real / scales`."""

    @staticmethod
    def forward(ctx: Any, real: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
        ctx.save_for_backward(scales)
        ctx.dtype = real.dtype
        return codes.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return (grads[0] / ctx.saved_tensors[0]).to(ctx.dtype), None, None


class _Table(torch.autograd.Function):
    """table[x + 128]; backward its slope there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor) -> Tensor:
        index = x.long() + 128
        ctx.save_for_backward(index, table)
        return table[index].to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        index, table = ctx.saved_tensors
        return grads[0] * _slopes(table)[index].to(grads[0].dtype), None


class _Softmax(torch.autograd.Function):
    """SoftmaxI8; backward a real softmax of `scale` a code whose result has 256 codes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, scale: float) -> Tensor:
        codes = x.long()
        e = table[codes.amax(dim=-1, keepdim=True) - codes]
        whole = e.sum(dim=-1, keepdim=True)
        ctx.save_for_backward((e / whole).to(x.dtype))
        ctx.scale = scale
        shares = torch.div(e * 256 + torch.div(whole, 2, rounding_mode="floor"), whole, rounding_mode="floor")
        return (shares.clamp(max=255) - 128).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (p,) = ctx.saved_tensors
        inner = grads[0] - (grads[0] * p).sum(dim=-1, keepdim=True)
        return 256 * ctx.scale * p * inner, None, None


def _slopes(table: Tensor) -> Tensor:
    """(256,) codes -> (256,) rises of the table per code."""
    at = torch.arange(256)
    low, high = (at - _SLOPE_STEPS).clamp(min=0), (at + _SLOPE_STEPS).clamp(max=255)
    return (table[high] - table[low]).double() / (high - low)


def coded(real: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
    """Codes that the device has for real weights or biases; their gradient is that of `real / scales`."""
    result: Tensor = _Coded.apply(real, codes, scales)  # type: ignore[no-untyped-call]
    return result


def _floor_clamp(v: Tensor, lo: int, hi: int) -> Tensor:
    result: Tensor = _FloorClamp.apply(v, lo, hi)  # type: ignore[no-untyped-call]
    return result


def store(
    acc: Tensor,
    mult: Tensor | int,
    shift: Tensor | int,
    op: ConvI8 | DenseI8 | AvgPoolI8 | MulI8,
    bias: Tensor | None = None,
) -> Tensor:
    """clamp(requant(acc + bias, mult, shift) + y_zp, lo, hi) as int_ops.py defines them; codes in float32."""
    half = 2.0 ** (torch.as_tensor(shift, dtype=torch.float64) - 1)
    factor = torch.as_tensor(mult, dtype=torch.float64)
    offset = torch.zeros((), dtype=torch.float64) if bias is None else bias
    bounds = (op.lo - op.y_zp, op.hi - op.y_zp, op.y_zp)
    result: Tensor = _Stored.apply(acc, offset, factor, half, bounds)  # type: ignore[no-untyped-call]
    return result


def run_weighted(op: ConvI8 | DenseI8, args: Sequence[Tensor], x_zp: int, out: TensorType) -> Tensor:
    """args: x codes, weight codes, bias without the input's zero point folded in, mult, shift.

    The zero point is taken from the input instead, so that weights see the gradient of the real value.
    """
    x, weight, bias, mult, shift = args
    reach = weight.detach().abs().flatten(1).sum(dim=1).max() * 255
    exact = torch.float32 if float(reach) < _EXACT_FLOAT32 else torch.float64
    shifted, weight = (x - x_zp).to(exact), weight.to(exact)
    if isinstance(op, ConvI8):
        acc = convolve(shifted, weight, None, op.window, op.groups, out.shape[:2], 0.0)
    else:
        acc = F.linear(shifted, weight)
    return store(acc, mult, shift, op, bias)


def run_op(op: Op, args: Sequence[Tensor], x: TensorType, out: TensorType) -> Tensor:
    """Evaluate any other op of a quantized graph. args: codes (B, ...) and constants; x: type of the first."""
    match op:
        case MaxPoolI8():
            return largest(args[0], op.window, out.shape[:2], -128.0).clamp(op.lo, op.hi)
        case AvgPoolI8():
            return _average(op, args, out)
        case AddI8():
            acc = args[0].double() * op.mult_a + args[1].double() * op.mult_b + op.offset
            return _floor_clamp(acc / 2**op.shift, op.lo, op.hi).float()
        case MulI8():
            acc = (args[0].double() - op.a_zp) * (args[1].double() - op.b_zp)
            return store(acc, op.mult, op.shift, op)
        case LutI8():
            result: Tensor = _Table.apply(args[0], args[1])  # type: ignore[no-untyped-call]
            return result
        case SoftmaxI8():
            assert x.quant is not None
            shares: Tensor = _Softmax.apply(args[0], args[1], x.quant.scale)  # type: ignore[no-untyped-call]
            return shares
        case PadI8():
            return pad(args[0], op.before, op.after, float(op.value))
    return run_layout_op(op, list(args), out)


def _average(op: AvgPoolI8, args: Sequence[Tensor], out: TensorType) -> Tensor:
    x, mult, shift = args
    acc = total((x - op.x_zp).double(), op.window, out.shape[:2])
    if mult.numel() == 1:
        return store(acc, mult, shift, op)
    count = divisors(op.window, (x.shape[1], x.shape[2]), (out.shape[0], out.shape[1]), include_pad=op.include_pad)
    entry = torch.from_numpy(count - 1)
    return store(acc, mult[entry][None, :, :, None], shift[entry][None, :, :, None], op)
