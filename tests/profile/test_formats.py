"""The form that the planner takes is the one that runs best, for two layers of `python -m benchmarks.formats`."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from benchmarks.formats.__main__ import measured
from benchmarks.formats.plot import svg
from freeml.board.board import load_board
from freeml.pipeline import for_toolchain


@pytest.mark.parametrize(("name", "values", "density"), [("qemu_m4", "15 values", 0.05), ("msp430fr5994", "any", 0.1)])
def test_the_chosen_form_is_the_smallest_that_ran_no_slower_than_the_dense_layer(
    name: str, values: str, density: float
) -> None:
    rows = list(measured(for_toolchain(load_board(name), "zig"), values, [density]))
    dense = next(row for row in rows if row.form == "dense")
    (chosen,) = (row for row in rows if row.chosen)
    assert chosen.is_best
    assert chosen.form != "dense"
    assert chosen.n_bytes < dense.n_bytes / 3
    assert chosen.energy_uj <= dense.energy_uj
    assert svg([asdict(row) for row in rows]).count("<polyline") == 3 * len(rows)
