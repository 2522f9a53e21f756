"""Where exits lie, and models of several outputs as networks with exits."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from freeml.errors import BadModel
from freeml.exits.heads import Kind
from freeml.exits.outputs import split_outputs, with_outputs
from freeml.exits.placement import automatic, listed, points
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.read import from_model_proto
from freeml.frontend.onnx.write import to_onnx
from freeml.frontend.views import Weight
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret, predict
from freeml.ir.ops import Binary, Concat
from freeml.ir.verify import verify_graph
from freeml.passes.pipeline import run_passes
from tests.exits.nets import NETS, branched, features, image, samples, with_weights


@pytest.mark.parametrize("net", NETS)
def test_exits_found_by_themselves_lie_where_nothing_else_is_still_needed(net: str) -> None:
    chosen = automatic(NETS[net]())
    assert len(chosen) >= 2
    assert all(point.is_cut for point in chosen)
    shares = [point.share for point in chosen]
    assert shares == sorted(shares)
    assert shares[-1] < 1


def test_exits_of_a_residual_network_read_its_sums() -> None:
    graph = NETS["residual"]()
    made = [graph.producers[point.value] for point in automatic(graph)]
    assert any(isinstance(op, Binary) for op in made)


def test_exits_of_two_inputs_come_after_these_met() -> None:
    graph = NETS["two_inputs"]()
    order = [op.output for op in graph.ops]
    joined = next(op.output for op in graph.ops if isinstance(op, Concat))
    assert all(order.index(point.value) >= order.index(joined) for point in automatic(graph))


def test_fewer_exits_keep_the_work_between_them_even() -> None:
    graph = NETS["residual"]()
    (one,) = automatic(graph, most=1)
    assert abs(one.share - 0.5) <= min(abs(point.share - 0.5) for point in automatic(graph)) + 0.25


def test_exits_can_be_named_by_value_or_node() -> None:
    graph = image()
    first = points(graph)[0]
    assert listed(graph, [first.value]) == listed(graph, [first.loc.rsplit(":", 1)[-1]]) == (first,)


@pytest.mark.parametrize(("name", "message"), [("nothing", "no value or node 'nothing'"), ("/fc", "is the network's")])
def test_what_is_no_place_for_an_exit_is_named(name: str, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        listed(image(), [name])


def test_a_network_of_one_layer_has_no_place_and_says_so() -> None:
    builder = GraphBuilder("flat")
    x = builder.input("x", (1, 6), channels_first=True, dtype="float32")
    builder.output(builder.dense(x, Weight(np.ones((3, 6))), np.zeros(3), loc="net:/fc"), "y", dtype="float32")
    with pytest.raises(BadModel, match="no place for an exit"):
        automatic(run_passes(builder.finish()))


@pytest.mark.parametrize("kind", ["gnet", "shared", "separate"])
@pytest.mark.parametrize("net", NETS)
def test_heads_written_as_outputs_read_back_as_these_heads(net: str, kind: Kind) -> None:
    of = branched(NETS[net](), normed=kind == "separate")
    heads, given = with_weights(of, kind), samples(of.graph)
    graph = verify_graph(with_outputs(of.graph, heads))
    wanted = heads.scores(features(of, given))
    for found, scores in zip(predict(graph, given), wanted, strict=False):
        np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-4)
    model = onnx.load_from_string(to_onnx(graph))
    network, again = split_outputs(run_passes(from_model_proto(model, name="again", where="again")))
    names = [part.features for exit_ in again.exits for part in exit_.slices]
    read = interpret(network, encode_inputs(network, given), names)
    for found, scores in zip(again.scores(read), wanted, strict=True):
        np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-4)
    assert [len(exit_.slices) for exit_ in again.exits] == [1] * len(heads.exits)
    for one, other in zip(again.exits, heads.exits, strict=True):
        np.testing.assert_allclose(one.mix, other.mix, rtol=1e-5)
    assert again.n_params == with_weights(of, "separate").n_params + heads.n_scalars


def test_the_network_keeps_its_own_answer_beside_exits() -> None:
    of = branched(image())
    given = samples(of.graph)
    network, _ = split_outputs(run_passes(with_outputs(of.graph, with_weights(of, "gnet"))))
    np.testing.assert_allclose(predict(network, given)[0], predict(image(), given)[0], rtol=1e-5, atol=1e-5)


def _two_answers(first: int, second: int) -> Graph:
    builder = GraphBuilder("two")
    x = builder.input("x", (1, 6), channels_first=True, dtype="float32")
    for number, k in enumerate((first, second)):
        y = builder.dense(x, Weight(np.ones((k, 6))), np.zeros(k), loc=f"net:/fc{number}")
        builder.output(y, f"y{number}", dtype="float32")
    return run_passes(builder.finish())


def test_outputs_of_different_sizes_are_no_exits() -> None:
    with pytest.raises(BadModel, match="'y0' has 3, 'y1' has 4"):
        split_outputs(_two_answers(3, 4))


def test_a_model_of_one_output_has_no_exits_of_its_own() -> None:
    with pytest.raises(BadModel, match="one output"):
        split_outputs(image())
