"""The two families of processors, and what a core says of a part: its family, and the kernels that run on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Core = Literal["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "msp430x"]
Chip = Literal["fr5994", "fr5969"]
"""A part whose emulator differs from others of its core: memories, wait states, cache."""


@dataclass(frozen=True, slots=True)
class Family:
    """What all parts of a family have in common.

    name                of folders in templates/ and runtime_c/hal, and in board files
    title               for messages
    reach_bytes         of addresses that a pointer reaches; beyond, weights have 20-bit addresses (fml_far.h)
    page_bytes          regions of memory begin and end at a multiple of it
    gcc, gcc_hint       GNU's compiler, and how to come by it
    gcc_libraries       what it is linked with
    """

    name: Literal["msp430", "cortexm"]
    title: str
    reach_bytes: int
    page_bytes: int
    gcc: str
    gcc_hint: str
    gcc_libraries: tuple[str, ...]

    @property
    def has_far_memory(self) -> bool:
        """Whether memory may lie beyond what a pointer reaches."""
        return self.reach_bytes < 1 << 32


MSP430 = Family(
    name="msp430",
    title="MSP430",
    reach_bytes=1 << 16,
    page_bytes=2,
    gcc="msp430-elf-gcc",
    gcc_hint="set FREEML_MSP430_TOOLCHAIN to its folder",
    gcc_libraries=("gcc", "mul_f5", "gcc"),
)
CORTEXM = Family(
    name="cortexm",
    title="Cortex-M",
    reach_bytes=1 << 32,
    page_bytes=4096,
    gcc="arm-none-eabi-gcc",
    gcc_hint="install gcc-arm-none-eabi",
    gcc_libraries=("gcc",),
)

# Family, and the folder of runtime_c/kernels whose files come before the portable ones of the same name.
_CORES: dict[Core, tuple[Family, str]] = {
    "cortex-m0plus": (CORTEXM, "armv6m"),
    "cortex-m3": (CORTEXM, "portable"),
    "cortex-m4": (CORTEXM, "armv7em"),
    "cortex-m7": (CORTEXM, "armv7em"),
    "cortex-m33": (CORTEXM, "armv7em"),
    "msp430x": (MSP430, "msp430"),
}


def family_of(core: Core) -> Family:
    """The family of a core."""
    return _CORES[core][0]


def kernels_of(core: Core) -> str:
    """The folder of runtime_c/kernels for a core."""
    return _CORES[core][1]
