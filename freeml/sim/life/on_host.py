"""The engine `host`: the generated C of a network, and for each step that it does the price of that very step.

Prices are those of one inference of the firmware on its emulated board, step by step: no line through layers is in
between, and what is executed decides what is charged.
"""

from __future__ import annotations

from collections.abc import Sequence

from freeml.output.folder import Output
from freeml.plan.protocol import ARENA
from freeml.plan.step_table import Kind
from freeml.sim.device import Step
from freeml.sim.host import host_device
from freeml.sim.life.costs import Figures
from freeml.sim.life.engine import CallbackEngine
from freeml.sim.life.load import Load, Work
from freeml.sim.life.outcomes import UNKNOWN
from freeml.sim.life.samples import Samples
from freeml.sim.profile import counted, device_of, measure_steps, to_its_end


class HostEngine(CallbackEngine):
    """A folder's C on this machine.

    load     what boots take
    prices   of each step, by its number
    """

    name = "host"
    costs = "each step of the generated C at the price of this very step, measured on the emulated board"

    def __init__(self, output: Output, load: Load, figures: Figures, prices: Sequence[Step], shown: Samples) -> None:
        self._device = host_device(output)
        self._steps = self._device.steps
        self._load, self._figures, self._shown = load, figures, shown
        clock_hz = output.board.clock_hz
        assert clock_hz is not None
        self._prices = {
            step.index: ((counted(step).charge_pc or 0.0) * 1e-12, counted(step).cycles / clock_hz.value)
            for step in prices
        }
        self._report = self._prices[prices[-1].index]
        self._sample = 0
        self._is_first = True

    def boot(self) -> tuple[Work, bool]:
        """Power is back."""
        self._device.power_on()
        restore = self._load.first if self._is_first else self._load.restore
        self._is_first = False
        return restore, self._steps.kind(self._next()) is not Kind.CAPTURE

    def start(self, event: int) -> None:
        """An event is sensed."""
        self._sample = self._shown.shown(event)
        self._device.sense(self._shown.codes[self._sample])

    def next(self, energy_uj: float, elapsed_s: float) -> Work:
        """The next step."""
        index = self._next()
        kind, depth = self._steps.kind(index), self._steps.depth(index)
        if kind is Kind.DECIDE:
            self._device.meter(energy_uj)
            self._device.clock(elapsed_s * 1e6)
        newest = self._device.newest() if kind is Kind.REPORT else None
        # The report of a network that stopped is another step, and no dearer than the one that was measured.
        price = self._report if kind is Kind.REPORT else self._prices[index]
        return self._figures.step(price, kind, newest.depth if newest else depth, index)

    def done(self, n: int) -> int:
        """It was committed: so the C does it."""
        assert n == 1
        step = self._device.step()
        if step.kind is not Kind.REPORT:
            return UNKNOWN
        return self._shown.judge(self._sample, self._device.result().class_index)

    def cut(self, share: float) -> None:
        """Power is lost: nothing of a step that was not committed is in NVM that anybody reads."""

    def _next(self) -> int:
        index = self._steps.next_in(self._device.nvm[:ARENA])
        assert index is not None
        return index


def step_prices(output: Output, codes: bytes) -> list[Step]:
    """Each step of one inference on its emulated board. Raises as builds do."""
    device, _ = device_of(output, to_its_end(output.manifest.tiles), "auto")
    return measure_steps(device, codes)
