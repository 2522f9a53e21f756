"""Options for a Cortex-M firmware, and what its linker says.

Everything is compiled without floating point, and as on a machine without a C library: start-up, board interface and
memcpy are in the folder; long multiplication and division come from the compiler's own library.
"""

from __future__ import annotations

import re

from freeml.board.core import Core
from freeml.board.memory import MemoryMap
from freeml.errors import DoesNotFit
from freeml.firmware.toolchain import WARNINGS, Compiler

COMMON = (
    "-std=c99",
    *WARNINGS,
    "-O2",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fomit-frame-pointer",  # one of the few registers
    "-mfloat-abi=soft",
    "-fno-asynchronous-unwind-tables",
    "-Wl,-e,fml_reset",
    "-Wl,--gc-sections",
    "-Wl,--build-id=none",
    "-I.",
    "-Iruntime",
    "-Ifirmware",
)
_ZIG_CORES = {"cortex-m33": "cortex_m33+dsp"}  # GCC's cortex-m33 has the DSP extension, zig's has not
_REGIONS = {"FLASH": "flash", "RAM": "sram", "NVM": "nvm"}


def compiler_flags(compiler: Compiler, core: Core) -> tuple[str, ...]:
    """Options that choose the core."""
    if compiler.kind == "zig":
        # -nostdlib would drop compiler-rt as well; zig links nothing else for a target without an operating system.
        target = ("-target", "thumb-freestanding-eabi", f"-mcpu={_ZIG_CORES.get(core, core.replace('-', '_'))}")
        # Unrolled, the portable kernels take 40 % more flash and, on M4 and M33, 20 % more instructions (tiny CNN).
        return (*target, "-fno-sanitize=undefined", "-fno-unroll-loops")
    # GCC would turn the loop of memcpy into a call of memcpy.
    return (
        "-mthumb",
        f"-mcpu={core}",
        "-nostdlib",
        "-nostartfiles",
        "-fno-tree-loop-distribute-patterns",
    )


def too_full(diagnostics: str, memory: MemoryMap) -> DoesNotFit | None:
    """The memory that the linker ran out of, in words; None where it failed for another reason."""
    hint = "choose a larger board or a smaller model"
    full = re.search(r"will not fit in region '(\w+)': overflowed by (\d+) bytes", diagnostics) or re.search(
        r"region `(\w+)' overflowed by (\d+) bytes", diagnostics
    )
    if full:
        region, too_much = _REGIONS[full[1]], int(full[2])
        limit = {"flash": memory.flash_bytes, "sram": memory.ram_bytes, "nvm": memory.nvm_bytes}[region]
        return DoesNotFit(
            f"the firmware needs {limit + too_much:,} bytes of {region}, the board has {limit:,}",
            region=region,
            needed=limit + too_much,
            available=limit,
            hint=hint,
        )
    if "no room for the stack" in diagnostics:
        return DoesNotFit(
            f"the firmware leaves less than {memory.stack_bytes:,} bytes of sram to the stack",
            region="sram",
            needed=memory.stack_bytes,
            available=0,
            hint=hint,
        )
    return None
