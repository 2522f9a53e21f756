"""Which form weights are stored in: chosen by bytes and by what the board takes, and never at the capacitor's cost."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.board.board import Board, load_board
from freeml.ir.graph import Graph
from freeml.ir.int_ops import DenseI8
from freeml.ir.types import Array, Const
from freeml.kernels.coded_formats import CODED
from freeml.plan import planner
from freeml.plan.encode import best, encoded, refitted, smallest_form
from freeml.plan.planner import plan_graph, smallest_uf
from freeml.plan.ways import ways_of
from freeml.plan.windows import whole_windows
from tests.plan.plan_graphs import Builder

BOARDS = ("msp430fr5994", "nucleo_l476rg", "qemu_m4")
every_board = pytest.mark.parametrize("name", BOARDS)


def weights(density: float, n_values: int = 254, shape: tuple[int, int] = (64, 256)) -> Array:
    rng = np.random.default_rng([5, int(1000 * density), n_values])
    values = rng.choice(np.setdiff1d(np.arange(-127, 128), [0]), n_values, replace=False)
    return np.where(rng.random(shape) < density, rng.choice(values, shape), 0).astype(np.int8)


def network(weight: Array, encoding: str | None = None) -> Graph:
    """A dense layer with these weights, and a small one behind it."""
    b = Builder(2)
    hidden = b.dense(b.input(weight.shape[1]), weight.shape[0])
    graph = b.graph(b.dense(hidden, 5))
    op = next(graph.ops_of(DenseI8))
    return graph.with_ops(graph.ops, consts={op.inputs[1]: Const(weight, encoding=encoding)})


def form_of(graph: Graph) -> str | None:
    return graph.consts[next(graph.ops_of(DenseI8)).inputs[1]].encoding


def with_flash(board: Board, n_bytes: int) -> Board:
    figure = board.memory.flash_bytes
    assert figure is not None
    limited = board.memory.model_copy(update={"flash_bytes": figure.model_copy(update={"value": n_bytes})})
    return board.model_copy(update={"memory": limited})


@every_board
def test_a_layer_of_few_weights_is_stored_smaller_and_takes_no_more(name: str) -> None:
    graph, board = network(weights(0.02)), load_board(name)
    stored = encoded(graph, board)
    form = form_of(stored)
    assert form is not None
    dense, own = ways_of(graph, next(graph.ops_of(DenseI8)), [None, form], board)
    assert own.n_bytes < dense.n_bytes / 4
    assert own.no_dearer(dense)


@every_board
def test_a_layer_that_would_be_slower_is_stored_as_it_is(name: str) -> None:
    assert form_of(encoded(network(weights(0.9, 15)), load_board(name))) is None


@every_board
def test_where_flash_binds_a_slower_form_is_taken(name: str) -> None:
    graph, board = network(weights(0.9, 15)), load_board(name)
    assert board.code is not None
    tight = with_flash(board, board.code.code_bytes.value + 15_000)
    assert form_of(encoded(graph, tight)) in ("codes4", "ans")


def test_ordinary_weights_are_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeml.plan.encode.ways_of", lambda *_: pytest.fail("a form was tried"))
    graph = network(np.random.default_rng(0).integers(-127, 128, (64, 256)).astype(np.int8))
    assert encoded(graph, load_board("qemu_m4")) is graph


def test_a_decoder_that_is_more_code_than_it_saves_is_not_used() -> None:
    tiny = network(weights(0.02, shape=(4, 60)))
    board = load_board("qemu_m4")
    ways = ways_of(tiny, next(tiny.ops_of(DenseI8)), [None, "gaps"], board)
    assert best(ways).encoding == "gaps", "alone it would be taken"
    assert form_of(encoded(tiny, board)) is None


@pytest.mark.parametrize("form", ["ans", "codes4"])
def test_a_form_that_a_model_came_with_is_kept_where_the_capacitor_pays_for_it(form: str) -> None:
    graph, board = network(weights(0.9, 15), form), load_board("msp430fr5994")
    assert form_of(plan_graph(graph, board).graph) == form
    dense = network(weights(0.9, 15))
    smallest = smallest_uf(dense, board, windows=whole_windows(dense))
    assert smallest is not None
    planned = plan_graph(graph, board, smallest)
    assert planned.refusal is None


@pytest.mark.parametrize("form", [None, *sorted(CODED)])
@pytest.mark.parametrize("name", ["msp430fr5994", "nucleo_l476rg"])
def test_the_smallest_capacitor_does_not_grow(form: str | None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([-90, 90])
    rng = np.random.default_rng(8)
    weight = np.where(rng.random((12, 200)) < 0.15, rng.choice(values, (12, 200)), 0).astype(np.int8)
    board, graph = load_board(name), network(weight, form)
    found = smallest_uf(graph, board, windows=whole_windows(graph))
    assert found is not None
    assert plan_graph(graph, board, found).refusal is None
    monkeypatch.setattr(planner, "encoded", lambda graph, *_: graph)
    monkeypatch.setattr(planner, "refitted", lambda graph, *_: graph)
    plain = network(weight)
    dense = smallest_uf(plain, board, windows=whole_windows(plain))
    assert dense is not None
    assert found <= dense


def test_a_smaller_capacitor_gets_the_dense_layer_back_where_it_pays_for_that_alone() -> None:
    graph, board = network(weights(0.9, 60), "ans"), load_board("msp430fr5994")
    op = next(graph.ops_of(DenseI8))
    assert refitted(graph, board, 1000.0) is graph
    small = next(uf for uf in np.geomspace(0.5, 100, 60) if ways_of(graph, op, [None], board, uf)[0].fits)
    assert form_of(refitted(graph, board, float(small))) is None


def test_the_smallest_form_is_the_smallest() -> None:
    for n_values, density in ((254, 0.02), (15, 0.9), (3, 0.5)):
        codes = Const(weights(density, n_values))
        chosen = smallest_form(DenseI8, codes)
        assert chosen.encoding is not None
        assert chosen.size_bytes < codes.size_bytes
    assert smallest_form(DenseI8, Const(weights(1.0))).encoding is None
