"""Which of a network's plans a board's memory holds: by bounds where these are kept, else by what is linked."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from freeml import needs
from freeml.board.board import Board, load_board
from freeml.firmware.build import Toolchain
from freeml.needs import Region, linked, plan_linked, plan_within, plans
from freeml.plan.encode import in_fewer_calls
from freeml.plan.planner import Planned, plan_graph
from tests.codegen.test_sliced_conv import sliced_convs

BOARD = load_board("msp430fr5994")
GRAPH = sliced_convs("ans", None, size=(12, 12, 8))
SMALL_UF = 15.0


def beyond(sliced: float, whole: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are so many times what the board has."""
    monkeypatch.setattr(needs, "_beyond", lambda planned, _: sliced if planned.graph.slices else whole)


def test_plans_have_fewer_and_fewer_slices_and_each_is_another() -> None:
    found = list(plans(GRAPH, BOARD, SMALL_UF))
    assert found[0].graph.slices
    assert not found[-1].graph.slices
    assert all(one.refusal is None for one in found)
    n_calls = [sum(-(-one.graph.types[v].shape[-1] // rows) for v, rows in one.graph.slices.items()) for one in found]
    assert n_calls == sorted(n_calls, reverse=True)


def test_slices_that_bounds_keep_to_stay_and_those_that_none_do_with_go(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan_within(GRAPH, BOARD, SMALL_UF).graph.slices
    beyond(1.2, 1.1, monkeypatch)
    assert not plan_within(GRAPH, BOARD, SMALL_UF).graph.slices
    beyond(1.1, 1.2, monkeypatch)
    assert plan_within(GRAPH, BOARD, SMALL_UF).graph.slices


def test_where_no_bounds_are_kept_the_first_plan_that_links_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for whole in (1.1, 0.9):
        beyond(1.2, whole, monkeypatch)
        found = plan_linked(GRAPH, BOARD, "auto", SMALL_UF)
        assert found.graph.slices
        assert linked(found, BOARD, "auto") is not None

    def only_whole(planned: Planned, board: Board, toolchain: Toolchain) -> Mapping[str, Region] | None:
        return None if planned.graph.slices else linked(planned, board, toolchain)

    monkeypatch.setattr(needs, "linked", only_whole)
    for whole in (1.1, 0.9):
        beyond(1.2, whole, monkeypatch)
        assert not plan_linked(GRAPH, BOARD, "auto", SMALL_UF).graph.slices


def test_what_is_linked_is_within_bounds_and_not_said_where_it_does_not_fit() -> None:
    planned = plan_within(GRAPH, BOARD, SMALL_UF)
    found, bound = linked(planned, BOARD, "auto"), needs.bounds(planned, BOARD)
    assert found is not None
    assert all(found[name].needed_bytes <= bound[name].needed_bytes for name in ("flash", "sram", "near"))
    assert linked(planned, load_board("host"), "auto") is None


def test_slices_are_as_wide_as_is_asked_and_as_the_capacitor_pays_for() -> None:
    planned = plan_within(GRAPH, BOARD, SMALL_UF)
    rows = {k: in_fewer_calls(planned.graph, k, BOARD, SMALL_UF).slices for k in (1, 4, 32)}
    assert rows[1] == planned.graph.slices
    assert all(own <= rows[4][value] <= max(4, own) for value, own in planned.graph.slices.items())
    assert all(rows[32][value] >= wide for value, wide in rows[4].items())
    for k in (4, 32):
        assert plan_graph(GRAPH, BOARD, SMALL_UF, least_rows=k).refusal is None
