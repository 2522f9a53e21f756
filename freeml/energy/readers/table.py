"""Tables with a header that names units: `time_s,power_uw`; stamps in seconds, or dates with or without zone."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from freeml.energy import opened
from freeml.energy.column import KNOWN, Meaning, meaning
from freeml.energy.recording import Recording
from freeml.energy.rows import Rows, number
from freeml.energy.stamps import STAMP, TIME_OF_DAY, Stamps, order_of
from freeml.energy.told import Told
from freeml.errors import BadData

SEPARATORS = (",", ";", "\t", "|")
_CLOCKS = re.compile(r"(?:time|timestamp|t|elapsed|seconds|stamp|curve_time)?", re.ASCII)
_LIKE_A_CLOCK = re.compile(r"time|stamp|epoch|clock|elapsed|second", re.ASCII | re.IGNORECASE)
_LOOKED_AT = 200  # lines, for the header


def split(line: str, separator: str) -> list[str]:
    """Fields of a row; "" separates at runs of blanks."""
    if not separator:
        return line.split()
    if '"' in line:
        return [one.strip() for one in next(csv.reader([line], delimiter=separator), [])]
    return [one.strip() for one in line.split(separator)]


@dataclass(slots=True)
class Header:
    """Names of columns, where they stand, and what they mean.

    line       of the header; 0 where the user gave it
    separator  of its fields; "" for blanks
    time_at    the column of stamps in a unit of time, and its factor to seconds
    date_at    the column of dates; day_time_at the time of day where it is a column of its own
    values     meaning of each column that is read, by position
    """

    line: int
    separator: str
    names: list[str]
    time_at: tuple[int, float] | None = None
    date_at: int | None = None
    day_time_at: int | None = None
    values: dict[int, Meaning] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Fields that a row has at least."""
        used = [*self.values, *(at for at in (self.date_at, self.day_time_at) if at is not None)]
        return max([*used, *([self.time_at[0]] if self.time_at else [])]) + 1


def matches(head: str) -> bool:
    """Whether it is text with numbers in it."""
    return "\0" not in head and any(character.isdigit() for character in head)


def read(path: Path, told: Told, repairing: bool) -> Recording:
    """Stamps and values. Raises BadData where a unit, or which of several columns, must be said."""
    header = _header(path, told)
    rows = Rows(path, [one.name for one in header.values.values()])
    dates = Stamps(path, told.date_order or order_of(",".join(header.names))) if header.date_at is not None else None
    for line, text in opened.lines(path):
        if line <= header.line or not text.strip() or text.startswith("#"):
            continue
        fields = split(text, header.separator)
        if len(fields) < header.width and not (fields := _other_separator(text, header, line, rows, repairing)):
            continue
        if header.line and any(fields[len(header.names) :]):  # which of them is which, nobody knows
            rows.defects.add("fields", line, f"{len(fields)} of {len(header.names)} fields")
            continue
        values = [number(fields[at]) for at in header.values]
        stamp = 0.0
        if header.time_at is not None:
            stamp = number(fields[header.time_at[0]])  # type: ignore[assignment]
        if None in values or stamp is None:
            rows.defects.add("number", line, f"no number in {text[:40]!r}")
        elif dates is not None and not dates.add(_date(fields, header), line):
            rows.defects.add("number", line, f"no date in {text[:40]!r}")
        else:
            factors = [one.factor for one in header.values.values()]
            scaled = [value * factor for value, factor in zip(values, factors, strict=True) if value is not None]
            rows.add(line, stamp, scaled)
    if dates is not None:
        return rows.recording("table with dates", "calendar", time_s=dates.time_s() if rows.lines else None)
    if header.time_at is not None:
        return rows.recording("table with stamps", "counter", unit_s=header.time_at[1])
    if told.step_s is None:
        raise BadData("no column of stamps", where=str(path), hint=_clock_asked(header))
    return rows.recording("table without stamps", "steps", step_s=told.step_s)


def _clock_asked(header: Header) -> str:
    """What the user may say: of a column that has the name of a clock, its unit."""
    named = (name for at, name in enumerate(header.names) if at not in header.values and _LIKE_A_CLOCK.search(name))
    found = next(named, None)
    step = "--step: the seconds between two rows"
    return f"say {step}" if found is None else f"say --unit {found}=s, or ms, where {found} is the time; or {step}"


def _other_separator(text: str, header: Header, line: int, rows: Rows, repairing: bool) -> list[str]:
    """A row that the header's separator does not divide: its fields where another does, and repairing is asked for."""
    for separator in (*SEPARATORS, ""):
        fields = split(text, separator)
        if separator != header.separator and len(fields) == len(header.names):
            shown = {"\t": "tabs", "": "blanks"}.get(separator, repr(separator))
            own = {"\t": "tabs", "": "blanks"}.get(header.separator, repr(header.separator))
            rows.defects.add("separator", line, f"separated by {shown}, the header by {own}")
            return fields if repairing else []
    found = len(split(text, header.separator))
    rows.defects.add("fields", line, f"{found} of {len(header.names)} fields")
    return []


