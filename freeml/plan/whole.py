"""Graph@QUANTIZED + Board -> everything that is decided before C: the one planner of `freeml analyze` and `compile`."""

from __future__ import annotations

from dataclasses import dataclass

from freeml.board.board import Board
from freeml.errors import DoesNotFit, UnsupportedOp
from freeml.ir.graph import Graph
from freeml.ir.ops import Reshape
from freeml.ir.verify import verify_graph
from freeml.plan.fuse import fuse
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.progress import check_progress
from freeml.plan.schedule import schedule
from freeml.plan.tiles import TilePlan, plan_tiles, sram_of_tiles
from freeml.plan.verify import verify_plan
from freeml.plan.verify_tiles import verify_tiles
from freeml.plan.windows import Windows, pieced_windows, whole_windows


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


def plan_whole(graph: Graph, board: Board, capacitor_uf: float | None = None) -> Planned:
    """Plan a quantized graph; convolutions and pools are joined where the board gains by it.

    Where SRAM does not do beside windows for all inputs and outputs, these come and go piece by piece.
    Raises UnsupportedOp for a graph that computes nothing.
    """
    if all(isinstance(op, Reshape) for op in graph.ops):
        raise UnsupportedOp("the model computes nothing: its outputs are its inputs", where=graph.name)
    planned = _plan_with(graph, board, capacitor_uf, whole_windows(graph))
    pieces = pieced_windows(graph, board)
    if pieces is None or planned.refusal is None or planned.refusal.region != "sram":
        return planned
    again = _plan_with(graph, board, capacitor_uf, pieces)
    return planned if again.refusal is not None and again.refusal.region == "sram" else again


def _plan_with(graph: Graph, board: Board, capacitor_uf: float | None, windows: Windows) -> Planned:
    fused = fuse(graph, board, capacitor_uf, windows=windows)
    planned = plan_as_it_is(fused, board, capacitor_uf, windows=windows)
    if planned.refusal is None or fused is graph:
        return planned
    # another order of ops changed what fits
    return plan_as_it_is(graph, board, capacitor_uf, windows=windows)


def plan_as_it_is(
    graph: Graph, board: Board, capacitor_uf: float | None = None, *, windows: Windows | None = None
) -> Planned:
    """The same with the ops that there are, and these windows; by default with room for all inputs and outputs."""
    graph = schedule(verify_graph(graph), in_place=False)
    windows = windows or whole_windows(graph)
    # Nothing runs in place: a tile that is computed again after a power loss must find what it read the first time.
    memory = verify_plan(graph, plan_memory(graph, in_place=False))
    tiles: TilePlan | None = None
    sram: int | None = None
    try:
        sram = sram_of_tiles(graph, board, windows)
        tiles = plan_tiles(graph, memory, board, capacitor_uf, sram_tile_bytes=sram)
        check_progress(graph, memory, tiles, board, capacitor_uf, sram_tile_bytes=sram)
        verify_tiles(graph, memory, tiles)
    except DoesNotFit as refusal:
        return Planned(graph, memory, tiles, sram, windows, refusal)
    return Planned(graph, memory, tiles, sram, windows, None)
