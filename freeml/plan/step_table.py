"""The table of steps of a model: what the step of each number does. `fml_layer_t` has the same rows in C.

Nobody else computes which step captures, decides, publishes or reports, at which depth of the network it is, and where
an early answer leads: planner, codegen, closure, profile and verifiers ask this table.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate

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
    """Steps [first, first + n): the tiles of one layer, or a single step.

    depth  of the result that they work for, the next one that may be published: 1 up to the first decision, one more
           behind each. Of a report, that of the whole network, whose outputs are there; 0 where a decision stopped
    stop   of a decision: the report that is next if it stops; 0 elsewhere
    """

    kind: Kind
    first: int
    n: int = 1
    depth: int = 1
    stop: int = 0

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

    @property
    def n_depths(self) -> int:
        """Results that may be published, of which the last one is that of the whole network."""
        return max(row.depth for row in self.rows)

    def row_of(self, step: int) -> StepRow:
        """The row of a step. Raises IndexError where there is none of this number."""
        if not 0 <= step < self.n_steps:
            raise IndexError(f"no step {step} in 0 .. {self.n_steps - 1}")
        return self.rows[bisect_right(self.rows, step, key=lambda row: row.first) - 1]

    def kind_of(self, step: int) -> Kind:
        """What a step does. Raises IndexError where there is none of this number."""
        return self.row_of(step).kind

    def depths_from(self, step: int) -> range:
        """Depths of the results that may still be published from a step on, in this inference."""
        open_ = [row.depth for row in self.rows if row.kind in (Kind.DECIDE, Kind.PUBLISH) and row.first >= step]
        return range(open_[0], open_[-1] + 1) if open_ else range(0)

    def of_kind(self, kind: Kind) -> Iterator[int]:
        """The numbers of all steps that do this."""
        return (step for row in self.rows if row.kind is kind for step in row.steps)


def step_table(runs: Iterable[tuple[Kind, int]]) -> StepTable:
    """Rows of so many steps each, in order: the kinds of a capture first, of reports last.

    The first report is that of the whole network, the one behind it of decisions that stop before its end. A decision
    right before the report has nothing to go on to: that one it is in any case.

    >>> rows = step_table(
    ...     [(Kind.CAPTURE, 1), (Kind.TILES, 2), (Kind.TILES, 5), (Kind.PUBLISH, 1), (Kind.REPORT, 1)]
    ... ).rows
    >>> [(row.kind.name, row.first) for row in rows]
    [('CAPTURE', 0), ('TILES', 1), ('TILES', 3), ('PUBLISH', 8), ('REPORT', 9)]
    """
    known = list(runs)
    first = [0, *accumulate(n for _, n in known)]
    reports = [at for (kind, _), at in zip(known, first, strict=False) if kind is Kind.REPORT] or [first[-1]]
    rows: list[StepRow] = []
    depth = 1
    for (kind, n), at in zip(known, first, strict=False):
        if kind is Kind.REPORT and at != reports[0]:
            rows.append(StepRow(kind, at, n, 0))
        elif kind is Kind.DECIDE:
            is_last = at + 1 == reports[0]
            rows.append(StepRow(kind, at, n, depth, reports[0] if is_last else reports[-1]))
            depth += not is_last
        else:
            rows.append(StepRow(kind, at, n, depth))
    return StepTable(tuple(rows))
