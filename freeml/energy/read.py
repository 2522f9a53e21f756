"""Any trace by its content: which reader, what was found in it, and the trace that it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from freeml.energy import opened, repair
from freeml.energy.derive import derive
from freeml.energy.readers import condor, declared, ekho, ivonne, mementos, shepherd, surfrad, table
from freeml.energy.recording import Recording
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.errors import BadData

OnDefect = Literal["report", "repair", "refuse"]
Reader = Callable[[Path, Told, bool], Recording]

# In this order: each knows its own look, the table takes any text.
TEXTS: tuple[tuple[Callable[[str], bool], Reader], ...] = (
    (condor.matches, condor.read),
    (surfrad.matches, surfrad.read),
    (declared.matches, declared.read),
    (ivonne.matches, ivonne.read),
    (ekho.matches, ekho.read),
    (mementos.matches, mementos.read),
    (table.matches, table.read),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was read: as recorded, with all defects; and with them mended where that was asked for."""

    recorded: Recording
    used: Recording


def read_recording(path: Path, told: Told | None = None, on_defect: OnDefect = "report") -> Found:
    """What is in a file. Raises BadData for what is no trace, is damaged, or lacks what the user must say."""
    told = told or Told()
    reader = _reader(path, told)
    repairing = on_defect == "repair"
    try:
        recorded = repair.find(reader(path, told, repairing))
    except RecursionError:
        raise BadData("nested too deeply", where=str(path)) from None
    if on_defect == "refuse" and len(recorded.defects):
        first = next(iter(recorded.defects))
        raise BadData(
            f"{len(recorded.defects):,} defects; line {first.line}, {first.rule}: {first.what}",
            where=str(path),
            hint="`freeml traces info` names them; --on-defect repair mends them",
        )
    return Found(recorded, repair.repair(recorded) if repairing else recorded)


def read_trace(path: Path, told: Told | None = None, on_defect: OnDefect = "report") -> Trace:
    """The trace of a file. Raises BadData."""
    found = read_recording(path, told, on_defect)
    trace = derive(found.used, told or Told(), path.name)
    what = "repaired" if found.used is not found.recorded else "left as recorded"
    said = tuple(
        f"{path.name}: {count:,} times {rule}, {what}" for rule, count in found.recorded.defects.counts.items()
    )
    return replace(trace, notes=(*trace.notes, *said))


def _reader(path: Path, told: Told) -> Reader:
    if path.is_dir():
        raise BadData("a folder, not a file", where=str(path))
    head = opened.head(path)
    if not head:
        raise BadData("the file is empty", where=str(path))
    _refuse(path, head)
    if head.startswith(shepherd.MAGIC):
        if not shepherd.is_plain(path):
            raise BadData("a packed HDF5 file", where=str(path), hint="unpack it: it is read in pieces, from disk")
        return shepherd.read
    if b"\0" in head[:4096]:
        if ekho.matches_binary(head):
            return ekho.read_binary
        raise BadData("a binary file of no format that freeml reads", where=str(path), hint=_HINT)
    if told.columns:
        return table.read
    text = head.decode("utf-8-sig", errors="replace")
    for matches, reader in TEXTS:
        if matches(text):
            return reader
    raise BadData("no trace of a format that freeml reads", where=str(path), hint=_HINT)


_HINT = "Shepherd HDF5, Mementos, Ekho, light logs, or a table whose header names units"


def _refuse(path: Path, head: bytes) -> None:
    """Formats that would run what they hold, or hold no trace."""
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        raise BadData(
            "a pickle: reading it would run whatever it says",
            where=str(path),
            hint="write a table (time_s,power_uw) or Shepherd HDF5 with the program that made it",
        )
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadData("a text in UTF-16", where=str(path), hint="save it as UTF-8")
    if head.startswith(b"\x93NUMPY"):
        raise BadData("an array without units or stamps", where=str(path), hint="write a table: time_s,power_uw")