def _date(fields: Sequence[str], header: Header) -> str:
    assert header.date_at is not None
    date = fields[header.date_at]
    return date if header.day_time_at is None else f"{date} {fields[header.day_time_at]}"


def _header(path: Path, told: Told) -> Header:
    """The header of a file, or what the user gives in its place; columns chosen. Raises BadData."""
    top: list[tuple[int, str]] = []
    for line, text in opened.lines(path):
        if text.strip():
            top.append((line, text))
        if line >= _LOOKED_AT:
            break
    top = [(line, text.lstrip("#") if text.startswith("#") else text) for line, text in top]
    header, first = _named(path, top, told)
    if len(first) < len(header.names):
        first = next(
            (row for one in (*SEPARATORS, "") if len(row := split(_after(top, header), one)) >= len(header.names)),
            first,
        )
    _find_clock(header, first, told)
    _find_values(path, header, first, told)
    return header


def _after(top: Sequence[tuple[int, str]], header: Header) -> str:
    return next((text for line, text in top if line > header.line), "")


def _named(path: Path, top: Sequence[tuple[int, str]], told: Told) -> tuple[Header, list[str]]:
    """The header and the fields of the row below it."""
    if told.columns:
        text = top[0][1]
        separator = max((*SEPARATORS, ""), key=lambda one: len(split(text, one)))
        return Header(0, separator, list(told.columns)), split(text, separator)
    for (line, text), (_, below) in pairwise(top):
        if _looks_like_data(text) or not _looks_like_data(below):
            continue
        separator = max(SEPARATORS, key=lambda one: len(split(text, one)))
        names = split(text, separator)
        if len(names) == 1 and len(text.split()) == len(below.split()) > 1:
            separator, names = "", text.split()
        if len(names) == 1 and len(text.split()) > 1 and meaning(text) is None:
            continue  # a sentence
        return Header(line, separator, names), split(below, separator)
    if top and _looks_like_data(top[0][1]):
        raise BadData(
            "the table has no header: what its columns are, and in which unit, is not known",
            where=str(path),
            hint="say --columns, for example time_ms,voltage_v",
        )
    raise BadData("no trace of a format that freeml reads", where=str(path), hint="`freeml traces` lists them")


def _looks_like_data(line: str) -> bool:
    """Whether a line starts with a number or a stamp; of a line that blanks separate, half must be."""
    start = next((one for one in re.split(r"[,;|\t]", line.strip().lstrip('"')) if one.strip()), "").strip(' "')
    if STAMP.fullmatch(start) or number(start) is not None:
        return True
    words = start.split()
    figures = sum(
        number(word) is not None or bool(STAMP.fullmatch(word) or TIME_OF_DAY.fullmatch(word)) for word in words
    )
    return len(words) > 1 and number(words[0]) is not None and 2 * figures >= len(words)


def _find_clock(header: Header, first: Sequence[str], told: Told) -> None:
    """Which columns tell the time."""
    units = dict(told.units)
    for at, name in enumerate(header.names):
        known = meaning(name, units.get(name))
        base = re.split(r"[_\s(\[]", name.strip().lower())[0]
        is_clock = name in units or _CLOCKS.fullmatch(base) or name.lower().startswith(("time", "curve"))
        if known and known.name == "time_s" and is_clock:
            header.time_at = (at, known.factor)
            return
    for at, text in enumerate(first[: len(header.names)]):
        found = STAMP.fullmatch(text)
        if found:
            header.date_at = at
            others = (one for one, day in enumerate(first[: len(header.names)]) if TIME_OF_DAY.fullmatch(day))
            header.day_time_at = None if found[5] else next(others, None)
            return


def _find_values(path: Path, header: Header, first: Sequence[str], told: Told) -> None:
    """Which columns hold what a harvester gives. Raises BadData where that must be said."""
    clocks = {header.time_at[0] if header.time_at else None, header.date_at, header.day_time_at}
    rest = {at: name for at, name in enumerate(header.names) if at not in clocks}
    if told.column is not None:
        rest = {at: name for at, name in rest.items() if name == told.column}
        if not rest:
            raise BadData(f"no column {told.column}", where=str(path), hint=f"it has: {', '.join(header.names)[:300]}")
    units = dict(told.units)
    if "" in units and len(rest) == 1:
        units[next(iter(rest.values()))] = units.pop("")
    for at, name in rest.items():
        known = meaning(name, units.get(name))
        if known is None or known.name == "time_s":
            continue
        twice = [header.names[other] for other, one in header.values.items() if one.name == known.name]
        if twice:
            raise BadData(
                f"{twice[0]} and {name} are both {known.name}",
                where=str(path),
                hint=f'say --column "{name}" or the other',
            )
        header.values[at] = known
    if header.values:
        return
    numeric = [name for at, name in rest.items() if at < len(first) and number(first[at]) is not None]
    if not numeric:
        raise BadData("no column of numbers with a unit", where=str(path), hint=f"units are {KNOWN}")
    raise BadData(
        f"the unit of {numeric[0]} is not said",
        where=f"{path}:{header.line}",
        hint=f"say --unit {numeric[0]}=UNIT; units are {KNOWN}",
    )
