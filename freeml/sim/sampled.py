"""A device, sample by sample: arrays in, arrays out, and what each inference took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.sim.answers import codes_of
from freeml.sim.device import Device, Inference, Result


class SampledDevice:
    """A device that stays on, from garbage in NVM on.

    inferences  all so far; the first one, with the cold start, is no part of what an inference takes: where a device
                counts, its sample is inferred on twice
    published   the result of each sample of the last `run`
    number      of the result before these; 0: there was none
    """

    def __init__(self, device: Device, graph: Graph) -> None:
        self.device = device
        self.graph = graph
        self.inferences: list[Inference] = []
        self.published: list[Result] = []
        self.number = 0
        self._is_on = False

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs (B, *shape) for int8 codes (B, *shape) by value name, in memory order, one inference each."""
        types = [self.graph.types[port.value] for port in self.graph.outputs]
        codes = codes_of(self.graph, inputs)
        results = [np.empty((len(codes), *t.shape), dtype=t.dtype.numpy) for t in types]
        if self.published:
            self.number = self.published[-1].sequence
        self.published = []
        for sample, sensed in enumerate(codes):
            found = self._infer(sensed)
            self.inferences.append(found)
            self.published.append(found.result)
            at = 0
            for k, type_ in enumerate(types):
                raw = found.outputs[at : at + type_.size_bytes]
                results[k][sample] = np.frombuffer(raw, dtype=type_.dtype.numpy).reshape(type_.shape)
                at += type_.size_bytes
        return {port.value: array for port, array in zip(self.graph.outputs, results, strict=True)}

    def _infer(self, codes: bytes) -> Inference:
        if self._is_on:
            return self.device.infer(codes)
        self.device.power_on()
        self._is_on = True
        found = self.device.infer(codes)
        if found.taken is None:
            return found
        self.number = found.result.sequence
        return self.device.infer(codes)
