"""Sliding windows over batches of channels-last arrays: what convolution and pooling share, float and integer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeml.ir.ops import Window
from freeml.ir.types import Array


def taps(x: Array, window: Window, out_hw: tuple[int, int], fill: float) -> Array:
    """All window taps as a view: (B, H, W, C) -> (B, H', W', C, kh, kw); positions outside the input hold `fill`."""
    top, left, _, _ = window.pad
    eh, ew = window.extent()
    need_h = (out_hw[0] - 1) * window.stride[0] + eh
    need_w = (out_hw[1] - 1) * window.stride[1] + ew
    if (top, left) != (0, 0) or need_h > x.shape[1] or need_w > x.shape[2]:
        padded = np.full(
            (x.shape[0], max(need_h, x.shape[1] + top), max(need_w, x.shape[2] + left), x.shape[3]), fill, x.dtype
        )
        padded[:, top : top + x.shape[1], left : left + x.shape[2]] = x
        x = padded
    view = np.lib.stride_tricks.sliding_window_view(x[:, :need_h, :need_w], (eh, ew), axis=(1, 2))
    picked: Array = view[:, :: window.stride[0], :: window.stride[1], :, :: window.dilation[0], :: window.dilation[1]]
    return picked


def convolve(x: Array, weight: Array, window: Window, groups: int, out_hw: tuple[int, int], fill: float) -> Array:
    """Convolution without bias in the dtype of x: (B, H, W, C), weight (O, kh, kw, C/groups) -> (B, H', W', O)."""
    n_out, kh, kw, per_group = weight.shape
    patches = taps(x, window, out_hw, fill)
    if per_group == 1 and groups > 1:
        multiplier = n_out // groups
        spread = weight.reshape(groups, multiplier, kh, kw)
        y: Array = np.einsum("bhwcij,cmij->bhwcm", patches, spread, optimize=True)
        return y.reshape(*patches.shape[:3], n_out)
    columns = []
    for g in range(groups):
        part = patches[..., g * per_group : (g + 1) * per_group, :, :].transpose(0, 1, 2, 4, 5, 3)
        matrix = np.ascontiguousarray(part).reshape(-1, kh * kw * per_group)
        rows = weight[g * (n_out // groups) : (g + 1) * (n_out // groups)].reshape(n_out // groups, -1)
        columns.append((matrix @ rows.T).reshape(*patches.shape[:3], -1))
    return columns[0] if groups == 1 else np.concatenate(columns, axis=-1)


def divisors(
    window: Window, in_hw: tuple[int, int], out_hw: tuple[int, int], *, include_pad: bool
) -> npt.NDArray[np.int64]:
    """How many taps of each window count for an average: (H', W')."""
    top, left, bottom, right = window.pad if include_pad else (0, 0, 0, 0)

    def along(axis: int, low: int, high: int) -> npt.NDArray[np.int64]:
        start = np.arange(out_hw[axis])[:, None] * window.stride[axis] - window.pad[axis]
        position = start + np.arange(window.kernel[axis])[None, :] * window.dilation[axis]
        inside: npt.NDArray[np.int64] = ((position >= -low) & (position < in_hw[axis] + high)).sum(axis=1)
        return inside

    count: npt.NDArray[np.int64] = along(0, top, bottom)[:, None] * along(1, left, right)[None, :]
    return count
