"""Kernels of convolutions whose weights are decoded into SRAM first: each row once for all pixels of a tile, or for all
that a tile has of a block of rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.stored_codes import Codes
from freeml.kernels.coded_conv import WIDE_BYTES, CodedConvKernel, aligned4
from freeml.kernels.coded_conv_plain import inner_scratch
from freeml.kernels.coded_conv_work import cuts
from freeml.kernels.conv_work import Visit, conv_counts, conv_visit
from freeml.kernels.kernel import KernelCall
from freeml.kernels.layer import Fields
from freeml.kernels.reads import Ints, touched
from freeml.kernels.variants import Variant
from freeml.kernels.work import NEAR_UNITS, LoopCounts, far, named

HEADER = "fml_decoded_conv.h"
_OUTPUT_BYTES = 128  # of the pixels that a block of some rows computes in one call, where a pixel has no more


class DecodedConvKernel(CodedConvKernel):
    """fml_decoded_conv_<name>_i8 around fml_conv_i8."""

    family = "decoded_conv"
    header = HEADER

    def __init__(self, name: str) -> None:
        self.name = name

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        rows, channels = self.block_rows(graph, op, variant), graph.types[op.output].shape[2]
        block = variant.block_bytes(self.products(graph, op), rows // op.groups) * op.groups
        whole = aligned4(block) + aligned4(WIDE_BYTES * rows) + aligned4(inner_scratch(graph, op, variant))
        return whole + (0 if rows == channels else _run(graph, op, rows) * rows)

    def own_fields(self, graph: Graph, op: ConvI8, variant: Variant) -> Fields:
        rows = self.block_rows(graph, op, variant)
        return (
            *code_bits(graph, op),
            (".block_rows", str(rows)),
            (".run", str(_run(graph, op, rows))),
            (".conv_scratch_bytes", str(inner_scratch(graph, op, variant))),
        )

    def block_rows(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        """All rows where they do not take too much memory, or where there are groups; else as many as do, in fours."""
        channels, products = graph.types[op.output].shape[2], self.products(graph, op)
        if op.groups > 1 or variant.block_bytes(products, channels) <= variant.most_block_bytes:
            return channels
        most = max(1, variant.most_block_bytes // products)
        return most // 4 * 4 if most >= 4 else most

    def counts(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        channels, rows = graph.types[op.output].shape[2], self.block_rows(graph, op, variant)
        one, products = np.ones_like(n), self.products(graph, op)
        if rows == channels:
            visit, decoded, moved = conv_visit(graph, op, call.n_units, n), np.minimum(n, channels), 0 * n
        else:
            visit, decoded = _blocks(graph, op, call, n, rows)
            moved = n
        where = {"conv.far": far(call.n_units, n) if rows == channels else visit.calls * (call.n_units > NEAR_UNITS)}
        inner = conv_counts(graph, op, "fml_conv_i8", visit, variant, is_even=call.is_even)
        own = {"call": one, "row": decoded, "weight": decoded * products, "moved": moved}
        return inner | where | named(f"{self.family}_{self.name}", own)


class DecodedDepthwiseKernel(CodedConvKernel):
    """fml_decoded_conv_depthwise_i8 around fml_depthwise_i8, of codes into a list of values."""

    family = "decoded_conv"
    header = HEADER
    name = "depthwise"

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        channels, taps = graph.types[op.output].shape[2], self.products(graph, op)
        return aligned4(channels * taps + taps) + WIDE_BYTES * channels

    def own_fields(self, graph: Graph, op: ConvI8, variant: Variant) -> Fields:
        return code_bits(graph, op)

    def counts(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        visit = conv_visit(graph, op, call.n_units, n)
        inner = conv_counts(graph, op, "fml_depthwise_i8", visit, variant, is_even=call.is_even)
        rows = np.minimum(n, graph.types[op.output].shape[2])
        own = {"call": np.ones_like(n), "row": rows, "weight": rows * self.products(graph, op)}
        return inner | {"depthwise.far": far(call.n_units, n)} | named("decoded_conv_depthwise", own)


def code_bits(graph: Graph, op: ConvI8) -> Fields:
    """Of the codes into a list of values; nothing where weights are stored in another form."""
    form = ENCODINGS[str(graph.consts[op.inputs[1]].encoding)]
    return ((".rows.value_bits", str(form.bits)),) if isinstance(form, Codes) else ()


def _run(graph: Graph, op: ConvI8, rows: int) -> int:
    """Pixels that a block of some rows computes in one call: an even number where it may be."""
    height, width, _ = graph.types[op.output].shape
    most = max(1, min(height * width, _OUTPUT_BYTES // rows))
    return most // 2 * 2 if most > 1 else most


def _blocks(graph: Graph, op: ConvI8, call: KernelCall, n: Ints, rows: int) -> tuple[Visit, Ints]:
    """Calls of fml_conv_i8 for blocks of so many rows of whole pixels, and of those that are cut; and rows decoded."""
    height, width, channels = graph.types[op.output].shape
    pixels = touched(n, channels, height * width)
    cut, run = cuts(n, channels, pixels), _run(graph, op, rows)
    blocks = -(-channels // rows)
    cut_blocks = np.where(cut.cut > 0, (cut.rest + cut.more * channels) // rows + 2, 0)
    passes, last = cut.whole // run, cut.whole % run
    calls = blocks * -(-cut.whole // run) + cut_blocks
    visits = blocks * cut.whole + cut_blocks
    pair_rows = sum(-(-min(rows, channels - first) // 2) for first in range(0, channels, rows))
    cut_pairs = np.where(cut.cut > 0, -(-(cut.rest + cut.more * channels) // 2) + cut_blocks, 0)
    pairs = pair_rows * (passes * -(-run // 2) + -(-last // 2)) + cut_pairs
    base = conv_visit(graph, op, call.n_units, n)
    alone = sum(min(rows, channels - first) % 4 for first in range(0, channels, rows)) * cut.whole + 3 * cut_blocks
    visit = replace(
        base,
        calls=calls,
        rows=calls + touched(n, channels * width, height) * blocks,
        pixels=visits,
        partial=0 * n,
        windows=visits,
        pairs=pairs,
        padded=np.minimum(base.padded * blocks, visits),
        alone=np.minimum(n, alone),
    )
    decoded = np.where(cut.whole > 0, channels, 0) + np.where(cut.cut > 0, cut.rest + cut.more * channels, 0)
    return visit, decoded
