"""What the emulator of a board with a firmware of freeml can do, between any two instructions: for cuts, closure on the
ELF and interrupts. Whole steps: device.py.

NVM keeps its bytes through a power loss; RAM and registers come back as garbage. The firmware reads samples from its
window of inputs, writes answers to that of outputs and to fml_window_result (window.py), and calls
fml_board_report(status). The window holds garbage at power-on, and a sample from the second time on that the firmware
asks for one; whenever a capture has emptied it, the next piece or a new one. A result whose report a loss cut off is
reported again, with the same sequence number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from freeml.sim.device import Inference, Result, Taken

MOST_INSTRUCTIONS = 20_000_000_000  # of one inference: a network of a billion products


@dataclass(frozen=True, slots=True)
class Counted(Inference):
    """An inference of a board: every emulator counts."""

    taken: Taken


@dataclass(frozen=True, slots=True)
class NvmWrite:
    """One bus write to NVM, as the memory sees it: the smallest thing that a power loss leaves done or undone."""

    offset_bytes: int
    data: bytes


Reading = tuple[int, int]
"""What `Emulator.meter` takes: uJ, mV."""


class Emulator(Protocol):
    """A board with one firmware. Starts without power, with garbage in NVM."""

    core: str
    symbols: Mapping[str, tuple[int, int]]
    """Address and bytes of each symbol of the firmware."""
    basis: str
    """What cycles and charge rest on, in a sentence for reports."""

    @property
    def nvm(self) -> bytes:
        """What the firmware keeps in NVM: its section .nvm."""

    @nvm.setter
    def nvm(self, content: bytes) -> None: ...

    @property
    def taken(self) -> Taken:
        """Since the last power-on or report."""

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on: int8 codes of all inputs, one after the other.

        A sample that waits in the window is captured first.
        """

    def power_on(self, fill: int | None = None) -> None:
        """Power was off. fill: which of N_FILLS garbages RAM comes back with; the next one by default."""

    def run(self, instructions: int = 0) -> bool:
        """Execute up to the next report, or so many instructions if that is not 0. Whether a result was published.

        Raises ToolFailed where the firmware faults, or has no result in MOST_INSTRUCTIONS.
        """

    def run_to(self, address: int) -> bool:
        """Execute at least one instruction, until `address` is next or a result is published. Whether `address` is."""

    def return_address(self) -> int:
        """At the first instruction of a function: where it will return to."""

    def meter(self, energy_uj: int, capacitor_mv: int) -> None:
        """What fml_hal_energy_uj() finds from now on: the energy, or the voltage that it is made of."""

    def infer(self, codes: bytes) -> Counted:
        """One inference on these codes, from where the firmware is: after a power-on or a report.

        A report that the power-on repeats is passed over.
        """

    def outputs(self) -> bytes:
        """The bytes of all outputs as last reported."""

    def result(self) -> Result:
        """The result as last reported."""

    def logged_writes(self, instructions: int = 0) -> tuple[bool, Sequence[NvmWrite]]:
        """`run`, and every write to NVM in it, in order; offsets count from the first byte of `nvm`."""

    def snapshot(self) -> Any:
        """The whole board as it is."""

    def restore(self, snapshot: Any) -> None:
        """The board as it was then."""


@dataclass(slots=True)
class Reports:
    """What a board has reported. A power-on may bring the last report again: its commit may not have been reached.

    last      the newest report; None where NVM was replaced since
    repeated  the one that the power-on may bring again
    """

    last: Result | None = None
    repeated: Result | None = None

    def power_on(self) -> None:
        """Power was off."""
        self.repeated = self.last

    def add(self, result: Result) -> bool:
        """A report came. Whether it is the last one again, as after a power-on."""
        again = result == self.repeated
        self.last, self.repeated = result, None
        return again
