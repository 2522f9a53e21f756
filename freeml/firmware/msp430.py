"""Compile and link an MSP430 firmware: zig's clang (small model), or GCC (large model).

As for Cortex-M, the compiler runs inside the folder and sees relative names only. Nothing of TI is needed: start-up,
registers, board interface and linker script are in the folder. clang's compiler-rt does not build for this target, so
the folder has the library calls, too (fml_libcalls.c); GCC brings its own.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from freeml.errors import DoesNotFit, ToolFailed
from freeml.firmware.toolchain import WARNINGS, Compiler, first_errors, portable_map, replace_file
from freeml.memory_map import MemoryMap

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
    "-T",
    "firmware/link.ld",
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
_GCC_LIBRARIES = ("-lgcc", "-lmul_f5", "-lgcc")


def compiler_flags(compiler: Compiler) -> tuple[str, ...]:
    """Options that choose processor and memory model."""
    return _ZIG if compiler.kind == "zig" else _GCC


def link_msp430(
    compiler: Compiler, folder: Path, name: str, memory: MemoryMap, elf: Path, defines: Sequence[str] = ()
) -> Path:
    """Compile and link the firmware in a compiled folder into `elf`, which appears complete or not at all.

    The linker's map is beside it, as NAME.map.

    defines: "NAME=VALUE" for the preprocessor, as fml_board.h lists them; firmware/samples.h, where it is, chooses
    FML_SENSOR_REPLAY. Raises ToolFailed with the compiler's first errors, DoesNotFit where the linker runs out of a
    memory.
    """
    parts = [f"{name}.c", *_names(folder, "runtime"), *_names(folder, "firmware")]
    if (folder / "firmware" / "samples.h").is_file() and not any(d.startswith("FML_SENSOR=") for d in defines):
        defines = (*defines, "FML_SENSOR=FML_SENSOR_REPLAY")
    libraries = () if compiler.kind == "zig" else _GCC_LIBRARIES
    elf.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="freeml-link-") as work:
        built = Path(work, "firmware.elf")
        flags = (*compiler_flags(compiler), *COMMON, "-Wl,--print-map", *(f"-D{define}" for define in defines))
        command = [*compiler.command, *flags, *parts, *libraries, "-o", str(built)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _failure(compiler, elf.name, memory, done.stderr or done.stdout)
        replace_file(built, elf)
        elf.with_suffix(".map").write_text(portable_map(done.stdout, parts))
    return elf


def _names(folder: Path, part: str) -> Sequence[str]:
    return [f"{part}/{path.name}" for path in sorted((folder / part).iterdir()) if path.suffix in (".c", ".S")]


def _failure(compiler: Compiler, name: str, memory: MemoryMap, diagnostics: str) -> ToolFailed | DoesNotFit:
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
    return ToolFailed(
        f"{compiler.name} could not build {name}: {first_errors(diagnostics)}",
        where=shlex.join(compiler.command),
        hint=f"the compiler is {compiler.version}; --toolchain chooses another",
    )


def _overflow(region: str, diagnostics: str) -> int:
    """Bytes that a region lacks: as lld says it, or GNU ld. Either names every section that does not fit."""
    sentence = rf"(?:will not fit in region '{region}':|region `{region}') overflowed by (\d+) bytes"
    return max((int(found[1]) for found in re.finditer(sentence, diagnostics)), default=0)
