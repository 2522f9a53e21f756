"""Cost of a tile on a board, and what its capacitor gives: cycles, charge, time.

Everything is charge: a board behind a linear regulator takes the same charge for the same work at any voltage, so a
capacitor between two voltages holds C (v_on - v_off) of it whatever is drawn when. Joules are shown to people only: a
charge times the mean of the two voltages, exact for a full discharge. Harvest during a boot is never counted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.board.board import Board
from freeml.board.figures import CapacitorFigures, Cycles, Energy
from freeml.errors import FreemlError
from freeml.plan.energy_work import Work

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TileCost:
    """Worst case of one step in a boot of its own: start-up, restore, computing, NVM traffic, commit.

    cycles     of the processor, waits for NVM included, start-up of the hardware left out
    charge_pc  all of it but leakage of the capacitor
    time_us    from power-on to the commit
    """

    cycles: float
    charge_pc: float
    time_us: float

    def __sub__(self, other: TileCost) -> TileCost:
        return TileCost(self.cycles - other.cycles, self.charge_pc - other.charge_pc, self.time_us - other.time_us)


@dataclass(frozen=True, slots=True)
class StepCosts:
    """The same for many tiles at once."""

    cycles: Floats
    charge_pc: Floats
    time_us: Floats

    def at(self, index: int) -> TileCost:
        """Of one tile."""
        return TileCost(float(self.cycles[index]), float(self.charge_pc[index]), float(self.time_us[index]))


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

    def covers(self, costs: StepCosts) -> npt.NDArray[np.bool_]:
        """Whether each step fits one boot."""
        return np.asarray(costs.charge_pc + self.leakage_pc(costs.time_us) <= self.usable_pc)

    def covers_one(self, cost: TileCost) -> bool:
        """Whether a step fits one boot."""
        return bool(cost.charge_pc + self.leakage_pc(cost.time_us) <= self.usable_pc)

    def needed_uf(self, cost: TileCost) -> float:
        """The capacitance at which a step just fits; infinite where leakage takes more than any capacitor adds."""
        one = self.with_capacitor(1.0)
        per_uf = one.usable_pc - float(one.leakage_pc(cost.time_us))
        return cost.charge_pc / per_uf if per_uf > 0 else float("inf")

    def energy_uj(self, charge_pc: float) -> float:
        """Energy of a charge taken from this capacitor, at the mean of its voltages."""
        return charge_pc * (self.v_on_mv + self.v_off_mv) / 2 * 1e-9  # pC mV = 1e-9 uJ

    def with_capacitor(self, capacitor_uf: float) -> Budget:
        """The same voltages with another capacitor."""
        return Budget(capacitor_uf, self.v_on_mv, self.v_off_mv, self.leakage_na_per_uf, self.margin)


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


@dataclass(frozen=True, slots=True)
class Commit:
    """What writing a commit record moves: fml_nvm_commit of runtime_c/src/fml_nvm.c."""

    write_bytes: int
    read_bytes: int
    transfers: int


ONE_WORD = Commit(write_bytes=2, read_bytes=0, transfers=1)
# The slot is read; its check is spoilt, its word written, its check written.
TWO_SLOTS = Commit(write_bytes=12, read_bytes=8, transfers=4)


_UNMEASURED = 1.5  # of a loop that copies bytes, for one that no command has measured on the board


class CostModel:
    """Prices work with the figures of a board that has an energy model."""

    def __init__(self, board: Board) -> None:
        assert board.energy is not None
        assert board.cycles is not None
        assert board.clock_hz is not None
        self._energy: Energy = board.energy
        self._prices: Cycles = board.cycles
        self._clock_hz = board.clock_hz.value
        self._mapped = board.nvm.kind != "spi_fram"
        kernels = board.kernel_cycles.prices
        call, byte = self._prices.sample_call, self._prices.sample_byte
        self._prices_of = {
            **kernels,
            "sample.call": call.value if call else _UNMEASURED * (kernels["copy.call"] + kernels["copy.row"]),
            "sample.byte": byte.value if byte else _UNMEASURED * kernels["copy.byte"],
        }

    def restore(self) -> TileCost:
        """A boot that finds where it was, and does nothing more."""
        cycles = np.array([self._prices.boot.value])
        return self._priced(cycles, np.zeros(1)).at(0)

    def costs(self, work: Work, commit: Commit) -> StepCosts:
        """Costs of steps, each with a boot before and its commit."""
        energy, prices = self._energy, self._prices
        read, read_transfers = work.stage_bytes, work.stage_transfers
        if self._mapped:
            read, read_transfers = work.value_read_bytes, 0 * work.value_read_bytes
        read = read + commit.read_bytes
        write_bytes = work.write_bytes + commit.write_bytes
        transfers = read_transfers + work.write_transfers + commit.transfers
        cycles = prices.boot.value + prices.tile.value + work.compared * prices.compared.value
        cycles = cycles + sum(n * self._prices_of.get(name, 0.0) for name, n in work.counts.items())
        cycles = cycles + (0 if self._mapped else read * prices.nvm_read_byte.value)
        cycles = cycles + write_bytes * prices.nvm_write_byte.value + transfers * prices.nvm_command.value
        charge = (
            read * energy.nvm_read_byte_pc.value
            + work.const_read_bytes * energy.const_read_byte_pc.value
            + write_bytes * energy.nvm_write_byte_pc.value
            + transfers * energy.nvm_command_pc.value
        )
        return self._priced(cycles, charge)

    def _priced(self, cycles: Floats, charge_pc: Floats) -> StepCosts:
        energy = self._energy
        total = charge_pc + cycles * energy.cycle_pc.value + energy.boot_nc.value * 1000
        time_us = energy.boot_us.value + cycles * 1e6 / self._clock_hz
        return StepCosts(cycles, total * energy.calibration.value, time_us)
