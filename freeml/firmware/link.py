"""Compile and link a firmware: zig's clang, or GCC where it is installed.

The compiler runs inside the folder and sees relative names only, so that the same folder gives the same bytes wherever
it lies. Nothing of a vendor is needed: start-up, registers, board interface and linker script are in the folder.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from freeml.board.core import CORTEXM, MSP430, Core, Family
from freeml.board.memory import MemoryMap
from freeml.errors import DoesNotFit, ToolFailed
from freeml.firmware import cortexm, msp430
from freeml.firmware.objects import cached_object
from freeml.firmware.toolchain import (
    Compiler,
    find_arm_gcc,
    find_msp430_gcc,
    first_errors,
    portable_map,
    replace_file,
)

SCRIPT = ("-T", "firmware/link.ld")


@dataclass(frozen=True, slots=True)
class Tools:
    """How firmware of a family is compiled and linked.

    common    options for every compiler, but for the linker script
    flags     of a compiler, that choose a core
    too_full  what the linker says of a memory that is too small; None where it says something else
    find_gcc  GNU's compiler, where it is installed
    """

    common: tuple[str, ...]
    flags: Callable[[Compiler, Core], tuple[str, ...]]
    too_full: Callable[[str, MemoryMap], DoesNotFit | None]
    find_gcc: Callable[[], Compiler | None]


_TOOLS = {
    MSP430: Tools(msp430.COMMON, msp430.compiler_flags, msp430.too_full, find_msp430_gcc),
    CORTEXM: Tools(cortexm.COMMON, cortexm.compiler_flags, cortexm.too_full, find_arm_gcc),
}


def tools_of(family: Family) -> Tools:
    """How firmware of this family is compiled and linked."""
    return _TOOLS[family]


def link(
    compiler: Compiler, folder: Path, name: str, memory: MemoryMap, elf: Path, defines: Sequence[str] = ()
) -> Path:
    """Compile and link the firmware in a compiled folder into `elf`, which appears complete or not at all.

    The linker's map is beside it, as NAME.map.

    defines: "NAME=VALUE" for the preprocessor, as fml_board.h lists them; firmware/samples.h, where it is, chooses
    FML_SENSOR_REPLAY. Raises ToolFailed with the compiler's first errors, DoesNotFit where the linker runs out of a
    memory.
    """
    tools = tools_of(memory.family)
    parts = [f"{name}.c", *_names(folder, "runtime"), *_names(folder, "firmware")]
    if (folder / "firmware" / "samples.h").is_file() and not any(d.startswith("FML_SENSOR=") for d in defines):
        defines = (*defines, "FML_SENSOR=FML_SENSOR_REPLAY")
    libraries = () if compiler.kind == "zig" else [f"-l{library}" for library in memory.family.gcc_libraries]
    elf.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="freeml-link-") as work:
        built = Path(work, "firmware.elf")
        options = (*tools.flags(compiler, memory.core), *tools.common, *(f"-D{define}" for define in defines))
        run = partial(_run, compiler, folder, elf, lambda said: tools.too_full(said, memory))
        objects = [_object(compiler, folder, part, options, Path(work), run) for part in parts]
        done = run([*options, *SCRIPT, "-Wl,--print-map", *map(str, objects), *libraries, "-o", str(built)])
        replace_file(built, elf)
        elf.with_suffix(".map").write_text(portable_map(done, parts))
    return elf


def _object(
    compiler: Compiler, folder: Path, part: str, options: Sequence[str], work: Path, run: Callable[[Sequence[str]], str]
) -> Path:
    """Of one file of a compiled folder, kept for the next firmware."""
    compiled = [*(option for option in options if not option.startswith("-Wl,")), "-c", part]

    def make(to: Path) -> None:
        run([*compiled, "-o", str(to)])

    includes = [folder / option.removeprefix("-I") for option in options if option.startswith("-I")]
    return cached_object(compiler, folder / part, includes, compiled, work, make)


def _run(
    compiler: Compiler,
    folder: Path,
    elf: Path,
    too_full: Callable[[str], DoesNotFit | None],
    arguments: Sequence[str],
) -> str:
    """What the compiler prints, called in the folder. Raises ToolFailed, DoesNotFit."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"}
    command = [*compiler.command, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr or done.stdout
        raise too_full(said) or ToolFailed(
            f"{compiler.name} could not build {elf.name}: {first_errors(said)}",
            where=shlex.join(compiler.command),
            hint=f"the compiler is {compiler.version}; --toolchain chooses another",
        )
    return done.stdout


def _names(folder: Path, part: str) -> Sequence[str]:
    return [f"{part}/{path.name}" for path in sorted((folder / part).iterdir()) if path.suffix in (".c", ".S")]
