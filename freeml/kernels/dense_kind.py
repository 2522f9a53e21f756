"""What kernels of fully connected layers have in common, however the weights are stored."""

from __future__ import annotations

from math import prod

from freeml.ir.graph import Graph
from freeml.ir.int_ops import DenseI8
from freeml.kernels.kernel import Kernel
from freeml.kernels.reads import Read, whole


class FullyConnected(Kernel[DenseI8]):
    """A unit is an output, which reads the whole input, or a part of it. inputs: x, weight, bias, mult, shift."""

    def products(self, graph: Graph, op: DenseI8) -> int:
        return prod(graph.type_of(op.inputs[1]).shape[1:])

    def has_parts(self, graph: Graph, op: DenseI8) -> bool:
        return True

    def reads(self, graph: Graph, op: DenseI8, operand: int) -> tuple[Read, ...]:
        return (whole(graph, op, op.inputs[0]),)

    def part_read(self, graph: Graph, op: DenseI8) -> Read:
        read = whole(graph, op, op.inputs[0])
        return Read(read.value, read.n_bytes, read.group_units, 0, 0, 0)
