"""What the planner counts of tiles of stored rows is never less than what decoding their bytes takes."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.ir.encoding import ENCODINGS
from freeml.ir.int_ops import DenseI8
from freeml.kernels.coded import most
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.plan.calls import kernel_calls
from freeml.plan.memory import plan_memory
from tests.plan.test_stored import stored_graph


@pytest.mark.parametrize("step", [1, 2, 4, 16])
def test_the_most_is_that_of_the_worst_tile_with_the_rows_before_it(step: int) -> None:
    rows = np.random.default_rng(step).integers(0, 50, 37)
    sizes = np.arange(1, 38)
    found = most(rows, sizes, step)
    for size, counted in zip(sizes.tolist(), found.tolist(), strict=True):
        tiles = [range(first // step * step, min(first + size, 37)) for first in range(0, 37, size)]
        assert counted == max(sum(int(rows[o]) for o in tile) for tile in tiles)


@pytest.mark.parametrize("seed", range(4))
def test_entries_of_gaps_are_those_that_the_bytes_have(seed: int) -> None:
    """Counted again from the stored bytes, row by row, as a decoder meets them."""
    graph = stored_graph("gaps", n_in=700, n_hidden=30, seed=seed + 30)
    op = next(graph.ops_of(DenseI8))
    weight = graph.consts[op.inputs[1]]
    stored = ENCODINGS["gaps"].encode(weight.array)
    index, step = stored.sections["index"].view(np.uint8).tolist(), stored.numbers["rows"]
    per_row, at = [], 0
    for o in range(30):
        if o % step == 0:
            at = int(stored.sections["restart"][o // step][1]) << stored.numbers["unit"]
        entries, at = index[at], at + 1
        if entries == 255:
            entries, at = index[at] | index[at + 1] << 8, at + 2
        escapes = 0
        for _ in range(entries):
            while index[at] == 255:
                escapes, at = escapes + 1, at + 1
            at += 1
        per_row.append((entries, escapes))
    call = next(c for c in kernel_calls(graph, plan_memory(graph, in_place=False)) if c.op is op)
    sizes = np.arange(1, 31)
    counted = kernel_of(graph, op).counts(graph, op, call, sizes, VARIANTS["portable"])
    for size in sizes.tolist():
        tiles = [per_row[first // step * step : first + size] for first in range(0, 30, size)]
        for k, name in enumerate(("entry", "escape")):
            assert counted[f"coded_gaps.{name}"][size - 1] == max(sum(row[k] for row in tile) for tile in tiles)
