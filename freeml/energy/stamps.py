"""Dates and times of day, in the forms that loggers write, to seconds."""

from __future__ import annotations

import datetime
import re
from array import array
from pathlib import Path

import numpy as np

from freeml.energy.recording import Floats
from freeml.errors import BadData

TIME_OF_DAY = re.compile(r"\s*(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*", re.ASCII)
STAMP = re.compile(
    r"\s*(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})"
    r"(?:[T\s]\s*(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*([AaPp][Mm])?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?\s*",
    re.ASCII,
)


class Stamps:
    """Stamps of one column; the order of day and month shows in all of them together, so it is settled at the end."""

    def __init__(self, path: Path, order: str | None) -> None:
        self.path = path
        self.order = order
        self.days: dict[tuple[int, int, int], int] = {}
        self.first_lines: list[int] = []
        self.indices = array("i")
        self.seconds = array("d")
        self.zoned: bool | None = None

    def add(self, text: str, line: int) -> bool:
        """Keep one stamp; False where the text is none. Raises BadData where some have a zone and others none."""
        match = STAMP.fullmatch(text)
        if match is None:
            return False
        hour, minute, second = int(match[5] or 0), int(match[6] or 0), float((match[7] or "0").replace(",", "."))
        if match[8]:
            hour = hour % 12 + (12 if match[8].lower() == "pm" else 0)
        if hour > 24 or minute > 59 or second >= 61:
            return False
        zoned = match[9] is not None
        if self.zoned is None:
            self.zoned = zoned
        elif zoned != self.zoned:
            raise BadData("some stamps have a time zone and others none", where=f"{self.path}:{line}")
        day = (int(match[1]), int(match[3]), int(match[4]))
        if day not in self.days:
            self.days[day] = len(self.first_lines)
            self.first_lines.append(line)
        self.indices.append(self.days[day])
        self.seconds.append(hour * 3600 + minute * 60 + second - _offset_s(match[9]))
        return True

    def time_s(self) -> Floats:
        """Seconds (n,) since some day. Raises BadData for a day that is none, or may be two."""
        order = self._order()
        starts = np.array([self._start_s(day, order) for day in self.days])
        starts -= starts.min()  # seconds since the year 1 leave no digits for microseconds
        return np.asarray(starts[np.frombuffer(self.indices, np.int32)] + np.frombuffer(self.seconds, np.float64))

    def _order(self) -> str:
        short = [day for day in self.days if day[0] <= 31]
        if not short or self.order:
            return self.order or "ymd"
        day_first, month_first = any(day[0] > 12 for day in short), any(day[1] > 12 for day in short)
        if day_first == month_first:
            raise BadData(
                "dates may be day/month or month/day" if not day_first else "dates are in no one order",
                where=f"{self.path}:{self.first_lines[0]}",
                hint="say --date-order dmy or --date-order mdy",
            )
        return "dmy" if day_first else "mdy"

    def _start_s(self, day: tuple[int, int, int], order: str) -> float:
        first, second, third = day
        if first > 31:
            year, month, date = day
        else:
            year, month, date = (third, second, first) if order == "dmy" else (third, first, second)
        try:
            return datetime.date(year + (2000 if year < 100 else 0), month, date).toordinal() * 86400.0
        except ValueError:
            line = self.first_lines[self.days[day]]
            raise BadData(
                f"{first}/{second}/{third} is no date", where=f"{self.path}:{line}", hint="or say --date-order"
            ) from None


def _offset_s(zone: str | None) -> int:
    if zone in (None, "Z", "UTC", "GMT"):
        return 0
    digits = zone.replace(":", "")
    return int(f"{digits[0]}1") * (int(digits[1:3]) * 3600 + int(digits[3:5] or 0) * 60)


def order_of(header: str) -> str | None:
    """The order of dates that a header states: DATE (MM/DD/YYYY)."""
    found = re.search(r"\b(MM|DD)[/.-](MM|DD)[/.-]Y{2,4}\b", header.upper())
    return None if found is None else {"MM": "mdy", "DD": "dmy"}[found[1]]
