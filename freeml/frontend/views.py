"""What a frontend has in hand: tensors on the device and constants, with the shapes that the model gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.errors import UnsupportedOp
from freeml.frontend.layout import Index
from freeml.ir.types import Array, Port

Floats = npt.NDArray[np.floating]

# Everything is held in memory several times over; a model for a microcontroller is far below this.
MAX_TENSOR_ELEMS = 1 << 23


@dataclass(frozen=True, eq=False)
class View:
    """A tensor of the model: logical `shape`, element i stored at index[i] of the IR value."""

    value: str
    index: Index

    @property
    def shape(self) -> tuple[int, ...]:
        """Logical shape, batch axis included."""
        return self.index.shape


@dataclass(frozen=True, eq=False)
class Weight:
    """A constant with the scales of its codes, where the model came quantized, and how these are stored, where the file
    says so (see ir.types.Const)."""

    array: Floats
    code_scales: tuple[float, ...] | None = None
    encoding: str | None = None


def bias_of(bias: Floats | Weight | None, n_out: int, copies: int) -> Weight:
    """A number of each output, so many times; a Weight has the step of its codes, one for all or of each output."""
    found = bias if isinstance(bias, Weight) else Weight(np.zeros(n_out) if bias is None else bias)
    steps = found.code_scales
    if steps is not None and len(steps) > 1:
        steps = steps * copies
    return Weight(np.tile(np.broadcast_to(found.array, (n_out,)), copies), steps, found.encoding)


def arranged(weight: Weight, array: Floats, copies: int = 1) -> Weight:
    """A weight in another order, output by output, so many times."""
    steps = weight.code_scales
    return Weight(array, steps * copies if steps is not None and len(steps) > 1 else steps, weight.encoding)


def check_size(shape: Sequence[int], where: str) -> None:
    """Refuse a tensor before it is allocated. Raises UnsupportedOp."""
    if any(n < 1 for n in shape) or math.prod(shape) > MAX_TENSOR_ELEMS:
        raise UnsupportedOp(
            f"a tensor of shape {tuple(shape)} is empty or has more than {MAX_TENSOR_ELEMS} elements",
            where=where,
            hint="freeml compiles networks for microcontrollers; check the model's input shape",
        )


def shape_of(x: View | Weight) -> tuple[int, ...]:
    """Logical shape of a value or a constant."""
    return x.shape if isinstance(x, View) else x.array.shape


def in_order(shape: tuple[int, ...]) -> Index:
    """The index of a value that lies in memory as its shape says."""
    return np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


def as_image(x: View) -> Index:
    """(N, C, L) -> (N, C, 1, L)."""
    return x.index if len(x.shape) == 4 else x.index[:, :, None, :]


def from_image(index: Index, like: View) -> Index:
    """What `as_image` made of `like`, as it was."""
    return index if len(like.shape) == 4 else index[:, :, 0, :]


def reduced_to_image(shape: tuple[int, ...], axes: Sequence[int]) -> tuple[int, int]:
    """Rows and columns that hold all of some axes: two axes stay two, so that the op reads as global pooling."""
    longer = [shape[axis] for axis in axes if shape[axis] > 1]
    return (longer[0], longer[1]) if len(longer) == 2 else (1, math.prod(shape[axis] for axis in axes))


def without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its leading batch axis of 1."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def strip_batch(array: Array) -> Array:
    """An array without its leading batch axis of 1."""
    return strip(array, int(array.ndim > 1 and array.shape[0] == 1))


def strip(array: Array, n_axes: int) -> Array:
    """Without the first n_axes (0 or 1) axes, which have length 1."""
    return array[0] if n_axes else array


def port_of(name: str, value: str, shape: tuple[int, ...], order: tuple[int, ...], dtype: str) -> Port:
    """Drop a leading batch axis of 1 from the author's shape; it becomes the axis of samples."""
    if len(shape) > 1 and shape[0] == 1:
        shape, order = shape[1:], tuple(axis - 1 for axis in order if axis != 0)
    return Port(name, value, shape, order, dtype)
