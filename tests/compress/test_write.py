"""Graphs written as ONNX: onnxruntime computes what the interpreter does, and a QDQ model reads back as it was."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from float_graphs import Network as Case
from float_graphs import networks
from hypothesis import assume, given, settings

from freeml.compress.codebook import Codebook
from freeml.compress.stored import layers_of
from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.read import from_model_proto
from freeml.frontend.onnx.write import _UNARY, to_onnx
from freeml.ir import unary
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.interpret import encode_inputs, interpret, predict
from freeml.ir.ops import Window
from freeml.passes.pipeline import run_passes
from freeml.quantize.observe import observe
from freeml.quantize.ranges import min_max
from freeml.quantize.scales import assign_scales
from freeml.quantize.search import quantize
from freeml.train.int8 import Int8Network
from tests.oracles import ort

from ..train.tasks import convolutional, stripes


def run(model: bytes, samples: list[np.ndarray]) -> list[np.ndarray]:
    session = ort.session(model)
    names = [entry.name for entry in session.get_inputs()]
    one_by_one = [
        session.run(
            None, {name: array[k : k + 1].astype(np.float32) for name, array in zip(names, samples, strict=True)}
        )
        for k in range(len(samples[0]))
    ]
    return [np.concatenate(column) for column in zip(*one_by_one, strict=True)]


def read(model: bytes) -> Graph:
    return run_passes(from_model_proto(onnx.load_model_from_string(model), name="again", where="again"))


@settings(max_examples=40)
@given(networks(batch=1))
def test_onnxruntime_gives_what_the_float_interpreter_does(case: Case) -> None:
    graph = run_passes(case.graph)
    expected = predict(graph, case.samples)
    for found, exact in zip(run(to_onnx(graph), case.samples), expected, strict=True):
        scale = max(1.0, float(np.abs(exact).max()))
        np.testing.assert_allclose(found / scale, exact / scale, atol=1e-4)


@settings(max_examples=40)
@given(networks(batch=1))
def test_a_network_with_fixed_scales_reads_back_as_the_same_integers(case: Case) -> None:
    graph = run_passes(case.graph)
    scales = assign_scales(graph, observe(graph, case.samples), min_max)
    try:
        network = Int8Network(graph, scales)
    except (BadModel, UnsupportedOp):
        assume(False)
    integer = network.lowered().integer
    again = quantize(read(to_onnx(network.fixed())), None).graph
    expected = interpret(integer, encode_inputs(integer, case.samples))
    found = interpret(again, encode_inputs(again, case.samples))
    for mine, theirs in zip(integer.outputs, again.outputs, strict=True):
        assert integer.types[mine.value].quant == again.types[theirs.value].quant
        assert np.array_equal(mine.from_memory(expected[mine.value]), theirs.from_memory(found[theirs.value]))


def test_a_signed_average_that_is_never_below_zero_reads_back_too() -> None:
    """Its grid starts at zero, where readers of QDQ models see a Relu that an exporter left out."""
    builder = GraphBuilder("average")
    x = builder.input("x", (1, 1, 3), channels_first=True, dtype="float32")
    pool = Window(kernel=(1, 2))
    builder.output(builder.pool(x, "avg", window=pool, include_pad=False, loc="net:/pool"), "y", dtype="float32")
    graph, samples = builder.finish(), [np.array([[[-0.6, 0.9, 0.0]], [[-0.7, 1.7, -0.9]]])]
    network = Int8Network(graph, assign_scales(graph, observe(graph, samples), min_max))
    again = quantize(read(to_onnx(network.fixed())), None).graph
    below = [np.concatenate([samples[0], -samples[0]])]
    assert np.array_equal(predict(again, below)[0], predict(network.lowered().integer, below)[0])


def one_function(fn: str) -> Graph:
    builder = GraphBuilder("one")
    x = builder.input("x", (1, 40), channels_first=True, dtype="float32")
    params = tuple({"alpha": 0.3, "beta": 0.4, "gamma": 1.2}.get(name, 1.0) for name in unary.FUNCTIONS[fn].params)
    builder.output(builder.unary(x, fn, params, loc="net:/f"), "y", dtype="float32")
    return builder.finish()


@pytest.mark.parametrize("fn", sorted(_UNARY))
def test_every_function_that_is_written_is_the_operator_of_that_name(fn: str) -> None:
    x = np.linspace(0.1 if fn == "sqrt" else -4, 4, 80, dtype=np.float32).reshape(2, 40)
    graph = one_function(fn)
    np.testing.assert_allclose(run(to_onnx(graph), [x])[0], predict(graph, [x])[0], rtol=1e-5, atol=1e-6)


def test_an_output_may_be_called_as_the_result_of_the_node_that_makes_it() -> None:
    """So TensorFlow calls them, and so the nodes' results are called that are written."""
    g = GraphBuilder("called")
    x = g.input("x", (3,))
    g.output(g.unary(x, "tanh", (), loc="call"), "call:0")
    graph = run_passes(g.finish())
    again = read(to_onnx(graph))
    assert [port.name for port in again.outputs] == ["call:0"]


def test_a_function_that_onnx_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedOp, match="softplus_linear") as caught:
        to_onnx(one_function("softplus_linear"))
    assert caught.value.where == "net:/f"


def test_codes_scales_and_biases_of_a_coded_network_are_read_back_layer_by_layer() -> None:
    graph = convolutional(3)
    samples = list(stripes(60, 1).inputs)
    scales = assign_scales(graph, observe(graph, samples), min_max)
    network = Int8Network(graph, scales, coding={layer.weight: Codebook(4) for layer in layers_of(graph)})
    model = to_onnx(network.fixed(), {"freeml.encoding": "codebook of 4"})
    integer, again = network.lowered().integer, quantize(read(model), None).graph
    layers = [[op for op in g.ops if isinstance(op, ConvI8 | DenseI8)] for g in (integer, again)]
    for mine, theirs in zip(*layers, strict=True):
        for name, other in zip(mine.inputs[1:], theirs.inputs[1:], strict=True):
            assert np.array_equal(integer.consts[name].array, again.consts[other].array)
        assert len(np.unique(integer.consts[mine.inputs[1]].array)) <= 4
    stored = onnx.load_model_from_string(model)
    said = {prop.key: prop.value for prop in stored.metadata_props}
    assert said.pop("freeml.encoding") == "codebook of 4"
    assert set(said.values()) == {"dense"}, "of each initialiser"
    int8 = [tensor for tensor in stored.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    assert max(len(tensor.raw_data) for tensor in int8) == 3 * 64, "codes, and not float32"
    assert to_onnx(network.fixed(), {"freeml.encoding": "codebook of 4"}) == model


def test_onnxruntime_runs_a_quantized_model_to_the_same_classes() -> None:
    """It rounds halves to even and computes between scales in float32, so that single codes differ by one."""
    graph, data = convolutional(3), stripes(60, 1)
    network = Int8Network(graph, assign_scales(graph, observe(graph, list(data.inputs)), min_max))
    found, exact = (
        run(to_onnx(network.fixed()), list(data.inputs))[0],
        predict(network.lowered().integer, data.inputs)[0],
    )
    (score,) = graph.output_values
    assert np.abs(found - exact).max() <= 2.01 * network.scales[score].scale
    assert np.mean(found.argmax(axis=1) == exact.argmax(axis=1)) > 0.95
