"""Tables whose preamble declares columns: `Sample rate: 300 seconds`, `c = Current I (mA)`, then `d,c` and rows.

Source: the solar data of github areebasad/Simulator-for-Utility-Aware-Energy-Management-in-Battery-Free-Devices.
"""

from __future__ import annotations

import re
from pathlib import Path

from freeml.energy import opened
from freeml.energy.column import Meaning, meaning
from freeml.energy.recording import Recording
from freeml.energy.rows import Rows, number
from freeml.energy.told import Told
from freeml.errors import BadData

_RATE = re.compile(r"^\s*Sample rate:\s*(\d+(?:\.\d+)?)\s*seconds\b", re.IGNORECASE | re.MULTILINE)
_COLUMN = re.compile(r"^\s*(\w{1,8})\s*=\s*(.+?)\s*$", re.MULTILINE)


def matches(head: str) -> bool:
    """Whether a rate and a column are declared."""
    return bool(_RATE.search(head)) and bool(_COLUMN.search(head))


def read(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Values at the declared rate. Raises BadData."""
    declared: dict[str, Meaning] = {}
    step_s, at, width, rows = 0.0, 0, 0, Rows(path, [])
    for line, text in opened.lines(path):
        fields = [field.strip() for field in text.split(",")]
        if not width:
            if found := _RATE.match(text):
                step_s = float(found[1])
            elif (found := _COLUMN.fullmatch(text)) and (known := meaning(found[2])):
                declared[found[1]] = known
            elif declared and (here := [one for one in fields if one in declared]):
                if len(here) > 1:
                    raise BadData("several columns of values", where=f"{path}:{line}", hint="leave one")
                at, width, rows = fields.index(here[0]), len(fields), Rows(path, [declared[here[0]].name])
                factor = declared[here[0]].factor
        elif text.strip():
            value = number(fields[at]) if len(fields) > at else None
            if len(fields) < width:
                rows.defects.add("fields", line, f"{len(fields)} of {width} fields")
            elif value is None:
                rows.defects.add("number", line, f"{fields[at][:20]!r} is no number")
            else:
                rows.add(line, 0.0, [value * factor])
    if not width or not step_s:
        raise BadData("no column of a unit that is known", where=str(path), hint="the preamble declares none")
    return rows.recording("columns declared in a preamble", "steps", step_s=step_s)
