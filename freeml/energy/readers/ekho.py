"""Ekho I-V surfaces: a curve of 65 points a stamp, as .ivs (binary) or as text.

.ivs: a double of seconds, then 65 long doubles of x86 (16 bytes each) of amperes at 0, 10.8/65, 2 x 10.8/65 ... V.
Text: rows of seconds, volts, amperes, curve by curve; its header names two of the three and is separated by a comma.
Source: tools/generate_surface and tools/convert_IV_to_txt_file of github jtschuster/ekho.
"""

from __future__ import annotations

import re
from array import array
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeml.energy import opened
from freeml.energy.defects import Defects
from freeml.energy.recording import Curves, Floats, Recording, usual_step_s
from freeml.energy.rows import number
from freeml.energy.told import Told
from freeml.errors import BadData

POINTS = 65
STEP_V = 0.16615384615
_LONG_BYTES = 16
_RECORD = np.dtype([("stamp", "<f8"), ("current", [("mantissa", "<u8"), ("exponent", "<u2"), ("pad", "V6")], POINTS)])
_MOST_A = 0.2  # Ekho clamps currents to 0.1 A
_MOST_S = 1e10
_MOST_BYTES = 1 << 29
_MOST_POINTS = 4_000_000
_HEADER = re.compile(r"(?:#\s*Time,\s*Voltage,\s*Current|voltage,current)\s*", re.IGNORECASE)
_ROW = re.compile(r"\s*-?\d+(?:\.\d+)?\s+-?\d+(?:\.\d+)?\s+-?\d+(?:\.\d+)?(?:e-?\d+)?\s*", re.ASCII | re.IGNORECASE)


def matches(head: str) -> bool:
    """Whether it is the text of a surface."""
    lines = [line for line in head.splitlines()[:60] if line.strip()]
    for line, below in pairwise(lines):
        if _HEADER.fullmatch(line.strip()):
            return bool(_ROW.fullmatch(below))
    return False


def matches_binary(head: bytes) -> bool:
    """Whether the first curves are such: stamps that rise, currents between 0 and 0.1 A."""
    n = len(head) // _RECORD.itemsize
    if not n:
        return False
    stamps, currents = _decoded(head[: n * _RECORD.itemsize])
    rising = n == 1 or (np.diff(stamps) >= 0).mean() > 0.5
    return bool(rising and _sound(stamps, currents).mean() > 0.5 and currents.max() > 0)


def _sound(stamps: Floats, currents: Floats) -> npt.NDArray[np.bool_]:
    """Of each curve (n,), whether its stamp and its currents can be some."""
    with np.errstate(invalid="ignore"):
        inside = (np.abs(stamps) < _MOST_S) & ((currents >= 0) & (currents <= _MOST_A)).all(axis=1)
    return np.asarray(inside)


def _decoded(content: bytes) -> tuple[Floats, Floats]:
    """Stamps (n,) and currents (n, 65): long doubles are 64 bits of mantissa, 15 of exponent, a sign."""
    records = np.frombuffer(content, _RECORD)
    power = (records["current"]["exponent"] & 0x7FFF).astype(np.int32) - 16383 - 63
    sign = np.where(records["current"]["exponent"] & 0x8000, -1.0, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        currents = sign * np.ldexp(records["current"]["mantissa"].astype(np.float64), power)
    return records["stamp"].astype(np.float64), currents


def read_binary(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Curves of an .ivs file. Raises BadData."""
    content = opened.read_bytes(path, _MOST_BYTES)
    defects = Defects()
    rest = len(content) % _RECORD.itemsize
    if rest:
        defects.add(
            "fields", len(content) // _RECORD.itemsize + 1, f"the last curve has {rest} of {_RECORD.itemsize} bytes"
        )
    stamps, currents = _decoded(content[: len(content) - rest])
    sound = _sound(stamps, currents)
    for index in np.flatnonzero(~sound):
        defects.add("number", int(index) + 1, f"a stamp or a current that is none, or is above {_MOST_A:g} A")
    grid = np.asarray(np.arange(POINTS) * STEP_V, np.float64)
    return _surface(path, stamps[sound], np.flatnonzero(sound) + 1, grid, currents[sound], defects)


def read(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Curves of a text. Raises BadData."""
    defects = Defects()
    points = (array("q"), array("d"), array("d"), array("d"))
    in_rows = False
    for line, text in opened.lines(path):
        if not in_rows:
            in_rows = bool(_HEADER.fullmatch(text.strip()))
            if in_rows and not text.startswith("#"):
                defects.add("separator", line + 1, "two columns named with a comma, three separated by tabs")
            continue
        fields = text.split()
        if not fields:
            continue
        values = [number(field) for field in fields[:3]]
        if len(values) < 3 or None in values:
            defects.add("number" if len(values) == 3 else "fields", line, f"no point of a curve: {text[:40]!r}")
            continue
        if len(points[0]) >= _MOST_POINTS:
            raise BadData(f"more than {_MOST_POINTS:,} points", where=f"{path}:{line}", hint="take a part")
        points[0].append(line)
        for column, value in zip(points[1:], values, strict=True):
            column.append(value)  # type: ignore[arg-type]
    lines = np.frombuffer(points[0], np.int64)
    stamps, volts, amperes = (np.frombuffer(column, np.float64) for column in points[1:])
    return _from_points(path, lines, stamps, volts, amperes, defects)


def _from_points(
    path: Path, lines: npt.NDArray[np.int64], stamps: Floats, volts: Floats, amperes: Floats, defects: Defects
) -> Recording:
    """Runs of one stamp are curves; all are put on the grid of the longest."""
    if not len(lines):
        raise BadData("no point of a curve in the file", where=str(path))
    starts = np.flatnonzero(np.diff(stamps, prepend=np.nan) != 0)
    ends = np.append(starts[1:], len(stamps))
    longest = int(np.argmax(ends - starts))
    grid = np.unique(volts[starts[longest] : ends[longest]])
    if len(grid) < 2 or len(grid) * len(starts) > 4 * _MOST_POINTS:
        raise BadData("no curves: a stamp has one point, or each has others", where=str(path))
    currents = np.zeros((len(starts), len(grid)))
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        order = np.argsort(volts[start:end], kind="stable")
        currents[row] = np.interp(grid, volts[start:end][order], amperes[start:end][order], right=0.0)
    return _surface(path, stamps[starts], lines[starts], grid, currents, defects)


def _surface(
    path: Path, stamps: Floats, lines: npt.NDArray[np.int64], grid: Floats, currents: Floats, defects: Defects
) -> Recording:
    if not len(stamps):
        raise BadData("no curve in the file", where=str(path))
    time_s = stamps - stamps[0]
    at = np.argmax(currents * grid, axis=1)
    columns = {"voltage_v": grid[at], "current_a": currents[np.arange(len(at)), at]}
    curves = Curves(grid, np.maximum(currents, 0.0))
    return Recording("Ekho I-V surface", time_s, "counter", usual_step_s(time_s), columns, lines, defects, curves)
