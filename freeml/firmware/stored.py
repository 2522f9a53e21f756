"""What a network takes of a linked firmware or library, by the symbols of its ELF file: the one place to count bytes.

A network's own C names each array by what it holds (`SECTIONS`); all else that begins with the network's name is a
table of the runtime: layers, descriptors, look-up tables of functions. Decoders are the functions and constants of the
files that read encoded weights. What the linker left out has no symbol and does not count, nor does padding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from freeml.errors import BadOutput
from freeml.kernels.layer import SECTIONS

DECODERS = ("fml_coded", "fml_decoded")
"""What the names of files begin with that have code to read encoded weights, and those of their functions."""


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Bytes of a network's constants as they are stored."""

    weights: int = 0
    scales: int = 0
    biases: int = 0
    indices: int = 0
    codebooks: int = 0
    restart: int = 0

    @property
    def total(self) -> int:
        """Of all."""
        return sum(asdict(self).values())


@dataclass(frozen=True, slots=True)
class Account:
    """What a network takes: constants as stored, tables of its layers with descriptors, and code that decodes."""

    stored: StoredBytes
    table_bytes: int
    decoder_bytes: int


def account(path: Path, name: str) -> Account:
    """Of the network called `name` in an ELF file: a firmware, or a library of this machine, with its symbols.

    Raises BadOutput where the file is none, or has no symbol of that network.
    """
    try:
        with path.open("rb") as file:
            symbols = list(_named(ELFFile(file)))
    except ELFError as error:
        raise BadOutput(f"not an ELF file: {error}", where=str(path), hint="build the firmware again") from error
    own = [entry for entry in symbols if entry.name.startswith(f"{name}_") and entry.kind != "STT_FUNC"]
    if f"{name}_model" not in {entry.name for entry in own}:
        raise BadOutput(f"no symbols of the network {name!r}", where=str(path), hint="build it without stripping it")
    pattern = re.compile(rf"{re.escape(name)}_.+_({'|'.join(SECTIONS)})\d*(_\d+)?")
    taken = dict.fromkeys(SECTIONS.values(), 0)
    tables = 0
    for entry in own:
        holds = pattern.fullmatch(entry.name)
        if holds:
            taken[SECTIONS[holds[1]]] += entry.n_bytes
        else:
            tables += entry.n_bytes + _first_words(entry, own)
    decoders = sum(entry.n_bytes for entry in symbols if entry.decodes)
    return Account(StoredBytes(**taken), tables, decoders)


@dataclass(frozen=True, slots=True)
class _Named:
    """A symbol that takes room. decodes: it is of a decoder's file."""

    name: str
    kind: str
    address: int
    n_bytes: int
    decodes: bool


def _named(elf: ELFFile) -> Iterator[_Named]:
    """Functions and objects in memory; local ones stand behind the name of their file. Each address counts once."""
    seen: set[tuple[int, str]] = set()
    for table in elf.iter_sections():
        if not isinstance(table, SymbolTableSection) or table.name == ".dynsym":
            continue
        file = ""
        for symbol in table.iter_symbols():
            kind = symbol["st_info"]["type"]
            if kind == "STT_FILE":
                file = symbol.name
            elif _takes_room(symbol) and (int(symbol["st_value"]), symbol.name) not in seen:
                seen.add((int(symbol["st_value"]), symbol.name))
                is_local = symbol["st_info"]["bind"] == "STB_LOCAL"
                decodes = (file if is_local else symbol.name).startswith(DECODERS) and kind != "STT_NOTYPE"
                yield _Named(symbol.name, kind, int(symbol["st_value"]), int(symbol["st_size"]), decodes)


def _takes_room(symbol: Symbol) -> bool:
    is_named = symbol["st_info"]["type"] in ("STT_OBJECT", "STT_FUNC", "STT_NOTYPE")
    return bool(symbol.name) and is_named and symbol["st_shndx"] not in ("SHN_UNDEF", "SHN_ABS")


def _first_words(entry: _Named, own: list[_Named]) -> int:
    """Of a descriptor on an MSP430: the addresses before the rest of it, which the linker fills in (fml_tables.h)."""
    if not entry.name.endswith("_rest"):
        return 0
    label = entry.name.removesuffix("_rest")
    return sum(entry.address - other.address for other in own if other.name == label and not other.n_bytes)
