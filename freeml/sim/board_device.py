"""A firmware on its emulated board as a device: every step ends in a call of fml_nvm_commit, and so it is seen.

The first commit of a cold start is no step of an inference: it belongs to the step behind it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from freeml.board.core import MSP430
from freeml.board.memory import MemoryMap
from freeml.energy.capacitor import Budget
from freeml.errors import BadBoard, ToolFailed
from freeml.firmware.build import Build, Toolchain, build_firmware
from freeml.output.folder import Sources
from freeml.plan.protocol import ARENA
from freeml.plan.step_table import Kind
from freeml.plan.steps import TilePlan
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.device import Inference, Result, Step, Taken
from freeml.sim.instruction import Emulator, Reading
from freeml.sim.msp430.charge import charge_of
from freeml.sim.msp430.engine import Msp430Board
from freeml.sim.steps import ModelSteps

_STEP_END = "fml_nvm_commit"
_NO_COMMIT = "the firmware does not commit what it reports"


class BoardDevice:
    """A Device.

    emulator  of the board, with the firmware; who needs single instructions asks it
    tiles     the plan that the firmware was made with
    clock_hz  of the core; without, the clock stands still
    """

    def __init__(self, emulator: Emulator, tiles: TilePlan, clock_hz: float | None = None) -> None:
        self.emulator = emulator
        self.basis = emulator.basis
        self.steps = ModelSteps.of(tiles)
        self._budget = tiles.budget
        self._end = emulator.symbols[_STEP_END][0]
        self._clock_hz = clock_hz
        self._time_us = 0.0
        self._before = Taken()  # what the emulator had counted at the end of the last step
        self._next: int | None = None  # as committed
        self._result = Result(0, 0, 0, 0)

    @property
    def nvm(self) -> bytes:
        """All that persists."""
        return self.emulator.nvm

    @nvm.setter
    def nvm(self, content: bytes) -> None:
        self.emulator.nvm = content

    def power_on(self, fill: int | None = None) -> None:
        """Power was off. fill: which of N_FILLS garbages RAM comes back with; the next one by default."""
        self.emulator.power_on(fill)
        self._before = self.emulator.taken
        self._next = self._committed()

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on: int8 codes of all inputs, one after the other."""
        self.emulator.sense(codes)

    def meter(self, energy_uj: float) -> None:
        """What the energy meter shows from now on: to a full capacitor's at most, as near as the board's ADC tells.

        Raises BadBoard for a board whose file has no capacitor.
        """
        if self._budget is None:
            raise BadBoard("the board's file has no capacitor to meter", hint="add [capacitor] and [energy]")
        self.emulator.meter(*self._shown(energy_uj))

    def readings(self, levels_uj: Sequence[int]) -> list[Reading]:
        """What the meter may show, a reading for each way in which a policy with these levels may decide: amid the two
        levels that it lies between. Levels that a full capacitor does not reach are none.
        """
        budget = self._budget
        full_uj = 2 * max(levels_uj, default=1) if budget is None else _stored_uj(budget, budget.v_on_mv)
        edges = [0, *(level for level in levels_uj if level < full_uj), full_uj]
        return [self._shown((low + high) / 2) for low, high in pairwise(edges)]

    def _shown(self, energy_uj: float) -> tuple[int, int]:
        """Energy, and the voltage of a capacitor that has so much to give; 0 mV where there is none."""
        budget = self._budget
        if budget is None:
            return int(energy_uj), 0
        squared_mv2 = budget.v_off_mv**2 + 2e6 * energy_uj / budget.capacitor_uf
        return int(energy_uj), round(min(math.sqrt(squared_mv2), budget.v_on_mv))

    def clock(self, time_us: float) -> None:
        """What the clock shows from now on."""
        self._time_us = time_us

    def step(self) -> Step:
        """Up to the next commit of a step. Raises ToolFailed as the emulator does."""
        taken, reports = self._to_commit()
        first = self._committed()
        if not reports and first is not None and self.steps.kind(first) is Kind.CAPTURE:  # of a cold start
            more, reports = self._to_commit()
            taken, self._next = taken + more, first
        index, self._next = self._next, self._committed()
        if index is None or (self.steps.kind(index) is Kind.REPORT) is not reports:
            raise ToolFailed("the firmware makes other steps than its plan has")
        self._run_clock(taken)
        kind, layer, depth = self.steps.kind(index), self.steps.layer(index), self.steps.depth(index)
        return Step(index, kind, layer, depth, taken, self._time_us)

    def outputs(self) -> bytes:
        """The bytes of all outputs as last reported."""
        return self.emulator.outputs()

    def result(self) -> Result:
        """The result as last reported."""
        return self._result

    def infer(self, codes: bytes) -> Inference:
        """One inference on these codes, from where the firmware is: after a power-on or a report."""
        found = self.emulator.infer(codes)
        self._result = found.result
        if not self.emulator.run_to(self._end):
            raise ToolFailed(_NO_COMMIT)
        self.emulator.run_to(self.emulator.return_address())
        self._before, self._next = self.emulator.taken, self._committed()
        self._run_clock(found.taken)
        return found

    def _run_clock(self, taken: Taken) -> None:
        if self._clock_hz:
            self._time_us += 1e6 * taken.cycles / self._clock_hz

    def _committed(self) -> int | None:
        return self.steps.next_in(self.nvm[:ARENA])

    def _to_commit(self) -> tuple[Taken, bool]:
        """To the end of the next commit: what it took, a board's report itself aside, and whether one came before."""
        emulator, taken, reports = self.emulator, Taken(charge_pc=0.0), False
        while not emulator.run_to(self._end):
            if reports:
                raise ToolFailed(_NO_COMMIT)
            reports, self._result = True, emulator.result()
            now = emulator.taken
            taken, self._before = now - self._before, now - now  # counts begin anew after a report
        emulator.run_to(emulator.return_address())
        now = emulator.taken
        taken, self._before = taken + (now - self._before), now
        return taken, reports


def _stored_uj(budget: Budget, voltage_mv: float) -> float:
    """What a capacitor gives from a voltage on."""
    return budget.capacitor_uf * (voltage_mv**2 - budget.v_off_mv**2) / 2e6


def emulator_for(made: Sources, elf: Path, memory: MemoryMap) -> Emulator:
    """The emulated board of a compiled folder, with a firmware on it. Raises as the emulators do."""
    if memory.family is MSP430:
        return Msp430Board(elf, memory, charge=charge_of(made.board))
    return CortexMEngine(elf, made.board)


def start_emulator(made: Sources, toolchain: Toolchain) -> tuple[Emulator, Build]:
    """Build the firmware of a folder and put it on an emulated board. Raises as both do."""
    with tempfile.TemporaryDirectory(prefix="freeml-board-") as work:
        built = build_firmware(made, Path(work) / f"{made.graph.name}.elf", toolchain)
        return emulator_for(made, built.firmware.path, built.memory), built


def board_device(made: Sources, tiles: TilePlan, toolchain: Toolchain) -> tuple[BoardDevice, Build]:
    """The same as a device. tiles: the plan that the folder was made with."""
    emulator, built = start_emulator(made, toolchain)
    return BoardDevice(emulator, tiles, built.memory.clock_hz), built
