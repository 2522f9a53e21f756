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

The planner's worst case (plan/energy_work.py) and the generated table come from here; the verifier has a rule of its
own (plan/verify_reads.py). What the kernels themselves read is found in tests/kernels/test_spans.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.ops import Op, Window

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


def whole(graph: Graph, op: Op, name: str) -> Read:
    """All of an operand for any unit."""
    size = graph.types[name].size_bytes
    return Read(name, size, graph.types[op.output].n_elems, 0, 0, size)


def grouped(graph: Graph, op: Op, name: str, group: int, step: int, lead: int, extent: int) -> Read:
    """An operand that groups of so many units read piece by piece; all of it where 32 bits cannot count that."""
    groups = -(-graph.types[op.output].n_elems // group)
    if groups * step + lead + extent >= _MOST:
        return whole(graph, op, name)
    return Read(name, graph.types[name].size_bytes, group, step, lead, extent)


def element_by_element(graph: Graph, op: Op, name: str) -> Read:
    """An operand of which each unit reads its own element; all of it where it is broadcast."""
    type_ = graph.types[name]
    if type_.n_elems != graph.types[op.output].n_elems:
        return whole(graph, op, name)
    return grouped(graph, op, name, 1, type_.dtype.size_bytes, 0, type_.dtype.size_bytes)


def row_by_row(graph: Graph, op: Op, name: str) -> Read:
    """An operand of which each unit reads its own row of the last axis."""
    row_bytes = graph.types[name].shape[-1] * graph.types[name].dtype.size_bytes
    return grouped(graph, op, name, 1, row_bytes, 0, row_bytes)


def windowed(graph: Graph, op: Op, window: Window, pool: Window | None = None, *, pixels: bool = False) -> Read:
    """The first operand, of which output rows read rows of windows, or columns where there is one row.

    pool: a window over the outputs of the first one. pixels: units are these, whatever channels they have.
    """
    name = op.inputs[0]
    (in_h, in_w, in_c), (out_h, out_w, out_c) = graph.types[name].shape, graph.types[op.output].shape
    axis = 1 if in_h == out_h == 1 else 0
    stride, pad, extent = window.stride[axis], window.pad[axis], window.extent()[axis]
    if pool is not None:
        pad += pool.pad[axis] * stride
        extent += (pool.kernel[axis] - 1) * stride
        stride *= pool.stride[axis]
    unit = 1 if pixels else out_c  # units of a pixel
    group, step = (unit, in_c) if axis else (unit * out_w, in_w * in_c)
    return grouped(graph, op, name, group, stride * step, pad * step, extent * step)
