"""Where decoded convolutions are computed in slices: by what the board takes, and never at the capacitor's cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from freeml.board.board import Board, load_board
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.plan import ways
from freeml.plan.encode import as_it_is, encoded, in_one_call, refitted
from freeml.plan.planner import plan_graph, smallest_uf
from freeml.plan.ways import Way, ways_of
from freeml.plan.windows import whole_windows
from tests.codegen.test_sliced_conv import every_form, sliced_convs

LARGE = (12, 12, 8)
SMALL_UF = 15.0


def small_tiles() -> Board:
    return load_board("msp430fr5994")


def of_large(encoding: str) -> Graph:
    return sliced_convs(encoding, None, size=LARGE)


@every_form
def test_a_layer_whose_tiles_are_small_is_sliced_and_takes_less(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, board = of_large(encoding), small_tiles()
    planned = plan_graph(graph, board, SMALL_UF)
    assert planned.refusal is None
    assert planned.graph.slices
    for value in planned.graph.slices:
        (way,) = ways_of(graph, graph.producers[value], [encoding], board, SMALL_UF)
        assert way.in_one is not None
        assert way.charge_pc < way.in_one.charge_pc
        assert way.cycles < way.in_one.cycles
        assert way.fits
        assert way.in_one.fits
    monkeypatch.setattr(ways, "_SLICES", ())
    assert not plan_graph(graph, board, SMALL_UF).graph.slices


@every_form
def test_where_tiles_are_large_nothing_is_sliced(encoding: str) -> None:
    assert not plan_graph(of_large(encoding), load_board("qemu_m4")).graph.slices


@every_form
@pytest.mark.parametrize("name", ["msp430fr5994", "nucleo_l476rg", "nucleo_l073rz"])
def test_slices_change_no_smallest_capacitor(name: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, board = of_large(encoding), load_board(name)
    found = smallest_uf(graph, board, windows=whole_windows(graph))
    assert found is not None
    assert plan_graph(graph, board, found).refusal is None
    monkeypatch.setattr(ways, "_SLICES", ())
    assert smallest_uf(graph, board, windows=whole_windows(graph)) == found


def test_slices_are_only_for_capacitors_that_one_call_does_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where slices would do with less."""
    graph, board = of_large("codes4"), small_tiles()
    op = next(graph.ops_of(ConvI8))
    own = ways._way

    def strict(graph: Graph, *others: Any) -> Way:
        made = own(graph, *others)
        return made if graph.slices else replace(made, fits=False)

    assert ways_of(graph, op, ["codes4"], board, SMALL_UF)[0].slice
    monkeypatch.setattr(ways, "_way", strict)
    assert ways_of(graph, op, ["codes4"], board, SMALL_UF)[0].slice is None


def test_another_capacitor_has_slices_of_its_own() -> None:
    graph, board = of_large("ans"), small_tiles()
    sliced = encoded(graph, board, SMALL_UF)
    assert sliced.slices
    assert refitted(sliced, board, 2000.0).slices != sliced.slices


def test_where_flash_has_no_room_for_the_calls_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, board = of_large("ans"), small_tiles()
    figure = board.memory.flash_bytes
    assert figure is not None
    tight = board.memory.model_copy(update={"flash_bytes": figure.model_copy(update={"value": 20_000})})
    monkeypatch.setattr(ways, "CALL_BYTES", 5000)
    assert encoded(graph, board, SMALL_UF).slices
    assert not encoded(graph, board.model_copy(update={"memory": tight}), SMALL_UF).slices


def test_slices_are_part_of_a_graph_and_come_back_from_its_bytes() -> None:
    graph = sliced_convs("ans", 4)
    assert from_bytes(to_bytes(graph), where="test").slices == graph.slices
    assert in_one_call(graph).slices == {}
    assert as_it_is(graph).slices == {}
    assert graph.with_ops(graph.ops[:1]).slices == {graph.ops[0].output: 4}


@pytest.mark.parametrize("rows", [0, 9, 10])
def test_slices_of_none_or_of_all_channels_are_refused(rows: int) -> None:
    graph = sliced_convs("ans", None)
    first = next(graph.ops_of(ConvI8)).output
    with pytest.raises(InvalidGraphError, match="slices"):
        verify_graph(replace(graph, slices={first: rows}))


def test_what_is_not_decoded_first_is_not_sliced() -> None:
    graph = as_it_is(sliced_convs("ans", None))
    for value in (next(graph.ops_of(ConvI8)).output, graph.ops[-1].output, "nobody"):
        with pytest.raises(InvalidGraphError, match="cannot be computed in slices"):
            verify_graph(replace(graph, slices={value: 2}))
