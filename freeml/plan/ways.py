"""One layer planned alone in each form that its weights may have: bytes, and what its tiles take on a board.

A form whose rows are decoded is planned in one call, whose tiles are outputs pixel by pixel, and in slices of some
channels, whose tiles are pixels (`Graph.slices`): where a tile is small, slices decode a row for many pixels and not
for one. Slices are taken where they are clearly cheaper, and only where the one call fits the capacitor, too: what
cannot be done without them is not done with them, so that the smallest capacitor does not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from freeml.board.board import Board
from freeml.energy.capacitor import budget_of
from freeml.errors import DoesNotFit
from freeml.ir.graph import Graph
from freeml.ir.ops import Op
from freeml.ir.verify_stored import sliceable
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.plan.calls import calls_of
from freeml.plan.cuts import Cutter
from freeml.plan.price import ONE_WORD, TWO_SLOTS, step_prices
from freeml.plan.sram import HOST_TILE_BYTES
from freeml.plan.steps import LayerTiles

_SRAM_SHARE = 4  # of a board's SRAM, what tiles of a layer are compared with: windows and stack are not known yet

_SCRATCH_SHARES = 2  # of these, what a decoder may take beside the tiles

_SLICES = (1, 2, 4, 8, 16, 32)  # output channels of a call
_CLEARLY = 0.9  # of what one call takes, what slices may: prices are upper bounds, and not all as close
_NEARLY = 1.03  # times the least that any slices take, what those may that are taken: calls are code
CALL_BYTES = 80  # of a call more: its row in the table of steps, its entry of what it reads, and of a jump


@dataclass(frozen=True, slots=True)
class Way:
    """A layer whose weights are stored in a form; None: as they are.

    n_bytes             of the weights, as they are stored
    call_bytes          of the calls that slices are beyond the first
    kernel, code_bytes  what decodes them, and how much code that is; 0 for a kernel that networks have anyway
    cycles, charge_pc   of all tiles at worst-case prices, boots left out; 0 without prices
    least_pc            of the smallest step that the layer can be cut into, its boot included
    fits                whether the capacitor pays for each step, and SRAM holds it
    is_kept             whether the model came with this form
    slice               output channels of a call; None: there is one
    in_one              of slices: the same form in one call
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
    slice: int | None = None
    in_one: Way | None = None
    call_bytes: int = 0

    @property
    def own_bytes(self) -> int:
        """Of flash, without a decoder that other layers may have, too."""
        return self.n_bytes + self.call_bytes

    def no_dearer(self, dense: Way) -> bool:
        """Whether it takes no more charge and no more cycles than the dense layer."""
        return self.charge_pc <= dense.charge_pc and self.cycles <= dense.cycles


def ways_of(
    graph: Graph, op: Op, encodings: Sequence[str | None], board: Board, capacitor_uf: float | None = None
) -> list[Way]:
    """An op of a graph with its weights in each of these forms."""
    return [_best_way(_with(graph, op, encoding), op, board, capacitor_uf) for encoding in encodings]


def _with(graph: Graph, op: Op, encoding: str | None) -> Graph:
    consts = {**graph.consts, op.inputs[1]: replace(graph.consts[op.inputs[1]], encoding=encoding)}
    return replace(graph, consts=consts, slices={k: rows for k, rows in graph.slices.items() if k != op.output})


def _best_way(graph: Graph, op: Op, board: Board, capacitor_uf: float | None) -> Way:
    """In one call, or in the fewest slices of those that take nearly the least, if that is clearly less."""
    whole = _way(graph, op, board, capacitor_uf)
    if not whole.fits or board.capacitor is None or not sliceable(graph, op):
        return whole
    sizes = (rows for rows in _SLICES if rows < graph.types[op.output].shape[-1])
    sliced = (replace(graph, slices={**graph.slices, op.output: rows}) for rows in sizes)
    ways = [way for way in (_way(each, op, board, capacitor_uf) for each in sliced) if way.fits]
    clearly = [way for way in ways if max(way.charge_pc / whole.charge_pc, way.cycles / whole.cycles) <= _CLEARLY]
    least = min((way.charge_pc for way in clearly), default=0.0)
    nearly = (way for way in clearly if way.charge_pc <= _NEARLY * least)
    return min((replace(way, in_one=whole) for way in nearly), key=lambda way: way.call_bytes, default=whole)


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
    try:
        layers = _layers(graph, op, Cutter(graph, board, prices, budget, room))
    except DoesNotFit:
        return Way(weight.encoding, weight.size_bytes, kernel, code, inf, inf, inf, fits=False)
    assert budget is not None
    boot = prices.restore()
    shares = [(_tiles(layer), layer.cost - boot) for layer in layers if layer.cost is not None]
    return Way(
        encoding=weight.encoding,
        n_bytes=weight.size_bytes,
        call_bytes=CALL_BYTES * (len(layers) - 1),
        kernel=kernel,
        code_bytes=code,
        slice=graph.slices.get(op.output),
        cycles=sum(n * cost.cycles for n, cost in shares),
        charge_pc=sum(n * cost.charge_pc for n, cost in shares),
        least_pc=max(layer.least_cost.charge_pc for layer in layers if layer.least_cost is not None),
        fits=all(layer.cost is not None and budget.covers_one(layer.cost) for layer in layers),
    )


def widest(graph: Graph, op: Op, rows: int, board: Board, capacitor_uf: float | None = None) -> int:
    """Channels of a slice of a layer that has some, at most `rows` of them, as many as the capacitor pays for; as many
    as it has where that is none."""
    own = graph.slices[op.output]
    for size in sorted((size for size in _SLICES if own < size <= rows), reverse=True):
        wide = replace(graph, slices={**graph.slices, op.output: size})
        if size < graph.types[op.output].shape[-1] and _way(wide, op, board, capacitor_uf).fits:
            return size
    return own


def _layers(graph: Graph, op: Op, cutter: Cutter) -> list[LayerTiles]:
    """The calls of an op, cut; those that are alike are cut once."""
    kernel = kernel_of(graph, op)
    known: dict[tuple[int, int, int], LayerTiles] = {}
    layers = []
    for call in calls_of(graph, op):
        key = kernel.like(graph, op, call.operand), call.n_units, call.unit_bytes
        if key not in known:
            known[key] = cutter.best(call)
        layers.append(known[key])
    return layers


def _tiles(layer: LayerTiles) -> float:
    """How many tiles of the full size a layer is."""
    return layer.parts * layer.n_units / layer.tile_units
