"""The kernel of fully connected layers, whole or in parts."""

from __future__ import annotations

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import DenseI8
from freeml.kernels.coded_formats import CODED
from freeml.kernels.dense_kind import FullyConnected
from freeml.kernels.kernel import Kernel, KernelCall
from freeml.kernels.layer import REQUANT_FIELDS, Layer, Table, check_sizes, requant_tables
from freeml.kernels.packing import packed
from freeml.kernels.reads import Ints, touched
from freeml.kernels.variants import Variant
from freeml.kernels.work import QUAD, REQUANT_BYTES, LoopCounts, bits, dots, named, odd_shifts, row_pairs


class DenseKernel(FullyConnected):
    """fml_dense_i8, fml_dense_part_i8."""

    def chosen(self, graph: Graph, op: DenseI8) -> Kernel[DenseI8]:
        encoding = graph.consts[op.inputs[1]].encoding
        return self if encoding is None else CODED[encoding]

    def param_names(self, graph: Graph, op: DenseI8) -> tuple[str, ...]:
        return op.inputs[1:3]

    def counts(self, graph: Graph, op: DenseI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        one, products = np.ones_like(n), self.products(graph, op)
        alone = _alone_in_run(n, call.n_units)
        counts = {"call": one, "input": products * one, **dots(variant, n, products, alone)}
        counts |= row_pairs(variant, touched(n, 2, -(-call.n_units // 2)), products)
        return named("dense", counts | {"odd": odd_shifts(graph, op.inputs[4], n, one)})

    def part_counts(self, graph: Graph, op: DenseI8, macs: Ints) -> LoopCounts:
        one = np.ones_like(macs)
        return named("dense_part", {"call": one, "mac": macs, "bit": one * bits(graph.consts[op.inputs[4]].array)})

    def read_bytes(self, graph: Graph, op: DenseI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        return n * call.macs, n * (call.macs + REQUANT_BYTES)

    def layer(self, graph: Graph, op: DenseI8, operand: int, variant: Variant) -> Layer:
        weight = graph.consts[op.inputs[1]].array
        n_out, n_in = weight.shape
        check_sizes(op, inputs=n_in, outputs=n_out)
        fields = (
            (".w", "@weight"),
            *REQUANT_FIELDS,
            (".n_in", str(n_in)),
            (".n_out", str(n_out)),
            (".y_zp", str(op.y_zp)),
            (".lo", str(op.lo)),
            (".hi", str(op.hi)),
        )
        tables = {
            "weight": Table(packed(variant.rows, weight), aligned=variant.reads_words, far=True),
            **requant_tables(graph, *op.inputs[2:]),
        }
        call = "fml_dense_i8({d}, {x0}, y, first, n)"
        return Layer("fml_dense_i8", "fml_dense_t", fields, tables, call, part="dense")


def _alone_in_run(n: Ints, n_units: int) -> Ints:
    """Outputs without three neighbours to be computed with, where all are one run: the most in tiles that may begin
    amid a group, and in the last one.
    """

    def cut(first: Ints, units: Ints) -> Ints:
        head = np.minimum(-first % QUAD, units)
        alone: Ints = head + (units - head) % QUAD
        return alone

    last = (n_units - 1) // n * n
    most: Ints = np.maximum(cut(0 * n, n), cut(last, n_units - last))
    for first in range(1, QUAD):
        possible = (first % np.gcd(n, QUAD) == 0) & (n_units > 2 * n)
        most = np.maximum(most, np.where(possible, cut(first + 0 * n, n), 0))
    return most
