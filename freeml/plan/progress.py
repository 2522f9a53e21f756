"""Forward progress, decided before anything is flashed: every step of a plan fits one charge of the capacitor.

A device that boots with a full capacitor and gets nothing more completes at least one step before it dies, whichever
step it is at, a first boot with garbage in NVM included: the worst case of each, with boot, restore and commit, is at
most the usable charge (energy/capacitor.py). So every inference ends. Where that cannot be had, the error names the
layer, both energies and what would do.
"""

from __future__ import annotations

from collections.abc import Callable

from freeml.energy.capacitor import MOST_UF, Budget, find_smallest_uf
from freeml.errors import DoesNotFit
from freeml.plan.steps import FixedStep, LayerTiles, TilePlan
from freeml.units import show_capacitor

Replan = Callable[[float], TilePlan]  # the tiles of the same calls for another capacitor, in uF


def makes_progress(plan: TilePlan) -> bool:
    """Whether every step fits one charge of the plan's own capacitor; True on a board without energy model."""
    budget = plan.budget
    return budget is None or all(budget.covers_one(step.cost) for step in plan.priced_steps if step.cost is not None)


def check_progress(
    plan: TilePlan, budget: Budget | None, replan: Replan, smallest_uf: Callable[[], float | None]
) -> TilePlan:
    """Return the plan if every step fits the budget; also where there is none, on a board without energy model.

    smallest_uf  what capacitor a refusal is to name as the smallest that would do; None where none does
    Raises DoesNotFit, figures in nJ, with the worst layer's node, that capacitor and, where the plan was made for
    another budget, the tile that would fit this one.
    """
    if budget is None:
        return plan
    priced = [(step, step.cost) for step in plan.priced_steps if step.cost is not None]
    failing = [(step, cost) for step, cost in priced if not budget.covers_one(cost)]
    if not failing:
        return plan
    step, cost = max(failing, key=lambda item: budget.needed_uf(item[1]))
    needed, there = budget.energy_uj(cost.charge_pc), budget.available_uj(cost)
    remedies = (*_smaller_tile(step, budget, replan(budget.capacitor_uf)), _larger_capacitor(smallest_uf()))
    raise DoesNotFit(
        f"{_describe(step)} needs {needed:.3g} uJ with boot and commit, a capacitor of "
        f"{show_capacitor(budget.capacitor_uf)} gives {there:.3g} uJ",
        region="energy",
        needed=round(needed * 1000),
        available=round(there * 1000),
        where=step.loc,
        hint="; ".join(remedies),
    )


def smallest_capacitor_uf(budget: Budget, replan: Replan) -> float | None:
    """The smallest capacitance of two significant digits for which planning succeeds; None where none does.

    budget  of any capacitor: its voltages, leakage and margin are those of the board
    Exact: with 0.9 times it planning fails. Where planning succeeds it does so with every larger capacitor, so the
    search goes up from what the smallest tiles with the shortest commit record ask for, and ends there or soon after:
    there may be so many tiles that commits take eight bytes, or the last digit of a double is in the way.
    """
    return find_smallest_uf(budget, replan(MOST_UF).least_costs, lambda uf: makes_progress(replan(uf)))


def _describe(step: LayerTiles | FixedStep) -> str:
    if isinstance(step, FixedStep):
        return step.words
    if step.parts > 1:
        return f"a tile of {step.part_macs:,} of {step.macs:,} products"
    return f"a tile of {step.tile_units:,} of {step.n_units:,} units"


def _smaller_tile(step: LayerTiles | FixedStep, budget: Budget, again: TilePlan) -> tuple[str, ...]:
    """What a plan for this budget does for a layer's tile; nothing of a step that cannot be cut."""
    if not isinstance(step, LayerTiles):
        return ()
    twin = next(layer for layer in again.layers if (layer.value, layer.operand) == (step.value, step.operand))
    if twin.cost is not None and budget.covers_one(twin.cost):
        return (f"plan again: {_describe(twin).removeprefix('a ')} would fit",)
    return ("no smaller tile fits",)


def _larger_capacitor(smallest_uf: float | None) -> str:
    if smallest_uf is None:
        return "no capacitor would do: it leaks more in this time than it stores"
    return f"the smallest capacitor that would do is {show_capacitor(smallest_uf)}"
