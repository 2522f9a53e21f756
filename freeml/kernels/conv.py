"""The kernels of convolutions: fml_conv_i8, and fml_pointwise_i8 and fml_depthwise_i8 for two that need no column."""

from __future__ import annotations

from math import prod

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, ConvPoolI8
from freeml.kernels.coded_convs import coded_conv_kernel
from freeml.kernels.conv_kind import conv_kernel, is_depthwise, is_pointwise, short_name
from freeml.kernels.conv_work import conv_counts, conv_visit
from freeml.kernels.kernel import Kernel, KernelCall
from freeml.kernels.layer import (
    REQUANT_FIELDS,
    Layer,
    Table,
    check_sizes,
    image_fields,
    requant_tables,
    window_fields,
)
from freeml.kernels.packing import packed
from freeml.kernels.reads import Ints, Read, grouped, touched, windowed
from freeml.kernels.variants import Variant
from freeml.kernels.work import REQUANT_BYTES, LoopCounts, bits, far, named


class ConvKernel(Kernel[ConvI8]):
    """inputs: x, weight, bias, mult, shift. One output in parts: fml_conv_part_i8, of any but depthwise ones."""

    def chosen(self, graph: Graph, op: ConvI8) -> Kernel[ConvI8]:
        return coded_conv_kernel(graph, op) or self

    def products(self, graph: Graph, op: ConvI8) -> int:
        return prod(graph.type_of(op.inputs[1]).shape[1:])

    def param_names(self, graph: Graph, op: ConvI8) -> tuple[str, ...]:
        return op.inputs[1:3]

    def has_parts(self, graph: Graph, op: ConvI8) -> bool:
        return not is_depthwise(op, graph)

    def reads(self, graph: Graph, op: ConvI8, operand: int) -> tuple[Read, ...]:
        if not is_pointwise(op):
            return (windowed(graph, op, op.window),)
        in_c, out_c = graph.types[op.inputs[0]].shape[2], graph.types[op.output].shape[2]
        return (grouped(graph, op, op.inputs[0], out_c, in_c, 0, in_c),)

    def part_read(self, graph: Graph, op: ConvI8) -> Read:
        (read,) = self.reads(graph, op, 0)
        return Read(read.value, read.n_bytes, read.group_units, read.step_bytes, 0, 0) if is_pointwise(op) else read

    def counts(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        kernel = conv_kernel(op, graph, variant)
        counts = conv_counts(graph, op, kernel, conv_visit(graph, op, call.n_units, n), variant, is_even=call.is_even)
        return counts | {f"{short_name(kernel)}.far": far(call.n_units, n)}

    def part_counts(self, graph: Graph, op: ConvI8, macs: Ints) -> LoopCounts:
        weight = graph.type_of(op.inputs[1]).shape
        one, channels = np.ones_like(macs), weight[-1]
        taps = np.minimum(-(-macs // channels) + (channels > 1), prod(weight[1:3]))
        bit = one * bits(graph.consts[op.inputs[4]].array)
        beyond = far(graph.types[op.output].n_elems, macs)
        return named("conv_part", {"call": one, "tap": taps, "mac": macs, "bit": bit, "far": beyond})

    def read_bytes(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        return conv_read_bytes(graph, op, call, n), n * (call.macs + REQUANT_BYTES)

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        """Columns of fml_conv_i8; the others need none."""
        if conv_kernel(op, graph, variant) != "fml_conv_i8":
            return 0
        return variant.conv_scratch(prod(op.window.kernel), graph.types[op.inputs[0]].shape[2] // op.groups)

    def layer(self, graph: Graph, op: ConvI8, operand: int, variant: Variant) -> Layer:
        x = graph.types[op.inputs[0]].shape
        weight = graph.consts[op.inputs[1]].array
        y = (*op.window.out_size(x[0], x[1]), weight.shape[0])
        kernel, scratch = conv_kernel(op, graph, variant), self.scratch_bytes(graph, op, variant)
        check_sizes(op, height=max(x[0], y[0]), width=max(x[1], y[1]), channels=max(x[2], y[2]), one_column=scratch)
        fields = (
            (".w", "@weight"),
            *REQUANT_FIELDS,
            *image_fields(x, y),
            (".groups", str(op.groups)),
            *window_fields(op.window),
            (".x_zp", str(op.x_zp)),
            (".y_zp", str(op.y_zp)),
            (".lo", str(op.lo)),
            (".hi", str(op.hi)),
        )
        if kernel == "fml_depthwise_i8":
            stored, part = Table(weight[:, :, :, 0].transpose(1, 2, 0), far=True), ""
        else:
            rows = packed(variant.rows, weight, op.groups)
            stored, part = Table(rows, aligned=variant.reads_words, far=True), "conv"
        tables = {"weight": stored, **requant_tables(graph, *op.inputs[2:])}
        call = f"{kernel}({{d}}, {{x0}}, y{', scratch' if scratch else ''}, first, n)"
        return Layer(kernel, "fml_conv_t", fields, tables, call, scratch, part)


def conv_read_bytes(graph: Graph, op: ConvI8 | ConvPoolI8, call: KernelCall, n: Ints) -> Ints:
    """Bytes of the input that n units read, of a convolution alone or before a pool."""
    if is_pointwise(op) or is_depthwise(op, graph):
        return n * call.macs
    group = graph.types[op.output].shape[2] // op.groups
    return touched(n, group, call.n_units // group) * call.macs
