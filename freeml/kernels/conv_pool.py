"""The kernels of a convolution and a max pool in one: a pool over calls of the convolution's kernel."""

from __future__ import annotations

from math import prod

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvPoolI8
from freeml.ir.windows import divisors
from freeml.kernels.conv import ConvKernel, conv_read_bytes
from freeml.kernels.conv_kind import conv_kernel, short_name
from freeml.kernels.conv_work import Visit, alone_in_windows, borders, conv_counts, group_channels, pairs_of_rows
from freeml.kernels.kernel import Kernel, KernelCall
from freeml.kernels.layer import Layer, check_sizes
from freeml.kernels.reads import Ints, Read, touched, windowed
from freeml.kernels.variants import Variant
from freeml.kernels.work import NEAR_UNITS, REQUANT_BYTES, LoopCounts, named

POOL_ROW_BYTES = 256  # what a convolution before a pool computes in one call, where a single window takes no more
_CONV = ConvKernel()


class ConvPoolKernel(Kernel[ConvPoolI8]):
    """fml_conv_pool_i8, fml_pointwise_pool_i8, fml_depthwise_pool_i8: fml_conv_pool.h around the kernel of conv.py."""

    def products(self, graph: Graph, op: ConvPoolI8) -> int:
        return prod(op.pool.kernel) * prod(graph.type_of(op.inputs[1]).shape[1:])

    def macs(self, graph: Graph, op: ConvPoolI8) -> int:
        """Of the outputs of the convolution that windows of the pool reach."""
        conv_hw = op.window.out_size(*graph.types[op.inputs[0]].shape[:2])
        height, width, channels = graph.types[op.output].shape
        needed = int(divisors(op.pool, conv_hw, (height, width), include_pad=False).sum())
        return needed * channels * prod(graph.type_of(op.inputs[1]).shape[1:])

    def param_names(self, graph: Graph, op: ConvPoolI8) -> tuple[str, ...]:
        return op.inputs[1:3]

    def reads(self, graph: Graph, op: ConvPoolI8, operand: int) -> tuple[Read, ...]:
        return (windowed(graph, op, op.window, op.pool),)

    def counts(self, graph: Graph, op: ConvPoolI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        """One call of the convolution for each row of a run of whole pixels, or for each tap."""
        height, width, channels = graph.types[op.output].shape
        pool_h, pool_w = op.pool.kernel
        taps = pool_h * pool_w
        pixels = touched(n, channels, height * width)
        rows = touched(n, width * channels, height)
        cut = np.where(n % channels == 0, 0, np.minimum(pixels, 2))  # pixels not all of whose channels are wanted
        whole = pixels - cut
        runs = np.minimum(whole, whole // pool_run(op, graph) + rows)
        calls = runs * pool_h + cut * taps
        group = group_channels(op, graph)
        windows = touched(n, group, call.n_units // group)
        odd_run = (pool_run(op, graph) * pool_w) % 2 or pool_w % 2
        conv, inner = op.conv(), _with_conv(graph, op)
        visit = Visit(
            calls=calls,
            rows=calls,
            pixels=pixels * taps,
            partial=cut * taps,
            windows=windows * taps,
            pairs=pairs_of_rows(n, channels, op.groups, taps, runs * pool_h if odd_run else 0 * n),
            padded=_pool_padded(op, graph, pixels, rows),
            outputs=n * taps,
            alone=alone_in_windows(n, group, windows) * taps,
        )
        kernel = conv_kernel(op, graph, variant)
        counts = conv_counts(inner, conv, kernel, visit, variant, is_even=call.is_even)
        counts |= {f"{short_name(kernel)}.far": calls * (inner.types[conv.output].n_elems > NEAR_UNITS)}
        one, columns = np.ones_like(n), pixels * taps
        pool = {"call": one, "run": runs, "pixel": pixels, "column": columns, "byte": n * taps, "output": n}
        return counts | named("pool", pool)

    def read_bytes(self, graph: Graph, op: ConvPoolI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        constants = n * (call.macs + prod(op.pool.kernel) * REQUANT_BYTES)
        return conv_read_bytes(graph, op, call, n), constants

    def scratch_bytes(self, graph: Graph, op: ConvPoolI8, variant: Variant) -> int:
        """The convolution's, and a row of its outputs behind it."""
        row = pool_run(op, graph) * op.pool.kernel[1] * graph.types[op.output].shape[2]
        return _CONV.scratch_bytes(graph, op.conv(), variant) + row

    def layer(self, graph: Graph, op: ConvPoolI8, operand: int, variant: Variant) -> Layer:
        """The convolution's descriptor within that of the pool."""
        conv, pool, out_w = _CONV.layer(graph, op.conv(), 0, variant), op.pool, graph.types[op.output].shape[1]
        kernel = conv.kernel.removesuffix("_i8") + "_pool_i8"
        scratch = self.scratch_bytes(graph, op, variant)
        check_sizes(op, scratch=scratch)
        fields = (
            *((f".conv{name}", value) for name, value in conv.fields),
            (".pool_out_w", str(out_w)),
            (".pool_k_h", str(pool.kernel[0])),
            (".pool_k_w", str(pool.kernel[1])),
            (".pool_stride_h", str(pool.stride[0])),
            (".pool_stride_w", str(pool.stride[1])),
            (".pool_pad_t", str(pool.pad[0])),
            (".pool_pad_l", str(pool.pad[1])),
            (".run", str(pool_run(op, graph))),
            (".conv_scratch_bytes", str(conv.scratch_bytes)),
        )
        call = f"{kernel}({{d}}, {{x0}}, y, scratch, first, n)"
        return Layer(kernel, "fml_conv_pool_t", fields, conv.tables, call, scratch)


def pool_run(op: ConvPoolI8, graph: Graph) -> int:
    """Pooled pixels whose part of a row the convolution computes in one call; several only where windows touch."""
    _, out_w, channels = graph.types[op.output].shape
    if op.pool.stride[1] != op.pool.kernel[1]:
        return 1
    return max(1, min(out_w, POOL_ROW_BYTES // (op.pool.kernel[1] * channels)))


def _with_conv(graph: Graph, op: ConvPoolI8) -> Graph:
    """The graph with the convolution's own output in place of the pool's: shapes as the kernel sees them."""
    conv = op.conv()
    out = graph.types[op.output]
    out_h, out_w = op.window.out_size(*graph.types[op.inputs[0]].shape[:2])
    type_ = type(out)((out_h, out_w, out.shape[2]), out.dtype, out.quant)
    kept = {name: graph.types[name] for name in op.inputs if name in graph.types}
    consts = {name: graph.consts[name] for name in op.inputs if name in graph.consts}
    return Graph(graph.name, (), (), (conv,), {**kept, conv.output: type_}, consts, graph.stage)


def _pool_padded(op: ConvPoolI8, graph: Graph, pixels: Ints, rows: Ints) -> Ints:
    """Of the convolution's pixels below so many pooled ones, those whose window leaves the input, at most."""
    shape = graph.types[op.inputs[0]].shape
    out = op.window.out_size(*shape[:2])
    (top, bottom), (left, right) = borders(op, shape, out)
    pool_h, pool_w = op.pool.kernel
    high = np.minimum(pool_h, max(top, bottom)) * pool_w * pixels
    height = graph.types[op.output].shape[0]
    if height > 1:  # only pooled rows at the ends have them
        ends = -(-top // op.pool.stride[0]) + -(-bottom // op.pool.stride[0])
        width = graph.types[op.output].shape[1]
        high = np.minimum(high, ends * width * min(pool_h, top + bottom) * pool_w)
    sides = (left + right) * pool_h * rows
    most: Ints = np.minimum(high + sides, pixels * pool_h * pool_w)
    return most
