"""The verifier of memory plans: runs the graph symbolically in an arena of labelled bytes.

Every byte that an op computes gets a label of its own; a reshape's output has its input's labels, a concatenation's
those of its parts. Each read must find the labels of the value read, so a byte that was overwritten too early, by
anything, is found where it is missed. Aliasing is derived again here, from the ops alone, without the planner's code.
A violation is a bug of freeml, so it raises `InvalidMemoryError` (an AssertionError), not an error for users.
"""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt

from freeml.ir.decision import decide
from freeml.ir.graph import Graph
from freeml.ir.int_ops import AddI8, LutI8, MaxPoolI8, MulI8, SoftmaxI8
from freeml.ir.ops import Concat, Op, Reshape
from freeml.plan.memory import MemoryPlan

_Labels = npt.NDArray[np.int64]


class InvalidMemoryError(AssertionError):
    """The memory plan breaks a rule: a bug in the planner, or a plan of another graph."""


def verify_memory(graph: Graph, plan: MemoryPlan) -> MemoryPlan:
    """Check a plan against its graph and return it. Raises InvalidMemoryError naming the op and the rule."""
    _check_places(graph, plan)
    arena = _Arena(graph, plan)
    for port in graph.inputs:
        arena.write(port.value)
    for port in graph.inputs:
        arena.read(port.value, f"input {port.name!r}")
    for op in graph.ops:
        where = f"%{op.output} ({type(op).__name__}, {op.loc})"
        for name in op.inputs:
            if name in graph.types:
                arena.read(name, where)
        if isinstance(op, Reshape) and op.inputs[0] in graph.types:
            _check_reshape(plan, op, where)
            arena.labels[op.output] = arena.labels[op.inputs[0]]
        elif isinstance(op, Concat):
            arena.join(op, where)
        else:
            _check_overlaps(graph, plan, op, where)
            arena.write(op.output)
        if any(made.value == op.output for made in graph.exits):
            arena.read(op.output, "the class of an exit")
    for port in graph.outputs:
        arena.read(port.value, f"output {port.name!r}")
    if (decision := decide(graph)) is not None:
        arena.read(decision.value, "the published class")
    return plan


class _Arena:
    """Which byte of which value each byte of the arena holds."""

    def __init__(self, graph: Graph, plan: MemoryPlan) -> None:
        self._graph, self._plan = graph, plan
        self._bytes: _Labels = np.full(plan.arena_bytes, -1, dtype=np.int64)
        self._next = 0
        self.labels: dict[str, _Labels] = {}

    def write(self, value: str) -> None:
        size = self._graph.types[value].size_bytes
        self.labels[value] = np.arange(self._next, self._next + size, dtype=np.int64)
        self._next += size
        at = self._plan.offset_bytes[value]
        self._bytes[at : at + size] = self.labels[value]

    def read(self, value: str, where: str) -> None:
        at = self._plan.offset_bytes[value]
        found = self._bytes[at : at + self.labels[value].size]
        wrong = np.flatnonzero(found != self.labels[value])
        _rule(wrong.size == 0, where, f"{wrong.size} bytes of %{value} are overwritten before it is read")

    def join(self, op: Concat, where: str) -> None:
        """A concatenation: parts that lie in place stay, the others are copied row by row."""
        graph, plan = self._graph, self._plan
        out_at, out = plan.offset_bytes[op.output], graph.types[op.output]
        outermost = prod(out.shape[: op.axis]) == 1
        rows: list[_Labels] = []
        copied: list[str] = []
        written = np.full(out.size_bytes, not outermost)
        part_offset = 0
        for name in op.inputs:
            type_ = graph.type_of(name)
            end = part_offset + type_.size_bytes
            if name in graph.types and plan.placed.get(name) == (op.output, part_offset):
                there = outermost and plan.offset_bytes[name] == out_at + part_offset
                _rule(there, where, f"%{name} is said to be placed, but lies elsewhere")
                _rule(op.inputs.count(name) == 1, where, f"%{name} is placed, but joined more than once")
            else:
                written[part_offset:end] = True
                copied += [name] if name in graph.types else []
            labels = self.labels[name] if name in graph.types else self._fresh(type_.size_bytes)
            rows.append(labels.reshape(prod(type_.shape[: op.axis]), -1))
            part_offset = end
        for name in copied:
            low, size = plan.offset_bytes[name] - out_at, graph.types[name].size_bytes
            hit = written[max(low, 0) : max(low + size, 0)].any()
            _rule(not hit, where, f"it copies parts over %{name}, which it reads")
        self.labels[op.output] = np.concatenate(rows, axis=1).reshape(-1)
        self._bytes[out_at : out_at + out.size_bytes] = self.labels[op.output]

    def _fresh(self, n_bytes: int) -> _Labels:
        self._next += n_bytes
        return np.arange(self._next - n_bytes, self._next, dtype=np.int64)


