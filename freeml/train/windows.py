"""Sliding windows over batches of channels-last tensors, as ir/windows.py defines them.

torch wants channels first; `permute` gives such a view of a channels-last tensor without moving a byte, and its kernels
for that memory order are the faster ones on a CPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from freeml.ir.ops import Window

OutSize = tuple[int, ...]  # (H', W') and whatever follows


def _padded(x: Tensor, window: Window, out_hw: OutSize, fill: float) -> Tensor:
    """(B, H, W, C) -> (B, C, H'', W''), exactly what the windows reach; positions outside the input hold `fill`."""
    view = x.permute(0, 3, 1, 2)
    top, left, _, _ = window.pad
    eh, ew = window.extent()
    need_h = (out_hw[0] - 1) * window.stride[0] + eh
    need_w = (out_hw[1] - 1) * window.stride[1] + ew
    amounts = (left, need_w - left - x.shape[2], top, need_h - top - x.shape[1])  # negative ones cut off
    return view if not any(amounts) else F.pad(view, amounts, value=fill)


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, groups: int, out_hw: OutSize, fill: float
) -> Tensor:
    """(B, H, W, C), weight (O, kh, kw, C/groups), bias (O,) or None -> (B, H', W', O)."""
    y = F.conv2d(
        _padded(x, window, out_hw, fill),
        weight.permute(0, 3, 1, 2),
        bias,
        stride=window.stride,
        dilation=window.dilation,
        groups=groups,
    )
    return y.permute(0, 2, 3, 1)


def largest(x: Tensor, window: Window, out_hw: OutSize, fill: float) -> Tensor:
    """Maximum over the taps of each window: (B, H, W, C) -> (B, H', W', C)."""
    y = F.max_pool2d(_padded(x, window, out_hw, fill), window.kernel, window.stride, dilation=window.dilation)
    return y.permute(0, 2, 3, 1)


def total(x: Tensor, window: Window, out_hw: OutSize) -> Tensor:
    """Sum over the taps of each window, those outside the input counting nothing."""
    padded = _padded(x, window, out_hw, 0.0)
    if window.dilation == (1, 1):
        y = F.avg_pool2d(padded, window.kernel, window.stride, divisor_override=1)
    else:
        ones = torch.ones((x.shape[3], 1, *window.kernel), dtype=x.dtype)
        y = F.conv2d(padded, ones, stride=window.stride, dilation=window.dilation, groups=x.shape[3])
    return y.permute(0, 2, 3, 1)
