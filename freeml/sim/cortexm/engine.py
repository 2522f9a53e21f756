"""Run a Cortex-M firmware instruction by instruction, and take its power away where wanted. Unicorn is the core.

NVM keeps its bytes through a power loss; RAM comes back as garbage, other garbage each time. Instructions, cycles and
NVM traffic are counted in C (cortexm_hook.c); peripherals and the SPI FRAM are modelled there, too (cortexm_devices.c).
A firmware reports by calling fml_board_report. Memory outside the board's regions faults, and so do a register that no
model knows, and an unaligned access where the core has none (cortexm_alignment.c), which Unicorn alone would let pass.
Cycles: cycles.py.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import unicorn
from unicorn import arm_const

from freeml.board.board import Board
from freeml.board.memory import MemoryMap
from freeml.errors import BadBoard, ToolFailed
from freeml.firmware.elf import read_firmware
from freeml.plan.protocol import PUBLISHED
from freeml.sim.cortexm import exception as cortexm_exception
from freeml.sim.cortexm.bus import BoardDevices
from freeml.sim.cortexm.cycles import REFILL_CYCLES, instruction_cycles
from freeml.sim.cortexm.native import FAULTS, Watch, library
from freeml.sim.cortexm.parts import PARTS
from freeml.sim.device import N_FILLS, Result, Taken
from freeml.sim.instruction import MOST_INSTRUCTIONS, Counted, NvmWrite, Reports
from freeml.sim.visible import visible_ram
from freeml.sim.window import Outside, Window

# Unicorn has no Cortex-M0+; the M0 executes the same instructions.
_MODELS = {
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
_FULL_UJ = 0xFFFF_FFFF  # what a board without a capacitor says
_ALIGNED_ONLY = ("cortex-m0plus",)
_NOWHERE = 0xFFFF_FFFE
_LONGEST_HANDLER = 1_000_000  # instructions
_BLOCK = np.dtype([("n_bytes", "<u4"), ("instructions", "<u4"), ("cycles", "<u4")])
_LOGGED = np.dtype([("offset", "<u4"), ("n_bytes", "<u4"), ("value", "<u8")])
_MOST_LOGGED = 1 << 22
_ASK = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint64)
_ASKED, _LOOK = ctypes.CFUNCTYPE(None, ctypes.c_uint32), ctypes.CFUNCTYPE(None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A board between two instructions: registers, next instruction, RAM, NVM, peripherals, what was counted."""

    core: Any
    pc: int
    ram: bytes
    nvm: bytes
    watch: bytes
    registers: bytes
    base: Taken
    reported: bool
    reports: Reports
    outside: tuple[int, bytes]


