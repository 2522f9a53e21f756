"""An MSP430 board with a firmware of freeml: an Emulator (freeml/sim/instruction.py) over the chip's.

The firmware reports by calling fml_board_report; the engine stops at its first instruction, with the status in R12.
What the function itself does, a line on the UART, belongs to no inference: the next run does it, then counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from freeml.board.board import Board
from freeml.board.core import MSP430
from freeml.board.memory import MemoryMap
from freeml.errors import BadBoard, ToolFailed
from freeml.firmware.elf import read_firmware
from freeml.plan.protocol import BOARD_PIECE, PUBLISHED
from freeml.sim.device import N_FILLS, Result, Taken
from freeml.sim.instruction import MOST_INSTRUCTIONS, Counted, NvmWrite, Reports
from freeml.sim.msp430.charge import PricedEvents, charge_of
from freeml.sim.msp430.chip import Msp430, charge_pc
from freeml.sim.msp430.types import Counters, Limits, Stop, StopReason
from freeml.sim.visible import visible_ram
from freeml.sim.window import Outside, Window, needed

_ARGUMENT, _SP = 12, 1
_CYCLES_BASIS = (
    "cycles: TI's tables (SLAU367), FRAM wait states and cache included, 13 measured timings agree within 2.4 %"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A board between two instructions."""

    device: bytes
    base: Counters
    reported: bool
    reports: Reports
    outside: tuple[int, bytes]


