"""Padding conventions of the frontends, as explicit (top, left, bottom, right) windows, and sizes behind them."""

from __future__ import annotations

from collections.abc import Sequence

from freeml.errors import UnsupportedOp
from freeml.ir.ops import Window


def same_window(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    *,
    extra_first: bool = False,
) -> Window:
    """ "SAME" padding: ceil(size / stride) outputs; an odd extra row goes last, or first with `extra_first`."""
    before, after = [], []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        small, large = total // 2, total - total // 2
        before.append(large if extra_first else small)
        after.append(small if extra_first else large)
    return window(kernel, stride, dilation, before, after)


def window(
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
) -> Window:
    """A Window from one or two spatial axes; one axis is the width of an image of height 1."""

    def pair(values: Sequence[int], default: int) -> tuple[int, int]:
        return (int(values[0]), int(values[1])) if len(values) == 2 else (default, int(values[0]))

    top, left = pair(before, 0)
    bottom, right = pair(after, 0)
    return Window(
        kernel=pair(kernel, 1),
        stride=pair(stride, 1),
        dilation=pair(dilation, 1),
        pad=(top, left, bottom, right),
    )


def pooled_size(size: int, extent: int, stride: int, before: int, after: int, *, ceil: bool) -> int:
    """Outputs of a pooling axis; with `ceil` the last window may overhang, but must start inside the input."""
    span = size + before + after - extent
    count = -(-span // stride) + 1 if ceil else span // stride + 1
    if ceil and (count - 1) * stride >= size + before:
        count -= 1
    return count


def out_size(window: Window, h: int, w: int, loc: str) -> tuple[int, int]:
    """Rows and columns behind a window over (h, w). Raises UnsupportedOp where it fits nowhere."""
    oh, ow = window.out_size(h, w)
    if oh < 1 or ow < 1:
        raise UnsupportedOp(f"a window of {window.extent()} is larger than its padded input of {h} x {w}", where=loc)
    return oh, ow
