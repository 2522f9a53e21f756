"""Kernels of element-wise ops: sums and products of two operands that broadcast, functions by table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import TypeVar

import numpy as np

from freeml.errors import UnsupportedOp
from freeml.ir.graph import Graph
from freeml.ir.int_ops import AddI8, LutI8, MulI8
from freeml.kernels.kernel import Kernel, KernelCall
from freeml.kernels.layer import Fields, Layer, Table, c_array, check_sizes, merged_axes
from freeml.kernels.reads import Ints, Read, element_by_element, touched
from freeml.kernels.variants import Variant
from freeml.kernels.work import LoopCounts, far, named

_ROUTINE_ADD_SHIFT = 18  # that the MSP430's routine takes at least

B = TypeVar("B", AddI8, MulI8)


class _BinaryKernel(Kernel[B]):
    """Two operands."""

    name: str

    def param_names(self, graph: Graph, op: B) -> tuple[str, ...]:
        return tuple(name for name in op.inputs if name in graph.consts)

    def in_place_operands(self, graph: Graph, op: B) -> tuple[str, ...]:
        """One that is not broadcast, which has as many elements as the output: each is read before it is written."""
        n_elems = graph.types[op.output].n_elems
        return tuple(name for name in op.inputs if graph.type_of(name).n_elems == n_elems)

    def reads(self, graph: Graph, op: B, operand: int) -> tuple[Read, ...]:
        return tuple(element_by_element(graph, op, name) for name in op.inputs if name in graph.types)

    def counts(self, graph: Graph, op: B, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        """Runs of elements that both operands cross with one stride: what fml_walk.h makes of the shapes."""
        shapes = [graph.type_of(name).shape for name in op.inputs]
        inner, steps = walk_run(graph.types[op.output].shape, shapes)
        runs = touched(n, inner, call.n_units // inner)
        counts = {"call": np.ones_like(n), "run": runs, "far": far(call.n_units, n)}
        return named(self.name, counts | self.element_counts(op, n, steps))

    @abstractmethod
    def element_counts(self, op: B, n: Ints, steps: tuple[int, ...]) -> LoopCounts:
        """What n elements take, with a step of each operand from one to the next."""

    def read_bytes(self, graph: Graph, op: B, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        n_constants = sum(name in graph.consts for name in op.inputs)
        return (len(op.inputs) - n_constants) * n, n_constants * n

    def layer(self, graph: Graph, op: B, operand: int, variant: Variant) -> Layer:
        out = graph.types[op.output].shape
        shapes = [(1,) * (len(out) - len(t.shape)) + t.shape for t in graph.op_types(op)]
        dims, strides = merged_axes(out, [_broadcast_strides(out, shape) for shape in shapes])
        if len(dims) > 4:
            raise UnsupportedOp("broadcasting over more than four axes is not supported", where=op.loc)
        check_sizes(op, one_axis=max(dims))
        lead = 4 - len(dims)
        fields = (
            (".dims", c_array([1] * lead + dims)),
            (".a_strides", c_array([0] * lead + strides[0])),
            (".b_strides", c_array([0] * lead + strides[1])),
            *self.number_fields(op),
            (".shift", str(op.shift)),
            (".lo", str(op.lo)),
            (".hi", str(op.hi)),
        )
        consts = [(k, name) for k, name in enumerate(op.inputs) if name in graph.consts]
        tables = {f"operand{k}": Table(graph.consts[name].array) for k, name in consts}
        operands = [f"{{operand{k}}}" if name in graph.consts else f"{{x{k}}}" for k, name in enumerate(op.inputs)]
        call = f"fml_{self.name}_i8({{d}}, {', '.join(operands)}, y, first, n)"
        return Layer(f"fml_{self.name}_i8", f"fml_{self.name}_t", fields, tables, call)

    @abstractmethod
    def number_fields(self, op: B) -> Fields:
        """What the descriptor has beside shapes, shift and bounds."""


class AddKernel(_BinaryKernel[AddI8]):
    """fml_add_i8."""

    name = "add"

    def element_counts(self, op: AddI8, n: Ints, steps: tuple[int, ...]) -> LoopCounts:
        slow = "slow_" if op.shift < _ROUTINE_ADD_SHIFT else ""
        return {f"{slow}element": n, f"{slow}bit": n * op.shift, "apart": n * (steps != (1, 1))}

    def number_fields(self, op: AddI8) -> Fields:
        return ((".offset", str(op.offset)), (".mult_a", str(op.mult_a)), (".mult_b", str(op.mult_b)))


class MulKernel(_BinaryKernel[MulI8]):
    """fml_mul_i8."""

    name = "mul"

    def element_counts(self, op: MulI8, n: Ints, steps: tuple[int, ...]) -> LoopCounts:
        return {"element": n, "bit": n * max(0, op.shift - 17 if op.shift > 16 else op.shift)}

    def number_fields(self, op: MulI8) -> Fields:
        return ((".mult", str(op.mult)), (".a_zp", str(op.a_zp)), (".b_zp", str(op.b_zp)), (".y_zp", str(op.y_zp)))


class LutKernel(Kernel[LutI8]):
    """fml_lut_i8."""

    def in_place_operands(self, graph: Graph, op: LutI8) -> tuple[str, ...]:
        """Element i is read before it is written, and not again."""
        return op.inputs[:1]

    def reads(self, graph: Graph, op: LutI8, operand: int) -> tuple[Read, ...]:
        return (element_by_element(graph, op, op.inputs[0]),)

    def counts(self, graph: Graph, op: LutI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        return {"lut.call": np.ones_like(n), "lut.element": n}

    def layer(self, graph: Graph, op: LutI8, operand: int, variant: Variant) -> Layer:
        tables = {"table": Table(graph.consts[op.inputs[1]].array)}
        return Layer("fml_lut_i8", tables=tables, call="fml_lut_i8({table}, {x0}, y, first, n)")


def walk_run(out: tuple[int, ...], shapes: Sequence[tuple[int, ...]]) -> tuple[int, tuple[int, ...]]:
    """Elements of one run, and the step of each operand within it."""
    dims = (1,) * (4 - len(out)) + tuple(out)
    strides = []
    for shape in shapes:
        full = (1,) * (4 - len(shape)) + tuple(shape)
        strides.append([0 if full[k] == 1 and dims[k] > 1 else prod(full[k + 1 :]) for k in range(4)])
    inner = dims[3]
    for k in (2, 1, 0):
        if dims[k] == 1:
            continue
        if any(one[k] != one[3] * inner for one in strides):
            break
        inner *= dims[k]
    return inner, tuple(one[3] for one in strides)


def _broadcast_strides(out: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Element strides of an operand over the axes of the output; 0 where it is broadcast."""
    strides, step = [], 1
    for length, size in zip(reversed(out), reversed(shape), strict=True):
        strides.append(0 if size == 1 and length != 1 else step)
        step *= size
    return strides[::-1]
