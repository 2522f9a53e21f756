"""Reorder the ops of a graph so that fewer bytes are live at once.

The live bytes after a set of ops depend on the set only, not on its order, so the best order is a path through sets
with the smallest highest point. A beam search finds a good one; a shortest-path search with `max` for `+` then finds
the best, or shows that there is no better, unless it meets too many sets. In both, an op that fits below the highest
point so far and does not raise the live bytes runs at once: doing that early can only free memory. The result is
planned, and used only if its arena is smaller.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from freeml.ir.decision import lasting, segments
from freeml.ir.graph import Graph
from freeml.ir.ops import Concat
from freeml.plan.memory import plan_memory
from freeml.plan.storage import alias_roots, find_storages, in_place_operands, placeable_parts

EXACT_STATES = 20_000  # sets of executed ops that the exact search may reach
BEAM_STATES = 60_000  # sets that the beam may look at, over all steps together


def schedule(graph: Graph, *, in_place: bool = True) -> Graph:
    """The graph with its ops in an order that needs a smaller arena, or the graph itself where none was found.

    What an exit needs runs before all that it does not, whatever that takes: a network stops as early as it can.
    """
    if graph.exits:
        by_segment = sorted(
            zip(segments(graph), range(len(graph.ops)), graph.ops, strict=True), key=lambda one: one[:2]
        )
        graph = graph.with_ops(op for _, _, op in by_segment)
    problem = _Problem(graph, in_place=in_place)
    if problem.is_chain():
        return graph
    given = problem.peak_bytes(range(len(graph.ops)))
    if given <= problem.floor_bytes:
        return graph
    found = _search_beam(problem, given)
    found = _search_exactly(problem, problem.peak_bytes(found) if found else given) or found
    if not found:
        return graph
    better = graph.with_ops(graph.ops[i] for i in found)
    after = plan_memory(better, in_place=in_place).arena_bytes
    if after < find_storages(graph, in_place=in_place, alignment=1).live_bound_bytes():
        return better
    return better if after < plan_memory(graph, in_place=in_place).arena_bytes else graph


@dataclass(frozen=True, slots=True)
class _State:
    """Ops done (a bit each), ops ready, live bytes now, the most so far, and the last op with the state before it."""

    done: int
    ready: tuple[int, ...]
    live_bytes: int
    peak_bytes: int
    op: int = -1
    before: _State | None = None

    def order(self) -> list[int]:
        """Ops done, in order."""
        steps, state = [], self
        while state.before is not None:
            steps.append(state.op)
            state = state.before
        return steps[::-1]


class _Problem:
    """The graph as bit masks. Storages are values up to reshapes; sharing follows the rules of storage.py."""

    def __init__(self, graph: Graph, *, in_place: bool) -> None:
        root = alias_roots(graph)
        producer = {op.output: index for index, op in enumerate(graph.ops)}
        n = len(graph.ops)
        size = {value: graph.types[value].size_bytes for value in root}
        self.n = n
        self._all = (1 << n) - 1
        self._needs = [0] * n
        self._followers: list[list[int]] = [[] for _ in range(n)]
        readers: dict[str, int] = dict.fromkeys(root.values(), 0)
        for index, op in enumerate(graph.ops):
            for name in dict.fromkeys(name for name in op.inputs if name in root):
                readers[root[name]] |= 1 << index
                if name in producer:
                    self._needs[index] |= 1 << producer[name]
                    self._followers[producer[name]].append(index)
        of_segment = segments(graph)
        for index, segment in enumerate(of_segment):  # what an exit does not need waits until it was decided
            for before in (k for k in range(n) if of_segment[k] < segment and not self._needs[index] >> k & 1):
                self._needs[index] |= 1 << before
                self._followers[before].append(index)
        for value in lasting(graph):
            readers[root[value]] |= 1 << n  # never done
        # Per op: bytes it adds, and for each storage it reads: its readers, its size, what the op can take over of it.
        self._adds: list[int] = []
        self._dead_on_arrival: list[int] = []
        self._reads: list[list[tuple[int, int, int]]] = []
        self._parts: list[int] = []
        for op in graph.ops:
            own = root[op.output] == op.output
            out = size[op.output] if own else 0
            taken = {root[name] for name in in_place_operands(graph, op)} if in_place and own else set()
            names = dict.fromkeys(root[name] for name in op.inputs if name in root)
            self._adds.append(out)
            self._dead_on_arrival.append(out if own and readers[op.output] == 0 else 0)
            self._reads.append([(readers[name], size[name], out if name in taken else 0) for name in names])
            parts = placeable_parts(graph, op, root, 1) if isinstance(op, Concat) else ()
            self._parts.append(sum(size[name] for name, _ in parts))
        inputs = dict.fromkeys(port.value for port in graph.inputs)
        arrived = sum(size[name] for name in inputs)
        unread = sum(size[name] for name in inputs if readers[name] == 0)
        ready = tuple(i for i in range(n) if self._needs[i] == 0)
        self.start = _State(0, ready, arrived - unread, arrived)
        self.floor_bytes = max([arrived, *(self._least(index) for index in range(n))])

    def is_chain(self) -> bool:
        """Whether only one order is possible."""
        state: _State | None = self.start
        while state is not None and state.ready:
            state = self.step(state, state.ready[0]) if len(state.ready) == 1 else None
        return state is not None

    def _least(self, index: int) -> int:
        """Bytes live while an op runs, whatever the order: its operands and what it cannot take over."""
        takes = max((take for _, _, take in self._reads[index]), default=0)
        parts = self._parts[index]
        return sum(size for _, size, _ in self._reads[index]) + self._adds[index] - max(takes, parts)

    def step(self, state: _State, index: int) -> _State:
        """The state after one more op."""
        done = state.done | 1 << index
        freed, take = self._dead_on_arrival[index], self._parts[index]
        for readers, size, takes in self._reads[index]:
            if not readers & ~done:
                freed += size
                take = max(take, takes)
        added = self._adds[index]
        ready = [i for i in state.ready if i != index]
        ready += [i for i in self._followers[index] if not self._needs[i] & ~done]
        peak = max(state.peak_bytes, state.live_bytes + added - take)
        return _State(done, tuple(sorted(ready)), state.live_bytes + added - freed, peak, index, state)

    def steps(self, state: _State) -> Iterator[_State]:
        """The states worth looking at after a state: one if an op costs nothing, else one for each ready op."""
        following = []
        for index in state.ready:
            after = self.step(state, index)
            if after.peak_bytes == state.peak_bytes and after.live_bytes <= state.live_bytes:
                yield after
                return
            following.append(after)
        yield from following

    def is_end(self, state: _State) -> bool:
        return state.done == self._all

    def peak_bytes(self, order: range | list[int]) -> int:
        """Most bytes live at once when ops run in an order."""
        state = self.start
        for index in order:
            state = self.step(state, index)
        return state.peak_bytes


def _search_exactly(problem: _Problem, limit_bytes: int) -> list[int]:
    """The order with the lowest peak; empty if that is not below the limit, or there are too many states."""
    queue = [(problem.start.peak_bytes, 0, 0, problem.start)]
    lowest = {0: problem.start.peak_bytes}
    pushed = 0
    while queue:
        peak, _, _, state = heapq.heappop(queue)
        if problem.is_end(state):
            return state.order()
        if peak > lowest[state.done]:
            continue
        for after in problem.steps(state):
            if after.peak_bytes < min(limit_bytes, lowest.get(after.done, limit_bytes)):
                lowest[after.done] = after.peak_bytes
                pushed += 1
                heapq.heappush(queue, (after.peak_bytes, -after.done.bit_count(), pushed, after))
        if pushed > EXACT_STATES:
            return []
    return []


def _search_beam(problem: _Problem, limit_bytes: int) -> list[int]:
    """An order with a peak below the limit, or an empty one: the best few sets of each size."""
    states = [problem.start]
    for _ in range(problem.n):
        best: dict[int, _State] = {}
        for state in states:
            for after in problem.steps(state):
                rival = best.get(after.done)
                if after.peak_bytes < limit_bytes and (rival is None or after.peak_bytes < rival.peak_bytes):
                    best[after.done] = after
        states = sorted(best.values(), key=lambda s: (s.peak_bytes, s.live_bytes, s.done))
        if not states:
            return []
        n_ready = max(len(state.ready) for state in states)
        del states[max(6, BEAM_STATES // (problem.n * max(1, n_ready))) :]
    return states[0].order()
