"""What a measured cost table says of a kernel call, and how it replaces the board file's counted costs."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from freeml.board.board import Board
from freeml.board.cost_table import CostTable, MeasuredLayer, MeasuredStep
from freeml.energy.capacitor import Floats, StepCost, StepCosts
from freeml.ir.graph import Graph
from freeml.ir.ops import Op
from freeml.ir.types import DType
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Ints

PARTS = " in parts"
_NAMES = {field.name for field in fields(Op)}  # of values and of the model's node: nothing that a kernel sees


def signature(graph: Graph, call: KernelCall) -> str:
    """What a call computes, in words: every field of its op, the types of all that it reads, which of the op's calls
    it is, and whether its input lies at an even address. Of constants, how they are stored; their values only where
    they are shifts, which some cores take bit by bit.
    """
    op = call.op
    inputs = " ".join(_type(graph, name) for name in op.inputs)
    names = (field.name for field in fields(op) if field.name not in _NAMES)
    own = (f"{name} {getattr(op, name)}" for name in names)
    where = (f"call {call.operand}{_channels(graph, call)}", "even" if call.is_even else "odd")
    return " ".join((type(op).__name__, inputs, "->", _type(graph, op.output), *where, *own))


def _channels(graph: Graph, call: KernelCall) -> str:
    """Of a call that computes some: how many."""
    return f" of {call.unit_bytes} channels" if call.op.output in graph.slices else ""


def _type(graph: Graph, name: str) -> str:
    if name not in graph.consts:
        type_ = graph.types[name]
        return f"{type_.dtype.value}[{'x'.join(map(str, type_.shape))}]"
    const = graph.consts[name]
    return f"const {const.stored_as}{'=' + const.digest if const.dtype is DType.U8 else ''}"


class MeasuredPrices:
    """Prices steps of a board with the figures of a cost table; None where it has none."""

    def __init__(self, board: Board, table: CostTable) -> None:
        assert board.energy is not None
        self._table = table
        self._boot_us = board.energy.boot_us.value
        self._start_pc = board.energy.boot_nc.value * 1000 * board.energy.calibration.value

    def restore(self) -> StepCost:
        """A boot that finds where it was, and does nothing more."""
        return self._with_boot(np.zeros(1), np.zeros(1)).at(0)

    def tiles(self, graph: Graph, call: KernelCall, units: Ints) -> StepCosts | None:
        """Of tiles of so many units."""
        return self._line(signature(graph, call), units)

    def parts(self, graph: Graph, call: KernelCall, products: Ints) -> StepCosts | None:
        """Of parts of one output, of so many products."""
        return self._line(signature(graph, call) + PARTS, products)

    def fixed(self, name: str) -> StepCosts | None:
        """Of a step that cannot be cut, by the table's name for it (`FixedStep.key`)."""
        step: MeasuredStep | None = self._table.fixed.get(name)
        return None if step is None else self._with_boot(np.array([step.cycles]), np.array([step.charge_pc]))

    def _line(self, key: str, n: Ints) -> StepCosts | None:
        layer: MeasuredLayer | None = self._table.by_signature.get(key)
        if layer is None:
            return None
        units = n.astype(np.float64)
        return self._with_boot(layer.fixed_cycles + layer.unit_cycles * units, layer.fixed_pc + layer.unit_pc * units)

    def _with_boot(self, cycles: Floats, charge_pc: Floats) -> StepCosts:
        boot = self._table.boot
        total = cycles + boot.cycles
        time_us = self._boot_us + total * 1e6 / self._table.clock_hz
        return StepCosts(total, charge_pc + boot.charge_pc + self._start_pc, time_us)
