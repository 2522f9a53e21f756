"""Days of NOAA's SURFRAD stations: a name, a place, then 48 columns; the ninth is global irradiance in W/m^2.

Columns: year, day of year, month, day, hour, minute, decimal hour, zenith, downwelling solar, its quality flag, ...
-9999.9 marks a missing value. Source: README_SURFRAD.txt of the archive at gml.noaa.gov.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from freeml.energy import opened
from freeml.energy.recording import Recording
from freeml.energy.rows import Rows, number
from freeml.energy.told import Told

_COLUMNS = 48
_MISSING = -9999.0


def matches(head: str) -> bool:
    """Whether the second line is a station's place, and the third a row of theirs."""
    lines = head.splitlines()[:3]
    return len(lines) == 3 and bool(re.search(r"\bm version \d", lines[1])) and len(lines[2].split()) == _COLUMNS


def read(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Stamps and W/m^2. Raises BadData."""
    rows = Rows(path, ["irradiance_w_m2"])
    for line, text in opened.lines(path):
        fields = text.split()
        if line < 3 or not fields:
            continue
        if len(fields) < _COLUMNS:
            rows.defects.add("fields", line, f"{len(fields)} of {_COLUMNS} fields")
            continue
        values = [number(fields[at]) for at in (0, 2, 3, 4, 5, 8)]
        try:
            year, month, day, hour, minute = (int(fields[at]) for at in (0, 2, 3, 4, 5))
            start_s = datetime.date(year, month, day).toordinal() * 86400.0
        except ValueError:
            values[5] = None
        if values[5] is None:
            rows.defects.add("number", line, "no stamp or no number")
        elif values[5] <= _MISSING:
            rows.defects.add("missing", line, f"{fields[8]} marks a missing value")
        else:
            rows.add(line, start_s + hour * 3600.0 + minute * 60.0, [values[5]])
    return rows.recording("SURFRAD, W/m^2", "calendar")
