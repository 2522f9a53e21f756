"""Which forms weights are stored in where bytes bind: the fewest bytes, but not at any number of cycles."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.board.board import load_board
from freeml.compress.cost import cost_of, stored_of
from freeml.compress.storing import TIMED_WORTH, Forms, stored
from freeml.ir.graph import Graph
from freeml.ir.int_ops import DenseI8
from freeml.ir.types import Const
from tests.plan.plan_graphs import Builder

BOARDS = ("msp430fr5994", "qemu_m4")
every_board = pytest.mark.parametrize("name", BOARDS)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Two dense layers of 16 values, not all as frequent: entropy coding saves a tenth of packed codes."""
    rng = np.random.default_rng(3)
    b = Builder(2)
    made = b.graph(b.dense(b.dense(b.input(200), 60), 10))
    consts = {}
    for op in made.ops_of(DenseI8):
        shape = made.consts[op.inputs[1]].array.shape
        levels = np.linspace(-120, 120, 16).round()
        at = np.clip(rng.normal(7.5, 3.5, shape), 0, 15).astype(int)
        consts[op.inputs[1]] = Const(levels[at].astype(np.int8))
    return made.with_ops(made.ops, consts=consts)


def cycles(graph: Graph, encodings: dict[str, str], name: str) -> int:
    found = cost_of(stored(graph, encodings), load_board(name)).cycles
    assert found is not None
    return found


@every_board
def test_a_form_nearly_as_small_and_far_quicker_is_taken(graph: Graph, name: str) -> None:
    forms = Forms(load_board(name))
    smallest, usual = forms.best(graph, 0.0), forms.best(graph, TIMED_WORTH)
    assert set(smallest.values()) != set(usual.values())
    assert forms.stored_bytes(graph, usual) < 1.2 * forms.stored_bytes(graph, smallest)
    assert cycles(graph, usual, name) < 0.5 * cycles(graph, smallest, name)


@every_board
def test_a_size_is_kept_by_the_quickest_forms_that_do(graph: Graph, name: str) -> None:
    forms = Forms(load_board(name))
    least = forms.stored_bytes(graph, forms.best(graph, 0.0))
    last = None
    for limit in (least, 1.2 * least, 3 * least):
        found = forms.within(graph, limit)
        assert forms.stored_bytes(graph, found) <= limit
        now = cycles(graph, found, name)
        assert last is None or now < last
        last = now
    assert forms.within(graph, least - 1) == forms.best(graph, 0.0)


@every_board
def test_a_layer_that_is_quicker_as_it_is_is_stored_so_where_the_size_allows(graph: Graph, name: str) -> None:
    forms = Forms(load_board(name))
    coded = forms.best(graph, 0.0)
    assert len(coded) == 2
    least = forms.stored_bytes(graph, coded)
    small = min(coded, key=lambda value: graph.consts[graph.producers[value].inputs[1]].array.size)
    one = {value: form for value, form in coded.items() if value != small}
    room = forms.stored_bytes(graph, one)
    assert least < room
    assert cycles(graph, one, name) < cycles(graph, coded, name)
    assert forms.quicker(graph, coded, room - 1) == coded
    assert forms.quicker(graph, coded, room) == one
    assert forms.quicker(graph, coded, 20 * least) == {}


def test_look_up_tables_of_functions_are_not_stored_weights() -> None:
    b = Builder(2)
    hidden = b.dense(b.input(20), 6)
    plain = stored_of(b.graph(hidden))
    assert plain == 20 * 6 + 6 * (4 + 2 + 1)
    b = Builder(2)
    assert stored_of(b.graph(b.lut(b.dense(b.input(20), 6)))) == plain
