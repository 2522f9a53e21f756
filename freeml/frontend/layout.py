"""Permutations of elements: how a logical tensor of the model lies in memory.

A frontend follows every reshape, flatten, squeeze and transpose of the model as an index array: entry i of the logical
tensor is element index[i] of the stored value. Such ops then cost nothing; only an op that needs another memory order
makes one real Reshape or Transpose, and a dense layer after a flatten just has its columns permuted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Move:
    """A real transpose: view the source as `shape`, reorder its axes by `order`."""

    shape: tuple[int, ...]
    order: tuple[int, ...]


def is_identity(index: Index) -> bool:
    """Whether the logical order is the memory order."""
    flat = index.ravel()
    return bool(flat[0] == 0 and (np.diff(flat) == 1).all())


def strided_axes(index: Index) -> list[tuple[int, int]]:
    """The (length, stride) nest of a flattened index, outermost first, adjacent axes merged where they can be.

    Any index made by reshapes and transposes is such a nest: innermost first, the longest arithmetic run is an axis.
    Raises ValueError for an index that is none.
    """
    flat = index.ravel()
    axes: list[tuple[int, int]] = []
    while flat.size > 1:
        stride = int(flat[1] - flat[0])
        breaks = np.flatnonzero(np.diff(flat) != stride)
        length = int(breaks[0]) + 1 if breaks.size else flat.size
        if flat.size % length:
            raise ValueError("not a nest of strided axes")
        rows = flat.reshape(-1, length)
        if (rows - rows[:, :1] != rows[0] - rows[0, 0]).any():
            raise ValueError("not a nest of strided axes")
        axes.insert(0, (length, stride))
        flat = rows[:, 0]
    return axes


def move_for(index: Index) -> Move:
    """The transpose that brings the elements into the order of `index`. Raises ValueError where there is none."""
    axes = strided_axes(index)
    by_stride = sorted(range(len(axes)), key=lambda k: -axes[k][1])
    shape = tuple(axes[k][0] for k in by_stride)
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    if [axes[k][1] for k in by_stride] != strides:
        raise ValueError("not a permutation made of transposes")
    return Move(shape, tuple(by_stride.index(k) for k in range(len(axes))))


def is_nest(index: Index) -> bool:
    """Whether one transpose (or none) brings the elements into the order of `index`."""
    try:
        move_for(index)
    except ValueError:
        return False
    return True


def memory_order(index: Index) -> tuple[int, ...] | None:
    """Logical axes in memory order, for an index that is a plain transpose of the stored value; None otherwise.

    Axes of length 1 lie anywhere, so they go last but one: before the channels, where they disturb nobody.
    """
    strides = []
    for axis, length in enumerate(index.shape):
        if length > 1:
            step = np.take(index, 1, axis) - np.take(index, 0, axis)
            if (step != step.ravel()[0]).any():
                return None
            strides.append((int(step.ravel()[0]), axis))
    order = [axis for _, axis in sorted(strides, reverse=True)]
    ones = [axis for axis, length in enumerate(index.shape) if length == 1]
    order = [*ones, *order]
    return tuple(order) if is_identity(index.transpose(order)) else None
