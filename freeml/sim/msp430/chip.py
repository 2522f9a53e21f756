"""An MSP430FR5994 or FR5969 on the host, to the cycle: instructions, FRAM with its cache, multiplier, power failures.

The machine itself is C (`native/`), compiled at first use and kept in the cache folder. Cycles are those of TI's user's
guide SLAU367P, checked against 13 measured timings; energy is charge per event, independent of the supply voltage,
checked against 113 measured programs. What is not modelled is a fault, never a silent guess: LEA, timers but Timer_A0,
serial modules but eUSCI_A0 as a UART, saturating and fractional multiplication, and what the files of DMA, COMP_E,
ADC12_B and Timer_A0 name.

Beyond the instruction tables these are assumptions: the cache replaces the least recently used of two ways, a write
drops the line it hits and waits NWAITS cycles, UART bytes take no time (plan/result_line.py prices them by the baud
rate, and no inference's counts have a report in them), DMA transfers lie between instructions, the comparator and its
reference follow at once. An FR5994 above 8 MHz without NWAITS sets
ACCTEIFG, runs with 15 wait states and ignores FRAM writes until the flag is cleared; an FR5969 resets.
"""

from __future__ import annotations

import ctypes
import functools
import tempfile
from dataclasses import astuple
from pathlib import Path
from typing import Literal

from freeml.errors import BadOutput
from freeml.firmware.elf import read_segments
from freeml.firmware.host import build_host_library
from freeml.sim.msp430.types import (
    NO_BREAKPOINT,
    ChargePerEvent,
    Counters,
    Limits,
    NativeCharge,
    NativeCounters,
    NativeLimits,
    NativeNvmWrite,
    Stop,
    StopReason,
)

NATIVE = Path(__file__).parent
_FILES = ("adc", "comp", "cpu", "device", "dma", "extended", "mpy32", "peripherals", "timer", "uart")
SOURCES = tuple(NATIVE / f"msp430x_{name}.c" for name in _FILES)

Part = Literal["fr5994", "fr5969"]
_PARTS: tuple[Part, ...] = ("fr5994", "fr5969")
_UART_BYTES = 0x10000
_PC_OF_CAUSE = (StopReason.FAULT, StopReason.RESET, StopReason.NVM_WRITE)
_UNLIMITED = Limits()
_LONGEST_HANDLER = 1_000_000  # instructions


