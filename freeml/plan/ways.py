"""One layer planned alone in each form that its weights may have: bytes, and what its tiles take on a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from freeml.board.board import Board
from freeml.energy.capacitor import budget_of
from freeml.errors import DoesNotFit
from freeml.ir.graph import Graph
from freeml.ir.ops import Op
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.plan.calls import calls_of
from freeml.plan.cuts import Cutter
from freeml.plan.price import ONE_WORD, TWO_SLOTS, step_prices
from freeml.plan.sram import HOST_TILE_BYTES
from freeml.plan.steps import LayerTiles

_SRAM_SHARE = 4  # of a board's SRAM, what tiles of a layer are compared with: windows and stack are not known yet

_SCRATCH_SHARES = 2  # of these, what a decoder may take beside the tiles


@dataclass(frozen=True, slots=True)
class Way:
    """A layer whose weights are stored in a form; None: as they are.

    n_bytes             of the weights, as they are stored
    kernel, code_bytes  what decodes them, and how much code that is; 0 for a kernel that networks have anyway
    cycles, charge_pc   of all tiles at worst-case prices, boots left out; 0 without prices
    least_pc            of the smallest step that the layer can be cut into, its boot included
    fits                whether the capacitor pays for each step, and SRAM holds it
    is_kept             whether the model came with this form
    """

    encoding: str | None
    n_bytes: int
    kernel: str
    code_bytes: int
    cycles: float
    charge_pc: float
    least_pc: float
    fits: bool
    is_kept: bool = False

    def no_dearer(self, dense: Way) -> bool:
        """Whether it takes no more charge and no more cycles than the dense layer."""
        return self.charge_pc <= dense.charge_pc and self.cycles <= dense.cycles


def ways_of(
    graph: Graph, op: Op, encodings: Sequence[str | None], board: Board, capacitor_uf: float | None = None
) -> list[Way]:
    """An op of a graph with its weights in each of these forms."""
    return [_way(_with(graph, op, encoding), op, board, capacitor_uf) for encoding in encodings]


def _with(graph: Graph, op: Op, encoding: str | None) -> Graph:
    return replace(graph, consts={**graph.consts, op.inputs[1]: replace(graph.consts[op.inputs[1]], encoding=encoding)})


def _way(graph: Graph, op: Op, board: Board, capacitor_uf: float | None) -> Way:
    weight = graph.consts[op.inputs[1]]
    made, variant = kernel_of(graph, op), VARIANTS[board.kernels]
    kernel = made.layer(graph, op, 0, variant).kernel
    code = board.kernel_cycles.code_bytes.get(kernel, 0) if weight.encoding else 0
    prices = step_prices(board, TWO_SLOTS if board.nvm.tears else ONE_WORD)
    if prices is None:
        return Way(weight.encoding, weight.size_bytes, kernel, code, 0.0, 0.0, 0.0, fits=True)
    budget, sram = budget_of(board, capacitor_uf), board.memory.sram_bytes
    room = HOST_TILE_BYTES if sram is None else min(HOST_TILE_BYTES, sram.value // _SRAM_SHARE)
    if weight.encoding and made.scratch_bytes(graph, op, variant) > _SCRATCH_SHARES * room:
        return Way(weight.encoding, weight.size_bytes, kernel, code, inf, inf, inf, fits=False)
    cutter = Cutter(graph, board, prices, budget, room)
    try:
        layers = [cutter.best(call) for call in calls_of(graph, op)]
    except DoesNotFit:
        return Way(weight.encoding, weight.size_bytes, kernel, code, inf, inf, inf, fits=False)
    assert budget is not None
    boot = prices.restore()
    shares = [(_tiles(layer), layer.cost - boot) for layer in layers if layer.cost is not None]
    return Way(
        encoding=weight.encoding,
        n_bytes=weight.size_bytes,
        kernel=kernel,
        code_bytes=code,
        cycles=sum(n * cost.cycles for n, cost in shares),
        charge_pc=sum(n * cost.charge_pc for n, cost in shares),
        least_pc=max(layer.least_cost.charge_pc for layer in layers if layer.least_cost is not None),
        fits=all(layer.cost is not None and budget.covers_one(layer.cost) for layer in layers),
    )


def _tiles(layer: LayerTiles) -> float:
    """How many tiles of the full size a layer is."""
    return layer.parts * layer.n_units / layer.tile_units
