"""What freeml reads from a firmware's ELF: bytes to load, addresses of symbols, memory by region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from freeml.board.memory import MemoryMap
from freeml.errors import BadOutput, ToolFailed

_SHF_ALLOC = 2
_SIGNATURES, _NEAR_END = 0xFF80, 0x1_0000  # of an MSP430: blank, then interrupt and reset vectors


@dataclass(frozen=True, slots=True)
class FirmwareSize:
    """Bytes of a linked firmware.

    text_bytes   vectors, code and constants, in flash; on an MSP430, in FRAM within reach of 16-bit pointers
    data_bytes   initialised variables, in flash and in RAM
    bss_bytes    the rest of the RAM but for the stack
    nvm_bytes    what outlives a power loss
    far_bytes    weights beyond 16-bit pointers, on an MSP430
    """

    text_bytes: int
    data_bytes: int
    bss_bytes: int
    nvm_bytes: int
    far_bytes: int = 0

    @property
    def flash_bytes(self) -> int:
        """What is flashed."""
        return self.text_bytes + self.data_bytes + self.far_bytes

    @property
    def ram_bytes(self) -> int:
        """RAM without the stack."""
        return self.data_bytes + self.bss_bytes


@dataclass(frozen=True)
class Firmware:
    """A linked firmware, read: (physical address, bytes) to load, symbols (address, bytes), sizes.

    functions: (address, bytes) of each, also of those that share a name.
    """

    path: Path
    segments: tuple[tuple[int, bytes], ...]
    symbols: Mapping[str, tuple[int, int]]
    size: FirmwareSize
    functions: tuple[tuple[int, int], ...] = ()


def read_firmware(path: Path, memory: MemoryMap) -> Firmware:
    """Read an ELF. Raises ToolFailed where it is none, or has something outside the regions of the board."""
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            segments = _loaded(elf)
            tables = [s for s in elf.iter_sections() if isinstance(s, SymbolTableSection)]
            named = [(s.name, int(s["st_value"]), int(s["st_size"]), s["st_info"]["type"]) for s in _symbols(tables)]
            symbols = {name: (address, n_bytes) for name, address, n_bytes, _ in named}
            functions = sorted({(address, n_bytes) for _, address, n_bytes, kind in named if kind == "STT_FUNC"})
            size = _size(elf, memory, path.name)
    except ELFError as error:
        raise ToolFailed(f"not an ELF file: {error}", where=path.name) from error
    return Firmware(path, segments, symbols, size, tuple(functions))


def read_segments(path: Path, machine: str) -> tuple[tuple[int, bytes], ...]:
    """What a flasher would write of an ELF for this machine (EM_MSP430, ..): load addresses and bytes.

    A segment goes to its load address, which for initialised data differs from the address it is used at. Raises
    BadOutput for anything but a whole file of that machine.
    """
    cut_short = BadOutput("ELF file is cut short", where=str(path), hint="build the firmware again")
    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
            if elf["e_machine"] != machine:
                title = machine.removeprefix("EM_")
                raise BadOutput(f"not a firmware for {title}", where=str(path), hint="give the ELF file of the build")
            segments, wanted = _loaded(elf), [s["p_filesz"] for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
        except ELFError as error:
            raise cut_short from error
    if sum(len(data) for _, data in segments) != sum(wanted):
        raise cut_short
    return segments


def _loaded(elf: ELFFile) -> tuple[tuple[int, bytes], ...]:
    loaded = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
    return tuple((int(s["p_paddr"]), bytes(s.data())) for s in loaded)


def _symbols(tables: Sequence[SymbolTableSection]) -> Iterator[Symbol]:
    for table in tables:
        yield from table.iter_symbols()


def _size(elf: ELFFile, memory: MemoryMap, name: str) -> FirmwareSize:
    sizes = {"text": 0, "data": 0, "bss": 0, "nvm": 0, "far": 0}
    for section in elf.iter_sections():
        if not section["sh_flags"] & _SHF_ALLOC or not section["sh_size"]:
            continue
        region = _region(section["sh_addr"], section["sh_size"], memory)
        if region is None:
            raise ToolFailed(f"section {section.name} lies in no memory of the board", where=name)
        holds_bytes = section["sh_type"] != "SHT_NOBITS"
        kind = {"flash": "text", "ram": "data" if holds_bytes else "bss", "nvm": "nvm", "far": "far"}[region]
        # On an MSP430 the NVM image is a section of the flash.
        sizes["nvm" if section.name == ".nvm" else kind] += int(section["sh_size"])
    return FirmwareSize(sizes["text"], sizes["data"], sizes["bss"], sizes["nvm"], sizes["far"])


def _region(address: int, n_bytes: int, memory: MemoryMap) -> str | None:
    for name, base, length in memory.regions:
        if base <= address and address + n_bytes <= base + length:
            return name
    if memory.family.has_far_memory and address >= _SIGNATURES and address + n_bytes <= _NEAR_END:
        return "flash"  # signatures and vectors
    return None
