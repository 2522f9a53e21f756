"""Light logs of Condor Instruments (ActLumus): a preamble, then columns separated by semicolons; LIGHT is in lux.

Stamps are day/month/year, local time. Source: the import of github tscnlab/LightLogR for the device ActLumus.
"""

from __future__ import annotations

from pathlib import Path

from freeml.energy import opened
from freeml.energy.recording import Recording
from freeml.energy.rows import Rows, number
from freeml.energy.stamps import Stamps
from freeml.energy.told import Told
from freeml.errors import BadData

_MARK = "Condor Instruments Report"
_STAMP, _LIGHT = "DATE/TIME", "LIGHT"


def matches(head: str) -> bool:
    """Whether the preamble is theirs."""
    return _MARK in head


def read(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Stamps and lux. Raises BadData."""
    rows, stamps = Rows(path, ["illuminance_lux"]), Stamps(path, "dmy")
    header: list[str] = []
    for line, text in opened.lines(path):
        fields = text.split(";")
        if not header:
            if _STAMP in fields:
                header = fields
                if _LIGHT not in header:
                    raise BadData("no column LIGHT", where=f"{path}:{line}")
                light = header.index(_LIGHT)
            continue
        if not text.strip():
            continue
        if len(fields) <= light:
            rows.defects.add("fields", line, f"{len(fields)} of {len(header)} fields")
            continue
        lux = number(fields[light])
        if lux is None or not stamps.add(fields[header.index(_STAMP)], line):
            rows.defects.add("number", line, "no stamp or no number")
        else:
            rows.add(line, 0.0, [lux])
    return rows.recording("light log of Condor Instruments", "calendar", time_s=stamps.time_s())
