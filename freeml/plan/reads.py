"""What a range of output units reads of each operand: one rule, given to the runtime as a table.

Where NVM is no memory that a pointer can read, the runtime copies what a tile reads into SRAM before it calls the
kernel (runtime_c/src/fml_stage.c). A `Read` says which bytes these are. Units come in groups of `group_units` that read
the same bytes, and each group begins `step_bytes` after the one before: units [first, first + n) read

    g0 = first // group_units, g1 = (first + n - 1) // group_units
    [max(0, g0 * step_bytes - lead_bytes), min(n_bytes, g1 * step_bytes - lead_bytes + extent_bytes))

of the value. The groups of a convolution or a pool are rows of its output, pixels where it is pointwise, columns where
input and output have one row; of an element-wise op elements, of a copy and of ArgMax rows, of a Pad the rows of its
outermost axis. A broadcast operand, and that of a Dense or Transpose, is read whole: one group of all units.

Of a layer in parts, whose products are numbered as the bytes they read (Dense, pointwise convolution), `extent_bytes`
is 0: products [k0, k0 + n) of a unit are bytes [g * step_bytes + k0, g * step_bytes + k0 + n).

The planner's worst case (energy_work.py), its verifier and the generated table all come from here. What the kernels
themselves read is found in tests/kernels/test_spans.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.int_ops import (
    AddI8,
    AvgPoolI8,
    ConvI8,
    ConvPoolI8,
    DenseI8,
    LutI8,
    MaxPoolI8,
    MulI8,
    PadI8,
    SoftmaxI8,
)
from freeml.ir.ops import ArgMax, Concat, Op
from freeml.plan.cost import is_pointwise

Ints = npt.NDArray[np.int64]

ALIGN_BYTES = 4  # every staged operand begins at a multiple of this
_MOST = 2**32  # the runtime counts in 32 bits


@dataclass(frozen=True, slots=True)
class Read:
    """One operand: fml_read_t, with the value's name in place of its offset. `n_bytes` is all of the value."""

    value: str
    n_bytes: int
    group_units: int
    step_bytes: int
    lead_bytes: int
    extent_bytes: int

    def span(self, first: int, n: int) -> tuple[int, int]:
        """First byte, and the one after the last, that units [first, first + n) read; n > 0."""
        begin = first // self.group_units * self.step_bytes - self.lead_bytes
        end = (first + n - 1) // self.group_units * self.step_bytes - self.lead_bytes + self.extent_bytes
        end = min(max(end, 0), self.n_bytes)
        return min(max(begin, 0), end), end

    def most_bytes(self, n: Ints, n_units: int) -> Ints:
        """The most bytes of any span of n of n_units units that starts at a multiple of n."""
        groups = touched(n, self.group_units, -(-n_units // self.group_units))
        return np.minimum((groups - 1) * self.step_bytes + self.extent_bytes, self.n_bytes)


def touched(n: Ints, width: int, total: int) -> Ints:
    """The most runs of `width` units that n units touch, which start at a multiple of n."""
    shared = np.gcd(n, width)
    return np.minimum(-(-(width - shared + n) // width), total)


def aligned(n_bytes: Ints) -> Ints:
    """Room for so many bytes."""
    return -(-n_bytes // ALIGN_BYTES) * ALIGN_BYTES


def reads(graph: Graph, op: Op, operand: int) -> tuple[Read, ...]:
    """What the units of a kernel call read: one or two operands, in the order of its arguments.

    operand: which input of a Concat is copied, 0 elsewhere.
    """
    names = [op.inputs[operand]] if isinstance(op, Concat) else [name for name in op.inputs if name in graph.types]
    return tuple(_read(graph, op, name) for name in names)


def part_read(graph: Graph, op: Op) -> Read:
    """What parts of one output element read, of an op with a dot product."""
    whole = _read(graph, op, op.inputs[0])
    if isinstance(op, DenseI8):
        return Read(whole.value, whole.n_bytes, whole.group_units, 0, 0, 0)
    if isinstance(op, ConvI8) and is_pointwise(op):
        return Read(whole.value, whole.n_bytes, whole.group_units, whole.step_bytes, 0, 0)
    return whole


def _read(graph: Graph, op: Op, name: str) -> Read:
    type_, out = graph.types[name], graph.types[op.output]
    size = type_.size_bytes
    whole = Read(name, size, out.n_elems, 0, 0, size)
    match op:
        case ConvI8() | MaxPoolI8() | AvgPoolI8() | ConvPoolI8():
            group, step, lead, extent = _window(graph, op)
        case PadI8():
            group, step, lead, extent = _pad(type_.shape, out.shape, op.before)
        case AddI8() | MulI8() | LutI8() if type_.n_elems == out.n_elems:
            group, step, lead, extent = 1, 1, 0, 1
        case SoftmaxI8() | ArgMax():
            group, step, lead, extent = 1, type_.shape[-1], 0, type_.shape[-1]
        case Concat():
            row = prod(type_.shape[op.axis :])
            group, step, lead, extent = 1, row, 0, row
        case _:
            return whole
    groups = -(-out.n_elems // group)
    return Read(name, size, group, step, lead, extent) if groups * step + lead + extent < _MOST else whole


def _window(graph: Graph, op: ConvI8 | MaxPoolI8 | AvgPoolI8 | ConvPoolI8) -> tuple[int, int, int, int]:
    (in_h, in_w, in_c), (out_h, out_w, out_c) = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
    if isinstance(op, ConvI8) and is_pointwise(op):
        return out_c, in_c, 0, in_c
    if in_h == out_h == 1:
        stride, pad, extent = _along(op, 1)
        return out_c, stride * in_c, pad * in_c, extent * in_c
    stride, pad, extent = _along(op, 0)
    row = in_w * in_c
    return out_c * out_w, stride * row, pad * row, extent * row


def _along(op: ConvI8 | MaxPoolI8 | AvgPoolI8 | ConvPoolI8, axis: int) -> tuple[int, int, int]:
    """Stride, padding before and extent of a window along an axis of the input; with a pool behind it, of both."""
    stride, pad, extent = op.window.stride[axis], op.window.pad[axis], op.window.extent()[axis]
    if not isinstance(op, ConvPoolI8):
        return stride, pad, extent
    pool = op.pool
    return pool.stride[axis] * stride, pool.pad[axis] * stride + pad, (pool.kernel[axis] - 1) * stride + extent


def _pad(x: tuple[int, ...], y: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, int, int, int]:
    axis = next((k for k, n in enumerate(y) if n > 1), 0)
    row = prod(x[axis + 1 :])
    return prod(y[axis + 1 :]), row, before[axis] * row, row