class Msp430Board:
    """A board with one firmware: an Emulator. Starts without power, with garbage in NVM.

    elf     a firmware of freeml
    board   the board it was linked for, or its memory map
    charge  what events cost, where `board` does not say; without, charge is unknown
    seed    of the garbage
    Raises BadBoard for a board of another family, ToolFailed where the file is not such a firmware.
    """

    def __init__(
        self, elf: str | Path, board: Board | MemoryMap, *, charge: PricedEvents | None = None, seed: int = 0
    ) -> None:
        memory = board.memory_map if isinstance(board, Board) else board
        if memory is None or memory.family is not MSP430:
            raise BadBoard("this board is no MSP430", hint="msp430fr5994 and msp430fr5969 are")
        self.memory = memory
        self.core: str = memory.core
        self.firmware = read_firmware(Path(elf), memory)
        self.symbols = self.firmware.symbols
        self._window = Window.of(self.firmware)
        self._report = self._window.report
        (self._nvm, _), (nvm_end, _) = needed(self.firmware, "fml_nvm_start", "fml_nvm_end")
        self._nvm_bytes = nvm_end - self._nvm
        if isinstance(board, Board):
            charge = charge_of(board)
        self._charge = charge.per_event if charge else None
        self.basis = f"{_CYCLES_BASIS}; {charge.basis if charge else 'charge unknown'}"
        self.chip = Msp430(memory.chip)
        for address, content in self.firmware.segments:
            self.chip.write_memory(address, content)
        self.chip.watch(self._nvm, self._nvm_bytes)
        rng = np.random.default_rng(seed)
        self.nvm = rng.bytes(self._nvm_bytes)
        self._fills = [int(rng.integers(2**63)) for _ in range(N_FILLS)]
        self._boots = 0
        self._outside = Outside(self._window, self.chip.read_memory, self.chip.write_memory)
        self._base = self.chip.counters()
        self._reported = False
        self._reports, self._repeated = Reports(), False
        self._uart = b""

    @property
    def nvm(self) -> bytes:
        """What the firmware keeps in NVM: its section .nvm."""
        return self.chip.read_memory(self._nvm, self._nvm_bytes)

    @nvm.setter
    def nvm(self, content: bytes) -> None:
        self.chip.write_memory(self._nvm, content)
        self._reports = Reports()

    @property
    def taken(self) -> Taken:
        """Since the last power-on, or since the last report was done with."""
        counted = self.chip.counters() - self._base
        return Taken(
            instructions=counted.instructions,
            cycles=counted.cycles,
            nvm_bytes_written=counted.nvm_bytes_written,
            nvm_bytes_read=counted.nvm_bytes_read,
            charge_pc=charge_pc(counted, self._charge) if self._charge else None,
        )

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on: int8 codes of all inputs, one after the other."""
        self._outside.sense(codes)

    def outputs(self) -> bytes:
        """The bytes of all outputs as last reported."""
        return self._outside.shown

    def result(self) -> Result:
        """The result as last reported."""
        return Result.of(self.chip.read_memory(*self._window.result))

    def uart_output(self) -> bytes:
        """What the firmware sent since the last call of this function."""
        sent, self._uart = self._uart + self.chip.uart_output(), b""
        return sent

    def power_on(self, fill: int | None = None) -> None:
        """Power was off: RAM and registers hold nothing of before, NVM is as it was.

        fill: which of N_FILLS garbages RAM comes back with; the next one by default.
        """
        self.chip.reset(self._fills[(self._boots if fill is None else fill) % N_FILLS])
        self._boots += 1
        self._outside.power_on()
        self._base = Counters()
        self._reported = False
        self._reports.power_on()

    def run(self, instructions: int = 0) -> bool:
        """Execute up to the next report, or so many instructions if that is not 0. Whether a result was published.

        Raises ToolFailed where the firmware faults, resets, stops, writes FRAM outside its NVM, or has no result in
        MOST_INSTRUCTIONS.
        """
        self._leave_report()
        limits = Limits(instructions=instructions or MOST_INSTRUCTIONS, breakpoint=self._report)
        return self._came(self._run(limits), instructions)

    def run_to(self, address: int) -> bool:
        """Execute at least one instruction, until `address` is next or a result is published. Whether `address` is."""
        self._leave_report()
        limits = Limits(instructions=MOST_INSTRUCTIONS, breakpoint=self._report, breakpoint_2=address)
        stop = self._run(limits)
        if stop.pc != address:
            self._came(stop, 0)
            return False
        self._check(stop)
        return True

    def return_address(self) -> int:
        """At the first instruction of a function: where it will return to."""
        n_bytes = 4 if "fml_large_model" in self.symbols else 2
        return int.from_bytes(self.chip.read_memory(self.chip.register(_SP), n_bytes), "little") & 0xFFFFF

    def meter(self, energy_uj: int, capacitor_mv: int) -> None:
        """The supply is the capacitor's voltage: fml_hal_energy_uj() makes its energy of it."""
        del energy_uj
        self.chip.set_supply_mv(capacitor_mv)

    def infer(self, codes: bytes) -> Counted:
        """One inference on these codes, from where the firmware is: after a power-on or a report.

        A report that the power-on repeats is passed over.
        """
        self.sense(codes)
        self.run()
        if self._repeated:
            self.run()
        return Counted(self.outputs(), self.result(), self.taken)

    def logged_writes(self, instructions: int = 0) -> tuple[bool, Sequence[NvmWrite]]:
        """`run`, and every write to NVM in it, in order; offsets count from the first byte of `nvm`."""
        self._leave_report()
        limits = Limits(instructions=instructions or MOST_INSTRUCTIONS, breakpoint=self._report)
        log: list[tuple[int, bytes]] = []
        stop = self._run(limits, log)
        return self._came(stop, instructions), [NvmWrite(address - self._nvm, data) for address, data in log]

    def interrupt(self, source: int) -> bool:
        """Something outside asks for the interrupt whose vector is at this address; whether it was served, to its RETI.

        False while GIE is clear. Raises ToolFailed where the handler does what `run` may not, or touches a peripheral.
        """
        before = self.chip.counters()
        stop = self.chip.interrupt(source)
        if stop.reason is StopReason.NONE:
            return False
        if stop.reason is not StopReason.RETURNED:
            self._check(stop)
            self._fail(stop.pc, "an interrupt handler does not return")
        after = self.chip.counters()
        if (after.io_reads, after.io_writes) != (before.io_reads, before.io_writes):
            self._fail(stop.pc, "an interrupt handler used the multiplier or another peripheral")
        return True

    def masks_interrupts(self) -> bool:
        """Whether an interrupt would wait: GIE is clear, or was before the last instruction."""
        return self.chip.masks_interrupts()

    def visible(self, hidden: tuple[int, int]) -> bytes:
        """All that the program can see between two instructions: registers, RAM but for what lies below the stack, NVM.

        hidden: address and bytes of a variable that is left out. Peripherals are left out, too.
        """
        base, limit = self.memory.ram_base, self.symbols["fml_stack_limit"][0]
        stack, top = self.chip.register(_SP), base + self.memory.ram_bytes
        ram = visible_ram(base, limit, stack, top, hidden, self.peek)
        return self.chip.registers() + ram + self.nvm

    def peek(self, address: int, n_bytes: int) -> bytes:
        """Bytes of any memory, as a debugger sees them."""
        return self.chip.read_memory(address, n_bytes)

    def snapshot(self) -> Snapshot:
        """The whole board as it is."""
        return Snapshot(self.chip.save(), self._base, self._reported, replace(self._reports), self._outside.state)

    def restore(self, snapshot: Snapshot) -> None:
        """The board as it was then."""
        self.chip.load(snapshot.device)
        self._base, self._reported, self._reports = snapshot.base, snapshot.reported, replace(snapshot.reports)
        self._outside.state = snapshot.outside

    def _run(self, limits: Limits, log: list[tuple[int, bytes]] | None = None) -> Stop:
        """Execute, with a sensor that fills the window when it is asked; NVM writes to `log` where there is one."""
        end = self.chip.counters().instructions + limits.instructions
        ready = self._window.ready
        while True:
            asking = replace(limits, instructions=end - self.chip.counters().instructions, breakpoint_3=ready)
            if log is None:
                stop = self.chip.run(asking)
            else:
                stop, writes = self.chip.logged_run(asking)
                log += writes
            if stop.reason not in (StopReason.BREAKPOINT, StopReason.INSTRUCTIONS):
                return stop
            if stop.pc == ready:
                self._outside.asked(self.chip.register(_ARGUMENT))
            elif stop.pc == self._report and self._status() == BOARD_PIECE:
                self._outside.look()
            else:
                return stop
            if self.chip.counters().instructions >= end or stop.pc == limits.breakpoint_2:
                return stop

    def _status(self) -> int:
        """At the beginning of fml_board_report: what is reported."""
        return _signed(self.chip.register(_ARGUMENT))

    def _leave_report(self) -> None:
        """Run fml_board_report to its end, if the firmware is at its beginning, and count from there."""
        if not self._reported:
            return
        self._reported = False
        stop = self.chip.run(Limits(instructions=MOST_INSTRUCTIONS, breakpoint=self.return_address()))
        self._check(stop)
        self._uart = (self._uart + self.chip.uart_output())[-0x10000:]
        self._base = self.chip.counters()

    def _came(self, stop: Stop, instructions: int) -> bool:
        """Whether a result was published, from why the emulator came back."""
        self._check(stop)
        if stop.reason is StopReason.BREAKPOINT or (stop.pc == self._report and self._status() != BOARD_PIECE):
            if self._status() != PUBLISHED:
                self._fail(stop.pc, f"it reported status {self._status()}")
            self._outside.look()
            self._reported = True
            self._repeated = self._reports.add(self.result())
            return True
        if instructions == 0:
            raise ToolFailed(f"no result after {MOST_INSTRUCTIONS:,} instructions", where=self.firmware.path.name)
        return False

    def _check(self, stop: Stop) -> None:
        if stop.reason is StopReason.CPU_OFF:
            self._fail(stop.pc, "it switched the CPU off")
        if stop.reason not in (StopReason.BREAKPOINT, StopReason.INSTRUCTIONS):
            self._fail(stop.pc, stop.text)
        counted = self.chip.counters()
        if counted.fram_bytes_written != counted.nvm_bytes_written:
            self._fail(stop.pc, "it wrote to FRAM outside its NVM")

    def _fail(self, pc: int, why: str) -> None:
        raise ToolFailed(f"the firmware failed at {pc:#x}: {why}", where=self.firmware.path.name)


def _signed(word: int) -> int:
    return (word & 0xFFFF) - ((word & 0x8000) << 1)
