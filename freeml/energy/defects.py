"""What is wrong with a recording: a rule, a line, how much; and what a repair would do.

back       a stamp lies before the one above it
repeat     a stamp is that of the line above
jump       stamps of a counter leap, or return from a leap: the counter was set, samples are as far apart as ever
gap        time without samples
negative   light, power, voltage or current below zero: the offset of an instrument at night
separator  a row is separated by another sign than the header
fields     a row has fewer fields than the header, or more
number     a field that is no number
missing    a value that the format itself marks as missing
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_KEPT = 1000  # of each rule; the others are counted

REPAIRS = {
    "back": "the sample is stamped one usual step after the one before it",
    "jump": "the sample is stamped one usual step after the one before it",
    "repeat": "the later row is left out",
    "gap": "up to 10 steps are filled in a straight line; longer ones give nothing",
    "negative": "zero",
    "separator": "the row is read with the separator that it has; unrepaired, it is left out",
    "fields": "the row is left out",
    "number": "the row is left out",
    "missing": "the row is left out",
}
LEFT_OUT = frozenset({"separator", "fields", "number", "missing"})


@dataclass(frozen=True, slots=True)
class Defect:
    """One place: `samples` of them from `line` to `last_line`."""

    rule: str
    line: int
    last_line: int
    samples: int
    what: str


@dataclass(slots=True)
class Defects:
    """All of a recording; the first MOST_KEPT of each rule, and how many there are."""

    kept: list[Defect] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    samples: Counter[str] = field(default_factory=Counter)

    def add(self, rule: str, line: int, what: str, *, last_line: int = 0, samples: int = 1) -> None:
        """Count one place, and keep it where there are not too many of its rule."""
        self.counts[rule] += 1
        self.samples[rule] += samples
        if self.counts[rule] <= MOST_KEPT:
            self.kept.append(Defect(rule, line, max(line, last_line), samples, what))

    def extend(self, other: Defects) -> None:
        """Take in all of another list."""
        self.kept += other.kept
        self.counts.update(other.counts)
        self.samples.update(other.samples)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[Defect]:
        return iter(sorted(self.kept, key=lambda one: (one.line, one.rule)))