class Msp430:
    """One device. FRAM lives as long as the object; `reset` is a power-up after a power failure.

    >>> chip = Msp430("fr5994")
    >>> chip.write_memory(0x4000, bytes.fromhex("0f43 1f53 32d0f000"))  # clr r15; inc r15; bis #0xF0, sr
    >>> chip.write_memory(0xFFFE, bytes.fromhex("0040"))
    >>> chip.reset(garbage_seed=1)
    >>> chip.run().reason.name, chip.register(15), chip.counters().instructions
    ('CPU_OFF', 1, 3)
    """

    def __init__(self, part: Part = "fr5994") -> None:
        self._library = _library()
        self._device = self._library.fml_msp430_create(_PARTS.index(part))
        if not self._device:
            raise MemoryError("no memory for the emulated device")
        self.part: Part = part

    def __del__(self) -> None:
        if getattr(self, "_device", None):
            self._library.fml_msp430_destroy(self._device)
            self._device = None

    def load_elf(self, path: Path) -> None:
        """Write the segments of a firmware as a flasher would. Raises BadOutput where they do not fit the part."""
        for address, data in read_segments(path, "EM_MSP430"):
            if self._write(address, data) != len(data):
                raise BadOutput(
                    f"{len(data)} bytes at 0x{address:05X} do not lie in the memory of {self.part}",
                    where=str(path),
                    hint="link with the linker script of this part",
                )

    def reset(self, garbage_seed: int = 0) -> None:
        """Power up: registers and SRAM hold garbage drawn from the seed, counters start at 0, FRAM is kept."""
        self._library.fml_msp430_reset(self._device, garbage_seed)

    def run(self, limits: Limits = _UNLIMITED) -> Stop:
        """Execute until a limit or a stop of the firmware's own.

        After NVM_WRITE, RESET and FAULT the device stays stopped until `reset`.
        """
        where = (limits.breakpoint, limits.breakpoint_2, limits.breakpoint_3)
        points = [NO_BREAKPOINT if at is None else at for at in where]
        native = NativeLimits(limits.cycles, limits.instructions, limits.nvm_writes, (ctypes.c_uint32 * 3)(*points))
        return self._stopped(StopReason(self._library.fml_msp430_run(self._device, ctypes.byref(native))))

    def _stopped(self, reason: StopReason) -> Stop:
        if reason in _PC_OF_CAUSE:
            text = self._library.fml_msp430_fault_text(self._device).decode()
            return Stop(reason, self._library.fml_msp430_fault_pc(self._device), text)
        return Stop(reason, self.register(0))

    def interrupt(self, vector: int, instructions: int = _LONGEST_HANDLER) -> Stop:
        """Something outside asks for the interrupt whose vector is at this address, between two instructions.

        NONE: it waits, as GIE is clear, or was before the last instruction. Otherwise the handler runs up to its RETI,
        RETURNED, or to what else stops it within so many instructions.
        """
        reason = StopReason(self._library.fml_msp430_interrupt(self._device, vector, instructions))
        return self._stopped(reason)

    def masks_interrupts(self) -> bool:
        """Whether an interrupt would wait."""
        return bool(self._library.fml_msp430_masks_interrupts(self._device))

    def counters(self) -> Counters:
        """Events since the last reset."""
        native = NativeCounters()
        self._library.fml_msp430_counters(self._device, ctypes.byref(native))
        return Counters(*(getattr(native, name) for name, *_ in NativeCounters._fields_))

    def charge_pc(self, charge: ChargePerEvent) -> float:
        """Charge drawn since the last reset, start-up of the supply excluded."""
        return charge_pc(self.counters(), charge)

    def register(self, index: int) -> int:
        """R0 (PC) to R15, 20 bits."""
        return int(self._library.fml_msp430_register(self._device, index))

    def registers(self) -> bytes:
        """All sixteen, four bytes each, of which SR and CG say what they do."""
        return b"".join(self.register(index).to_bytes(4, "little") for index in range(16))

    def set_register(self, index: int, value: int) -> None:
        """As an instruction would: PC and SP stay even, SR keeps 9 bits."""
        self._library.fml_msp430_set_register(self._device, index, value)

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes as a debugger sees them: no cycles, no side effects. Raises IndexError outside the device's memory."""
        out = ctypes.create_string_buffer(n_bytes)
        if self._library.fml_msp430_read(self._device, address, out, n_bytes) != n_bytes:
            raise IndexError(f"no memory for {n_bytes} bytes at 0x{address:05X} in {self.part}")
        return out.raw

    def write_memory(self, address: int, data: bytes) -> None:
        """The same for writing, also where the firmware cannot write. Raises IndexError outside memory."""
        if self._write(address, data) != len(data):
            raise IndexError(f"no memory for {len(data)} bytes at 0x{address:05X} in {self.part}")

    def watch(self, address: int, n_bytes: int) -> None:
        """Count the traffic of this part of FRAM apart, and log its writes while `logged_run` runs."""
        self._library.fml_msp430_watch(self._device, address, n_bytes)

    def logged_run(self, limits: Limits) -> tuple[Stop, list[tuple[int, bytes]]]:
        """`run`, and each write to the watched part of FRAM that it did: address and bytes, in order."""
        self._library.fml_msp430_log(self._device, 1)
        stop = self.run(limits)
        entries = ctypes.POINTER(NativeNvmWrite)()
        n = self._library.fml_msp430_logged(self._device, ctypes.byref(entries))
        writes = [(e.address, int(e.value).to_bytes(e.n_bytes, "little")) for e in entries[:n]]
        self._library.fml_msp430_log(self._device, 0)
        return stop, writes

    def save(self) -> bytes:
        """The whole device as it is, but for FRAM outside the watched part."""
        out = ctypes.create_string_buffer(int(self._library.fml_msp430_state_bytes(self._device)))
        self._library.fml_msp430_save(self._device, out)
        return out.raw

    def load(self, state: bytes) -> None:
        """What `save` of this very device gave, with the same part watched. Raises ValueError for another length."""
        if len(state) != self._library.fml_msp430_state_bytes(self._device):
            raise ValueError(f"state of {len(state)} bytes of another device")
        self._library.fml_msp430_load(self._device, state)

    def uart_input(self, data: bytes, *, paced: bool = True) -> None:
        """Bytes for eUSCI_A0 to receive, each when the one before was read: the sender heeds flow control.

        They wait while the module is in reset, and through a power failure. Not paced, they arrive at once: those that
        nobody read are lost, with UCOE. Raises ValueError where more than 4 KB wait, or where the module is in reset.
        """
        give = self._library.fml_msp430_uart_give if paced else self._library.fml_msp430_uart_force
        if give(self._device, data, len(data)) != len(data):
            raise ValueError("more than 4096 bytes wait at the UART" if paced else "eUSCI_A0 is in reset (UCSWRST)")

    def uart_output(self) -> bytes:
        """What eUSCI_A0 sent since the last call; more than 64 KB between two calls is a fault."""
        out = ctypes.create_string_buffer(_UART_BYTES)
        n_bytes = self._library.fml_msp430_uart_take(self._device, out, _UART_BYTES)
        return out.raw[:n_bytes]

    def set_supply_mv(self, supply_mv: int) -> None:
        """The supply from now on: for the ADC's channel 31 (half of it) and its reference AVCC, for the comparator's
        ladder, and for inputs that follow it. Comparator flags change at once; the CPU sees them when it runs.
        """
        self._library.fml_msp430_set_supply_mv(self._device, supply_mv)

    def set_analog_mv(self, channel: int, input_mv: int) -> None:
        """Voltage at an ADC input, 0 to 5 and 12 to 15 also the comparator's; to use one never set is a fault.

        Raises ValueError for another channel.
        """
        self._library.fml_msp430_set_analog_mv(self._device, _channel(channel), input_mv)

    def connect_supply(self, channel: int, per_mille: int) -> None:
        """A divider from the supply to an ADC input, which follows `set_supply_mv` from now on. Raises ValueError."""
        if not 1 <= per_mille <= 1000:
            raise ValueError(f"a divider of {per_mille}/1000 is not in 1..1000")
        self._library.fml_msp430_connect_supply(self._device, _channel(channel), per_mille)

    def _write(self, address: int, data: bytes) -> int:
        return int(self._library.fml_msp430_write(self._device, address, data, len(data)))


