"""Entries of [cycles] from measured tiles: a linear program.

It minimises the sum over all tiles of predicted / measured, subject to predicted >= measured for each of them. A cold
start must be covered, too, but how closely does not matter: it is little beside its boot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np
from scipy.optimize import linprog

from benchmarks.board_cycles.measure import ENTRIES, Found, Row
from freeml.board import Board, Cycles, PositiveAmount
from freeml.plan.measured import COLD_START

FITTED = tuple(entry for entry in ENTRIES if entry != "boot")
_LEAST = 0.5  # of an entry that must be above 0
# Where NVM is memory-mapped this is not measured: a read is part of each kernel's cycles.
_OF_THE_BUS = ("nvm_read_byte",)


@dataclass(frozen=True)
class Fit:
    """Values of all entries, rounded up; tiles by entry that exercise it."""

    values: Mapping[str, float]
    exercised: Mapping[str, int]
    fixed: frozenset[str]

    def is_kept(self, index: int) -> bool:
        """Whether FITTED[index] is not of this fit."""
        return FITTED[index] in self.fixed

    def cycles(self, row: Row) -> float:
        """Predicted, boot left out."""
        return float(row.counts @ np.array([self.values[entry] for entry in FITTED]))


def fit(board: Board, found: Found, without: str | None = None) -> Fit:
    """The entries that were exercised; the others keep their value. without: leave the rows of one network out.

    Raises RuntimeError where the program has no solution, which the entry `tile` alone rules out.
    """
    assert board.cycles is not None
    rows = [row for row in found.rows if without is None or row.network.split()[0] != without]
    old = {entry: float(getattr(board.cycles, entry).value) for entry in ENTRIES}
    counts = np.array([row.counts for row in rows])
    measured = np.array([float(row.cycles) for row in rows])
    mapped = board.nvm.kind != "spi_fram"
    exercised = {entry: sum(row.tiles for row in rows if row.counts[k] > 0) for k, entry in enumerate(FITTED)}
    fixed = {entry for entry in FITTED if exercised[entry] == 0 or (mapped and entry in _OF_THE_BUS)}
    bounds = [(old[entry], old[entry]) if entry in fixed else (_least(entry), None) for entry in FITTED]
    weights = np.array([0 if row.what == COLD_START else 1 / row.cycles for row in rows])
    solved = linprog(weights @ counts, A_ub=-counts, b_ub=-measured, bounds=bounds)
    if not solved.success:
        raise RuntimeError(f"{board.name}: {solved.message}")
    values = {
        entry: value if entry in fixed else round_up(value) for entry, value in zip(FITTED, solved.x, strict=True)
    }
    boot = round_up(max(one.cycles for one in found.boots))
    exercised["boot"] = len(found.boots)
    return Fit({"boot": boot, **values}, exercised, frozenset(fixed))


def round_up(value: float) -> float:
    """To three significant digits, never below the value."""
    exact = Decimal(repr(float(value)))
    if exact <= 0:
        return 0.0
    step = Decimal(1).scaleb(exact.adjusted() - 2)
    return float((exact / step).to_integral_value(rounding=ROUND_CEILING) * step)


def _least(entry: str) -> float:
    positive = Cycles.model_fields[entry].annotation is PositiveAmount
    return _LEAST if positive else 0.0


def ratios(fitted: Fit, rows: Sequence[Row]) -> np.ndarray:
    """Predicted over measured cycles of each row."""
    return np.array([fitted.cycles(row) / row.cycles for row in rows])
