"""The engine `board`: the firmware on its emulated board. What it takes is counted instruction by instruction by the
emulator's own model of cycles and charge; where the capacitor ends, power is lost at that instruction.
"""

from __future__ import annotations

from typing import Any

from freeml.output.folder import Output
from freeml.plan.step_table import Kind
from freeml.sim.board_device import BoardDevice, start_emulator
from freeml.sim.device import Step, Taken
from freeml.sim.life.costs import Figures
from freeml.sim.life.engine import CallbackEngine
from freeml.sim.life.load import NOTHING, Work
from freeml.sim.life.outcomes import UNKNOWN
from freeml.sim.life.samples import Samples
from freeml.sim.profile import counted

_BOOT = "fml_boot"
_MOST_TRIES = 40


class _Restored(BoardDevice):
    """A board that can be stopped where it knows where it was."""

    def run_boot(self) -> Taken | None:
        """To the end of fml_boot: what it took from the power-on; None where the compiler left no such function."""
        symbol = self.emulator.symbols.get(_BOOT)
        if symbol is None or not self.emulator.run_to(symbol[0]):
            return None
        self.emulator.run_to(self.emulator.return_address())
        self._next = self._committed()
        return self.emulator.taken

    @property
    def stands_at(self) -> Kind | None:
        """What its next step does."""
        return None if self._next is None else self.steps.kind(self._next)


class BoardEngine(CallbackEngine):
    """A firmware on its board."""

    name = "board"

    def __init__(self, output: Output, figures: Figures, shown: Samples) -> None:
        emulator, built = start_emulator(output, "auto")
        self._clock_hz = built.memory.clock_hz
        self._device = _Restored(emulator, output.manifest.tiles, self._clock_hz)
        self.costs = f"each instruction of the firmware ({emulator.basis})"
        self._figures, self._shown = figures, shown
        self._sample = 0
        self._restored: Taken | None = None
        self._step: Step | None = None
        self._before: Any = None

    def boot(self) -> tuple[Work, bool]:
        """Power is back."""
        self._device.power_on()
        self._restored = self._device.run_boot()
        work = NOTHING if self._restored is None else Work(*self._time_and_charge(self._restored), stack="restore")
        return work, self._device.stands_at not in (None, Kind.CAPTURE)

    def start(self, event: int) -> None:
        """An event is sensed."""
        self._sample = self._shown.shown(event)
        self._device.sense(self._shown.codes[self._sample])

    def next(self, energy_uj: float, elapsed_s: float) -> Work:
        """The next step: it is done at once, and undone where power does not last."""
        if self._device.stands_at is Kind.DECIDE:
            self._device.meter(energy_uj)
            self._device.clock(elapsed_s * 1e6)
        self._before = self._device.emulator.snapshot()
        self._step = step = self._device.step()
        taken = counted(step) if self._restored is None else counted(step) - self._restored
        time_s, charge_c = self._time_and_charge(taken)
        self._own, self._restored = taken, None
        depth = self._device.result().depth if step.kind is Kind.REPORT else step.depth
        return self._figures.step((charge_c, time_s), step.kind, depth, step.index)

    def done(self, n: int) -> int:
        """It was committed."""
        assert n == 1
        assert self._step is not None
        kind, self._step = self._step.kind, None
        return self._shown.judge(self._sample, self._device.result().class_index) if kind is Kind.REPORT else UNKNOWN

    def cut(self, share: float) -> None:
        """Power is lost within a step: the board as it was before it, and as many instructions as were paid for."""
        step, self._step = self._step, None
        if step is None:
            return
        emulator = self._device.emulator
        emulator.restore(self._before)
        if step.kind is Kind.REPORT:  # writes nothing before its commit
            return
        first = emulator.taken
        target_pc, done = share * (self._own.charge_pc or 0.0), 0
        most = self._own.instructions - 1
        for _ in range(_MOST_TRIES):
            missing_pc = target_pc - ((emulator.taken - first).charge_pc or 0.0)
            n = min(most - done, int(missing_pc / (self._own.charge_pc or 1.0) * self._own.instructions))
            if n < 1 or emulator.run(n):
                return
            done += n

    def _time_and_charge(self, taken: Taken) -> tuple[float, float]:
        return taken.cycles / self._clock_hz, (taken.charge_pc or 0.0) * 1e-12
