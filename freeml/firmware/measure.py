"""What a board's firmware takes of each memory, before anything is written: it is built as `freeml build` builds it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freeml.board.memory import MemoryMap
from freeml.errors import ToolMissing
from freeml.firmware.build import Toolchain, find_cross_compiler, object_flags
from freeml.firmware.elf import FirmwareSize, read_firmware
from freeml.firmware.link import link
from freeml.firmware.size import measure


@dataclass(frozen=True, slots=True)
class LinkedSizes:
    """Sizes of the linked firmware, an upper bound of its stack, and the compiler."""

    size: FirmwareSize
    stack_bytes: int
    compiler: str


def measure_firmware(
    files: Mapping[str, str | bytes], name: str, memory: MemoryMap, toolchain: Toolchain = "auto"
) -> LinkedSizes | None:
    """Build the firmware of a folder's files; None where this machine has no compiler for the board.

    Raises ToolFailed, and DoesNotFit where a memory is too small.
    """
    try:
        compiler = find_cross_compiler(toolchain, memory)
    except ToolMissing:
        return None
    with tempfile.TemporaryDirectory(prefix="freeml-measure-") as work:
        root = Path(work) / "out"
        for path, content in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        elf = link(compiler, root, name, memory, Path(work) / "firmware.elf")
        sources = [root / f"{name}.c", *sorted((root / "runtime").glob("*.c"))]
        frames = measure(compiler, sources, [root, root / "runtime"], object_flags(compiler, memory))
        return LinkedSizes(read_firmware(elf, memory).size, frames.stack_bytes, compiler.version)
