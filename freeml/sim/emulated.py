"""A firmware on its emulated board in place of the build for this machine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.sim.answers import codes_of
from freeml.sim.engine import Engine, Inference, Result


class EmulatedModel:
    """The firmware in place of the host build: the same `run`, and what it took."""

    starts_cold = False  # the board stays on from one `run` to the next

    def __init__(self, engine: Engine, graph: Graph) -> None:
        self.engine = engine
        self.graph = graph
        self.inferences: list[Inference] = []
        self.published: list[Result] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs (B, *shape) for int8 codes (B, *shape) by value name, in memory order, one inference each.

        `published` is then the report of each.
        """
        types = [self.graph.types[port.value] for port in self.graph.outputs]
        codes = self.codes(inputs)
        results = [np.empty((len(codes), *t.shape), dtype=t.dtype.numpy) for t in types]
        if not self.inferences and codes:
            # The cold start and the first result are no part of what an inference takes.
            self.engine.power_on()
            self.engine.infer(codes[0])
        self.published = []
        for sample, sensed in enumerate(codes):
            found = self.engine.infer(sensed)
            self.inferences.append(found)
            self.published.append(found.result)
            at = 0
            for k, type_ in enumerate(types):
                raw = found.outputs[at : at + type_.size_bytes]
                results[k][sample] = np.frombuffer(raw, dtype=type_.dtype.numpy).reshape(type_.shape)
                at += type_.size_bytes
        return {port.value: array for port, array in zip(self.graph.outputs, results, strict=True)}

    def codes(self, inputs: Mapping[str, Array]) -> list[bytes]:
        """What the sensors show, sample by sample."""
        return codes_of(self.graph, inputs)
