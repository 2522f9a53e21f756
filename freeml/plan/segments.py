"""TilePlan -> what lies between the exits of a network, and what an inference takes that ends at each of them."""

from __future__ import annotations

from dataclasses import dataclass

from freeml.energy.capacitor import StepCost
from freeml.plan.step_table import Kind
from freeml.plan.steps import TilePlan


@dataclass(frozen=True, slots=True)
class Segment:
    """The steps behind one exit, or the capture, up to the decision or publication of a depth, at worst-case costs.

    depth      from 1; that of the whole network is the last one
    charge_pc, energy_uj, time_us  of all its steps on a board that is on, without boots
    """

    depth: int
    charge_pc: float
    energy_uj: float
    time_us: float


def segments(plan: TilePlan) -> tuple[Segment, ...]:
    """One for each depth, reports left out; empty without energy model."""
    if plan.budget is None or plan.restore is None:
        return ()
    charge = [0.0] * plan.steps.n_depths
    time_us = [0.0] * plan.steps.n_depths
    for row, step in zip(plan.steps.rows, plan.in_order, strict=True):
        if row.kind is Kind.REPORT:
            continue
        own = _own(plan, step.cost)
        charge[row.depth - 1] += own.charge_pc * step.n_steps
        time_us[row.depth - 1] += own.time_us * step.n_steps
    found = zip(charge, time_us, strict=True)
    return tuple(Segment(k, pc, plan.budget.energy_uj(pc), us) for k, (pc, us) in enumerate(found, start=1))


def ends_uj(plan: TilePlan) -> tuple[float, ...]:
    """Energy of an inference that ends at each depth, its report included; empty without energy model."""
    found = segments(plan)
    if not found or plan.budget is None:
        return ()
    reports = [_own(plan, step.cost).charge_pc for step in plan.fixed if step.kind is Kind.REPORT]
    sums = [sum(one.charge_pc for one in found[: k + 1]) for k in range(len(found))]
    # the first report is that of the whole network
    return tuple(
        plan.budget.energy_uj(charge + (reports[0] if k == len(found) - 1 else reports[-1]))
        for k, charge in enumerate(sums)
    )


def _own(plan: TilePlan, cost: StepCost | None) -> StepCost:
    """Without the boot that is part of every step's cost."""
    assert cost is not None
    assert plan.restore is not None
    return cost - plan.restore
