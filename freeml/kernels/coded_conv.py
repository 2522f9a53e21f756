"""Kernels of convolutions whose weights are stored in another form: what all of them have; `coded_convs.py` lists them.

A tile is any range of outputs, pixel by pixel. What is decoded serves all pixels of a tile, or as many as are computed
together; decoding begins at a restart point before the first channel that is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.kernels.coded import requant
from freeml.kernels.conv_kind import is_depthwise
from freeml.kernels.kernel import Kernel, KernelCall
from freeml.kernels.layer import Fields, Layer, Table, check_sizes, image_fields, window_fields
from freeml.kernels.reads import Ints, Read, touched, windowed
from freeml.kernels.variants import Variant
from freeml.kernels.work import REQUANT_BYTES, LoopCounts, bits, named

HEADER = "fml_coded_conv.h"
WIDE_BYTES = 7  # FML_WIDE_BYTES of fml_coded_widen.h


class CodedConvKernel(Kernel[ConvI8]):
    """fml_<family>_<name>_i8 and its part. inputs: x, weight, bias, mult, shift."""

    name: str
    family = "coded_conv"
    header = HEADER

    @property
    def kernel(self) -> str:
        """Its function and file."""
        return f"fml_{self.family}_{self.name}_i8"

    def products(self, graph: Graph, op: ConvI8) -> int:
        return prod(graph.type_of(op.inputs[1]).shape[1:])

    def has_parts(self, graph: Graph, op: ConvI8) -> bool:
        return not is_depthwise(op, graph)

    def reads(self, graph: Graph, op: ConvI8, operand: int) -> tuple[Read, ...]:
        return (windowed(graph, op, op.window),)

    def part_read(self, graph: Graph, op: ConvI8) -> Read:
        return windowed(graph, op, op.window)

    def part_counts(self, graph: Graph, op: ConvI8, macs: Ints) -> LoopCounts:
        """A row is decoded up to the last product, and from a restart point on."""
        const, one = graph.consts[op.inputs[1]], np.ones_like(macs)
        found = {
            "call": one,
            "row": one * (1 if const.encoding is None else const.stored.numbers.get("rows", 1)),
            "weight": one * self.products(graph, op),
            "mac": macs,
            "bit": one * bits(graph.consts[op.inputs[4]].array),
        }
        return named(f"{self.family}_{self.name}_part", found)

    def read_bytes(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        """Windows gathered, and each stored byte once for each pixel."""
        const, channels = graph.consts[op.inputs[1]], graph.types[op.output].shape[2]
        group = channels // op.groups
        share = const.size_bytes * n
        return touched(n, group, call.n_units // group) * call.macs, -(-share // channels) + n * REQUANT_BYTES

    def stored(self, graph: Graph, op: ConvI8, variant: Variant) -> tuple[dict[str, Table], Mapping[str, int]]:
        """Tables of the weights by what they hold, and numbers that go with them."""
        stored = graph.consts[op.inputs[1]].stored
        far = ("weight", "index")
        return {name: Table(array, far=name in far) for name, array in stored.sections.items()}, stored.numbers

    def own_fields(self, graph: Graph, op: ConvI8, variant: Variant) -> Fields:
        """Of the descriptor, those of some formats."""
        return ()

    def layer(self, graph: Graph, op: ConvI8, operand: int, variant: Variant) -> Layer:
        x, weight = graph.types[op.inputs[0]].shape, graph.consts[op.inputs[1]]
        y = (*op.window.out_size(x[0], x[1]), weight.shape[0])
        scratch, products = self.scratch_bytes(graph, op, variant), self.products(graph, op)
        check_sizes(op, height=max(x[0], y[0]), width=max(x[1], y[1]), channels=max(x[2], y[2]), products=products)
        tables, numbers = self.stored(graph, op, variant)
        scales, narrow = requant(graph, op)
        known = {".restart": "restart", ".codebook": "codebook"}
        rows: Fields = (
            (".w", "@weight"),
            (".index", "@index" if "index" in tables else "@weight"),
            (".bias", "@bias"),
            (".mult", "@mult"),
            (".shift", "@shift"),
            *((field, f"@{section}") for field, section in known.items() if section in tables),
            (".n_in", str(products)),
            (".n_out", str(weight.shape[0])),
            *((f".{name}", str(number)) for name, number in numbers.items()),
            (".narrow", f"{narrow}u"),
            (".y_zp", str(op.y_zp)),
            (".lo", str(op.lo)),
            (".hi", str(op.hi)),
        )
        fields = (
            *((f".rows{name}", value) for name, value in rows),
            *((name, value) for name, value in image_fields(x, y) if name != ".out_c"),
            (".groups", str(op.groups)),
            *window_fields(op.window),
            (".x_zp", str(op.x_zp)),
            *self.own_fields(graph, op, variant),
        )
        call = f"{self.kernel}({{d}}, {{x0}}, y, scratch, first, n)"
        return Layer(
            kernel=self.kernel,
            struct="fml_coded_conv_t",
            fields=fields,
            tables={**tables, **scales},
            call=call,
            scratch_bytes=scratch,
            part=f"{self.family}_{self.name}",
            part_in=self.kernel,
            header=self.header,
        )


def is_narrow(graph: Graph, op: ConvI8) -> bool:
    """Whether biases or scales are stored in fewer bytes than kernels of dense weights read."""
    return any(graph.consts[name].encoding is not None for name in op.inputs[2:] if name in graph.consts)


def aligned4(n_bytes: int) -> int:
    """Rounded up to a multiple of 4."""
    return -(-n_bytes // 4) * 4
