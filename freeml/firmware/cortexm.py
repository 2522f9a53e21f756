"""Compile and link a Cortex-M firmware: zig's clang, or GCC where it is installed.

The compiler runs inside the folder and sees relative names only, so that the same folder gives the same bytes wherever
it lies. Everything is compiled without floating point, and as on a machine without a C library: start-up, board
interface and memcpy are in the folder; long multiplication and division come from the compiler's own library.
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


def core_flags(compiler: Compiler, core: str) -> tuple[str, ...]:
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


def link(compiler: Compiler, folder: Path, name: str, memory: MemoryMap, elf: Path) -> Path:
    """Compile and link the firmware in a compiled folder into `elf`, which appears complete or not at all.

    The linker's map is beside it, as NAME.map.

    Raises ToolFailed with the compiler's first errors, DoesNotFit where the linker runs out of a memory.
    """
    parts = (f"{name}.c", *_names(folder, "runtime"), *_names(folder, "firmware"))
    libraries = () if compiler.kind == "zig" else ("-lgcc",)
    elf.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="freeml-link-") as work:
        built = Path(work, "firmware.elf")
        flags = (*core_flags(compiler, memory.core), *COMMON, "-T", "firmware/link.ld", "-Wl,--print-map")
        command = [*compiler.command, *flags, *parts, *libraries, "-o", str(built)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _failure(compiler, elf.name, memory, done.stderr or done.stdout)
        replace_file(built, elf)
        elf.with_suffix(".map").write_text(portable_map(done.stdout, parts))
    return elf


def _names(folder: Path, part: str) -> Sequence[str]:
    return [f"{part}/{path.name}" for path in sorted((folder / part).glob("*.c"))]


def _failure(compiler: Compiler, name: str, memory: MemoryMap, diagnostics: str) -> ToolFailed | DoesNotFit:
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
    return ToolFailed(
        f"{compiler.name} could not build {name}: {first_errors(diagnostics)}",
        where=shlex.join(compiler.command),
        hint=f"the compiler is {compiler.version}; --toolchain chooses another",
    )
