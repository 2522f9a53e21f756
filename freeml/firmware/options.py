"""Options of `freeml build` for the builds that PlatformIO does: in the project, and of the local platform."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freeml.board.core import MSP430
from freeml.board.memory import MemoryMap
from freeml.firmware.build import find_cross_compiler, memory_map
from freeml.firmware.link import tools_of
from freeml.firmware.toolchain import Compiler
from freeml.output.folder import read_output

# A user's compiler may be older, and warn of what ours do not, or not know the option.
_OURS_ALONE = ("-Werror", "-Wconversion", "-Wl,--no-warn-rwx-segments", "-Wl,--no-eh-frame-hdr")
_GCC = Compiler("gcc", ("gcc",), "", "gcc")


@dataclass(frozen=True, slots=True)
class GccFlags:
    """Options for GCC as PlatformIO takes them: `Flags` of codegen/platformio.py says what each is."""

    compile: tuple[str, ...]
    machine: tuple[str, ...]
    gcc: tuple[str, ...]
    link: tuple[str, ...]
    libraries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tools:
    """A compiler and what it is to be given beside the options in platformio.ini."""

    command: tuple[str, ...]
    compile: tuple[str, ...]
    link: tuple[str, ...]
    libraries: tuple[str, ...]


def gcc_flags(memory: MemoryMap) -> GccFlags:
    """What GCC is given for a board, in the parts that platformio.ini and freeml_link.py have.

    PlatformIO's boards of Texas Instruments name the chip (-mmcu), from which its GCC takes all that has to do with it.
    """
    core, common = _options(_GCC, memory)
    machine = () if memory.family is MSP430 else tuple(flag for flag in (*core, *common) if flag.startswith("-m"))
    return GccFlags(
        compile=tuple(flag for flag in common if not _is_link(flag) and flag[:2] != "-m" and flag not in _OURS_ALONE),
        machine=machine,
        gcc=tuple(flag for flag in core if not _is_link(flag) and flag[:2] != "-m"),
        link=tuple(dict.fromkeys(flag for flag in (*core, *common) if _is_link(flag) and flag not in _OURS_ALONE)),
        libraries=("gcc",),
    )


def local_tools(folder: Path) -> Tools:
    """The compiler of `freeml build`, and its options. Raises as build_firmware does."""
    memory = memory_map(read_output(folder))
    compiler = find_cross_compiler("auto", memory)
    core, common = _options(compiler, memory)
    in_project = gcc_flags(memory).compile
    # zig compiles its own library when it links, with the options that it is then given.
    libraries: tuple[str, ...] = ()
    if compiler.kind != "zig":
        libraries = memory.family.gcc_libraries
    return Tools(
        compiler.command,
        tuple(flag for flag in (*core, *common) if not _is_link(flag) and flag not in in_project),
        (*in_project, *(flag for flag in (*core, *common) if _is_link(flag))),
        libraries,
    )


def _options(compiler: Compiler, memory: MemoryMap) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What depends on the compiler, and what does not; without the linker script, which PlatformIO gives."""
    tools = tools_of(memory.family)
    return tools.flags(compiler, memory.core), tools.common


def _is_link(flag: str) -> bool:
    return flag.startswith(("-Wl,", "-nost"))
