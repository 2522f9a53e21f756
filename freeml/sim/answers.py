"""What inferences must say: the interpreter's outputs, and the result that freeml/ir/decision.py publishes of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from freeml.ir.decision import lasting, published
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
    values = interpret(graph, inputs, lasting(graph))
    classes, confidences = published(graph, values)
    return [
        (codes, Answer(b"".join(values[port.value][k].tobytes() for port in graph.outputs), int(found), int(sure)))
        for k, (codes, found, sure) in enumerate(
            zip(codes_of(graph, inputs), classes.tolist(), confidences.tolist(), strict=True)
        )
    ]