class CortexMEngine:
    """A board with one firmware: an Emulator (freeml/sim/instruction.py). Starts without power, with garbage in NVM.

    elf    a firmware of freeml
    board  the board it was linked for, or its memory map, which leaves charge unknown
    seed   of the garbage
    Raises ToolFailed where the file is not such a firmware.
    """

    def __init__(self, elf: str | Path, board: Board | MemoryMap, *, seed: int = 0) -> None:
        memory = board.memory_map if isinstance(board, Board) else board
        if memory is None or memory.core not in _MODELS:
            raise BadBoard("freeml has no emulator for this board", hint="a board with [cpu] has one; try qemu_m4")
        self.memory = memory
        self.core: str = memory.core
        self.firmware = read_firmware(Path(elf), memory)
        self.symbols = self.firmware.symbols
        self._window = Window.of(self.firmware)
        self._report = self._window.report & ~1
        self._energy = board.energy if isinstance(board, Board) else None
        self.basis = _basis(memory, self._energy is not None)
        rng = np.random.default_rng(seed)
        self._fills = [rng.bytes(memory.ram_bytes) for _ in range(N_FILLS)]
        self._boots = 0
        self._reported = False
        self._reports, self._repeated = Reports(), False
        self._fault = ""
        self._limited = False
        self._energy_uj = _FULL_UJ
        self._base = Taken(charge_pc=self._charge_pc(0, 0, 0, 0))
        self._make(rng)

    def _make(self, rng: np.random.Generator) -> None:
        memory = self.memory
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(_MODELS[memory.core])
        uc.mem_map(memory.flash_base, memory.flash_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        uc.mem_map(memory.ram_base, memory.ram_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        for address, content in self.firmware.segments:
            uc.mem_write(address, content)
        self._library = library()
        self._watch = self._new_watch()
        self._nvm_on_bus = memory.nvm_kind != "spi_fram"
        self._hook(unicorn.UC_HOOK_BLOCK, self._library.fml_watch_block, (1, 0))
        self._hook(unicorn.UC_HOOK_INTR, self._library.fml_watch_exception, (1, 0))
        if self._nvm_on_bus:
            uc.mem_map(memory.nvm_base, memory.nvm_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
            uc.mem_write(memory.nvm_base, rng.bytes(memory.nvm_bytes))
            span = (memory.nvm_base, memory.nvm_base + memory.nvm_bytes - 1)
            self._hook(unicorn.UC_HOOK_MEM_WRITE, self._library.fml_watch_nvm, span)
            self._hook(unicorn.UC_HOOK_MEM_READ, self._library.fml_watch_nvm_read, span)
        self._mark_checked()
        flash = (memory.flash_base, memory.flash_base + memory.flash_bytes - 1)
        self._hook(unicorn.UC_HOOK_CODE, self._library.fml_watch_instruction, flash)
        self.devices = None if self._nvm_on_bus else BoardDevices(PARTS[memory.support], memory, rng, self._watch)
        if self.devices:
            self.devices.map(uc, _uclib(), self._library, ctypes.addressof(self._watch))
        self._off = uc.context_save()
        self._pc = self._reset

    def _new_watch(self) -> Any:
        memory, window = self.memory, self._window
        self._flash = np.frombuffer(self._uc.mem_read(memory.flash_base, memory.flash_bytes), dtype=np.uint8)
        self._known = np.zeros(memory.flash_bytes // 2, dtype=_BLOCK)
        self._costs = np.zeros(memory.flash_bytes // 2, dtype=np.uint8)
        self._stack, self._reset = (int(word) for word in self._flash[:8].view("<u4"))
        cycles, flash, base = instruction_cycles(memory.core), self._flash, memory.flash_base

        def ask(address: int) -> int:  # without self: an engine goes when it is dropped, not amid another's run
            return cycles(flash[address - base : address - base + 4].tobytes())

        self._ask = _ASK(ask)
        self._look_faults: list[str] = []
        self._outside, self._asked, self._look = _outside(self._uc, window, self._look_faults)
        return Watch(
            report=self._report,
            ready=(window.ready or 1) & ~1,  # none in a self-test
            flash_base=memory.flash_base,
            flash_bytes=memory.flash_bytes,
            flash=self._flash.ctypes.data,
            known=self._known.ctypes.data,
            costs=self._costs.ctypes.data,
            refill_cycles=REFILL_CYCLES[memory.core],
            is_v6m=memory.core in _ALIGNED_ONLY,
            nvm_base=memory.nvm_base,
            stop=ctypes.cast(_uclib().uc_emu_stop, ctypes.c_void_p).value,
            memory_read=ctypes.cast(_uclib().uc_mem_read, ctypes.c_void_p).value,
            memory_write=ctypes.cast(_uclib().uc_mem_write, ctypes.c_void_p).value,
            register_read=ctypes.cast(_uclib().uc_reg_read, ctypes.c_void_p).value,
            register_write=ctypes.cast(_uclib().uc_reg_write, ctypes.c_void_p).value,
            ask=ctypes.cast(self._ask, ctypes.c_void_p).value,
            asked=ctypes.cast(self._asked, ctypes.c_void_p).value,
            look=ctypes.cast(self._look, ctypes.c_void_p).value,
            pc=arm_const.UC_ARM_REG_PC,
            r0=arm_const.UC_ARM_REG_R0,
            lr=arm_const.UC_ARM_REG_LR,
            xpsr=arm_const.UC_ARM_REG_XPSR,
        )

    def _mark_checked(self) -> None:
        """Where instructions are that fault on some unaligned addresses; constants that look so do no harm."""
        memory = self.memory
        words = self._flash[: len(self._flash) & ~1].view("<u2")
        self._checked = np.zeros(memory.flash_bytes // 2, dtype=np.uint8)
        self._watch.checked = self._checked.ctypes.data
        for start, n_bytes in self.firmware.functions:
            first = ((start & ~1) - memory.flash_base) // 2
            for at in range(max(first, 0), min(first + n_bytes // 2, len(words) - 1)):
                if self._library.fml_needs_alignment(int(words[at]), int(words[at + 1]), self._watch.is_v6m):
                    self._checked[at] = 1

    def _hook(self, kind: int, function: Any, span: tuple[int, int]) -> None:
        """Have Unicorn call a C function; a span (1, 0) means everywhere."""
        handle = ctypes.c_size_t()
        status = _uclib().uc_hook_add(
            self._uc._uch,
            ctypes.byref(handle),
            ctypes.c_int(kind),
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.byref(self._watch),
            ctypes.c_uint64(span[0]),
            ctypes.c_uint64(span[1]),
        )
        if status != 0:
            raise ToolFailed(f"the emulator takes no hook: error {status}", where=f"unicorn {unicorn.__version__}")

    # --- what is seen from outside -----------------------------------------------------------------------------------

    @property
    def nvm(self) -> bytes:
        """What the firmware keeps in NVM."""
        n_bytes = self.firmware.size.nvm_bytes
        if self.devices:
            return bytes(self.devices.chip[:n_bytes])
        return bytes(self._uc.mem_read(self.memory.nvm_base, n_bytes))

    @nvm.setter
    def nvm(self, content: bytes) -> None:
        if self.devices:
            self.devices.chip[: len(content)] = np.frombuffer(content, dtype=np.uint8)
        else:
            self._uc.mem_write(self.memory.nvm_base, content)
        self._reports = Reports()

    @property
    def taken(self) -> Taken:
        """Since the last power-on or report. What a report itself takes is no part of it."""
        return self._total(self._watch.at_report if self._reported else self._watch.total) - self._base

    def _total(self, counts: Any) -> Taken:
        traffic = (counts.nvm_bytes_read, counts.nvm_bytes_written, counts.nvm_commands)
        return Taken(
            instructions=counts.instructions,
            cycles=counts.cycles,
            nvm_bytes_written=counts.nvm_bytes_written,
            nvm_bytes_read=counts.nvm_bytes_read,
            charge_pc=self._charge_pc(counts.cycles, *traffic),
        )

    def _charge_pc(self, cycles: int, n_read: int, n_written: int, n_commands: int) -> float | None:
        energy = self._energy
        if energy is None:
            return None
        return energy.calibration.value * (
            cycles * energy.cycle_pc.value
            + n_read * energy.nvm_read_byte_pc.value
            + n_written * energy.nvm_write_byte_pc.value
            + n_commands * energy.nvm_command_pc.value
        )

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on: int8 codes of all inputs, one after the other."""
        self._outside.sense(codes)

    def outputs(self) -> bytes:
        """The bytes of all outputs as last reported."""
        return self._outside.shown

    def result(self) -> Result:
        """The result as last reported."""
        return Result.of(bytes(self._uc.mem_read(*self._window.result)))

    # --- power and execution -----------------------------------------------------------------------------------------

    def power_on(self, fill: int | None = None) -> None:
        """Power was off: RAM and registers hold nothing of before, NVM is as it was.

        fill: which of N_FILLS garbages RAM comes back with; the next one by default.
        """
        self._uc.context_restore(self._off)
        self._uc.mem_write(self.memory.ram_base, self._fills[(self._boots if fill is None else fill) % N_FILLS])
        self._boots += 1
        self._show_energy()
        self._outside.power_on()
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, self._stack)
        self._pc = self._reset & ~1
        self._watch.next = self._pc
        self._watch.return_to = 0
        self._reported = False
        self._reports.power_on()
        self._library.fml_devices_reset(ctypes.byref(self._watch))
        self._base = self._total(self._watch.total)

    def run(self, instructions: int = 0) -> bool:
        """Execute up to the next report, or so many instructions if that is not 0. Whether a result was published.

        A run with a limit takes twice the time, and the first one after one without, or the other way round, translates
        the firmware again. Raises ToolFailed where the firmware faults, or has no result in 20e9 instructions.
        """
        self._execute(instructions)
        if not self._reported and instructions == 0:
            raise ToolFailed(f"no result after {self.taken.instructions:,} instructions", where=self.firmware.path.name)
        return self._reported

    def run_to(self, address: int) -> bool:
        """Execute at least one instruction, until `address` is next or a result is published. Whether `address` is."""
        address &= ~1
        watch = self._watch
        watch.stop_at, watch.skip_once, watch.stopped = address, int(self._pc == address), 0
        try:
            self._execute(0)
        finally:
            watch.stop_at = 0
        if not self._reported and not watch.stopped:
            raise ToolFailed(f"no result after {self.taken.instructions:,} instructions", where=self.firmware.path.name)
        return bool(watch.stopped)

    def logged_writes(self, instructions: int = 0) -> tuple[bool, Sequence[NvmWrite]]:
        """`run`, and every write to NVM in it, in order; offsets count from the first byte of `nvm`."""
        log = np.empty(_MOST_LOGGED, dtype=_LOGGED)
        self._watch.log, self._watch.logged, self._watch.log_capacity = log.ctypes.data, 0, len(log)
        try:
            published = self.run(instructions)
        finally:
            self._watch.log = None
        if self._watch.logged > len(log):
            raise ToolFailed(f"more than {len(log):,} writes to NVM", where=self.firmware.path.name)
        return published, [
            NvmWrite(offset, (value & ((1 << 8 * n_bytes) - 1)).to_bytes(n_bytes, "little"))
            for offset, n_bytes, value in log[: self._watch.logged].tolist()
        ]

    def return_address(self) -> int:
        """At the first instruction of a function: where it will return to."""
        return int(self._uc.reg_read(arm_const.UC_ARM_REG_LR)) & ~1

    def meter(self, energy_uj: int, capacitor_mv: int) -> None:
        """The voltage at the ADC, or the word that a board without one asks (hal/emulated)."""
        if self.devices:
            self.devices.set_capacitor_mv(capacitor_mv)
        self._energy_uj = energy_uj
        self._show_energy()

    def _show_energy(self) -> None:
        word = self.symbols.get("fml_emulated_energy_uj")
        if word is not None:
            self._uc.mem_write(word[0], min(self._energy_uj, _FULL_UJ).to_bytes(4, "little"))

    def infer(self, codes: bytes) -> Counted:
        """One inference on these codes, from where the firmware is: after a power-on or a report.

        A report that the power-on repeats is passed over.
        """
        self.sense(codes)
        self.run()
        if self._repeated:
            self.run()
        return Counted(self.outputs(), self.result(), self.taken)

    def interrupt(self, source: int) -> bool:
        """Something outside asks for the exception with this number; whether it was served, to its return.

        False while PRIMASK is set. Raises ToolFailed where the handler does what `run` may not.
        """
        if self.masks_interrupts():
            return False
        handler = int(self._flash[4 * source : 4 * source + 4].view("<u4")[0])
        stack = self._uc.reg_read(arm_const.UC_ARM_REG_SP)
        cortexm_exception.enter(self._uc, self._pc)
        self._pc, self._watch.in_handler = handler & ~1, 1
        self._execute(_LONGEST_HANDLER)
        if self._watch.in_handler or self._pc != cortexm_exception.EXC_RETURN & ~1:
            raise ToolFailed("an interrupt handler does not return", where=self.firmware.path.name)
        self._pc = cortexm_exception.leave(self._uc)
        if self._uc.reg_read(arm_const.UC_ARM_REG_SP) != stack:
            raise ToolFailed("an interrupt handler returned with another stack", where=self.firmware.path.name)
        return True

    def masks_interrupts(self) -> bool:
        """Whether an interrupt would wait: PRIMASK."""
        return cortexm_exception.is_masked(self._uc)

    def visible(self, hidden: tuple[int, int]) -> bytes:
        """All that the program can see between two instructions: registers, RAM but for what lies below the stack, NVM,
        peripherals.

        hidden: address and bytes of a variable that is left out.
        """
        base, limit = self.memory.ram_base, self.symbols["fml_stack_limit"][0]
        stack, top = self._uc.reg_read(arm_const.UC_ARM_REG_SP), base + self.memory.ram_bytes
        ram = visible_ram(base, limit, stack, top, hidden, self.peek)
        devices = self.devices.visible() if self.devices else b""
        return cortexm_exception.registers(self._uc, self._pc) + ram + self.nvm + devices

    def peek(self, address: int, n_bytes: int) -> bytes:
        """Bytes of RAM or flash, as a debugger sees them."""
        return bytes(self._uc.mem_read(address, n_bytes))

    def _execute(self, instructions: int) -> None:
        watch = self._watch
        if self._reported:
            self._base = self._total(watch.total)
        self._reported, self._fault = False, ""
        watch.reported = watch.unaligned = watch.unchecked = watch.exception = 0
        if (instructions > 0) != self._limited:
            # Blocks that were translated without a limit would not be counted.
            self._limited = instructions > 0
            self._uc.ctl_flush_tb()
        watch.budget = watch.total.instructions + MOST_INSTRUCTIONS
        collecting = gc.isenabled()
        gc.disable()  # closing another emulator while this one runs is not safe in Unicorn
        try:
            self._uc.emu_start(self._pc | 1, _NOWHERE, count=instructions)
        except unicorn.UcError as error:
            self._fault = str(error)
        finally:
            if collecting:
                gc.enable()
        self._pc = self._uc.reg_read(arm_const.UC_ARM_REG_PC) & ~1
        self._raise_fault()
        self._library.fml_watch_settle(ctypes.byref(watch), self._pc)
        self._reported = bool(watch.reported)
        self._repeated = self._reported and self._reports.add(self.result())

    def _raise_fault(self) -> None:
        watch, devices = self._watch, self._watch.devices
        if self._look_faults:
            self._fault = self._look_faults.pop()
        elif watch.exception:
            self._fault = f"exception {watch.exception - 1}"
        elif watch.unaligned:
            self._fault = f"unaligned access to {watch.unaligned_address:#x}"
        elif watch.unchecked:
            self._fault = "a load or store that belongs to no function of the ELF: its alignment cannot be checked"
        elif devices.fault:
            self._fault = f"{FAULTS[devices.fault]}: {devices.fault_address:#x}"
        elif watch.reported and (status := ctypes.c_int32(watch.status & 0xFFFF_FFFF).value) != PUBLISHED:
            self._fault = f"it reported status {status}"
        if self._fault:
            raise ToolFailed(f"the firmware failed at {self._pc:#x}: {self._fault}", where=self.firmware.path.name)

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The whole board as it is."""
        memory = self.memory
        ram = bytes(self._uc.mem_read(memory.ram_base, memory.ram_bytes))
        registers = self.devices.registers if self.devices else b""
        watch = bytes(self._watch)
        state = (self._base, self._reported, replace(self._reports), self._outside.state)
        return Snapshot(self._uc.context_save(), self._pc, ram, self.nvm, watch, registers, *state)

    def restore(self, snapshot: Snapshot) -> None:
        """The board as it was then."""
        self._uc.context_restore(snapshot.core)
        self._pc = snapshot.pc
        self._uc.mem_write(self.memory.ram_base, snapshot.ram)
        self.nvm = snapshot.nvm
        ctypes.memmove(ctypes.addressof(self._watch), snapshot.watch, len(snapshot.watch))
        self._outside.state = snapshot.outside
        if self.devices:
            self.devices.registers = snapshot.registers
        self._base, self._reported, self._reports = snapshot.base, snapshot.reported, replace(snapshot.reports)


def _outside(uc: Any, window: Window, faults: list[str]) -> tuple[Outside, Any, Any]:
    """Who fills and reads the windows, and what C calls for it; what goes wrong there is said in `faults`."""
    outside = Outside(window, lambda at, n_bytes: bytes(uc.mem_read(at, n_bytes)), uc.mem_write)

    def look() -> None:
        try:
            outside.look()
        except ToolFailed as error:
            faults.append(error.what)
            uc.emu_stop()

    return outside, _ASKED(outside.asked), _LOOK(look)


def _basis(memory: MemoryMap, priced: bool) -> str:
    cycles = f"cycles are of a table for {memory.core} without wait states"
    if memory.nvm_kind == "spi_fram":
        cycles += ", SPI bytes take the time of their bits"
    charge = ", charge is the board file's figures for cycles and NVM bytes" if priced else ""
    return f"{cycles}{charge}; nothing was compared with silicon"


def _uclib() -> Any:
    """Unicorn's C library: its Python package has no public name for it."""
    from unicorn.unicorn_py3.unicorn import uclib

    return uclib
