"""Forward progress, decided before anything is flashed: every step of a plan fits one charge of the capacitor.

A device that boots with a full capacitor and gets nothing more completes at least one step before it dies, whichever
step it is at, a first boot with garbage in NVM included: the worst case of each, with boot, restore and commit, is at
most the usable charge (energy/capacitor.py). So every inference ends. Where that cannot be had, the error names the
layer, both energies and what would do.
"""

from __future__ import annotations

from collections.abc import Callable

from freeml.board.board import Board
from freeml.energy.capacitor import MOST_UF, Budget, budget_of, find_smallest_uf
from freeml.errors import DoesNotFit
from freeml.ir.graph import Graph
from freeml.plan.memory import MemoryPlan
from freeml.plan.steps import FixedStep, LayerTiles, TilePlan
from freeml.plan.tiles import plan_tiles
from freeml.units import show_capacitor

_FIXED = {
    "cold start": "a cold start",
    "capture": "capturing the input",
    "publish": "publishing the result",
    "report": "reporting the result",
}


def check_progress(
    graph: Graph,
    memory_plan: MemoryPlan,
    plan: TilePlan,
    board: Board,
    capacitor_uf: float | None = None,
    *,
    sram_tile_bytes: int,
    smaller: Callable[[float], float] = lambda smallest_uf: smallest_uf,
) -> TilePlan:
    """Return the plan if every step fits one charge of the capacitor; of the board's where none is given.

    Raises DoesNotFit, figures in nJ, with the worst layer's node, the smallest capacitor for which planning succeeds
    and, where the plan was made for another capacitor, the tile that would fit this one.

    smaller  of the smallest capacitor for these ops: that for the ops that they may become
    """
    budget = budget_of(board, capacitor_uf)
    if budget is None:
        return plan
    priced = [(step, step.cost) for step in plan.priced_steps if step.cost is not None]
    failing = [(step, cost) for step, cost in priced if not budget.covers_one(cost)]
    if not failing:
        return plan
    step, cost = max(failing, key=lambda item: budget.needed_uf(item[1]))
    needed, there = budget.energy_uj(cost.charge_pc), budget.available_uj(cost)
    raise DoesNotFit(
        f"{_describe(step)} needs {needed:.3g} uJ with boot and commit, a capacitor of "
        f"{show_capacitor(budget.capacitor_uf)} gives {there:.3g} uJ",
        region="energy",
        needed=round(needed * 1000),
        available=round(there * 1000),
        where=step.loc,
        hint=_remedy(graph, memory_plan, step, board, budget, sram_tile_bytes, smaller),
    )


def makes_progress(plan: TilePlan) -> bool:
    """Whether every step fits one charge of the plan's own capacitor; True on a board without energy model."""
    budget = plan.budget
    return budget is None or all(budget.covers_one(step.cost) for step in plan.priced_steps if step.cost is not None)


def smallest_capacitor_uf(graph: Graph, memory_plan: MemoryPlan, board: Board, *, sram_tile_bytes: int) -> float | None:
    """The smallest capacitance of two significant digits for which planning succeeds; None where none does.

    Exact: with 0.9 times it planning fails. Where planning succeeds it does so with every larger capacitor, so the
    search goes up from what the smallest tiles with the shortest commit record ask for, and ends there or soon after:
    there may be so many tiles that commits take eight bytes, or the last digit of a double is in the way.
    """
    budget = budget_of(board)
    assert budget is not None

    def plan(capacitor_uf: float) -> TilePlan:
        return plan_tiles(graph, memory_plan, board, capacitor_uf, sram_tile_bytes=sram_tile_bytes)

    return find_smallest_uf(budget, plan(MOST_UF).least_costs, lambda capacitor_uf: makes_progress(plan(capacitor_uf)))


def _describe(step: LayerTiles | FixedStep) -> str:
    if isinstance(step, FixedStep):
        return _FIXED[step.name]
    if step.parts > 1:
        return f"a tile of {step.part_macs:,} of {step.macs:,} products"
    return f"a tile of {step.tile_units:,} of {step.n_units:,} units"


def _remedy(
    graph: Graph,
    memory_plan: MemoryPlan,
    step: LayerTiles | FixedStep,
    board: Board,
    budget: Budget,
    sram_tile_bytes: int,
    smaller: Callable[[float], float],
) -> str:
    """The tile that would fit, if there is one, and the smallest capacitor that would do."""
    remedies = []
    again = plan_tiles(graph, memory_plan, board, budget.capacitor_uf, sram_tile_bytes=sram_tile_bytes)
    if isinstance(step, LayerTiles):
        twin = next(layer for layer in again.layers if (layer.value, layer.operand) == (step.value, step.operand))
        if twin.cost is not None and budget.covers_one(twin.cost):
            remedies.append(f"plan again: {_describe(twin).removeprefix('a ')} would fit")
        else:
            remedies.append("no smaller tile fits")
    smallest = smallest_capacitor_uf(graph, memory_plan, board, sram_tile_bytes=sram_tile_bytes)
    if smallest is None:
        remedies.append("no capacitor would do: it leaks more in this time than it stores")
    else:
        remedies.append(f"the smallest capacitor that would do is {show_capacitor(smaller(smallest))}")
    return "; ".join(remedies)
