"""IVonne recordings: one diode a sample, I(V) = a - b (exp(c V) - 1), in A, A and 1/V, under the header a,b,c,time.

Source: shepherd_data/ivonne.py of github nes-lab/shepherd-tools (there the rows are pickled, which is refused here).
"""

from __future__ import annotations

from pathlib import Path

from freeml.energy import opened
from freeml.energy.recording import Recording
from freeml.energy.rows import Rows, number
from freeml.energy.told import Told

_HEADER = ("a", "b", "c", "time")


def matches(head: str) -> bool:
    """Whether the header is theirs."""
    return tuple(sorted(field.strip() for field in head.split("\n", 1)[0].split(","))) == _HEADER


def read(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Stamps and the three figures of a diode. Raises BadData."""
    rows = Rows(path, ["photo_current_a", "saturation_current_a", "exponent_per_v"])
    order: list[int] = []
    for line, text in opened.lines(path):
        fields = text.split(",")
        if line == 1:
            order = [[field.strip() for field in fields].index(name) for name in _HEADER]
            continue
        if not text.strip():
            continue
        if len(fields) < len(_HEADER):
            rows.defects.add("fields", line, f"{len(fields)} of {len(_HEADER)} fields")
            continue
        a, b, c, time_s = (number(fields[at]) for at in order)
        if a is None or b is None or c is None or time_s is None:
            rows.defects.add("number", line, "no number")
        elif b <= 0 or c <= 0:
            rows.defects.add("number", line, "b and c of a diode are above zero")
        else:
            rows.add(line, time_s, [a, b, c])
    return rows.recording("IVonne, one diode a sample", "counter")
