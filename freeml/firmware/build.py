"""From a compiled folder to the firmware of its board: an ELF file and what it takes of each memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeml.errors import BadOutput, ToolMissing
from freeml.firmware.cortexm import link
from freeml.firmware.elf import Firmware, read_firmware
from freeml.firmware.output import Output
from freeml.firmware.toolchain import Compiler, find_arm_gcc, find_zig
from freeml.memory_map import MemoryMap

Toolchain = Literal["auto", "zig", "gcc"]


@dataclass(frozen=True)
class Build:
    """A finished firmware and the compiler it is of."""

    firmware: Firmware
    memory: MemoryMap
    compiler: Compiler


def memory_map(output: Output) -> MemoryMap:
    """The memories of the board that a folder was compiled for. Raises BadOutput where it has no firmware."""
    found = output.manifest.get("memory_map")
    if not isinstance(found, dict):
        board = output.manifest["options"]["board"]
        raise BadOutput(
            f"there is no firmware for board {board}",
            where=str(output.folder),
            hint="compile the model with --board qemu_m4, for example",
        )
    try:
        return MemoryMap(**found)
    except TypeError as error:
        raise BadOutput(
            f"the folder is damaged: {error}", where=str(output.folder), hint="compile the model again"
        ) from error


def build_firmware(output: Output, elf: Path, toolchain: Toolchain = "auto") -> Build:
    """Build the firmware of a compiled folder into `elf`.

    toolchain: "auto" takes zig, which is the same version everywhere, and GCC where zig is missing.
    Raises BadOutput for a board without firmware, ToolMissing, ToolFailed, DoesNotFit.
    """
    memory = memory_map(output)
    compiler = find_cross_compiler(toolchain)
    link(compiler, output.folder, output.graph.name, memory, elf)
    return Build(read_firmware(elf, memory), memory, compiler)


def find_cross_compiler(toolchain: Toolchain) -> Compiler:
    """A compiler for Cortex-M. Raises ToolMissing."""
    finders = {"zig": (find_zig,), "gcc": (find_arm_gcc,), "auto": (find_zig, find_arm_gcc)}[toolchain]
    for find in finders:
        compiler = find()
        if compiler is not None:
            return compiler
    wanted = {"zig": "zig", "gcc": "arm-none-eabi-gcc", "auto": "compiler for Cortex-M"}[toolchain]
    raise ToolMissing(
        f"no {wanted} found", hint="pip install ziglang, or install gcc-arm-none-eabi for --toolchain gcc"
    )
