"""The table of steps of a model: what the step of each number does. `fml_layer_t` has the same rows in C.

Nobody else computes which step captures, publishes or reports: codegen, closure, profile and verifiers ask this table.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from freeml.plan import protocol


class Kind(IntEnum):
    """What the steps of a row do, by the numbers that C has for them."""

    CAPTURE = protocol.CAPTURE
    TILES = protocol.TILES
    DECIDE = protocol.DECIDE
    PUBLISH = protocol.PUBLISH
    REPORT = protocol.REPORT


@dataclass(frozen=True, slots=True)
class StepRow:
    """Steps [first, first + n): the tiles of one layer, or a single step."""

    kind: Kind
    first: int
    n: int = 1

    @property
    def steps(self) -> range:
        """Their numbers."""
        return range(self.first, self.first + self.n)


@dataclass(frozen=True, slots=True)
class StepTable:
    """Rows that follow one another, from a capture at step 0 to a report."""

    rows: tuple[StepRow, ...]

    @property
    def n_steps(self) -> int:
        """Of all rows: no commit record names a step beyond."""
        return self.rows[-1].steps.stop

    def kind_of(self, step: int) -> Kind:
        """What a step does. Raises IndexError where there is none of this number."""
        if not 0 <= step < self.n_steps:
            raise IndexError(f"no step {step} in 0 .. {self.n_steps - 1}")
        return self.rows[bisect_right(self.rows, step, key=lambda row: row.first) - 1].kind

    def of_kind(self, kind: Kind) -> Iterator[int]:
        """The numbers of all steps that do this."""
        return (step for row in self.rows if row.kind is kind for step in row.steps)


def step_table(tiles: Iterable[int]) -> StepTable:
    """The steps of a network that is computed whole: capture, so many tiles of each layer, publication, report.

    >>> [(row.kind.name, row.first) for row in step_table([2, 5]).rows]
    [('CAPTURE', 0), ('TILES', 1), ('TILES', 3), ('PUBLISH', 8), ('REPORT', 9)]
    """
    rows = [StepRow(Kind.CAPTURE, 0)]
    for n in tiles:
        rows.append(StepRow(Kind.TILES, rows[-1].steps.stop, n))
    for kind in (Kind.PUBLISH, Kind.REPORT):
        rows.append(StepRow(kind, rows[-1].steps.stop))
    return StepTable(tuple(rows))
