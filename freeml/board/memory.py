"""Where the memories of a board lie: what linker script, kernels and emulator make of its [cpu] section."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, field_validator

from freeml.board.core import MSP430, Chip, Core, Family, family_of, kernels_of
from freeml.board.figures import Figure, Strict
from freeml.board.support import support_names

_SYSTEM_BASE = 0xE000_0000  # from here on, a Cortex-M has its own registers
_VECTORS, _RESET = 0xFF90, 0xFFFE  # of an MSP430: the lowest, and the highest


class Cpu(Strict):
    """A processor that freeml makes firmware for: its core, and the addresses at which memories begin.

    support              start-up and drivers: a folder of runtime_c/hal; "emulated" has no peripherals
    chip                 MSP430: which of the parts that differ in more than memories; an FR5994 where it is left out
    flash_base           code and constants; on an MSP430, the FRAM within reach of 16-bit pointers
    ram_base             SRAM, contiguous
    nvm_base             NVM on the bus; of an SPI FRAM, the address under which C names its first byte, at which no
                         memory lies; absent on an MSP430, where it is part of the flash
    flash_bytes          where the memory at flash_base is smaller than flash_bytes of [memory]
    far_base, far_bytes  MSP430: FRAM beyond 16-bit pointers, for weights
    vectors_base         MSP430: where TI's header of the part has the vector of interrupt 0; that of n is 2 n behind
    """

    core: Core
    support: str
    chip: Chip = "fr5994"
    flash_base: Figure
    ram_base: Figure
    nvm_base: Figure | None = None
    flash_bytes: Figure | None = None
    far_base: Figure | None = None
    far_bytes: Figure | None = None
    vectors_base: Figure | None = None

    @field_validator("support")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in support_names():
            raise ValueError(f"there are drivers for {', '.join(support_names())}")
        return name


class PlatformIo(Strict):
    """How PlatformIO calls the board: `platform` and `board` of platformio.ini; empty where it does not know it."""

    platform: str = Field(pattern=r"^[a-z0-9_]+$")
    board: str = Field(pattern=r"^[A-Za-z0-9_]+$")


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """What linker script, kernels and emulator must know of a processor.

    nvm_kind     as in [nvm]: "fram" is read through pointers, "spi_fram" through a bus
    nvm_bytes    0 where NVM is part of the flash (MSP430)
    far_bytes    FRAM beyond 16-bit pointers; 0 where there is none
    stack_bytes  what the linker keeps free
    nvm_power_up_us  from power-up to the first access of an NVM chip
    vectors_base     as in [cpu]; 0 where it does not say
    """

    core: Core
    support: str
    clock_hz: int
    nvm_kind: str
    flash_base: int
    flash_bytes: int
    ram_base: int
    ram_bytes: int
    nvm_base: int
    nvm_bytes: int
    far_base: int
    far_bytes: int
    stack_bytes: int
    nvm_power_up_us: int = 0
    vectors_base: int = 0
    chip: Chip = "fr5994"

    @property
    def regions(self) -> tuple[tuple[str, int, int], ...]:
        """(name, base, bytes) of flash, ram, nvm and far; only those that there are."""
        every = (
            ("flash", self.flash_base, self.flash_bytes),
            ("ram", self.ram_base, self.ram_bytes),
            ("nvm", self.nvm_base, self.nvm_bytes),
            ("far", self.far_base, self.far_bytes),
        )
        return tuple(region for region in every if region[2])

    @property
    def kernels(self) -> str:
        """The folder of runtime_c/kernels whose files come before the portable ones of the same name."""
        return kernels_of(self.core)

    @property
    def family(self) -> Family:
        """What the processor has in common with others."""
        return family_of(self.core)

    @property
    def interrupts(self) -> range:
        """Numbers of the interrupts of an MSP430, by TI's header of the part: from the lowest vector to the reset."""
        base = self.vectors_base or _VECTORS
        return range((_VECTORS - base) // 2, (_RESET - base) // 2)

    def vector(self, number: int) -> int:
        """Address of the vector of an interrupt of an MSP430."""
        return (self.vectors_base or _VECTORS) + 2 * number

    def problem(self) -> str | None:
        """What is wrong with the regions, in words; None where nothing is."""
        if self.family is MSP430:
            near_end = MSP430.reach_bytes
            if self.flash_base + self.flash_bytes > near_end:
                return f"flash must end below {near_end:#x}: constants are read through 16-bit pointers"
            if self.far_bytes and self.far_base < near_end:
                return f"far_base must be {near_end:#x} or more"
            if self.vectors_base % 2 or not self.vectors_base <= _VECTORS:
                return f"vectors_base must be even, and {_VECTORS:#x} or less: the lowest vector is there"
        if self.nvm_power_up_us * self.clock_hz // 1_000_000 * 17 // 16 >= 1 << 24:
            return f"power_up_us of the NVM is more than the timer of the core counts at {self.clock_hz:,} Hz"
        end, before = 0, ""
        for name, base, n_bytes in sorted(self.regions, key=lambda region: region[1]):
            page = self.family.page_bytes
            if base % page or n_bytes % page:
                return f"{name} must begin and end at a multiple of {page}"
            if base < end:
                return f"{name} begins within {before}"
            end, before = base + n_bytes, name
        if end > _SYSTEM_BASE:
            return f"{before} must end below {_SYSTEM_BASE:#x}"
        return None
