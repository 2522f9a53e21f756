"""The steps that cannot be cut: a cold start, the capture of inputs, decisions, the result's publication, reports.

The one place that lists them, each with what it is called and what it takes; which step has which number follows from
their order (step_table.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from freeml.ir.decision import decide, is_of_sums, needed_for
from freeml.ir.graph import Graph
from freeml.ir.types import Decision, Port
from freeml.kernels.kernel import KernelCall
from freeml.plan.energy_work import Work, capture_work, decide_work, fixed_work, report_work
from freeml.plan.price import StepPrices
from freeml.plan.protocol import RECORD_BYTES
from freeml.plan.step_table import Kind
from freeml.plan.steps import FixedStep

# fml_nvm_cold_start: identity twice, two results, two empty commit slots; the commit is extra.
COLD_START_BYTES, COLD_START_WRITES = 64, 6


class FixedSteps:
    """Those of one graph and its kernel calls; without costs where there are no prices."""

    def __init__(self, graph: Graph, calls: Sequence[KernelCall], prices: StepPrices | None) -> None:
        self._graph, self._calls, self._prices = graph, calls, prices

    def cold_start(self) -> FixedStep:
        """What a boot does first where NVM is not this model's."""
        done = fixed_work(write_bytes=COLD_START_BYTES, compared=0, writes=COLD_START_WRITES)
        return self._step(None, "a cold start", "cold start", self._graph.name, 0, done)

    def in_order(self, buffer_bytes: int) -> tuple[FixedStep, ...]:
        """Those of an inference. buffer_bytes: SRAM that inputs go through, all that the fullest tile has."""
        exits, end = self._graph.exits, decide(self._graph)
        decisions = [self._decide(number, made) for number, made in enumerate(exits, 1)]
        last = self._publish()
        if end is not None and is_of_sums(self._graph, end):
            last = self._decide(len(exits) + 1, end)
        early = (self._report(()),) if exits else ()
        return (self._capture(buffer_bytes), *decisions, last, self._report(self._graph.outputs), *early)

    def _capture(self, buffer_bytes: int) -> FixedStep:
        """The input goes to NVM, a buffer of so many bytes at a time."""
        sizes = self._sizes(self._graph.inputs)
        done, loc = capture_work(sizes, buffer_bytes), _names("input", self._graph.inputs)
        return self._step(Kind.CAPTURE, "capturing the input", f"capture {sum(sizes)}", loc, 0, done)

    def _decide(self, number: int, made: Decision) -> FixedStep:
        """The scores of an exit are looked at, and result or state are written; behind all that they are made of."""
        type_, needed = self._graph.types[made.value], needed_for(self._graph, made.value)
        behind = 1 + max(k for k, call in enumerate(self._calls) if call.op.output in needed)
        done, loc = decide_work(type_.n_elems, type_.dtype.size_bytes), self._graph.producers[made.value].loc
        return self._step(Kind.DECIDE, f"deciding at exit {number}", f"decide {type_.size_bytes}", loc, behind, done)

    def _publish(self) -> FixedStep:
        """All scores are looked at, and a result is written."""
        scores, loc = sum(self._sizes(self._graph.outputs)), _names("output", self._graph.outputs)
        done = fixed_work(write_bytes=RECORD_BYTES, compared=scores)
        return self._step(Kind.PUBLISH, "publishing the result", f"publish {scores}", loc, len(self._calls), done)

    def _report(self, outputs: Sequence[Port]) -> FixedStep:
        """The published result and these outputs are read, and go to whom the board tells."""
        sizes, loc = self._sizes(outputs), _names("output", outputs or self._graph.outputs)
        key, done = f"report {sum(sizes)}", report_work(sizes)
        return self._step(Kind.REPORT, "reporting the result", key, loc, len(self._calls), done)

    def _sizes(self, ports: Sequence[Port]) -> list[int]:
        return [self._graph.types[port.value].size_bytes for port in ports]

    def _step(self, kind: Kind | None, words: str, key: str, loc: str, behind: int, done: Work) -> FixedStep:
        cost = None if self._prices is None else self._prices.fixed(key, done)
        return FixedStep(kind, words, key, loc, behind, int(done.write_bytes[0]), cost)


def _names(direction: str, ports: Sequence[Port]) -> str:
    return f"{direction} " + ", ".join(port.name for port in ports)
