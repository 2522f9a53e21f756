"""C that moves int32 values between ops: indices reshaped and joined, in NVM that pointers read and in others."""

from __future__ import annotations

from pathlib import Path

import pytest
from host import check

from freeml.ir.graph import Graph
from freeml.plan.planner import lay_out
from tests.plan.int32_ops import Heads


def joined_indices(axis: int) -> Graph:
    """Indices of three values of odd sizes, joined along an axis, one of them twice."""
    b = Heads()
    parts = [b.argmax(b.lut(b.input(3, 3, n))) for n in (5, 7, 3)]
    return b.graph(b.concat(axis, *parts, b.reshape(parts[0], 3, 3, 1)))


@pytest.mark.parametrize("is_staged", [False, True], ids=["pointers", "staged"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_indices_that_are_joined_are_the_interpreters(axis: int, is_staged: bool, tmp_path: Path) -> None:
    for tile_bytes in (96, 4096):
        check(joined_indices(axis), tmp_path / str(tile_bytes), tile_bytes=tile_bytes, is_staged=is_staged)


def test_every_index_lies_at_a_multiple_of_four() -> None:
    graph, plan = lay_out(joined_indices(2))
    indices = [op.output for op in graph.ops if graph.types[op.output].dtype.size_bytes == 4]
    assert len(indices) == 5
    assert all(plan.offset_bytes[name] % 4 == 0 for name in indices)
