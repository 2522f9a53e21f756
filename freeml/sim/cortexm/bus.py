"""Peripherals of an emulated Cortex-M board: how they are described, and the state that C keeps of them.

A register that no description has, a bit that it leaves out and a peripheral without its clock are faults of the
firmware. Where a manual lets a driver wait (oscillators, regulators, conversions), the model is ready at once; only
bytes on the SPI take their time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from freeml.board.memory import MemoryMap
from freeml.sim.cortexm.native import Register, Required

_KINDS = (
    *("store", "pins", "pins_bsrr", "pins_set", "pins_clear", "spi_status", "spi_send", "spi_receive", "spi_data"),
    *("spi_event", "uart_send", "uart_receive", "uart_status", "event", "adc_control", "adc_result", "saadc_sample"),
    "flags",
)
ALL = 0xFFFF_FFFF
_SENT_BYTES = 1 << 20
DEVICES_BASE, DEVICES_BYTES = 0x4000_0000, 0x2000_0000
SYSTEM_BASE, SYSTEM_BYTES = 0xE000_E000, 0x1000  # registers of the core: of these, SysTick has a model


@dataclass(frozen=True, slots=True)
class Reg:
    """A register. kind, reset and the rest: fml_register_t of cortexm_watch.h.

    follow  (name of another register, mask, shift to the left): read as those bits of it, too
    gate    (name of the register that has its clock, bits that must be set there)
    pointer  name of the register with the address at which a result goes to RAM
    """

    address: int
    kind: str = "store"
    reset: int = 0
    writable: int = ALL
    follow: tuple[str, int, int] | None = None
    gate: tuple[str, int] | None = None
    receive: int = 0
    transmit: int = 0
    busy: int = 0
    pointer: str = ""


@dataclass(frozen=True)
class Part:
    """A microcontroller on its board.

    registers      by name
    required       (register, mask, value) before a byte can leave the SPI
    select         register with the output of /CS, its bit
    divider        (register, lowest bit) of the SPI's divider, 2 to 256; or None and byte_cycles
    channels       of the ADC: the divided capacitor voltage, the reference
    reference_mv, adc_most, full_scale_mv  of the ADC; full scale is the supply where None
    """

    registers: Mapping[str, Reg]
    required: Sequence[tuple[str, int, int]]
    select: tuple[str, int]
    channels: tuple[int, int]
    reference_mv: int
    adc_most: int = 4095
    divider: tuple[str, int] | None = None
    byte_cycles: int = 0
    full_scale_mv: int | None = None


@dataclass
class BoardDevices:
    """The devices of one emulated board: their state lies in `watch`.

    chip  the bytes of the FRAM
    """

    part: Part
    memory: MemoryMap
    rng: np.random.Generator
    watch: Any
    chip: Any = field(init=False)

    def __post_init__(self) -> None:
        self.chip = np.frombuffer(self.rng.bytes(self.memory.nvm_bytes), dtype=np.uint8).copy()
        ordered = sorted(self.part.registers.items(), key=lambda item: item[1].address)
        index = {name: k for k, (name, _) in enumerate(ordered)}
        self._registers = (Register * len(ordered))(*(_native(reg, index) for _, reg in ordered))
        self._required = (Required * len(self.part.required))(
            *((index[name], mask, value) for name, mask, value in self.part.required)
        )
        self._sent = np.zeros(_SENT_BYTES, dtype=np.uint8)
        self._incoming = np.zeros(0, dtype=np.uint8)
        devices = self.watch.devices
        devices.registers, devices.n_registers = ctypes.addressof(self._registers), len(ordered)
        devices.required, devices.n_required = ctypes.addressof(self._required), len(self.part.required)
        devices.select_register, devices.select_mask = index[self.part.select[0]], 1 << self.part.select[1]
        if self.part.divider:
            devices.spi_divider_kind = 1
            devices.spi_divider_register = index[self.part.divider[0]]
            devices.spi_divider_shift = self.part.divider[1]
        devices.byte_cycles = self.part.byte_cycles
        devices.fram.bytes, devices.fram.n_bytes = self.chip.ctypes.data, self.memory.nvm_bytes
        devices.fram.power_up_cycles = self.memory.nvm_power_up_us * self.memory.clock_hz // 1_000_000
        devices.sent, devices.sent_capacity = self._sent.ctypes.data, _SENT_BYTES
        devices.capacitor_channel, devices.reference_channel = self.part.channels
        devices.reference_mv, devices.adc_most = self.part.reference_mv, self.part.adc_most
        self.set_capacitor_mv(3300)

    def map(self, uc: Any, uclib: Any, library: Any, user: int) -> None:
        """Put the registers on the bus."""
        self.watch.devices_base, self.watch.system_base = DEVICES_BASE, SYSTEM_BASE
        for base, n_bytes, read, write in (
            (DEVICES_BASE, DEVICES_BYTES, library.fml_devices_read, library.fml_devices_write),
            (SYSTEM_BASE, SYSTEM_BYTES, library.fml_system_read, library.fml_system_write),
        ):
            status = uclib.uc_mmio_map(
                uc._uch,
                ctypes.c_uint64(base),
                ctypes.c_size_t(n_bytes),
                ctypes.cast(read, ctypes.c_void_p),
                ctypes.c_void_p(user),
                ctypes.cast(write, ctypes.c_void_p),
                ctypes.c_void_p(user),
            )
            if status != 0:
                raise AssertionError(f"no room for peripherals on the bus: {status}")

    def set_capacitor_mv(self, capacitor_mv: int) -> None:
        """What the divider at the ADC hangs on; the supply is regulated to 3.3 V, or what is left."""
        devices = self.watch.devices
        devices.capacitor_mv = capacitor_mv
        devices.supply_mv = self.part.full_scale_mv or min(3300, capacitor_mv)

    def uart_output(self) -> bytes:
        """What the UART sent since the last call."""
        devices = self.watch.devices
        found = self._sent[: devices.sent_bytes].tobytes()
        devices.sent_bytes = 0
        return found

    def uart_input(self, content: bytes) -> None:
        """What the UART receives from now on, as fast as it is read."""
        self._incoming = np.frombuffer(content, dtype=np.uint8).copy()
        devices = self.watch.devices
        devices.incoming, devices.incoming_bytes, devices.incoming_at = (
            self._incoming.ctypes.data,
            len(content),
            0,
        )

    def visible(self) -> bytes:
        """What a driver can see of them: registers, a byte on its way, the chip as its next byte finds it."""
        devices = self.watch.devices
        chip = devices.fram
        state = [devices.pending, chip.selected, chip.write_enabled]
        if devices.pending:
            state.append(devices.received)
        if chip.selected:
            state += [chip.opcode, chip.phase, chip.address]
        return self.registers + np.array(state, dtype=np.uint32).tobytes()

    @property
    def registers(self) -> bytes:
        """State of all registers."""
        return bytes(self._registers)

    @registers.setter
    def registers(self, content: bytes) -> None:
        ctypes.memmove(self._registers, content, len(content))


def _native(reg: Reg, index: Mapping[str, int]) -> Any:
    follow, mask, shift = (index[reg.follow[0]], *reg.follow[1:]) if reg.follow else (-1, 0, 0)
    gate, gate_mask = (index[reg.gate[0]], reg.gate[1]) if reg.gate else (-1, 0)
    return Register(
        address=reg.address,
        kind=_KINDS.index(reg.kind),
        value=reg.reset,
        reset=reg.reset,
        writable=reg.writable,
        follow=follow,
        follow_mask=mask,
        follow_shift=shift,
        gate=gate,
        gate_mask=gate_mask,
        receive=index[reg.pointer] if reg.pointer else reg.receive,
        transmit=reg.transmit,
        busy=reg.busy,
    )
