"""A board of a few bytes, with firmware written in Python: one generator that yields its writes to NVM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from freeml.plan.step_table import Kind, step_table
from freeml.sim.device import Result, Taken
from freeml.sim.instruction import NvmWrite
from freeml.sim.power_loss.control_block import ControlBlock, Position

NVM_BYTES = 64
COMMIT = 16
MAGIC = 0x5A
Firmware = Callable[["FakeBoard"], Iterator[NvmWrite]]


RESULT = Result(1, 0, 0, 1)


class FakeControl(ControlBlock):
    """One byte of identity, one of commit; the step behind the last tile but one has the first result."""

    def position(self, image: bytes | bytearray) -> Position | None:
        return Position(image[COMMIT], 0) if image[0] == MAGIC and image[COMMIT] < self.steps.n_steps else None

    def newest(self, image: bytes | bytearray) -> Result | None:
        at = self.position(image)
        return None if at is None else RESULT if self.kind_of(at) is Kind.REPORT else Result(0, 0, 0, 0)


class AnyControl(FakeControl):
    """Of firmware without a commit: its result is always there."""

    def position(self, image: bytes | bytearray) -> Position | None:  # noqa: ARG002
        return Position(*self.steps.of_kind(Kind.REPORT), 0)


TABLE = step_table([(Kind.CAPTURE, 1), (Kind.TILES, 3), (Kind.PUBLISH, 1), (Kind.REPORT, 1)])
CONTROL = FakeControl(steps=TABLE, commit_slots=1, identity=b"")
NO_COMMIT = AnyControl(steps=TABLE, commit_slots=1, identity=b"")


class FakeBoard:
    """What closure asks of an Emulator. Firmware changes NVM only by what it yields, and ends by setting `answer`."""

    core = "fake"
    basis = "nothing"
    symbols: Mapping[str, tuple[int, int]] = {}

    def __init__(self, firmware: Firmware, writes_in_a_run: int = 1) -> None:
        self.firmware = firmware
        self.writes_in_a_run = writes_in_a_run
        self.memory = bytearray(b"\xa5" * NVM_BYTES)
        self.codes = b""
        self.fill = self.energy_uj = 0
        self.answer = b""
        self.numbered = RESULT
        self.running: Iterator[NvmWrite] = iter(())

    @property
    def nvm(self) -> bytes:
        return bytes(self.memory)

    @nvm.setter
    def nvm(self, content: bytes) -> None:
        self.memory[:] = content

    def byte(self, offset: int) -> int:
        return self.memory[offset]

    @property
    def taken(self) -> Taken:
        return Taken()

    def sense(self, codes: bytes) -> None:
        self.codes = codes

    def meter(self, energy_uj: int, capacitor_mv: int) -> None:  # noqa: ARG002
        self.energy_uj = energy_uj

    def power_on(self, fill: int | None = None) -> None:
        self.fill = fill or 0
        self.running = self.firmware(self)

    def logged_writes(self, instructions: int = 0) -> tuple[bool, Sequence[NvmWrite]]:  # noqa: ARG002
        log: list[NvmWrite] = []
        for _ in range(self.writes_in_a_run):
            write = next(self.running, None)
            if write is None:
                return True, log
            self.memory[write.offset_bytes : write.offset_bytes + len(write.data)] = write.data
            log.append(write)
        return False, log

    def outputs(self) -> bytes:
        return self.answer

    def result(self) -> Result:
        return self.numbered
