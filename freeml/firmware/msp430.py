"""Options for an MSP430 firmware, and what its linker says: zig's clang has the small model, GCC the large one.

clang's compiler-rt does not build for this target, so the folder has the library calls, too (fml_libcalls.c); GCC
brings its own.
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
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-nostdlib",
    "-DFML_FAR_WEIGHTS",
    "-I.",
    "-Iruntime",
    "-Ifirmware",
    "-Wl,-e,fml_reset",
    "-Wl,--gc-sections",
)
_ZIG = (
    "-target",
    "msp430-freestanding-eabi",
    "-mcpu=msp430+hwmultf5",
    "-fno-sanitize=undefined",
    "-fno-unroll-loops",
    "-Wl,--no-eh-frame-hdr",
    "-Wl,--build-id=none",
)
# GCC would turn the loop of memcpy into a call of memcpy, and takes a register at a literal address for an array of no
# elements (its bug 99578).
_GCC = (
    "-mcpu=msp430xv2",
    "-mlarge",
    "-mhwmult=f5series",
    "-nostartfiles",
    "-fno-tree-loop-distribute-patterns",
    "-Wno-array-bounds",
    "-Wl,--no-warn-rwx-segments",
)


def compiler_flags(compiler: Compiler, _core: Core) -> tuple[str, ...]:
    """Options that choose processor and memory model."""
    return _ZIG if compiler.kind == "zig" else _GCC


def too_full(diagnostics: str, memory: MemoryMap) -> DoesNotFit | None:
    """The memory that the linker ran out of, in words; None where it failed for another reason."""
    near, far, ram = (_overflow(region, diagnostics) for region in ("FRAM", "FAR", "RAM"))
    hint = "choose a larger board or a smaller model"
    if near:
        needed = memory.flash_bytes + near
        return DoesNotFit(
            f"code, constants and the NVM image need {needed:,} bytes of near memory, the board has "
            f"{memory.flash_bytes:,} within reach of 16-bit pointers",
            region="near",
            needed=needed,
            available=memory.flash_bytes,
            hint=hint,
        )
    if far:
        needed = memory.far_bytes + far
        return DoesNotFit(
            f"the weights of all models in this firmware need {needed:,} bytes of far memory, the board has "
            f"{memory.far_bytes:,}",
            region="far",
            needed=needed,
            available=memory.far_bytes,
            hint="choose a larger board, smaller models or fewer of them",
        )
    if ram:
        return DoesNotFit(
            f"the firmware needs {memory.ram_bytes + ram:,} bytes of sram, {memory.stack_bytes:,} for the stack; "
            f"the board has {memory.ram_bytes:,}",
            region="sram",
            needed=memory.ram_bytes + ram,
            available=memory.ram_bytes,
            hint=hint,
        )
    return None


def _overflow(region: str, diagnostics: str) -> int:
    """Bytes that a region lacks: as lld says it, or GNU ld. Either names every section that does not fit."""
    sentence = rf"(?:will not fit in region '{region}':|region `{region}') overflowed by (\d+) bytes"
    return max((int(found[1]) for found in re.finditer(sentence, diagnostics)), default=0)
