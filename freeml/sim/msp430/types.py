"""What an emulated MSP430 is told and tells: limits, counters, charge per event, the reason it stopped.

The structures mirror `native/msp430x.h` field by field; Python sees frozen dataclasses of the same names.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields
from enum import IntEnum

NO_BREAKPOINT = 0xFFFFFFFF


class StopReason(IntEnum):
    """Why the emulator came back."""

    NONE = 0
    CYCLES = 1
    INSTRUCTIONS = 2
    NVM_WRITE = 3
    BREAKPOINT = 4
    CPU_OFF = 5
    RESET = 6
    FAULT = 7
    RETURNED = 8


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the emulator came back, and where.

    pc    the instruction that would be next; of a fault, reset or power failure: the one that caused it
    text  cause of a fault or reset, else empty
    """

    reason: StopReason
    pc: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to come back. 0 or None: never for that reason.

    cycles        absolute count since reset, as in Counters
    instructions  from here on
    nvm_writes    power fails at the n-th FRAM write from here on, which does not take effect
    breakpoint    address of an instruction; one instruction is done before it is looked at
    breakpoint_2, breakpoint_3  others
    """

    cycles: int = 0
    instructions: int = 0
    nvm_writes: int = 0
    breakpoint: int | None = None
    breakpoint_2: int | None = None
    breakpoint_3: int | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """Events since reset; `a + b` adds the lives of one device, `a - b` is what lies between.

    An access is one bus cycle of 8 or 16 bits.
    """

    instructions: int = 0
    cycles: int = 0
    sleep_cycles: int = 0
    wait_cycles: int = 0
    accesses: int = 0
    sram_code_reads: int = 0
    fram_data_reads: int = 0
    fram_line_fills: int = 0
    fram_writes: int = 0
    fram_bytes_written: int = 0
    sram_reads: int = 0
    sram_writes: int = 0
    io_reads: int = 0
    io_writes: int = 0
    multiplications: int = 0
    interrupts: int = 0
    format_ii: int = 0
    jumps: int = 0
    extended: int = 0
    address: int = 0
    rotate_multiple: int = 0
    push_pop_multiple: int = 0
    calla: int = 0
    reti: int = 0
    nvm_bytes_read: int = 0
    nvm_bytes_written: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counters)))

    def __sub__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(Counters)))

    @property
    def format_i(self) -> int:
        """Instructions of the two-operand format without extension word."""
        classes = (self.format_ii, self.jumps, self.extended, self.address)
        more = (self.rotate_multiple, self.push_pop_multiple, self.calla, self.reti)
        return self.instructions - sum(classes) - sum(more)

    @property
    def fram_code_reads(self) -> int:
        """Instruction words read from FRAM."""
        data = self.fram_data_reads + self.fram_writes + self.sram_reads + self.sram_writes
        return self.accesses - data - self.io_reads - self.io_writes - self.sram_code_reads

    @property
    def fram_hits(self) -> int:
        """Words read from FRAM, code and data, that the cache had."""
        return self.fram_code_reads + self.fram_data_reads - self.fram_line_fills

    @property
    def idle_cycles(self) -> int:
        """Cycles of the running CPU without bus access."""
        return max(0, self.cycles - self.sleep_cycles - self.wait_cycles - self.accesses)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePerEvent:
    """Charge at the supply pin per event, in pC; whatever the supply voltage is (the core sits behind an LDO).

    The figures are in board files, section [charge]; charge.py reads them.

    line_fill_pc    on top of the word that misses, its wait cycle apart
    fram_write_pc   one write of up to 16 bits, its wait cycle apart
    sram_read_pc    also instruction words from SRAM and reads of peripheral registers; sram_write_pc likewise
    calibration     one factor for a board
    """

    idle_cycle_pc: float
    fram_code_word_pc: float
    fram_data_word_pc: float
    line_fill_pc: float
    wait_cycle_pc: float
    fram_write_pc: float
    sram_read_pc: float
    sram_write_pc: float
    multiplication_pc: float
    sleep_cycle_pc: float
    calibration: float = 1.0


class NativeNvmWrite(ctypes.Structure):
    """`fml_nvm_write_t`."""

    _fields_ = [("address", ctypes.c_uint32), ("value", ctypes.c_uint16), ("n_bytes", ctypes.c_uint16)]


class NativeCounters(ctypes.Structure):
    """`fml_counters_t`."""

    _fields_ = [(field.name, ctypes.c_uint64) for field in fields(Counters)]


class NativeCharge(ctypes.Structure):
    """`fml_charge_t`."""

    _fields_ = [(field.name, ctypes.c_double) for field in fields(ChargePerEvent)]


class NativeLimits(ctypes.Structure):
    """`fml_limits_t`."""

    _fields_ = [
        ("cycles", ctypes.c_uint64),
        ("instructions", ctypes.c_uint64),
        ("nvm_writes", ctypes.c_uint64),
        ("breakpoint", ctypes.c_uint32 * 3),
    ]
