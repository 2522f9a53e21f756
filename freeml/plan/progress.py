"""Forward progress, decided before anything is flashed: every step of a plan fits one charge of the capacitor.

A device that boots with a full capacitor and gets nothing more completes at least one step before it dies, whichever
step it is at, a first boot with garbage in NVM included: the worst case of each, with boot, restore and commit, is at
most the usable charge (energy.py). So every inference ends. Where that cannot be had, the error names the layer, both
energies and what would do.
"""

from __future__ import annotations

from dataclasses import dataclass

from freeml.board.board import Board
from freeml.errors import DoesNotFit
from freeml.ir.graph import Graph
from freeml.plan.energy import Budget, TileCost, budget_of
from freeml.plan.memory import MemoryPlan
from freeml.plan.tiles import FixedStep, LayerTiles, TilePlan, plan_tiles
from freeml.units import round_up, show_capacitor

MOST_UF = 1e7


@dataclass(frozen=True, slots=True)
class InferenceCost:
    """One inference at worst-case costs.

    charge_pc, energy_uj, active_us  of all steps on a board that is on, without losses of power
    boot_uj, boot_us                 of one boot: start of the hardware, and finding where it was
    boots                            on the plan's capacitor, if nothing is harvested while the board is on
    boots_energy_uj                  drawn in all these boots, tiles lost at their ends included
    """

    charge_pc: float
    energy_uj: float
    active_us: float
    boot_uj: float
    boot_us: float
    boots: int
    boots_energy_uj: float


def check_progress(
    graph: Graph,
    memory_plan: MemoryPlan,
    plan: TilePlan,
    board: Board,
    capacitor: float | None = None,
    *,
    sram_tile_bytes: int,
) -> TilePlan:
    """Return the plan if every step fits one charge of the capacitor (in uF; the board's where None).

    Raises DoesNotFit, figures in nJ, with the worst layer's node, the smallest capacitor for which planning succeeds
    and, where the plan was made for another capacitor, the tile that would fit this one.
    """
    budget = budget_of(board, capacitor)
    if budget is None:
        return plan
    failing = [(step, cost) for step, cost in _steps(plan) if not budget.covers_one(cost)]
    if not failing:
        return plan
    step, cost = max(failing, key=lambda item: budget.needed_uf(item[1]))
    needed, there = budget.energy_uj(cost.charge_pc), _available_uj(budget, cost)
    raise DoesNotFit(
        f"{_describe(step)} needs {needed:.3g} uJ with boot and commit, a capacitor of "
        f"{show_capacitor(budget.capacitor_uf)} gives {there:.3g} uJ",
        region="energy",
        needed=round(needed * 1000),
        available=round(there * 1000),
        where=step.loc,
        hint=_remedy(graph, memory_plan, step, board, budget, sram_tile_bytes),
    )


def smallest_capacitor_uf(graph: Graph, memory_plan: MemoryPlan, board: Board, *, sram_tile_bytes: int) -> float | None:
    """The smallest capacitance of two significant digits for which planning succeeds; None where none does.

    Exact: with 0.9 times it planning fails. Where planning succeeds it does so with every larger capacitor, so the
    search goes up from what the smallest tiles with the shortest commit record ask for, and ends there or soon after.
    """
    budget = budget_of(board)
    assert budget is not None

    def does(capacitor_uf: float) -> bool:
        made = plan_tiles(graph, memory_plan, board, capacitor_uf, sram_tile_bytes=sram_tile_bytes)
        at = budget.with_capacitor(capacitor_uf)
        return all(at.covers_one(cost) for _, cost in _steps(made))

    largest = plan_tiles(graph, memory_plan, board, MOST_UF, sram_tile_bytes=sram_tile_bytes)
    lowest = max(budget.needed_uf(cost) for cost in _least_costs(largest))
    if lowest > MOST_UF:
        return None
    candidate = round_up(lowest)
    while not does(candidate):  # so many tiles that commits take eight bytes; or the last digit of a double
        candidate = round_up(candidate * 1.0001)
        if candidate > MOST_UF:
            return None
    return candidate


def inference_cost(plan: TilePlan) -> InferenceCost | None:
    """What one inference takes; None on a board without energy model, or where a step does not fit one boot."""
    budget, restore = plan.budget, plan.restore
    if budget is None or restore is None or not all(budget.covers_one(cost) for _, cost in _steps(plan)):
        return None
    tiles = [(layer.n_tiles, layer.cost) for layer in plan.layers]
    runs = [(1, plan.capture.cost), *tiles, (1, plan.publish.cost), (1, plan.report.cost)]

    def drain(cost: TileCost) -> float:
        return cost.charge_pc + float(budget.leakage_pc(cost.time_us))

    start = drain(restore)
    boots, left, charge, active = 1, budget.usable_pc - start, 0.0, 0.0
    for n_steps, cost in runs:
        assert cost is not None
        own = cost - restore
        charge, active = charge + n_steps * own.charge_pc, active + n_steps * own.time_us
        here = min(n_steps, int(left / drain(own)))
        rest, each = n_steps - here, max(1, int((budget.usable_pc - start) / drain(own)))
        left -= here * drain(own)
        if rest:
            more = -(-rest // each)
            boots += more
            left = budget.usable_pc - start - (rest - (more - 1) * each) * drain(own)
    drawn = (boots * budget.usable_pc) - left
    return InferenceCost(
        charge_pc=charge,
        energy_uj=budget.energy_uj(charge),
        active_us=active,
        boot_uj=budget.energy_uj(restore.charge_pc),
        boot_us=restore.time_us,
        boots=boots,
        boots_energy_uj=budget.energy_uj(drawn),
    )


def _steps(plan: TilePlan) -> list[tuple[LayerTiles | FixedStep, TileCost]]:
    """Every kind of step with its worst-case cost."""
    steps: list[LayerTiles | FixedStep] = [plan.cold_start, plan.capture, *plan.layers, plan.publish, plan.report]
    return [(step, step.cost) for step in steps if step.cost is not None]


def _least_costs(plan: TilePlan) -> list[TileCost]:
    """The cost of the smallest tile of each layer, and of the steps that cannot be cut."""
    fixed = (plan.cold_start.cost, plan.capture.cost, plan.publish.cost, plan.report.cost)
    costs = [*fixed, *(layer.least_cost for layer in plan.layers)]
    return [cost for cost in costs if cost is not None]


def _available_uj(budget: Budget, cost: TileCost) -> float:
    return budget.energy_uj(budget.usable_pc - float(budget.leakage_pc(cost.time_us)))


def _describe(step: LayerTiles | FixedStep) -> str:
    if isinstance(step, FixedStep):
        names = {
            "cold start": "a cold start",
            "capture": "capturing the input",
            "publish": "publishing the result",
            "report": "reporting the result",
        }
        return names[step.name]
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
        remedies.append(f"the smallest capacitor that would do is {show_capacitor(smallest)}")
    return "; ".join(remedies)
