"""Functions of one value that follow each other are one table: what lies between them needs no codes, and no scale.

The value in between would be rounded to 256 levels of its own, which the model never asked for: a clamp that stands for
the saturation of a scale, behind a tanh, would see the 256 levels of tanh.
"""

from __future__ import annotations

from freeml.ir.decision import decide
from freeml.ir.graph import Graph
from freeml.ir.ops import Binary, Op, Unary


def is_table(graph: Graph, op: Op) -> bool:
    """Whether an op is a function of one value alone: Unary, or Binary with one number."""
    if isinstance(op, Binary):
        const = graph.consts.get(op.inputs[1])
        return const is not None and const.array.size == 1 and op.inputs[0] in graph.types
    return isinstance(op, Unary)


def inner_values(graph: Graph) -> frozenset[str]:
    """Results of such functions that only another one reads, and to which the model gave no scale.

    What the device decides by is none of them: it must have codes.
    """
    found = set()
    decision = decide(graph)
    for op in graph.ops:
        if decision is not None and op.output == decision.value:
            continue
        if is_table(graph, op) and graph.uses[op.output] == 1 and graph.types[op.output].quant is None:
            readers = graph.readers(op.output)
            if readers and is_table(graph, readers[0]):
                found.add(op.output)
    return frozenset(found)