def _rule(holds: bool, where: str, message: str) -> None:
    if not holds:
        raise InvalidMemoryError(f"{where}: {message}")


def _check_places(graph: Graph, plan: MemoryPlan) -> None:
    values = {port.value for port in graph.inputs} | {op.output for op in graph.ops}
    _rule(plan.offset_bytes.keys() == values, "plan", "it does not give an offset to each value and to nothing else")
    _rule(plan.live_bound_bytes <= plan.arena_bytes, "plan", "the arena is below the lower bound")
    for value in values:
        type_, at = graph.types[value], plan.offset_bytes[value]
        inside = at >= 0 and at + type_.size_bytes <= plan.arena_bytes
        _rule(inside, f"%{value}", f"[{at}, {at + type_.size_bytes}) is not in the arena of {plan.arena_bytes} bytes")
        aligned = at % type_.dtype.size_bytes == 0 and plan.alignment_bytes % type_.dtype.size_bytes == 0
        _rule(aligned, f"%{value}", f"{type_.dtype.value} at offset {at} is not aligned")
    producers = {op.output: op for op in graph.ops}
    for value, operand in plan.shared.items():
        op = producers.get(value)
        _rule(op is not None and operand in op.inputs, f"%{value}", f"it cannot share memory with %{operand}")
        same = plan.offset_bytes[value] == plan.offset_bytes[operand]
        _rule(same, f"%{value}", f"it is said to share memory with %{operand}, but lies elsewhere")
    for value, (owner, at) in plan.placed.items():
        joins = isinstance(producers.get(owner), Concat) and value in producers[owner].inputs
        _rule(joins, f"%{value}", f"it is placed in %{owner}, which does not join it")
        there = plan.offset_bytes[value] == plan.offset_bytes[owner] + at
        _rule(there, f"%{value}", f"it is placed in %{owner} at {at}, but lies elsewhere")


def _overlap(graph: Graph, plan: MemoryPlan, a: str, b: str) -> bool:
    low_a, low_b = plan.offset_bytes[a], plan.offset_bytes[b]
    return low_a < low_b + graph.types[b].size_bytes and low_b < low_a + graph.types[a].size_bytes


def _check_reshape(plan: MemoryPlan, op: Op, where: str) -> None:
    same = plan.offset_bytes[op.output] == plan.offset_bytes[op.inputs[0]]
    _rule(same and plan.shared.get(op.output) == op.inputs[0], where, "a reshape must keep its input's memory")


def _check_overlaps(graph: Graph, plan: MemoryPlan, op: Op, where: str) -> None:
    """An op may write over what it reads only where its kernel allows that: same start, element for element."""
    for name in op.inputs:
        if name not in graph.types or not _overlap(graph, plan, name, op.output):
            continue
        _rule(plan.in_place, where, f"it writes over %{name}, which it reads, in a plan that forbids this")
        _rule(op.output in plan.shared, where, f"it writes over %{name}, which it reads, without the plan saying so")
        _rule(plan.offset_bytes[name] == plan.offset_bytes[op.output], where, f"it writes over a part of %{name}")
        _rule(_kernel_allows(graph, op, name), where, f"this op cannot write over its input %{name}")


def _kernel_allows(graph: Graph, op: Op, name: str) -> bool:
    x, y = graph.types[name].shape, graph.types[op.output].shape
    match op:
        case LutI8() | SoftmaxI8():
            return x == y
        case AddI8() | MulI8():
            # Broadcast dimensions of one element do not move anything; others would be read again after being written.
            return prod(x) == prod(y)
        case MaxPoolI8():
            return op.window.pad[0] == op.window.pad[1] == 0 and _reads_ahead(op, x, y)
    return False


def _reads_ahead(op: MaxPoolI8, x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    """Whether no window reads a pixel below the one it writes: pixels are written in row-major order."""
    row, column = np.indices(y[:2])
    written = row * y[1] + column
    first_read = row * op.window.stride[0] * x[1] + column * op.window.stride[1]
    return bool((first_read >= written).all())
