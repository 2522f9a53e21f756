"""Progress and capacitors of a graph in a given memory plan, as tests ask for them."""

from __future__ import annotations

from freeml.board.board import Board
from freeml.energy.capacitor import budget_of
from freeml.ir.graph import Graph
from freeml.plan.memory import MemoryPlan
from freeml.plan.progress import Replan, check_progress, smallest_capacitor_uf
from freeml.plan.steps import TilePlan
from freeml.plan.tiles import plan_tiles


def replanner(graph: Graph, memory: MemoryPlan, board: Board, sram: int) -> Replan:
    return lambda capacitor_uf: plan_tiles(graph, memory, board, capacitor_uf, sram_tile_bytes=sram)


def smallest_uf(graph: Graph, memory: MemoryPlan, board: Board, sram: int) -> float | None:
    budget = budget_of(board)
    assert budget is not None
    return smallest_capacitor_uf(budget, replanner(graph, memory, board, sram))


def proved(
    graph: Graph, memory: MemoryPlan, plan: TilePlan, board: Board, capacitor_uf: float | None, sram: int
) -> TilePlan:
    """The plan, where it makes progress on a capacitor; raises DoesNotFit where it does not."""
    replan = replanner(graph, memory, board, sram)
    return check_progress(plan, budget_of(board, capacitor_uf), replan, lambda: smallest_uf(graph, memory, board, sram))
