"""Program headers of an MSP430 ELF file: what a flasher would write, and where.

A segment goes to its load address (LMA), which for initialised data differs from the address it is used at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from freeml.errors import BadOutput

_MACHINE_MSP430 = 105
_PT_LOAD = 1
_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIIIIIII")


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of the file and the address in the device that they are loaded to."""

    address: int
    data: bytes


def load_segments(path: Path) -> tuple[Segment, ...]:
    """Loadable, non-empty segments. Raises BadOutput for anything but a whole 32-bit MSP430 ELF file."""
    content = path.read_bytes()
    try:
        ident, _, machine, _, _, offset, _, _, _, entry_bytes, n_entries, *_ = _HEADER.unpack_from(content)
        if ident[:6] != b"\x7fELF\x01\x01" or machine != _MACHINE_MSP430:
            raise BadOutput("not a firmware for MSP430", where=str(path), hint="give the ELF file of the build")
        segments = []
        for k in range(n_entries):
            kind, start, _, address, n_bytes, *_ = _PROGRAM_HEADER.unpack_from(content, offset + k * entry_bytes)
            if kind == _PT_LOAD and n_bytes:
                data = content[start : start + n_bytes]
                if len(data) != n_bytes:
                    raise BadOutput("ELF file is cut short", where=str(path), hint="build the firmware again")
                segments.append(Segment(address, data))
    except struct.error:
        raise BadOutput("ELF file is cut short", where=str(path), hint="build the firmware again") from None
    return tuple(segments)
