"""Integer ops: what the device executes. Every field is an integer the C kernel of the same name uses as it is.

Arithmetic (the same on every target; interpret_int.py is the oracle, runtime_c/ the implementation):

    requant(acc, m, s) = (acc * m + 2**(s - 1)) >> s        m in 0..65535 (16 bit), s in 1..46, product in 64 bits
    store(v) = clamp(v + y_zp, lo, hi)

One rounding, half up. TFLite's kernels round twice with 31-bit multipliers (gemmlowp), so single outputs may differ
by one step. Multipliers are unsigned, so that all 16 bits count. A 32 x 16 bit product is two steps of MSP430's
multiplier and one instruction on Cortex-M. AddI8 needs no 64-bit product and has 20 bits.

Layout-only ops (Reshape, Transpose, Concat, Pad, ArgMax,
MaxPool) are shared with the float stage where they are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from freeml.ir.ops import Op, Window
from freeml.ir.types import DType, Elements

# Two products with int8 stay below 2**28, which leaves room for the output zero point.
MAX_ADD_MULT = 2**20 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvI8(Op):
    """inputs: x, weight i8 (O, kh, kw, C/groups), bias i32 (O,), mult u16 (O,), shift u8 (O,).

    The input zero point is folded into the bias (bias = b - x_zp * sum(w)); a tap in the padding counts x_zp.
    """

    window: Window
    groups: int
    x_zp: int
    y_zp: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseI8(Op):
    """inputs: x (K,), weight i8 (N, K), bias i32 (N,), mult u16 (N,), shift u8 (N,); zero point folded as in ConvI8."""

    y_zp: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPoolI8(Op):
    """Maximum over the taps inside the input, clamped to lo..hi; input and output share scale and zero point."""

    window: Window
    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvPoolI8(Op):
    """MaxPoolI8 of a ConvI8 whose output never exists as a whole: inputs and fields of ConvI8, and the pool's window.

    Windows of the pool do not overlap, so that each output of the convolution is computed once, or not at all. lo and
    hi are those of both ops: clamping preserves order, so that bounds of the pool may be those of its taps.
    """

    window: Window
    groups: int
    x_zp: int
    y_zp: int
    lo: int
    hi: int
    pool: Window

    def conv(self) -> ConvI8:
        """The convolution alone, with the same inputs."""
        return ConvI8(
            output=f"{self.output}.conv",
            inputs=self.inputs,
            loc=self.loc,
            window=self.window,
            groups=self.groups,
            x_zp=self.x_zp,
            y_zp=self.y_zp,
            lo=self.lo,
            hi=self.hi,
        )

    def max_pool(self) -> MaxPoolI8:
        """The pool alone, of the convolution's output."""
        return MaxPoolI8(
            output=self.output, inputs=(f"{self.output}.conv",), loc=self.loc, window=self.pool, lo=self.lo, hi=self.hi
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPoolI8(Op):
    """inputs: x, mult u16 (n,), shift u8 (n,). acc = sum of the taps inside the input minus x_zp for each of them.

    n = 1: one requantization for every window. Otherwise n = kh * kw and entry divisor - 1 is used, where the divisor
    counts the taps inside the input or, with include_pad, inside the padded input.
    """

    window: Window
    include_pad: bool
    x_zp: int
    y_zp: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddI8(Op):
    """clamp((a * mult_a + b * mult_b + offset) >> shift); Sub has a negative mult_b. Broadcasts like Binary.

    `offset` holds both input zero points, the output zero point and the rounding half; everything fits 32 bits.
    """

    mult_a: int
    mult_b: int
    offset: int
    shift: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MulI8(Op):
    """store(requant((a - a_zp) * (b - b_zp), mult, shift)). Broadcasts like Binary."""

    a_zp: int
    b_zp: int
    y_zp: int
    mult: int
    shift: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LutI8(Op):
    """inputs: x, table i8 (256,). y = table[x + 128]: every elementwise function and every change of scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxI8(Op):
    """inputs: x, table u16 (256,). Over the last axis: e = table[max - x]; y = min((256 e + sum / 2) / sum, 255) - 128.

    The output scale is 1/256 and its zero point -128, as TFLite fixes it. Integer division truncates.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class PadI8(Op):
    """Constant padding with a code."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitHead(Op):
    """inputs: x int8 of n elements; none, or one int32 (K,) of an exit before; weight i8 (K, n), bias i32 (K,),
    mult u16 (K,), shift u8 (K,); zero point folded as in ConvI8 -> int32 (K,).

    y = requant(weight @ x + bias, mult, shift) + carried(that of before), where carried(v) is
    requant(v, carry_mult, carry_shift), or v as it is where carry_shift is 0. No requant leaves 2**30, no sum 31 bits.
    """

    elements: ClassVar[Elements] = Elements(values=(DType.I8, DType.I32), output=DType.I32)
    carry_mult: int = 1
    carry_shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitMix(Op):
    """inputs: a, b int32 (K,) -> int32 (K,): a + carried(b), as in ExitHead."""

    elements: ClassVar[Elements] = Elements(values=(DType.I32,), output=DType.I32)
    carry_mult: int = 1
    carry_shift: int = 0
