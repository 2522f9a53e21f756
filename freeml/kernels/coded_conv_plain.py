"""Kernels of convolutions with dense weights, but biases or scales in few bytes, which are widened first."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.kernels.coded_conv import WIDE_BYTES, CodedConvKernel, aligned4
from freeml.kernels.conv_work import conv_counts, conv_visit
from freeml.kernels.kernel import KernelCall
from freeml.kernels.layer import Fields, Table
from freeml.kernels.packing import packed
from freeml.kernels.reads import Ints
from freeml.kernels.variants import Variant
from freeml.kernels.work import LoopCounts, far, named


class ConvPlainKernel(CodedConvKernel):
    """fml_coded_conv_plain_i8 around fml_conv_i8."""

    name = "plain"
    inner = "fml_conv_i8"

    def counts(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        visit = conv_visit(graph, op, call.n_units, n)
        inner = conv_counts(graph, op, self.inner, visit, variant, is_even=call.is_even)
        own = {"call": np.ones_like(n), "wide": np.minimum(n, graph.types[op.output].shape[2])}
        where = {f"{self.inner.removeprefix('fml_').removesuffix('_i8')}.far": far(call.n_units, n)}
        return inner | where | named(f"coded_conv_{self.name}", own)

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        """What fml_conv_i8 takes, and wide biases and scales behind it."""
        return aligned4(inner_scratch(graph, op, variant)) + WIDE_BYTES * graph.types[op.output].shape[2]

    def own_fields(self, graph: Graph, op: ConvI8, variant: Variant) -> Fields:
        return ((".conv_scratch_bytes", str(inner_scratch(graph, op, variant))),)

    def stored(self, graph: Graph, op: ConvI8, variant: Variant) -> tuple[dict[str, Table], Mapping[str, int]]:
        rows = packed(variant.rows, graph.consts[op.inputs[1]].array, op.groups)
        return {"weight": Table(rows, aligned=variant.reads_words, far=True)}, {}


class ConvDepthwiseKernel(ConvPlainKernel):
    """fml_coded_conv_depthwise_i8 around fml_depthwise_i8."""

    name = "depthwise"
    inner = "fml_depthwise_i8"

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        return WIDE_BYTES * graph.types[op.output].shape[2]

    def own_fields(self, graph: Graph, op: ConvI8, variant: Variant) -> Fields:
        return ()

    def stored(self, graph: Graph, op: ConvI8, variant: Variant) -> tuple[dict[str, Table], Mapping[str, int]]:
        weight = graph.consts[op.inputs[1]].array
        return {"weight": Table(weight[:, :, :, 0].transpose(1, 2, 0), far=True)}, {}


def inner_scratch(graph: Graph, op: ConvI8, variant: Variant) -> int:
    """What fml_conv_i8 takes."""
    return variant.conv_scratch(prod(op.window.kernel), graph.types[op.inputs[0]].shape[2] // op.groups)
