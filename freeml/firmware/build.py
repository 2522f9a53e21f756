"""From a compiled folder to the firmware of its board: an ELF file and what it takes of each memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeml.errors import BadOutput, ToolMissing
from freeml.firmware.cortexm import COMMON, core_flags, link
from freeml.firmware.elf import Firmware, read_firmware
from freeml.firmware.msp430 import COMMON as MSP430_COMMON
from freeml.firmware.msp430 import compiler_flags as msp430_flags
from freeml.firmware.msp430 import link_msp430
from freeml.firmware.output import Output
from freeml.firmware.toolchain import Compiler, find_arm_gcc, find_msp430_gcc, find_zig
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


def build_firmware(output: Output, elf: Path, toolchain: Toolchain = "auto", defines: Sequence[str] = ()) -> Build:
    """Build the firmware of a compiled folder into `elf`, with the linker's map beside it (NAME.map).

    toolchain  "auto" takes zig, which is the same version everywhere, and GCC where zig is missing
    defines    "NAME=VALUE" for the preprocessor: on an MSP430, what firmware/fml_board.h lists
    Raises BadOutput for a board without firmware, ToolMissing, ToolFailed, DoesNotFit.
    """
    memory = memory_map(output)
    compiler = find_cross_compiler(toolchain, memory)
    link_firmware(compiler, output.folder, output.graph.name, memory, elf, defines)
    return Build(read_firmware(elf, memory), memory, compiler)


def link_firmware(
    compiler: Compiler, folder: Path, name: str, memory: MemoryMap, elf: Path, defines: Sequence[str] = ()
) -> Path:
    """Compile and link the firmware of the C in a folder. Raises ToolFailed, DoesNotFit."""
    if memory.is_msp430:
        return link_msp430(compiler, folder, name, memory, elf, defines)
    return link(compiler, folder, name, memory, elf)


def object_flags(compiler: Compiler, memory: MemoryMap) -> tuple[str, ...]:
    """Options with which `link_firmware` compiles one source: without those for the linker and of warnings."""
    core = msp430_flags(compiler) if memory.is_msp430 else core_flags(compiler, memory.core)
    common = MSP430_COMMON if memory.is_msp430 else COMMON
    dropped = ("-Wl,", "-I", "-T", "firmware/", "-nostdlib", "-nostartfiles", "-Werror")
    return tuple(flag for flag in (*core, *common) if not flag.startswith(dropped))


def find_cross_compiler(toolchain: Toolchain, memory: MemoryMap | None = None) -> Compiler:
    """A compiler for a board, Cortex-M by default. Raises ToolMissing."""
    is_msp430 = memory is not None and memory.is_msp430
    gcc = find_msp430_gcc if is_msp430 else find_arm_gcc
    finders = {"zig": (find_zig,), "gcc": (gcc,), "auto": (find_zig, gcc)}[toolchain]
    for find in finders:
        compiler = find()
        if compiler is not None:
            return compiler
    family, name = ("MSP430", "msp430-elf-gcc") if is_msp430 else ("Cortex-M", "arm-none-eabi-gcc")
    wanted = {"zig": "zig", "gcc": name, "auto": f"compiler for {family}"}[toolchain]
    package = "set FREEML_MSP430_TOOLCHAIN to its folder" if is_msp430 else "install gcc-arm-none-eabi"
    raise ToolMissing(f"no {wanted} found", hint=f"pip install ziglang, or {package} for --toolchain gcc")
