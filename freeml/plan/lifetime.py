"""When each value of a graph must be in memory, in steps of its op list.

Step i is op i. A value occupies memory from the step that writes it to the last step that reads it, both included,
because kernels write while they read. Inputs of the graph are there before step 0, its outputs, and what the class is
published from, until after the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from freeml.ir.decision import lasting
from freeml.ir.graph import Graph

BEFORE = -1  # the step at which the inputs of the graph are written


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """First and last step of every value.

    first  -1 for an input of the graph
    last   n_steps for an output of the graph; the step that writes it for a value that nobody reads
    """

    n_steps: int
    first: Mapping[str, int]
    last: Mapping[str, int]


def lifetimes(graph: Graph) -> Lifetimes:
    """Lifetimes of the values of a graph whose ops run in the order that they have."""
    first = {port.value: BEFORE for port in graph.inputs}
    last = dict(first)
    for step, op in enumerate(graph.ops):
        for name in op.inputs:
            if name in graph.types:
                last[name] = step
        first[op.output] = last[op.output] = step
    for value in lasting(graph):
        last[value] = len(graph.ops)
    return Lifetimes(len(graph.ops), MappingProxyType(first), MappingProxyType(last))
