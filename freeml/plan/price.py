"""Work -> cost of a step on a board: cycles, charge, time.

Steps are priced as they were measured on the emulated board, where its cost table has them (measured.py); else what is
counted of them is priced by the figures of the board's file and of its kernels' cycles.toml.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freeml.board.board import Board
from freeml.board.cycle_table import is_measured
from freeml.board.figures import Cycles, Energy
from freeml.energy.capacitor import Floats, StepCost, StepCosts
from freeml.errors import BadBoard
from freeml.ir.graph import Graph
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Ints
from freeml.plan.energy_work import Work
from freeml.plan.measured import MeasuredPrices


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


class CountedPrices:
    """Prices work with the figures of a board that has an energy model."""

    def __init__(self, board: Board) -> None:
        assert board.energy is not None
        assert board.cycles is not None
        assert board.clock_hz is not None
        self._energy: Energy = board.energy
        self._prices: Cycles = board.cycles
        self._clock_hz = board.clock_hz.value
        self._mapped = not board.nvm.is_staged
        kernels = board.kernel_cycles.prices
        call, byte = self._prices.sample_call, self._prices.sample_byte
        self._kernels = board.kernels
        self._prices_of = {
            **kernels,
            "sample.call": call.value if call else _UNMEASURED * (kernels["copy.call"] + kernels["copy.row"]),
            "sample.byte": byte.value if byte else _UNMEASURED * kernels["copy.byte"],
        }

    def restore(self) -> StepCost:
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
        cycles = cycles + sum(n * self._price(name) for name, n in work.counts.items())
        cycles = cycles + (0 if self._mapped else read * prices.nvm_read_byte.value)
        cycles = cycles + write_bytes * prices.nvm_write_byte.value + transfers * prices.nvm_command.value
        charge = (
            read * energy.nvm_read_byte_pc.value
            + work.const_read_bytes * energy.const_read_byte_pc.value
            + write_bytes * energy.nvm_write_byte_pc.value
            + transfers * energy.nvm_command_pc.value
        )
        return self._priced(cycles, charge)

    def _price(self, name: str) -> float:
        """Of one count. Raises BadBoard for one that was not measured, which is not free."""
        price = self._prices_of.get(name, 0.0)
        if name not in self._prices_of and not is_measured(self._kernels, name):
            raise BadBoard(
                f"the {self._kernels} kernels have no price of {name!r}",
                hint="`python -m benchmarks.cycles` measures what layers of benchmarks/cycles/design.py count",
            )
        return price

    def _priced(self, cycles: Floats, charge_pc: Floats) -> StepCosts:
        energy = self._energy
        total = charge_pc + cycles * energy.cycle_pc.value + energy.boot_nc.value * 1000
        time_us = energy.boot_us.value + cycles * 1e6 / self._clock_hz
        return StepCosts(cycles, total * energy.calibration.value, time_us)


class StepPrices:
    """What steps take on a board that has an energy model: as measured, else as counted."""

    def __init__(self, board: Board, commit: Commit) -> None:
        self._counted = CountedPrices(board)
        self._measured = None if board.costs is None else MeasuredPrices(board, board.costs)
        self._commit = commit

    def restore(self) -> StepCost:
        """A boot that finds where it was, and does nothing more."""
        return (self._measured or self._counted).restore()

    def tiles(self, graph: Graph, call: KernelCall, units: Ints, done: Work) -> StepCosts:
        """Of tiles of so many units (n,), which do this work."""
        measured = self._measured.tiles(graph, call, units) if self._measured else None
        return measured or self._counted.costs(done, self._commit)

    def parts(self, graph: Graph, call: KernelCall, products: Ints, done: Work) -> StepCosts:
        """Of parts of one output, of so many products (n,)."""
        measured = self._measured.parts(graph, call, products) if self._measured else None
        return measured or self._counted.costs(done, self._commit)

    def fixed(self, key: str, done: Work) -> StepCost:
        """Of a step that cannot be cut, by the cost table's name for it."""
        measured = self._measured.fixed(key) if self._measured else None
        return (measured or self._counted.costs(done, self._commit)).at(0)


def step_prices(board: Board, commit: Commit) -> StepPrices | None:
    """Prices of a board with this commit record; None for one without energy model."""
    return None if board.capacitor is None else StepPrices(board, commit)
