"""The kernel of convolutions with weights by gaps: of each row only what is not zero."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.types import Array, Const
from freeml.kernels.coded_conv import WIDE_BYTES, CodedConvKernel, aligned4, is_narrow
from freeml.kernels.coded_conv_work import Cuts, cuts, most_of_run, most_of_units
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Ints, touched
from freeml.kernels.variants import Variant
from freeml.kernels.work import LoopCounts, named, odd_shifts

_ESCAPE = 255


class ConvGapsKernel(CodedConvKernel):
    """fml_coded_conv_gaps_i8."""

    name = "gaps"

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        """Columns of the pixels that share an entry, and biases and scales where a routine wants them wide."""
        columns = self.products(graph, op) * variant.gap_pixels
        if variant.gap_pixels > 1 or not is_narrow(graph, op):
            return columns
        return aligned4(columns) + WIDE_BYTES * graph.types[op.output].shape[2]

    def counts(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        const, one = graph.consts[op.inputs[1]], np.ones_like(n)
        height, width, channels = graph.types[op.output].shape
        pixels = touched(n, channels, height * width)
        group = channels // op.groups
        windows = touched(n, group, call.n_units // group)
        k_h, k_w = op.window.kernel
        in_c = graph.types[op.inputs[0]].shape[2]
        found = {
            "call": one,
            "window": windows,
            "run": windows * (k_h if op.window.dilation[1] * in_c == const.shape[-1] else k_h * k_w),
            "byte": windows * call.macs,
            "output": n,
            "odd": odd_shifts(graph, op.inputs[4], n, pixels),
            "wide": np.minimum(n, channels) * (variant.gap_pixels == 1 and is_narrow(graph, op)),
        }
        cut = cuts(n, channels, pixels)
        step = const.stored.numbers["rows"]
        for name, each in _entries(const).items():
            before = int(most_of_run(each, np.array([min(step, channels) - 1]))[0])
            is_point = (n % channels == 0) | (np.gcd(n, channels) % step == 0)
            found[f"skip_{name}"] = np.where(is_point, 0, before)
            found |= _together(name, each, n, cut, variant.gap_pixels)
        return named("coded_conv_gaps", found)


def _together(name: str, per_row: Ints, n: Ints, cut: Cuts, lanes: int) -> dict[str, Ints]:
    """What pixels alone, and pixels that share entries, take of what each row has."""
    if lanes == 1:
        return {name: most_of_units(per_row, n)}
    alone = ((cut.whole % lanes == 1) | (cut.more * ((cut.whole - 1) % lanes == 1) > 0)).astype(np.int64)
    shared = cut.whole // lanes + (cut.whole % lanes > 1)
    each = int(per_row.sum())
    return {name: most_of_run(per_row, cut.rest) + (alone + cut.more) * each, f"all_{name}": shared * each}


@lru_cache(maxsize=256)
def _entries(const: Const) -> Mapping[str, Array]:
    """Of each row: itself, its entries, and the escapes among its gaps."""
    rows = const.array.reshape(const.shape[0], -1)
    zeros = [np.diff(np.flatnonzero(row), prepend=-1) - 1 for row in rows]
    return {
        "row": np.ones(len(rows), np.int64),
        "entry": np.count_nonzero(rows, axis=1).astype(np.int64),
        "escape": np.array([int((gaps // _ESCAPE).sum()) for gaps in zeros], np.int64),
    }
