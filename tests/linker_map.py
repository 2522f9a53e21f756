"""Output sections as a linker's own map has them: the second opinion on the sizes that are read from the ELF file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from freeml.board.memory import MemoryMap
from freeml.errors import ToolFailed

_LLD_HEADER = re.compile(r"^\s*VMA\s+LMA\s+Size\s+Align\s+Out\s+In\s+Symbol\s*$", re.MULTILINE)
_LLD_LINE = re.compile(r"^\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+ (\S+)\s*$")
_FILE_ONLY = (".symtab", ".strtab", ".shstrtab")  # lld lists them, at address 0, where flash may begin
_LLD_SYMBOL = re.compile(r"^\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+ {17}([A-Za-z_]\w*)\s*$")
_GNU_INPUT = re.compile(r"^ \.(?:rodata|text|far|near)\.(\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) \S+$")
_GNU_START = "Linker script and memory map"
_GNU_LINE = re.compile(r"^([^\s*][^\s]*)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?:\s+load address 0x[0-9a-f]+)?\s*$")


@dataclass(frozen=True, slots=True)
class MapSection:
    """An output section: where it lies when the firmware runs, and its bytes."""

    address: int
    n_bytes: int


def read_map(text: str) -> Mapping[str, MapSection]:
    """Output sections by name, of a map of lld or of GNU ld. Raises ToolFailed where it is neither."""
    if _LLD_HEADER.search(text):
        found = [(m[3], m[1], m[2]) for m in map(_LLD_LINE.match, text.splitlines()) if m]
    elif _GNU_START in text:
        # A long name has its figures on the next line.
        joined = re.sub(r"^(\.\S+)\n\s+0x", r"\1 0x", text.split(_GNU_START, 1)[1], flags=re.MULTILINE)
        found = [(m[1], m[2], m[3]) for m in map(_GNU_LINE.match, joined.splitlines()) if m]
    else:
        raise ToolFailed("the linker's map is in no format that freeml knows", hint="use zig or GCC")
    sections = {name: MapSection(int(address, 16), int(size, 16)) for name, address, size in found}
    return {name: s for name, s in sections.items() if s.n_bytes and name.startswith(".") and name not in _FILE_ONLY}


def read_arrays(text: str) -> Mapping[str, int]:
    """Bytes of symbols (lld), or of the sections that hold one array or function each (GNU ld), by name."""
    if _LLD_HEADER.search(text):
        found = [(m[2], m[1]) for m in map(_LLD_SYMBOL.match, text.splitlines()) if m]
    else:
        joined = re.sub(r"^ (\.\S+)\n\s+0x", r" \1 0x", text.split(_GNU_START, 1)[1], flags=re.MULTILINE)
        found = [(m[1].replace(".", "_"), m[2]) for m in map(_GNU_INPUT.match, joined.splitlines()) if m]
    taken: dict[str, int] = {}
    for name, size in found:
        taken[name] = max(taken.get(name, 0), int(size, 16))
    return taken


def region_bytes(sections: Mapping[str, MapSection], memory: MemoryMap) -> Mapping[str, int]:
    """Bytes that sections take in each memory of a board, by the memory's name.

    Sections at addresses outside all memories, such as those of debuggers, are left out.
    """
    taken = {name: 0 for name, _, _ in memory.regions}
    for section in sections.values():
        for name, base, n_bytes in memory.regions:
            if base <= section.address < base + n_bytes:
                taken[name] += section.n_bytes
    return taken
