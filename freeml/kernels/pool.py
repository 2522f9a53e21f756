"""Kernels of pools: maximum and average over windows."""

from __future__ import annotations

from math import prod
from typing import TypeVar

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import AvgPoolI8, MaxPoolI8
from freeml.kernels.kernel import Kernel, KernelCall
from freeml.kernels.layer import Fields, Layer, Table, check_sizes, image_fields, window_fields
from freeml.kernels.reads import Ints, Read, touched, windowed
from freeml.kernels.variants import Variant
from freeml.kernels.work import QUAD, LoopCounts, bits, far, named

P = TypeVar("P", MaxPoolI8, AvgPoolI8)


class _PoolKernel(Kernel[P]):
    """Windows over the pixels of each channel."""

    def reads(self, graph: Graph, op: P, operand: int) -> tuple[Read, ...]:
        return (windowed(graph, op, op.window),)

    def window_counts(self, graph: Graph, op: P, n: Ints, n_units: int) -> LoopCounts:
        """What both kinds of pools do, without the name of the kernel."""
        height, width, channels = graph.types[op.output].shape
        k_h, k_w = op.window.kernel
        pixels = touched(n, channels, height * width)
        partial = np.where(n % channels == 0, 0, np.minimum(pixels, 2))
        alone = np.minimum(n, (pixels - partial) * (channels % QUAD) + partial * (QUAD - 1))
        quads = -(-n // QUAD)
        return {
            "call": np.ones_like(n),
            "row": touched(n, width * channels, height),
            "pixel": pixels,
            "tap": pixels * k_h * k_w,
            "byte": n * k_h * k_w,
            "output": n,
            "quad": quads,
            "quad_row": quads * k_h,
            "quad_tap": quads * k_h * k_w,
            "alone": alone,
            "alone_row": alone * k_h,
            "alone_tap": alone * k_h * k_w,
            "far": far(n_units, n),
        }

    def window_layer(self, graph: Graph, op: P, kernel: str, fields: Fields, tables: dict[str, Table]) -> Layer:
        """The call of a kernel whose descriptor has these fields behind those of the window."""
        x, y = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
        check_sizes(op, height=max(x[0], y[0]), width=max(x[1], y[1]), channels=x[2])
        image: Fields = tuple((name.replace(".in_c", ".c"), v) for name, v in image_fields(x, y) if name != ".out_c")
        shared: Fields = (
            *image,
            *window_fields(op.window),
            (".pad_b", str(op.window.pad[2])),
            (".pad_r", str(op.window.pad[3])),
            (".lo", str(op.lo)),
            (".hi", str(op.hi)),
        )
        return Layer(kernel, "fml_pool_t", (*shared, *fields), tables, f"{kernel}({{d}}, {{x0}}, y, first, n)")


class MaxPoolKernel(_PoolKernel[MaxPoolI8]):
    """fml_maxpool_i8."""

    def in_place_operands(self, graph: Graph, op: MaxPoolI8) -> tuple[str, ...]:
        """Without padding at the top and the left.

        Kernels write pixel i = oy * OW + ox after all reads of pixels before it, and the first pixel that window i
        reads is f(i) = oy * sh * W + ox * sw. f(i) >= i, because sh, sw >= 1, and OW <= W as every window begins inside
        the input. Hence pixels > i only read positions > i, which are not written yet. Within a pixel, channel c is
        written after its own taps are read, and channels > c are read at higher addresses, as f(i) >= i.
        """
        return op.inputs[:1] if op.window.pad[:2] == (0, 0) else ()

    def counts(self, graph: Graph, op: MaxPoolI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        counts = self.window_counts(graph, op, n, call.n_units)
        if op.lo > -128 or op.hi < 127:
            counts["clamped"] = n
        return named("maxpool", counts)

    def read_bytes(self, graph: Graph, op: MaxPoolI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        return n * prod(op.window.kernel), 0 * n

    def layer(self, graph: Graph, op: MaxPoolI8, operand: int, variant: Variant) -> Layer:
        return self.window_layer(graph, op, "fml_maxpool_i8", (), {})


class AvgPoolKernel(_PoolKernel[AvgPoolI8]):
    """fml_avgpool_i8."""

    def counts(self, graph: Graph, op: AvgPoolI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        counts = self.window_counts(graph, op, n, call.n_units)
        counts["bit"] = n * bits(graph.consts[op.inputs[2]].array)
        return named("avgpool", counts)

    def read_bytes(self, graph: Graph, op: AvgPoolI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        return n * prod(op.window.kernel), 3 * n

    def layer(self, graph: Graph, op: AvgPoolI8, operand: int, variant: Variant) -> Layer:
        names = zip(("mult", "shift"), op.inputs[1:], strict=True)
        tables = {name: Table(graph.consts[const].array) for name, const in names}
        fields = (
            (".x_zp", str(op.x_zp)),
            (".y_zp", str(op.y_zp)),
            (".include_pad", str(int(op.include_pad))),
            (".n_mult", str(tables["mult"].array.size)),
            (".mult", "@mult"),
            (".shift", "@shift"),
        )
        return self.window_layer(graph, op, "fml_avgpool_i8", fields, tables)
