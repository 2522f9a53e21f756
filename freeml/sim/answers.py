"""What inferences must say: the interpreter's outputs, and the results that freeml/ir/decision.py publishes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from freeml.ir.decision import depths, published, published_values
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.ir.types import Array
from freeml.sim.device import Answer


def codes_of(graph: Graph, inputs: Mapping[str, Array]) -> list[bytes]:
    """What the sensors show, sample by sample: codes of all inputs, one after the other, from int8 (B, *shape)."""
    arrays = [np.ascontiguousarray(inputs[port.value], dtype=np.int8) for port in graph.inputs]
    return [b"".join(array[k].tobytes() for array in arrays) for k in range(len(arrays[0]))]


def answers_of(graph: Graph, inputs: Mapping[str, Array]) -> list[tuple[bytes, Answer]]:
    """The same codes, each with its answer."""
    values = interpret(graph, inputs, published_values(graph))
    return list(zip(codes_of(graph, inputs), answers_from(graph, values), strict=True))


def answers_from(graph: Graph, values: Mapping[str, Array]) -> list[Answer]:
    """The answers that follow from values (B, *shape) of an integer graph by name: `published_values`."""
    *exits, whole = [
        [
            Answer(None, int(found), int(sure), depth)
            for found, sure in zip(*published(graph, values, depth), strict=True)
        ]
        for depth in range(1, len(depths(graph)) + 1)
    ]
    outputs = [values[port.value] for port in graph.outputs]
    return [
        replace(
            answer, outputs=b"".join(array[k].tobytes() for array in outputs), stopped=tuple(one[k] for one in exits)
        )
        for k, answer in enumerate(whole)
    ]
