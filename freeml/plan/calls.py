"""The kernel calls of a planned graph, in execution order, and where each writes."""

from __future__ import annotations

from collections.abc import Iterator

from freeml.ir.graph import Graph
from freeml.ir.ops import Concat, Reshape
from freeml.kernels.kernel import KernelCall
from freeml.kernels.table import kernel_of
from freeml.plan.memory import MemoryPlan


def kernel_calls(graph: Graph, plan: MemoryPlan) -> Iterator[KernelCall]:
    """The calls of a graph. A Reshape has none, nor has a Concat for an input that is placed in its output."""
    for op in graph.ops:
        if isinstance(op, Reshape) and op.inputs[0] in graph.types:
            continue
        kernel = kernel_of(graph, op)
        macs, at = kernel.products(graph, op), plan.offset_bytes[op.output]
        for units in kernel.units(graph, op):
            if isinstance(op, Concat) and plan.placed.get(op.inputs[units.operand]) == (op.output, units.at_bytes):
                continue
            yield KernelCall(
                op=op,
                operand=units.operand,
                n_units=units.n,
                unit_bytes=units.unit_bytes,
                unit_stride_bytes=units.stride_bytes,
                offset_bytes=at + units.at_bytes,
                macs=macs,
                has_parts=macs > 1 and kernel.has_parts(graph, op),
                is_even=plan.offset_bytes.get(op.inputs[0], 1) % 2 == 0,
            )
