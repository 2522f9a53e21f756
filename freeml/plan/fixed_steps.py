"""The steps that cannot be cut: a cold start, the capture of inputs, the result's publication and its report."""

from __future__ import annotations

from collections.abc import Sequence

from freeml.ir.graph import Graph
from freeml.ir.types import Port
from freeml.plan.energy_work import Work, capture_work, fixed_work, report_work
from freeml.plan.measured import COLD_START, capture_key, publish_key, report_key
from freeml.plan.price import StepPrices
from freeml.plan.protocol import RECORD_BYTES
from freeml.plan.steps import FixedStep

# fml_nvm_cold_start: identity twice, two results, two empty commit slots; the commit is extra.
COLD_START_BYTES, COLD_START_WRITES = 64, 6


class FixedSteps:
    """Those of one graph; without costs where there are no prices."""

    def __init__(self, graph: Graph, prices: StepPrices | None) -> None:
        self._graph, self._prices = graph, prices

    def cold_start(self) -> FixedStep:
        """What a boot does first where NVM is not this model's."""
        done = fixed_work(write_bytes=COLD_START_BYTES, compared=0, writes=COLD_START_WRITES)
        return self._step("cold start", self._graph.name, done, COLD_START)

    def capture(self, buffer_bytes: int) -> FixedStep:
        """The input goes to NVM, a buffer of so many bytes at a time: all the SRAM of the fullest tile."""
        sizes = self._sizes(self._graph.inputs)
        done = capture_work(sizes, buffer_bytes)
        return self._step("capture", _names("input", self._graph.inputs), done, capture_key(sum(sizes)))

    def publish(self) -> FixedStep:
        """All scores are looked at, and a result is written."""
        scores = sum(self._sizes(self._graph.outputs))
        done = fixed_work(write_bytes=RECORD_BYTES, compared=scores)
        return self._step("publish", _names("output", self._graph.outputs), done, publish_key(scores))

    def report(self) -> FixedStep:
        """The published result and the outputs are read, and go to whom the board tells."""
        sizes = self._sizes(self._graph.outputs)
        return self._step("report", _names("output", self._graph.outputs), report_work(sizes), report_key(sum(sizes)))

    def _sizes(self, ports: Sequence[Port]) -> list[int]:
        return [self._graph.types[port.value].size_bytes for port in ports]

    def _step(self, name: str, loc: str, done: Work, key: str) -> FixedStep:
        cost = None if self._prices is None else self._prices.fixed(key, done)
        return FixedStep(name, loc, int(done.write_bytes[0]), cost)


def _names(direction: str, ports: Sequence[Port]) -> str:
    return f"{direction} " + ", ".join(port.name for port in ports)
