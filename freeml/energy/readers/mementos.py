"""Mementos traces: milliseconds, a tab, volts; recorded at 1 kHz over 30 kohm behind the front end of a WISP 4.1.

Source: README of the traces in github ransford/mspsim, branch mementos. There is no header, so the format is
known by its whole look: stamps are whole milliseconds, almost always one apart, values volts of such a front end.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from freeml.energy import opened
from freeml.energy.recording import Recording
from freeml.energy.rows import Rows, number
from freeml.energy.told import Told

LOAD_OHM = 30_000.0
_MOST_V = 20.0
_ROW = re.compile(r"(\d{1,15})\t(\d+(?:\.\d+)?(?:e-?\d+)?)\s*")


def matches(head: str) -> bool:
    """Whether the first lines look like one."""
    rows = [_ROW.fullmatch(line) for line in head.splitlines()[:-1][:200]]
    if len(rows) < 3 or sum(row is None for row in rows) > len(rows) // 20:
        return False
    found = [row for row in rows if row]
    steps = [int(b[1]) - int(a[1]) for a, b in pairwise(found)]
    return steps.count(1) >= 0.8 * len(steps) and all(float(row[2]) <= _MOST_V for row in found)


def read(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Stamps and volts. Raises BadData."""
    rows = Rows(path, ["voltage_v"])
    for line, text in opened.lines(path):
        if not text.strip():
            continue
        fields = text.split("\t")
        values = [number(field) for field in fields[:2]]
        if len(fields) < 2:
            rows.defects.add("fields", line, f"{len(fields)} of 2 fields")
        elif values[0] is None or values[1] is None:
            rows.defects.add("number", line, "no number")
        else:
            rows.add(line, values[0], [values[1]])
    return replace(rows.recording("Mementos, ms and V over 30 kohm", "counter", unit_s=1e-3), load_ohm=LOAD_OHM)
