"""From a compiled folder to the firmware of its board: an ELF file and what it takes of each memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeml.board.core import CORTEXM
from freeml.board.memory import MemoryMap
from freeml.errors import BadOutput, ToolMissing
from freeml.firmware.elf import Firmware, read_firmware
from freeml.firmware.link import link, tools_of
from freeml.firmware.toolchain import Compiler, find_zig
from freeml.output.folder import Sources

Toolchain = Literal["auto", "zig", "gcc"]


@dataclass(frozen=True)
class Build:
    """A finished firmware and the compiler it is of."""

    firmware: Firmware
    memory: MemoryMap
    compiler: Compiler


def memory_map(made: Sources) -> MemoryMap:
    """The memories of the board that a folder is for. Raises BadOutput where it has no firmware."""
    found = made.board.memory_map
    if found is None:
        raise BadOutput(
            f"there is no firmware for board {made.board.name}",
            where=str(made.folder),
            hint="compile the model with --board qemu_m4, for example",
        )
    return found


def build_firmware(made: Sources, elf: Path, toolchain: Toolchain = "auto", defines: Sequence[str] = ()) -> Build:
    """Build the firmware of a compiled folder into `elf`, with the linker's map beside it (NAME.map).

    toolchain  "auto" takes zig, which is the same version everywhere, and GCC where zig is missing
    defines    "NAME=VALUE" for the preprocessor, as firmware/fml_board.h lists them
    Raises BadOutput for a board without firmware, ToolMissing, ToolFailed, DoesNotFit.
    """
    memory = memory_map(made)
    compiler = find_cross_compiler(toolchain, memory)
    link(compiler, made.folder, made.graph.name, memory, elf, defines)
    return Build(read_firmware(elf, memory), memory, compiler)


def object_flags(compiler: Compiler, memory: MemoryMap) -> tuple[str, ...]:
    """Options with which `link` compiles one source: without those for the linker and of warnings."""
    tools = tools_of(memory.family)
    dropped = ("-Wl,", "-I", "-nostdlib", "-nostartfiles", "-Werror")
    return tuple(flag for flag in (*tools.flags(compiler, memory.core), *tools.common) if not flag.startswith(dropped))


def find_cross_compiler(toolchain: Toolchain, memory: MemoryMap | None = None) -> Compiler:
    """A compiler for a board, Cortex-M by default. Raises ToolMissing."""
    family = memory.family if memory else CORTEXM
    gcc = tools_of(family).find_gcc
    finders = {"zig": (find_zig,), "gcc": (gcc,), "auto": (find_zig, gcc)}[toolchain]
    for find in finders:
        compiler = find()
        if compiler is not None:
            return compiler
    wanted = {"zig": "zig", "gcc": family.gcc, "auto": f"compiler for {family.title}"}[toolchain]
    raise ToolMissing(f"no {wanted} found", hint=f"pip install ziglang, or {family.gcc_hint} for --toolchain gcc")