def _channel(channel: int) -> int:
    if not 0 <= channel < 32:
        raise ValueError(f"ADC channel {channel} is not in 0..31")
    return channel


def charge_pc(counters: Counters, charge: ChargePerEvent) -> float:
    """Charge of counted events, in pC: of one life, of several added, or of a difference."""
    native = NativeCounters(*astuple(counters))
    coefficients = NativeCharge(*astuple(charge))
    return float(_library().fml_msp430_charge_pc(ctypes.byref(native), ctypes.byref(coefficients)))


@functools.cache
def _library() -> ctypes.CDLL:
    """The emulator, compiled unless the cache has it. Raises ToolMissing, ToolFailed."""
    with tempfile.TemporaryDirectory(prefix="freeml-msp430-") as work:
        library = ctypes.CDLL(str(build_host_library(SOURCES, [NATIVE], Path(work, "msp430x.so"))))
    device, size, address = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
    signatures: dict[str, tuple[type | None, list[type]]] = {
        "create": (device, [ctypes.c_int]),
        "destroy": (None, [device]),
        "reset": (None, [device, ctypes.c_uint64]),
        "run": (ctypes.c_int, [device, ctypes.c_void_p]),
        "interrupt": (ctypes.c_int, [device, address, ctypes.c_uint64]),
        "masks_interrupts": (ctypes.c_int, [device]),
        "fault_text": (ctypes.c_char_p, [device]),
        "fault_pc": (address, [device]),
        "counters": (None, [device, ctypes.c_void_p]),
        "charge_pc": (ctypes.c_double, [ctypes.c_void_p, ctypes.c_void_p]),
        "register": (address, [device, ctypes.c_int]),
        "set_register": (None, [device, ctypes.c_int, address]),
        "read": (size, [device, address, ctypes.c_char_p, size]),
        "write": (size, [device, address, ctypes.c_char_p, size]),
        "watch": (None, [device, address, address]),
        "log": (None, [device, ctypes.c_int]),
        "logged": (size, [device, ctypes.c_void_p]),
        "state_bytes": (size, [device]),
        "save": (None, [device, ctypes.c_char_p]),
        "load": (None, [device, ctypes.c_char_p]),
        "uart_give": (size, [device, ctypes.c_char_p, size]),
        "uart_force": (size, [device, ctypes.c_char_p, size]),
        "uart_take": (size, [device, ctypes.c_char_p, size]),
        "set_supply_mv": (None, [device, address]),
        "set_analog_mv": (None, [device, ctypes.c_int, address]),
        "connect_supply": (None, [device, ctypes.c_int, address]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"fml_msp430_{name}")
        function.restype, function.argtypes = result, arguments
    return library
