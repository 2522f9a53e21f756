"""The kernel calls of a planned graph, in execution order, and where each writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from freeml.ir.graph import Graph
from freeml.ir.ops import Concat, Op, Reshape
from freeml.kernels.kernel import KernelCall
from freeml.kernels.table import kernel_of
from freeml.plan.memory import MemoryPlan


def calls_of(graph: Graph, op: Op) -> Iterator[KernelCall]:
    """The calls of one op, wherever its values will lie: offsets are those in its output, the input is even."""
    kernel = kernel_of(graph, op)
    macs = kernel.products(graph, op)
    for units in kernel.units(graph, op):
        yield KernelCall(
            op=op,
            operand=units.operand,
            n_units=units.n,
            unit_bytes=units.unit_bytes,
            unit_stride_bytes=units.stride_bytes,
            offset_bytes=units.at_bytes,
            macs=macs,
            has_parts=macs > 1 and kernel.has_parts(graph, op),
            is_even=True,
        )


def kernel_calls(graph: Graph, plan: MemoryPlan) -> Iterator[KernelCall]:
    """The calls of a graph. A Reshape has none, nor has a Concat for an input that is placed in its output."""
    for op in graph.ops:
        if isinstance(op, Reshape) and op.inputs[0] in graph.types:
            continue
        at, is_even = plan.offset_bytes[op.output], plan.offset_bytes.get(op.inputs[0], 1) % 2 == 0
        for call in calls_of(graph, op):
            if isinstance(op, Concat) and plan.placed.get(op.inputs[call.operand]) == (op.output, call.offset_bytes):
                continue
            yield replace(call, offset_bytes=at + call.offset_bytes, is_even=is_even)
