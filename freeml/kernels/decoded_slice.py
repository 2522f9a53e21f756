"""Kernels of convolutions whose weights are decoded, some output channels in each call: units are pixels, and each row
of weights is decoded once for all that a tile has of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.types import Array, Const
from freeml.kernels.coded_conv import WIDE_BYTES, CodedConvKernel, aligned4
from freeml.kernels.coded_conv_plain import inner_scratch
from freeml.kernels.coded_formats import ans_rows
from freeml.kernels.conv_work import Visit, conv_counts, padded_pixels, pairs_of_rows
from freeml.kernels.decoded_conv import code_bits
from freeml.kernels.kernel import KernelCall, Units
from freeml.kernels.layer import Fields, Layer
from freeml.kernels.reads import Ints, Read, touched, windowed
from freeml.kernels.variants import Variant
from freeml.kernels.work import QUAD, REQUANT_BYTES, LoopCounts, far, named


class DecodedSliceKernel(CodedConvKernel):
    """fml_decoded_slice_<name>_i8 around fml_conv_i8; `Graph.slices` says how many channels a call has."""

    family = "decoded_slice"
    header = "fml_decoded_slice.h"

    def __init__(self, name: str) -> None:
        self.name = name

    def units(self, graph: Graph, op: ConvI8) -> tuple[Units, ...]:
        height, width, channels = graph.types[op.output].shape
        step = graph.slices[op.output]
        firsts = enumerate(range(0, channels, step))
        return tuple(Units(k, height * width, min(step, channels - o), channels, o) for k, o in firsts)

    def like(self, graph: Graph, op: ConvI8, operand: int) -> int:
        """The first call that decodes as many rows, those before its own included."""
        rows = _rows_decoded(graph, op)
        return int(np.flatnonzero(rows == rows[operand])[0])

    def per_row(self, const: Const) -> Mapping[str, Array]:
        """What decoding each row takes, by name of a count: (rows,) each."""
        return {"weight": np.full(const.shape[0], const.array.size // const.shape[0])}

    def has_parts(self, graph: Graph, op: ConvI8) -> bool:
        return False

    def reads(self, graph: Graph, op: ConvI8, operand: int) -> tuple[Read, ...]:
        return (windowed(graph, op, op.window, pixels=True),)

    def read_bytes(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        """Windows gathered, and what is stored of the rows of the call once."""
        const, channels = graph.consts[op.inputs[1]], graph.types[op.output].shape[2]
        decoded = int(_rows_decoded(graph, op)[call.operand])
        own = -(-const.size_bytes * decoded // channels) + REQUANT_BYTES * call.unit_bytes
        return n * call.macs, np.full_like(n, own)

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        rows = graph.slices[op.output]
        block = variant.block_bytes(self.products(graph, op), rows)
        return aligned4(block) + aligned4(WIDE_BYTES * rows) + aligned4(inner_scratch(graph, op, variant))

    def own_fields(self, graph: Graph, op: ConvI8, variant: Variant) -> Fields:
        return (
            *code_bits(graph, op),
            (".block_rows", str(graph.slices[op.output])),
            (".run", "0"),
            (".conv_scratch_bytes", str(inner_scratch(graph, op, variant))),
        )

    def counts(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        rows, one = call.unit_bytes, np.ones_like(n)
        visit = _visit(graph, op, rows, n)
        inner = conv_counts(graph, op, "fml_conv_i8", visit, variant, is_even=call.is_even)
        per_row = self.per_row(graph.consts[op.inputs[1]])
        decoded = {name: one * _most(graph, op, call.operand, each) for name, each in per_row.items()}
        own = {"call": one, "row": one * rows, **decoded}
        where = {"conv.far": far(call.n_units * rows, n)}
        return inner | where | named(f"{self.family}_{self.name}", own)

    def layer(self, graph: Graph, op: ConvI8, operand: int, variant: Variant) -> Layer:
        units = self.units(graph, op)[operand]
        step, rows = graph.slices[op.output], units.unit_bytes
        first = f"(uint16_t)({step}u * (layer - {{first_row}}u))"  # one text, and so one case, for all but a last one
        call = f"{self.kernel}({{d}}, {{x0}}, y, scratch, {first}, {rows}u, first, n)"
        made = super().layer(graph, op, operand, variant)
        return replace(made, call=call, part="", part_in="", is_shared=True)


class AnsSliceKernel(DecodedSliceKernel):
    """fml_decoded_slice_ans_i8, which looks for each value in the codebook, the frequent ones first."""

    def __init__(self) -> None:
        super().__init__("ans")

    def per_row(self, const: Const) -> Mapping[str, Array]:
        found = ans_rows(const)
        return {"weight": found["symbol"], "step": found["step"], "byte": found["byte"]}


def _spans(graph: Graph, op: ConvI8) -> tuple[Ints, Ints]:
    """Of each call, the row that decoding begins with, at or before its first one, and the one behind its last."""
    step, channels = graph.slices[op.output], graph.types[op.output].shape[2]
    firsts = np.arange(0, channels, step, dtype=np.int64)
    point = graph.consts[op.inputs[1]].stored.numbers.get("rows", 1)
    return firsts // point * point, np.minimum(firsts + step, channels)


def _rows_decoded(graph: Graph, op: ConvI8) -> Ints:
    """By each call, its own and those before them."""
    begin, end = _spans(graph, op)
    return end - begin


def _most(graph: Graph, op: ConvI8, operand: int, per_row: Array) -> int:
    """The most that decoding takes of calls for as many rows as this one."""
    begin, end = _spans(graph, op)
    up_to = np.concatenate([[0], np.cumsum(per_row)])
    taken = (up_to[end] - up_to[begin])[end - begin == end[operand] - begin[operand]]
    return int(taken.max())


def _visit(graph: Graph, op: ConvI8, rows: int, n: Ints) -> Visit:
    """One call of fml_conv_i8 for n whole pixels of a convolution of so many output channels."""
    height, width, _ = graph.types[op.output].shape
    return Visit(
        calls=np.ones_like(n),
        rows=touched(n, width, height),
        pixels=n,
        partial=0 * n,
        windows=n,
        pairs=pairs_of_rows(n * rows, rows, 1),
        padded=padded_pixels(op, graph.types[op.inputs[0]].shape, (height, width), n),
        outputs=n * rows,
        alone=n * (rows % QUAD),
    )
