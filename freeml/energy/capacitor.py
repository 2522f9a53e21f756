"""What a full capacitor gives one boot, and whether a step, whatever it does, fits it.

Everything is charge: a board behind a linear regulator takes the same charge for the same work at any voltage, so a
capacitor between two voltages holds C (v_on - v_off) of it whatever is drawn when. Joules are shown to people only: a
charge times the mean of the two voltages, exact for a full discharge. Harvest during a boot is never counted on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.board.board import Board
from freeml.board.figures import CapacitorFigures
from freeml.errors import FreemlError
from freeml.units import round_up

Floats = npt.NDArray[np.float64]

MOST_UF = 1e7  # no larger capacitor is looked for


@dataclass(frozen=True, slots=True)
class StepCost:
    """Worst case of one step in a boot of its own: start-up, restore, computing, NVM traffic, commit.

    cycles     of the processor, waits for NVM included, start-up of the hardware left out
    charge_pc  all of it but leakage of the capacitor
    time_us    from power-on to the commit
    """

    cycles: float
    charge_pc: float
    time_us: float

    def __sub__(self, other: StepCost) -> StepCost:
        return StepCost(self.cycles - other.cycles, self.charge_pc - other.charge_pc, self.time_us - other.time_us)


@dataclass(frozen=True, slots=True)
class StepCosts:
    """The same for many steps at once: arrays (n,)."""

    cycles: Floats
    charge_pc: Floats
    time_us: Floats

    def at(self, index: int) -> StepCost:
        """Of one step."""
        return StepCost(float(self.cycles[index]), float(self.charge_pc[index]), float(self.time_us[index]))


@dataclass(frozen=True, slots=True)
class Budget:
    """What a full capacitor gives one boot without any harvest; `margin` of it is never planned with."""

    capacitor_uf: float
    v_on_mv: float
    v_off_mv: float
    leakage_na_per_uf: float
    margin: float

    @property
    def usable_pc(self) -> float:
        """Charge between the two voltages, less the margin; leakage still to come off."""
        return self.capacitor_uf * (self.v_on_mv - self.v_off_mv) * 1000 * (1 - self.margin)  # uF mV = nC

    def leakage_pc(self, time_us: float | Floats) -> float | Floats:
        """What the capacitor itself loses in this time, at v_on."""
        return self.leakage_na_per_uf * self.capacitor_uf * time_us / 1000  # nA us = 0.001 pC

    def drain_pc(self, cost: StepCost) -> float:
        """What a step takes of the capacitor, leakage meanwhile included."""
        return cost.charge_pc + float(self.leakage_pc(cost.time_us))

    def covers(self, costs: StepCosts) -> npt.NDArray[np.bool_]:
        """Whether each step fits one boot."""
        return np.asarray(costs.charge_pc + self.leakage_pc(costs.time_us) <= self.usable_pc)

    def covers_one(self, cost: StepCost) -> bool:
        """Whether a step fits one boot."""
        return self.drain_pc(cost) <= self.usable_pc

    def needed_uf(self, cost: StepCost) -> float:
        """The capacitance at which a step just fits; infinite where leakage takes more than any capacitor adds."""
        one = self.with_capacitor(1.0)
        per_uf = one.usable_pc - float(one.leakage_pc(cost.time_us))
        return cost.charge_pc / per_uf if per_uf > 0 else float("inf")

    def energy_uj(self, charge_pc: float) -> float:
        """Energy of a charge taken from this capacitor, at the mean of its voltages."""
        return charge_pc * (self.v_on_mv + self.v_off_mv) / 2 * 1e-9  # pC mV = 1e-9 uJ

    def available_uj(self, cost: StepCost) -> float:
        """Energy that there is for a step: usable charge less what leaks while it runs."""
        return self.energy_uj(self.usable_pc - float(self.leakage_pc(cost.time_us)))

    def with_capacitor(self, capacitor_uf: float) -> Budget:
        """The same voltages with another capacitor."""
        return replace(self, capacitor_uf=capacitor_uf)


def budget_of(board: Board, capacitor_uf: float | None = None) -> Budget | None:
    """The board's capacitor, or another in its place; None for a board without energy model.

    Raises FreemlError where a capacitor is given for such a board.
    """
    if board.capacitor is None:
        if capacitor_uf is not None:
            raise FreemlError(
                f"the board {board.name} has no energy model, so a capacitor says nothing about it",
                hint="leave --capacitor out, or choose a board with one, such as msp430fr5994",
            )
        return None
    figures: CapacitorFigures = board.capacitor
    return Budget(
        capacitor_uf=figures.capacitor_uf.value if capacitor_uf is None else capacitor_uf,
        v_on_mv=figures.v_on_mv.value,
        v_off_mv=figures.v_off_mv.value,
        leakage_na_per_uf=figures.leakage_na_per_uf.value,
        margin=figures.margin.value,
    )


def count_boots(budget: Budget, boot: StepCost, runs: Sequence[tuple[int, StepCost]]) -> tuple[int, float]:
    """Boots that steps take if nothing is harvested while the board is on; the charge drawn in all of them, in pC.

    boot  of one boot that does nothing more: part of the cost of every step
    runs  in order, how many steps of which cost; each of them fits the budget
    The charge has what is lost with steps that a boot begins and cannot end.
    """
    start = budget.drain_pc(boot)
    boots, left = 1, budget.usable_pc - start
    for n_steps, cost in runs:
        own = budget.drain_pc(cost - boot)
        here = min(n_steps, int(left / own))
        rest, each = n_steps - here, max(1, int((budget.usable_pc - start) / own))
        left -= here * own
        if rest:
            more = -(-rest // each)
            boots += more
            left = budget.usable_pc - start - (rest - (more - 1) * each) * own
    return boots, (boots * budget.usable_pc) - left


def find_smallest_uf(budget: Budget, least: Iterable[StepCost], does: Callable[[float], bool]) -> float | None:
    """The smallest capacitance of two significant digits that does; None where none up to MOST_UF does.

    least  costs that no plan can be below: the search goes up from the capacitance that these ask for
    does   whether a capacitance in uF is enough; where one is, so is every larger one
    """
    lowest = max(budget.needed_uf(cost) for cost in least)
    if lowest > MOST_UF:
        return None
    candidate = round_up(lowest)
    while not does(candidate):
        candidate = round_up(candidate * 1.0001)
        if candidate > MOST_UF:
            return None
    return candidate
