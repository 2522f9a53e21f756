"""What a measured cost table says of a kernel call, and how it replaces the board file's counted costs."""

from __future__ import annotations

import numpy as np

from freeml.board.board import Board
from freeml.board.cost_table import CostTable, LayerCost, StepCost
from freeml.ir.graph import Graph
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Ints
from freeml.plan.energy import Floats, StepCosts, TileCost

PARTS = " in parts"
COLD_START = "cold start"


def capture_key(n_bytes: int) -> str:
    """A cost table's name for capturing inputs of so many bytes."""
    return f"capture {n_bytes}"


def publish_key(n_bytes: int) -> str:
    """A cost table's name for publishing outputs of so many bytes."""
    return f"publish {n_bytes}"


def report_key(n_bytes: int) -> str:
    """A cost table's name for reporting a result with outputs of so many bytes."""
    return f"report {n_bytes}"


def signature(graph: Graph, call: KernelCall) -> str:
    """What a call computes, in words: all that its cost depends on but for the values of its constants."""
    op = call.op
    shapes = [graph.type_of(name).shape for name in op.inputs if name in graph.types]
    parts = [type(op).__name__, " ".join(map(_shape, shapes)), "->", _shape(graph.types[op.output].shape)]
    if call.operand:
        parts.append(f"operand {call.operand}")
    for name in ("window", "groups", "pool", "axis", "order", "before"):
        if hasattr(op, name):
            parts.append(f"{name} {getattr(op, name)}")
    constants = [_shape(graph.consts[name].array.shape) for name in op.inputs if name in graph.consts]
    if constants:
        parts.append("constants " + " ".join(constants))
    return " ".join(parts)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


class MeasuredPrices:
    """Prices steps of a board with the figures of a cost table; None where it has none."""

    def __init__(self, board: Board, table: CostTable) -> None:
        assert board.energy is not None
        self._table = table
        self._boot_us = board.energy.boot_us.value
        self._start_pc = board.energy.boot_nc.value * 1000 * board.energy.calibration.value

    def restore(self) -> TileCost:
        """A boot that finds where it was, and does nothing more."""
        return self._with_boot(np.zeros(1), np.zeros(1)).at(0)

    def tiles(self, graph: Graph, call: KernelCall, units: Ints) -> StepCosts | None:
        """Of tiles of so many units."""
        return self._line(signature(graph, call), units)

    def parts(self, graph: Graph, call: KernelCall, products: Ints) -> StepCosts | None:
        """Of parts of one output, of so many products."""
        return self._line(signature(graph, call) + PARTS, products)

    def fixed(self, name: str) -> StepCosts | None:
        """Of the capture, the publication or a cold start, by the table's name for it."""
        step: StepCost | None = self._table.fixed.get(name)
        return None if step is None else self._with_boot(np.array([step.cycles]), np.array([step.charge_pc]))

    def _line(self, key: str, n: Ints) -> StepCosts | None:
        layer: LayerCost | None = self._table.by_signature.get(key)
        if layer is None:
            return None
        units = n.astype(np.float64)
        return self._with_boot(layer.fixed_cycles + layer.unit_cycles * units, layer.fixed_pc + layer.unit_pc * units)

    def _with_boot(self, cycles: Floats, charge_pc: Floats) -> StepCosts:
        boot = self._table.boot
        total = cycles + boot.cycles
        time_us = self._boot_us + total * 1e6 / self._table.clock_hz
        return StepCosts(total, charge_pc + boot.charge_pc + self._start_pc, time_us)
