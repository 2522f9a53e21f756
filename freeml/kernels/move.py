"""Kernels that move bytes: the copies of a Concat, padding, transposes."""

from __future__ import annotations

from math import prod

import numpy as np

from freeml.errors import UnsupportedOp
from freeml.ir.graph import Graph
from freeml.ir.int_ops import PadI8
from freeml.ir.ops import Concat, Transpose
from freeml.kernels.kernel import Kernel, KernelCall, Units
from freeml.kernels.layer import MAX_U16, Layer, c_array, check_sizes, merged_axes
from freeml.kernels.reads import Ints, Read, grouped, touched, whole
from freeml.kernels.variants import Variant
from freeml.kernels.work import LoopCounts, far, named


class ConcatKernel(Kernel[Concat]):
    """fml_copy_i8, once for each input. A unit is a row of it: what lies together in the output."""

    def units(self, graph: Graph, op: Concat) -> tuple[Units, ...]:
        out = graph.types[op.output]
        n_rows, stride = prod(out.shape[: op.axis]), prod(out.shape[op.axis :]) * out.dtype.size_bytes
        found: list[Units] = []
        at = 0
        for operand, name in enumerate(op.inputs):
            row = _row_bytes(graph, op, name)
            found.append(Units(operand, n_rows, row, stride, at))
            at += row
        return tuple(found)

    def reads(self, graph: Graph, op: Concat, operand: int) -> tuple[Read, ...]:
        name = op.inputs[operand]
        row = _row_bytes(graph, op, name)
        return (grouped(graph, op, name, 1, row, 0, row),)

    def counts(self, graph: Graph, op: Concat, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        return {"copy.call": np.ones_like(n), "copy.row": n, "copy.byte": n * call.unit_bytes}

    def layer(self, graph: Graph, op: Concat, operand: int, variant: Variant) -> Layer:
        """In the tile buffer rows follow each other, in the arena they are a stride apart."""
        shape = graph.types[op.inputs[operand]].shape
        row = _row_bytes(graph, op, op.inputs[operand])
        fields = (
            (".n_rows", str(prod(shape[: op.axis]))),
            (".row_bytes", str(row)),
            (".x_stride_bytes", str(row)),
            (".y_stride_bytes", str(row)),
        )
        # The kernel's y is where row 0 goes, whatever `first` is; the tile buffer begins with row `first`.
        call = f"fml_copy_i8({{d}}, {{x{operand}}} + (size_t)first * {row}u, y, 0, n)"
        return Layer("fml_copy_i8", "fml_copy_t", fields, {}, call)


def _row_bytes(graph: Graph, op: Concat, name: str) -> int:
    """Bytes of one row of an input."""
    type_ = graph.type_of(name)
    return prod(type_.shape[op.axis :]) * type_.dtype.size_bytes


def _element_counts(name: str, graph: Graph, op: PadI8 | Transpose, call: KernelCall, n: Ints) -> LoopCounts:
    """Of loops over the elements of the output that carry from axis to axis."""
    shape = graph.types[op.output].shape
    rows = touched(n, shape[-1], call.n_units // shape[-1])
    counts = {"call": np.ones_like(n), "row": rows, "carry": rows * len(shape), "element": n}
    return named(name, counts | {"far": far(call.n_units, n)})


class PadKernel(Kernel[PadI8]):
    """fml_pad_i8."""

    def reads(self, graph: Graph, op: PadI8, operand: int) -> tuple[Read, ...]:
        x, y = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
        axis = next((k for k, n in enumerate(y) if n > 1), 0)
        row = prod(x[axis + 1 :])
        return (grouped(graph, op, op.inputs[0], prod(y[axis + 1 :]), row, op.before[axis] * row, row),)

    def counts(self, graph: Graph, op: PadI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        return _element_counts("pad", graph, op, call, n)

    def layer(self, graph: Graph, op: PadI8, operand: int, variant: Variant) -> Layer:
        x, y = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
        dims: list[tuple[int, int, int]] = []  # (input, before, output), innermost last
        for n, before, total in zip(x, op.before, y, strict=True):
            # An axis without padding joins an unpadded one before it.
            if dims and n == total and dims[-1][0] == dims[-1][2] and dims[-1][0] * n <= MAX_U16:
                dims[-1] = (dims[-1][0] * n, 0, dims[-1][2] * n)
            else:
                dims.append((n, before, total))
        if len(dims) > 4:
            raise UnsupportedOp("padding over more than four axes is not supported", where=op.loc)
        dims = [(1, 0, 1)] * (4 - len(dims)) + dims
        check_sizes(op, one_axis=max(total for _, _, total in dims))
        fields = (
            (".in_dims", c_array([d[0] for d in dims])),
            (".before", c_array([d[1] for d in dims])),
            (".out_dims", c_array([d[2] for d in dims])),
            (".value", str(op.value)),
        )
        return Layer("fml_pad_i8", "fml_pad_t", fields, {}, "fml_pad_i8({d}, {x0}, y, first, n)")


class TransposeKernel(Kernel[Transpose]):
    """fml_transpose_i8."""

    def reads(self, graph: Graph, op: Transpose, operand: int) -> tuple[Read, ...]:
        return (whole(graph, op, op.inputs[0]),)

    def counts(self, graph: Graph, op: Transpose, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        return _element_counts("transpose", graph, op, call, n)

    def layer(self, graph: Graph, op: Transpose, operand: int, variant: Variant) -> Layer:
        x, y = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
        steps = [prod(x[axis + 1 :]) for axis in range(len(x))]
        dims, strides = merged_axes(y, [[steps[axis] for axis in op.order]])
        if len(dims) > 6:
            raise UnsupportedOp("a transpose over more than six axes is not supported", where=op.loc)
        check_sizes(op, one_axis=max(dims))
        fields = (
            (".rank", str(len(dims))),
            (".out_dims", c_array(dims)),
            (".x_strides", c_array(strides[0])),
        )
        call = "fml_transpose_i8({d}, {x0}, y, first, n)"
        return Layer("fml_transpose_i8", "fml_transpose_t", fields, {}, call)
