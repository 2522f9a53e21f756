"""Graph@QUANTIZED + Board -> everything that is decided before C. Who wants a plan asks here, or reads a stored one.

Order of ops, bytes of values, tiles and the proof of progress depend on each other; nobody else puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

from freeml.board.board import Board
from freeml.energy.capacitor import MOST_UF
from freeml.errors import DoesNotFit, UnsupportedOp
from freeml.ir.graph import Graph
from freeml.ir.ops import Reshape
from freeml.ir.verify import verify_graph
from freeml.plan.encode import as_it_is, encoded, in_fewer_calls, in_one_call, leanest, refitted
from freeml.plan.fuse import fuse
from freeml.plan.inference import layers_charge_pc
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.progress import Replan, check_progress, makes_progress, smallest_capacitor_uf
from freeml.plan.protocol import MAX_WORD_STEPS
from freeml.plan.schedule import schedule
from freeml.plan.sram import sram_of_tiles
from freeml.plan.steps import Cut, TilePlan
from freeml.plan.tiles import plan_tiles, recut_tiles
from freeml.plan.verify_memory import verify_memory
from freeml.plan.verify_tiles import verify_tiles
from freeml.plan.windows import Windows, pieced_windows, whole_windows
from freeml.units import next_below


@dataclass(frozen=True)
class Planned:
    """What was decided, and why it does not do, if so.

    graph            ops as they are executed
    memory           where values lie
    tiles            the atomic steps; None where SRAM cannot hold the smallest
    sram_tile_bytes  SRAM for them; None where stack, windows and scratch leave none
    windows          of inputs and outputs
    refusal          None where every step fits memory and capacitor
    """

    graph: Graph
    memory: MemoryPlan
    tiles: TilePlan | None
    sram_tile_bytes: int | None
    windows: Windows
    refusal: DoesNotFit | None

    @property
    def feasible(self) -> TilePlan:
        """The tiles of a plan without refusal."""
        assert self.tiles is not None
        assert self.refusal is None
        return self.tiles


def plan_graph(
    graph: Graph, board: Board, capacitor_uf: float | None = None, *, lean: bool = False, least_rows: int | None = 1
) -> Planned:
    """Plan a quantized graph; convolutions and pools are joined where the board gains by it.

    capacitor_uf  in place of the board's
    lean          they are joined where values take fewer bytes for it, though it may take more charge
    least_rows    channels of a slice where the capacitor pays for them: each is a call, which is code; None: there are
                  no slices
    Where SRAM does not do beside windows for all inputs and outputs, these come and go piece by piece.
    Raises UnsupportedOp for a graph that computes nothing.
    """
    if _computes_nothing(graph):
        raise UnsupportedOp("the model computes nothing: its outputs are its inputs", where=graph.name)
    stored = encoded(graph, board, capacitor_uf)
    stored = in_one_call(stored) if least_rows is None else in_fewer_calls(stored, least_rows, board, capacitor_uf)
    refused: list[tuple[Graph, Planned]] = []
    for one in {id(one): one for one in (stored, in_one_call(stored), as_it_is(stored))}.values():
        planned = _plan_windows(one, board, capacitor_uf, lean)
        if planned.refusal is None:
            return planned
        refused.append((one, planned))
    if len(refused) == 1 or any(each.refusal and each.refusal.region != "energy" for _, each in refused):
        return refused[0][1]
    # A refusal names the smallest capacitor that would do, however weights are stored: smallest_uf says the same.
    return min(refused, key=lambda one: _smallest_of(one[0], board, one[1].windows) or inf)[1]


def _plan_windows(graph: Graph, board: Board, capacitor_uf: float | None, lean: bool) -> Planned:
    """Windows for all inputs and outputs, or piece by piece where SRAM holds no others."""
    planned = _plan_joined(graph, board, capacitor_uf, whole_windows(graph), lean)
    pieces = pieced_windows(graph, board)
    if pieces is None or planned.refusal is None or planned.refusal.region != "sram":
        return planned
    again = _plan_joined(graph, board, capacitor_uf, pieces, lean)
    return planned if again.refusal is not None and again.refusal.region == "sram" else again


def plan_as_it_is(
    graph: Graph,
    board: Board,
    capacitor_uf: float | None = None,
    *,
    windows: Windows,
    smaller: Callable[[float], float] = lambda smallest_uf: smallest_uf,
) -> Planned:
    """The same with the ops that there are, and these windows.

    smaller  of the smallest capacitor for these ops: that for the ops that they may become; a refusal names it
    """
    graph, memory = lay_out(graph)
    tiles: TilePlan | None = None
    sram: int | None = None
    try:
        sram = sram_of_tiles(graph, board, windows)
        tiles = plan_tiles(graph, memory, board, capacitor_uf, sram_tile_bytes=sram)
        replan = _replanner(graph, memory, board, sram)
        check_progress(tiles, tiles.budget, replan, lambda: _smallest_uf(tiles, replan, smaller))
        verify_tiles(graph, memory, tiles)
    except DoesNotFit as refusal:
        return Planned(graph, memory, tiles, sram, windows, refusal)
    return Planned(graph, memory, tiles, sram, windows, None)


def lay_out(graph: Graph) -> tuple[Graph, MemoryPlan]:
    """The graph with its ops in the order that needs least memory, and where its values lie then; both verified.

    Nothing runs in place: a tile that is computed again after a power loss must find what it read the first time.
    """
    graph = schedule(verify_graph(graph), in_place=False)
    return graph, verify_memory(graph, plan_memory(graph, in_place=False))


def smallest_uf(graph: Graph, board: Board, *, windows: Windows) -> float | None:
    """The smallest capacitor of a graph on a board, to two digits: with the next smaller one planning fails.

    None where none does, SRAM does not, or there is no energy model.
    """
    stored = encoded(graph, board)
    dense = as_it_is(stored)
    found = [_smallest_of(g, board, windows) for g in ((stored,) if dense is stored else (stored, dense))]
    return min((uf for uf in found if uf is not None), default=None)


def _smallest_of(graph: Graph, board: Board, windows: Windows) -> float | None:
    """With constants stored as they are in this graph."""
    alone = plan_as_it_is(graph, board, windows=windows)
    if alone.sram_tile_bytes is None or alone.tiles is None:
        return None
    replan = _replanner(alone.graph, alone.memory, board, alone.sram_tile_bytes)
    return _smallest_uf(alone.tiles, replan, lambda found: _joined_uf(graph, board, windows, found))


def recut(graph: Graph, memory: MemoryPlan, board: Board, plan: TilePlan, cuts: Sequence[Cut]) -> TilePlan | None:
    """The plan of a compiled folder with other tiles, one cut for each kernel call: same capacitor and commit record.

    None where there would be too many tiles for this commit record.
    """
    capacitor_uf = None if plan.budget is None else plan.budget.capacitor_uf
    made = recut_tiles(graph, memory, board, cuts, capacitor_uf, commit_slots=plan.commit_slots)
    if plan.commit_slots == 1 and made.commits > MAX_WORD_STEPS:
        return None
    return verify_tiles(graph, memory, replace(made, policy=plan.policy))


def _replanner(graph: Graph, memory: MemoryPlan, board: Board, sram_tile_bytes: int) -> Replan:
    """Plans the tiles of a graph as it is for other capacitors."""

    def replan(capacitor_uf: float) -> TilePlan:
        # the search for the smallest capacitor begins with what steps cost at the least, on the largest one
        first = leanest(graph, board) if capacitor_uf >= MOST_UF else refitted(graph, board, capacitor_uf)
        for stored in (first, leanest(graph, board), as_it_is(graph)):
            tiles = plan_tiles(stored, memory, board, capacitor_uf, sram_tile_bytes=sram_tile_bytes)
            if makes_progress(tiles):  # smaller tiles of one layer can cost another step more
                break
        return tiles

    return replan


def _smallest_uf(tiles: TilePlan, replan: Replan, smaller: Callable[[float], float]) -> float | None:
    """The smallest capacitor; `smaller` as in plan_as_it_is. None without energy model, or where none does."""
    if tiles.budget is None:
        return None
    found = smallest_capacitor_uf(tiles.budget, replan)
    return None if found is None else smaller(found)


def _plan_joined(graph: Graph, board: Board, capacitor_uf: float | None, windows: Windows, lean: bool) -> Planned:
    def smaller(smallest_uf: float) -> float:
        return _joined_uf(graph, board, windows, smallest_uf)

    joined = _joined(graph, board, capacitor_uf, windows, lean)
    planned = plan_as_it_is(joined, board, capacitor_uf, windows=windows, smaller=smaller)
    if planned.refusal is None or joined is graph:
        return planned
    # another order of ops changed what fits
    return plan_as_it_is(graph, board, capacitor_uf, windows=windows, smaller=smaller)


def _joined(graph: Graph, board: Board, capacitor_uf: float | None, windows: Windows, lean: bool = False) -> Graph:
    return fuse(graph, lambda other: _price(other, board, capacitor_uf, windows, lean))


def _joined_uf(graph: Graph, board: Board, windows: Windows, smallest_uf: float) -> float:
    """The smallest capacitor, given that for the ops as they are: what a joined pair needs at once may be less,
    as the value between them is never written."""
    while True:
        lower_uf = next_below(smallest_uf)
        joined = _joined(graph, board, lower_uf, windows)
        if joined is graph or _price(lay_out(joined)[0], board, lower_uf, windows) is None:
            return smallest_uf
        smallest_uf = lower_uf


def _price(
    graph: Graph, board: Board, capacitor_uf: float | None, windows: Windows, lean: bool = False
) -> float | None:
    """Charge of all layers in pC, without an energy model the bytes written; lean: the arena. None: it does not fit.

    Of the ops in the order that they have: another order costs more time to find than it changes what a pair gains.
    """
    if _computes_nothing(graph):
        return None
    memory = plan_memory(graph, in_place=False)
    try:
        sram = sram_of_tiles(graph, board, windows)
        tiles = plan_tiles(graph, memory, board, capacitor_uf, sram_tile_bytes=sram)
    except DoesNotFit:
        return None
    if not makes_progress(tiles):
        return None
    if lean:
        return float(memory.arena_bytes)
    return float(tiles.written_bytes) if tiles.budget is None else layers_charge_pc(tiles)


def _computes_nothing(graph: Graph) -> bool:
    return all(isinstance(op, Reshape) for op in graph.ops)
