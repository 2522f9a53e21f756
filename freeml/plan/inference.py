"""TilePlan -> what one inference takes: charge, energy, time, boots."""

from __future__ import annotations

from dataclasses import dataclass

from freeml.energy.capacitor import count_boots
from freeml.plan.progress import makes_progress
from freeml.plan.steps import TilePlan


@dataclass(frozen=True, slots=True)
class InferenceCost:
    """One inference at worst-case costs, of the whole network: no decision stops before its end.

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


def inference_cost(plan: TilePlan) -> InferenceCost | None:
    """What one inference takes; None on a board without energy model, or where a step does not fit one boot."""
    budget, restore = plan.budget, plan.restore
    if budget is None or restore is None or not makes_progress(plan):
        return None
    runs = [(step.n_steps, step.cost) for step in plan.whole if step.cost is not None]
    charge, active = 0.0, 0.0
    for n_steps, cost in runs:
        own = cost - restore
        charge, active = charge + n_steps * own.charge_pc, active + n_steps * own.time_us
    boots, drawn_pc = count_boots(budget, restore, runs)
    return InferenceCost(
        charge_pc=charge,
        energy_uj=budget.energy_uj(charge),
        active_us=active,
        boot_uj=budget.energy_uj(restore.charge_pc),
        boot_us=restore.time_us,
        boots=boots,
        boots_energy_uj=budget.energy_uj(drawn_pc),
    )


def layers_charge_pc(plan: TilePlan) -> float:
    """Charge of all tiles of a plan with costs, boots left out: what plans are compared by.

    The last tile of each layer counts in proportion to its units.
    """
    restore = plan.restore
    assert restore is not None
    charge = 0.0
    for layer in plan.layers:
        assert layer.cost is not None
        charge += (layer.cost - restore).charge_pc * layer.parts * layer.n_units / layer.tile_units
    return charge
