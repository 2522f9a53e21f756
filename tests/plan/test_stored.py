"""Constants in other forms: the same function, and bytes that are said to be there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeml.board.board import load_board
from freeml.errors import DoesNotFit
from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph
from freeml.ir.int_ops import DenseI8
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.types import Const
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.ir.verify_stored import storable
from freeml.kernels.coded_formats import CODED
from freeml.plan import planner
from freeml.plan.planner import Planned, plan_graph
from freeml.plan.windows import whole_windows
from tests.kernels.choices import Drawn, Seeded
from tests.kernels.coded_cases import weights_for
from tests.plan.plan_graphs import Builder

every_format = pytest.mark.parametrize("encoding", sorted(CODED))


def stored_graph(encoding: str | None, n_in: int = 40, n_hidden: int = 18, seed: int = 3) -> Graph:
    """Two dense layers, of which the first is stored in a form; None: both as they are."""
    b = Builder(seed)
    hidden = b.dense(b.input(n_in), n_hidden)
    graph = b.graph(b.dense(hidden, 5))
    op = next(graph.ops_of(DenseI8))
    weight = weights_for(Seeded(seed), encoding or "gaps", n_hidden, n_in)
    return graph.with_ops(graph.ops, consts={op.inputs[1]: Const(weight, encoding=encoding)})


def graph_of_every_form() -> Graph:
    """A layer in each form, one behind the other."""
    b = Builder(7)
    x = b.input(40)
    for _ in CODED:
        x = b.dense(x, 40)
    graph = b.graph(b.dense(x, 5))
    consts = {}
    for k, (op, form) in enumerate(zip(graph.ops_of(DenseI8), sorted(CODED), strict=False)):
        consts[op.inputs[1]] = Const(weights_for(Seeded(k + 20), form, 40, 40), encoding=form)
    return graph.with_ops(graph.ops, consts=consts)


@every_format
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_stored_is_the_array_again(encoding: str, data: st.DataObject) -> None:
    c = Drawn(data.draw)
    weight = weights_for(c, encoding, c.between(1, 40), c.between(1, 600))
    form = ENCODINGS[encoding]
    assert form.refusal(weight) is None
    assert np.array_equal(form.decode(form.encode(weight), weight.shape), weight)


@every_format
def test_a_graph_keeps_its_encodings_through_bytes(encoding: str) -> None:
    graph = stored_graph(encoding)
    again = from_bytes(to_bytes(graph), where="test")
    assert {name: const.encoding for name, const in again.consts.items()} == {
        name: const.encoding for name, const in graph.consts.items()
    }


@every_format
def test_how_a_constant_is_stored_is_part_of_what_it_is(encoding: str) -> None:
    weight = next(c for c in stored_graph(encoding).consts.values() if c.encoding)
    dense = replace(weight, encoding=None)
    assert weight.digest != dense.digest
    assert weight.stored_as != dense.stored_as
    assert weight.size_bytes == sum(a.nbytes for a in weight.stored.sections.values())


def test_an_encoding_that_an_op_does_not_know_is_refused_by_the_verifier() -> None:
    graph = stored_graph("gaps")
    name = next(iter(graph.ops_of(DenseI8))).inputs[2]
    wrong = replace(graph.consts[name], encoding="gaps")
    with pytest.raises(InvalidGraphError, match="may not be stored"):
        verify_graph(graph.with_ops(graph.ops, consts={name: wrong}))
    assert set(CODED) == storable(DenseI8)[1]


def test_a_form_that_loses_a_weight_is_refused_by_the_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = stored_graph("gaps", seed=99)
    monkeypatch.setattr(type(ENCODINGS["gaps"]), "decode", lambda _, __, shape: np.zeros(shape, np.int8))
    with pytest.raises(InvalidGraphError, match="is not what it was"):
        verify_graph(graph)


@every_format
def test_a_layer_that_came_with_a_form_keeps_it(encoding: str) -> None:
    graph = plan_graph(stored_graph(encoding), load_board("host")).graph
    first = next(graph.ops_of(DenseI8))
    assert graph.consts[first.inputs[1]].encoding == encoding


def test_an_ordinary_network_is_stored_as_it_is() -> None:
    graph = plan_graph(stored_graph(None), load_board("host")).graph
    assert all(const.encoding is None for const in graph.consts.values())


@pytest.mark.parametrize(
    ("stored_uf", "dense_uf", "is_dense"), [(160.0, 140.0, True), (140.0, 160.0, False), (None, 9.0, True)]
)
def test_a_refusal_names_the_capacitor_of_the_form_that_needs_least(
    monkeypatch: pytest.MonkeyPatch, stored_uf: float | None, dense_uf: float, is_dense: bool
) -> None:
    """As smallest_uf, which analyze says, does."""
    dense, stored = stored_graph("gaps"), stored_graph("rice")
    refusal = DoesNotFit("a step needs more", region="energy", needed=2, available=1)

    def planned(graph: Graph, *_: object) -> Planned:
        graph_, memory = planner.lay_out(graph)
        return Planned(graph_, memory, None, None, whole_windows(graph), refusal)

    monkeypatch.setattr(planner, "encoded", lambda *_: stored)
    monkeypatch.setattr(planner, "as_it_is", lambda _: dense)
    monkeypatch.setattr(planner, "_plan_windows", planned)
    monkeypatch.setattr(planner, "_smallest_of", lambda graph, *_: stored_uf if graph is stored else dense_uf)
    found = planner.plan_graph(stored_graph(None), load_board("msp430fr5994"))
    encodings = {const.encoding for const in found.graph.consts.values() if const.encoding}
    assert encodings == ({"gaps"} if is_dense else {"rice"})
