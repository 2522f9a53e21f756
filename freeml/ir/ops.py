"""Float ops: what frontends produce and float passes rewrite. One frozen dataclass per op, no attribute bags.

Shapes are channels last and carry no batch dimension (see types.py). `inputs` name values or constants; `loc` names the
model's own node and is quoted in every error. Stage.FLOAT allows exactly the classes of FLOAT_OPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from freeml.ir.types import DType, Elements


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """Base of all ops. `output` is defined here and nowhere else (SSA).

    elements  element types of values in the integer stage
    """

    elements: ClassVar[Elements] = Elements()

    output: str
    inputs: tuple[str, ...]
    loc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A sliding window over (H, W): kernel, stride, dilation as (h, w); padding as (top, left, bottom, right).

    `pad_bottom` and `pad_right` may reach past what the last window reads; the output size is that of the op's type.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)

    def extent(self) -> tuple[int, int]:
        """Height and width from the first to the last tap, both included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))  # type: ignore[return-value]

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Output (H, W) with floor rounding."""
        eh, ew = self.extent()
        top, left, bottom, right = self.pad
        return (height + top + bottom - eh) // self.stride[0] + 1, (width + left + right - ew) // self.stride[1] + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv(Op):
    """(H, W, C) -> (H', W', O). inputs: x, weight (O, kh, kw, C/groups), bias (O,). A 1-D convolution has H = 1.

    clamp: fused activation, (lo, hi) of the real output; None where there is none.
    """

    window: Window
    groups: int = 1
    clamp: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Op):
    """(K,) -> (N,). inputs: x, weight (N, K), bias (N,). clamp as in Conv."""

    clamp: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool(Op):
    """(H, W, C) -> (H', W', C). Taps in the padding do not take part."""

    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPool(Op):
    """(H, W, C) -> (H', W', C), global pooling included.

    include_pad: the divisor counts the taps inside the padded input; otherwise those inside the input.
    """

    window: Window
    include_pad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Op):
    """Add, Sub or Mul with numpy broadcasting of equal-rank shapes. inputs: a, b; b may be a constant."""

    kind: str  # "add" | "sub" | "mul"
    clamp: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Op):
    """Elementwise function of one value; `fn` is a key of unary.FUNCTIONS and `params` its parameters in order."""

    fn: str
    params: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Op):
    """Softmax over the last axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Op):
    """(..., N) -> (..., 1) of I32: first (or last) index of the maximum over the last axis."""

    elements: ClassVar[Elements] = Elements(output=DType.I32)

    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Op):
    """Join values of equal rank along `axis`."""

    elements: ClassVar[Elements] = Elements(values=(), output=None)

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Op):
    """Constant padding; before and after have one entry per axis, none negative."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Op):
    """Another shape over the same memory; costs nothing on the device."""

    elements: ClassVar[Elements] = Elements(values=(), output=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Op):
    """A real transpose: axis i of the output is axis order[i] of the input."""

    order: tuple[int, ...]


FLOAT_OPS: tuple[type[Op], ...] = (
    Conv,
    Dense,
    MaxPool,
    AvgPool,
    Binary,
    Unary,
    Softmax,
    ArgMax,
    Concat,
    Pad,
    Reshape,
    Transpose,
)
