"""Runs a planned graph in one byte arena, op by op, as the device does.

Kernels that may run in place are executed in the kernels' own order, one unit at a time, and read the arena as it is at
that moment. All others have their output filled with garbage before they read, so an illegal overlap shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import AddI8, LutI8, MaxPoolI8, MulI8, SoftmaxI8
from freeml.ir.interpret_int import run_int_op
from freeml.ir.ops import Concat, Op, Reshape
from freeml.ir.types import Array
from freeml.plan.memory import MemoryPlan

GARBAGE = 0xA5


class ArenaMachine:
    def __init__(self, graph: Graph, plan: MemoryPlan) -> None:
        self.graph, self.plan = graph, plan
        self.arena = np.full(plan.arena_bytes, GARBAGE, np.uint8)

    def view(self, name: str) -> Array:
        """A value as it lies in the arena, or a constant."""
        if name in self.graph.consts:
            return self.graph.consts[name].array
        type_, at = self.graph.types[name], self.plan.offset_bytes[name]
        return self.arena[at : at + type_.size_bytes].view(type_.dtype.numpy).reshape(type_.shape)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        for name, array in inputs.items():
            self.view(name)[...] = array[0]
        for op in self.graph.ops:
            self._execute(op)
        return {port.value: self.view(port.value)[None].copy() for port in self.graph.outputs}

    def _execute(self, op: Op) -> None:
        y = self.view(op.output)
        match op:
            case Reshape():
                if op.inputs[0] in self.graph.consts:
                    y[...] = self.view(op.inputs[0]).reshape(y.shape)
            case Concat():
                self._join(op, y)
            case LutI8():
                x = self.view(op.inputs[0]).reshape(-1)
                table = self.view(op.inputs[1])
                for i in range(x.size):
                    y.reshape(-1)[i] = table[int(x[i]) + 128]
            case AddI8() | MulI8():
                a, b = (np.broadcast_to(self.view(name), y.shape) for name in op.inputs)
                for index in np.ndindex(*y.shape):
                    y[index] = self._compute(op, [a[index][None], b[index][None]])[0]
            case SoftmaxI8():
                x = self.view(op.inputs[0])
                for row in np.ndindex(*y.shape[:-1]):
                    y[row] = self._compute(op, [x[row][None], self.view(op.inputs[1])])[0]
            case MaxPoolI8():
                self._maxpool(op, y)
            case _:
                y.view(np.uint8)[...] = GARBAGE
                args = [self.view(n)[None] if n in self.graph.types else self.view(n) for n in op.inputs]
                y[...] = run_int_op(op, args, self.graph.types[op.output])[0]

    def _compute(self, op: Op, args: list[Array]) -> Array:
        return run_int_op(op, args, self.graph.types[op.output])

    def _join(self, op: Concat, y: Array) -> None:
        start = 0
        at = self.plan.offset_bytes[op.output]
        copies = []
        for name in op.inputs:
            shape = self.graph.type_of(name).shape
            part = y[(*(slice(None),) * op.axis, slice(start, start + shape[op.axis]))]
            placed = name in self.plan.placed and self.plan.placed[name][0] == op.output
            if placed:
                assert self.plan.offset_bytes[name] == at + self.plan.placed[name][1]
            else:
                copies.append((name, part))
                part[...] = np.int8(GARBAGE - 256)
            start += shape[op.axis]
        for name, part in copies:
            part[...] = self.view(name)

    def _maxpool(self, op: MaxPoolI8, y: Array) -> None:
        x, window = self.view(op.inputs[0]), op.window
        for row, column, channel in np.ndindex(*y.shape):
            best = -128
            for i in range(window.kernel[0]):
                for j in range(window.kernel[1]):
                    r = row * window.stride[0] + i * window.dilation[0] - window.pad[0]
                    c = column * window.stride[1] + j * window.dilation[1] - window.pad[1]
                    if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
                        best = max(best, int(x[r, c, channel]))
            y[row, column, channel] = min(max(best, op.lo), op.hi)


def random_inputs(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """One sample of int8 codes per input."""
    rng = np.random.default_rng(seed)
    shapes = {port.value: graph.types[port.value].shape for port in graph.inputs}
    return {name: rng.integers(-128, 128, (1, *shape), dtype=np.int8) for name, shape in shapes.items()}
