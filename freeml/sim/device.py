"""What a device with one compiled model can do, step by step: the one interface of profile, verify and power losses.

The C built for this machine (host.py) and a firmware on its emulated board (board_device.py) have it; engines.py names
them. NVM keeps its bytes through a power loss, nothing else does. Who needs single instructions asks a board's emulator
(instruction.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from freeml.plan.step_table import Kind

N_FILLS = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """What a stretch of execution took; `a - b` is what lies between two readings, `a + b` both.

    cycles             of the core, by its cycle model: waits for memories included where the board's file has them
    nvm_bytes_written, nvm_bytes_read  activations and the commit record; not weights
    charge_pc          drawn from the supply; None where the board's file has no figures for it
    """

    instructions: int = 0
    cycles: int = 0
    nvm_bytes_written: int = 0
    nvm_bytes_read: int = 0
    charge_pc: float | None = None

    def __add__(self, other: Taken) -> Taken:
        return self._plus(other, 1)

    def __sub__(self, other: Taken) -> Taken:
        return self._plus(other, -1)

    def _plus(self, other: Taken, sign: int) -> Taken:
        charge_pc = None
        if self.charge_pc is not None and other.charge_pc is not None:
            charge_pc = self.charge_pc + sign * other.charge_pc
        return Taken(
            instructions=self.instructions + sign * other.instructions,
            cycles=self.cycles + sign * other.cycles,
            nvm_bytes_written=self.nvm_bytes_written + sign * other.nvm_bytes_written,
            nvm_bytes_read=self.nvm_bytes_read + sign * other.nvm_bytes_read,
            charge_pc=charge_pc,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A result as reported: fml_result_t."""

    sequence: int
    class_index: int
    confidence: int
    depth: int

    @staticmethod
    def of(content: bytes) -> Result:
        """From the bytes of an fml_result_t."""
        return Result(*struct.unpack("<IHBB", content))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an inference must say: the class and confidence that are published, at which depth, and all outputs.

    outputs  None where a decision stopped before they were computed
    stopped  of the whole network: what it must say if it stops at each decision on the way
    """

    outputs: bytes | None
    class_index: int
    confidence: int
    depth: int = 1
    stopped: tuple[Answer, ...] = ()

    def result(self, sequence: int) -> Result:
        """As reported under this number."""
        return Result(sequence, self.class_index, self.confidence, self.depth)

    def at(self, depth: int) -> Answer:
        """What must be said at a depth; of the whole network where there is none."""
        return self.stopped[depth - 1] if 1 <= depth <= len(self.stopped) else self

    def wrong(self, outputs: bytes, result: Result, sequence: int) -> str:
        """What is wrong with a report that must have this number, in words; empty where nothing is.

        Which depth the device chose is its own affair.
        """
        due = self.at(result.depth)
        if due.outputs is not None and outputs != due.outputs:
            return "the outputs are wrong"
        return "" if result == due.result(sequence) else f"the report is {result}, not {due.result(sequence)}"


@dataclass(frozen=True, slots=True)
class Inference:
    """One answer: the bytes of all outputs (as they were before, where a decision stopped), the result as reported, and
    what it took from the power-on or the report before; None where the device does not count."""

    outputs: bytes
    result: Result
    taken: Taken | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was committed.

    index  its number, from 0, the capture, on
    kind   what it did
    layer  row of the tile plan that it computed units of; None where it is of no layer
    depth  of the result that it works for, as its row of the table has it
    taken  from the step before, or a power-on: start-up and cold start included; None where the device does not count
    at_us  what the clock shows behind it
    """

    index: int
    kind: Kind
    layer: int | None
    depth: int
    taken: Taken | None
    at_us: float


class Device(Protocol):
    """A device with one model. Starts without power, with garbage in NVM."""

    basis: str
    """What cycles and charge rest on, in a sentence for reports; empty where the device does not count."""

    @property
    def nvm(self) -> bytes:
        """All that persists."""

    @nvm.setter
    def nvm(self, content: bytes) -> None: ...

    def power_on(self, fill: int | None = None) -> None:
        """Power was off. fill: which of N_FILLS garbages RAM comes back with; the next one by default."""

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on: int8 codes of all inputs, one after the other.

        Raises ValueError for other bytes than those of all inputs.
        """

    def meter(self, energy_uj: float) -> None:
        """What the energy meter shows from now on: what the capacitor can still give."""

    def clock(self, time_us: float) -> None:
        """What the clock shows from now on. It runs on with the steps, where it is known how long they take."""

    def step(self) -> Step:
        """Up to the next commit of a step. Raises ToolFailed where the model faults or has nothing to infer on."""

    def outputs(self) -> bytes:
        """The bytes of all outputs as last reported."""

    def result(self) -> Result:
        """The result as last reported."""

    def infer(self, codes: bytes) -> Inference:
        """One inference on these codes, from where the device is: after a power-on or a report.

        A report that the power-on repeats is passed over. The same as steps, without a stop at each.
        """


def steps_to_report(device: Device) -> Iterator[Step]:
    """Step by step, up to the next report, included."""
    while True:
        step = device.step()
        yield step
        if step.kind is Kind.REPORT:
            return
