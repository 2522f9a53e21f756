"""Kernels of rows of classes: softmax and the index of the largest. A unit is one row."""

from __future__ import annotations

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import SoftmaxI8
from freeml.ir.ops import ArgMax
from freeml.kernels.kernel import Kernel, KernelCall, Units
from freeml.kernels.layer import Layer, Table, check_sizes
from freeml.kernels.reads import Ints, Read, row_by_row
from freeml.kernels.variants import Variant
from freeml.kernels.work import LoopCounts


class SoftmaxKernel(Kernel[SoftmaxI8]):
    """fml_softmax_i8."""

    def units(self, graph: Graph, op: SoftmaxI8) -> tuple[Units, ...]:
        out = graph.types[op.output]
        row = out.shape[-1]
        return (Units(0, out.size_bytes // row, row, row, 0),)

    def in_place_operands(self, graph: Graph, op: SoftmaxI8) -> tuple[str, ...]:
        """A row is read before it is written: each element twice, the second time when it is written."""
        return op.inputs[:1]

    def reads(self, graph: Graph, op: SoftmaxI8, operand: int) -> tuple[Read, ...]:
        return (row_by_row(graph, op, op.inputs[0]),)

    def counts(self, graph: Graph, op: SoftmaxI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        return {"softmax.call": np.ones_like(n), "softmax.row": n, "softmax.element": n * call.unit_bytes}

    def read_bytes(self, graph: Graph, op: SoftmaxI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        return 3 * n * call.unit_bytes, 4 * n * call.unit_bytes

    def layer(self, graph: Graph, op: SoftmaxI8, operand: int, variant: Variant) -> Layer:
        n = graph.types[op.output].shape[-1]
        check_sizes(op, classes=n)
        tables = {"table": Table(graph.consts[op.inputs[1]].array)}
        fields = ((".exp_table", "@table"), (".n", str(n)))
        return Layer("fml_softmax_i8", "fml_softmax_t", fields, tables, "fml_softmax_i8({d}, {x0}, y, first, n)")


class ArgMaxKernel(Kernel[ArgMax]):
    """fml_argmax_i8."""

    def reads(self, graph: Graph, op: ArgMax, operand: int) -> tuple[Read, ...]:
        return (row_by_row(graph, op, op.inputs[0]),)

    def counts(self, graph: Graph, op: ArgMax, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        elems = n * graph.types[op.inputs[0]].shape[-1]
        return {"argmax.call": np.ones_like(n), "argmax.row": n, "argmax.element": elems}

    def read_bytes(self, graph: Graph, op: ArgMax, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        return 2 * n * graph.types[op.inputs[0]].shape[-1], 0 * n

    def layer(self, graph: Graph, op: ArgMax, operand: int, variant: Variant) -> Layer:
        n = graph.types[op.inputs[0]].shape[-1]
        check_sizes(op, classes=n)
        fields = ((".n", str(n)), (".last", str(int(op.last))))
        call = "fml_argmax_i8({d}, {x0}, (int32_t *)(void *)y, first, n)"
        return Layer("fml_argmax_i8", "fml_argmax_t", fields, {}, call)
