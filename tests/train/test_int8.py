"""Training in int8: forward equals the integer interpreter code for code, and what is trained is what is compiled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from float_graphs import Network as Case
from float_graphs import networks
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from freeml.compress.codebook import Codebook, Ternary
from freeml.compress.stored import layers_of
from freeml.data.accuracy import answers
from freeml.errors import BadModel, UnsupportedOp
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret
from freeml.ir.ops import Conv
from freeml.ir.text import digest
from freeml.ir.types import Const, Quant
from freeml.passes.pipeline import run_passes
from freeml.quantize.lower import lower
from freeml.quantize.observe import observe
from freeml.quantize.ranges import RULES, min_max
from freeml.quantize.scales import assign_scales
from freeml.quantize.search import quantize
from freeml.train.int8 import Coding, Int8Network
from freeml.train.loop import Options, fit
from freeml.train.network import Network
from freeml.train.objective import loss_of

from .tasks import convolutional, stripes

DATA, HELD = stripes(300, 1), stripes(100, 2)


def int8(graph: Graph, samples: list[np.ndarray], stretch: float = 1.0) -> Int8Network:
    """With the ranges of the samples, or with stretched ones, where codes saturate or few are used."""
    scales = assign_scales(graph, observe(graph, samples), min_max)
    scales = {
        name: quant if quant.scale == 1 / 256 else Quant(quant.scale * stretch, quant.zero_point)
        for name, quant in scales.items()
    }
    return Int8Network(graph, scales)


@settings(max_examples=80)
@given(networks(), st.sampled_from((1.0, 0.2, 3.0)))
def test_forward_equals_the_interpreter_of_the_lowered_graph_code_for_code(case: Case, stretch: float) -> None:
    graph = run_passes(case.graph)
    try:
        network = int8(graph, case.samples, stretch)
    except (BadModel, UnsupportedOp):
        assume(False)
    now = network.lowered()
    values = [name for name, type_ in now.integer.types.items() if type_.quant is not None]
    expected = interpret(now.integer, encode_inputs(now.integer, case.samples), values)
    with torch.no_grad():
        found = network.codes(network.encode(case.samples), values, now)
    for name in values:
        assert np.array_equal(found[name].numpy(), expected[name]), name


def test_the_value_of_a_score_is_its_codes_times_its_scale() -> None:
    network = int8(convolutional(3), list(DATA.inputs))
    (score,) = network.source.output_values
    integer = network.lowered().integer
    codes = interpret(integer, encode_inputs(integer, DATA.inputs), [score])[score]
    with torch.no_grad():
        found = network(network.encode(DATA.inputs), [score])[score]
    quant = integer.types[score].quant
    assert quant is not None
    np.testing.assert_allclose(found.numpy(), quant.dequantize(codes), rtol=1e-6)


@pytest.mark.parametrize("ending", ["none", "softmax"])
def test_gradients_point_where_those_of_the_float_network_do(ending: str) -> None:
    graph = convolutional(3, ending=ending)
    gradients = []
    for network in (Network(graph), int8(graph, list(DATA.inputs))):
        loss, expected = loss_of(graph, None, DATA, distill=0, temperature=1)
        if ending == "softmax":  # through the softmax itself, too
            found = network(network.encode(DATA.inputs), graph.output_values)
            (-found[next(iter(found))][torch.arange(300), expected].log().mean()).backward()
        else:
            loss(network(network.encode(DATA.inputs), loss.wanted), None, expected).backward()
        gradients.append({name: p.grad.double().flatten() for name, p in network.params().items()})
    for name, exact in gradients[0].items():
        straight = gradients[1][name]
        assert torch.cosine_similarity(exact, straight, dim=0) > 0.97, name
        assert 0.8 < straight.norm() / exact.norm() < 1.25, name


def test_an_elementwise_table_passes_the_slope_of_its_function() -> None:
    from freeml.train.int_ops import _slopes

    x, y = Quant(8 / 255, 0), Quant(1 / 128, 0)
    table = torch.from_numpy(y.quantize(np.tanh((np.arange(-128, 128)) * x.scale)).astype(np.float32))
    slopes = _slopes(table).numpy()
    exact = (1 - np.tanh(np.arange(-128, 128) * x.scale) ** 2) * x.scale / y.scale
    assert np.abs(slopes - exact).max() < 0.15 * exact.max()


@pytest.fixture(scope="module")
def trained() -> Int8Network:
    """In int8 from random weights on."""
    graph = convolutional(3)
    network = int8(graph, list(DATA.inputs))
    before = accuracy(network.lowered().integer)
    fitted = fit(network, DATA, Options(epochs=8, batch=64, learning_rate=0.01), validation=HELD)
    assert before < 0.7
    assert fitted.accuracy == accuracy(network.lowered().integer)
    return network


def accuracy(graph: Graph) -> float:
    return float(np.mean(answers(graph, HELD.inputs).classes == HELD.labels))


def test_accuracy_in_training_is_the_integer_networks_own(trained: Int8Network) -> None:
    assert accuracy(trained.lowered().integer) > 0.95


def test_compiling_what_was_trained_gives_its_integers_and_asks_for_no_samples(trained: Int8Network) -> None:
    fixed = trained.fixed()
    assert digest(quantize(fixed, None).graph) == digest(trained.lowered().integer)
    assert quantize(fixed, None).method == "the model's own scales"


def test_a_run_with_other_scales_is_another_run() -> None:
    graph = convolutional(3)
    digests = {int8(graph, list(DATA.inputs), stretch).digest() for stretch in (1.0, 2.0)}
    assert len(digests | {Network(graph).digest()}) == 3


def test_weights_that_no_integers_hold_end_training_with_the_layers_name() -> None:
    network = int8(convolutional(3), list(DATA.inputs))
    with torch.no_grad():
        network.weights[0].mul_(1e12)
    with pytest.raises(BadModel, match="no integers") as caught:
        network(network.encode(DATA.inputs), network.source.output_values)
    assert caught.value.where == "net:/conv"


def test_scales_and_codes_are_those_of_compiling_but_for_the_last_bits_of_scales() -> None:
    """Model files hold scales in single precision, so that training does."""
    graph = convolutional(3)
    scales = assign_scales(graph, observe(graph, list(DATA.inputs)), RULES["mse"])
    network = Int8Network(graph, scales)
    compiled, trained = lower(network.to_graph(), scales), network.lowered().integer
    for name, const in compiled.consts.items():
        if const.array.dtype == np.int8:
            assert np.abs(trained.consts[name].array.astype(int) - const.array).max() <= 1
            assert np.mean(trained.consts[name].array != const.array) < 0.01
    for name, quant in network.scales.items():
        assert quant.scale == np.float32(quant.scale) == pytest.approx(scales[name].scale, rel=1e-7)


@pytest.mark.parametrize("coding", [None, Codebook(4), Ternary()], ids=str)
def test_a_filter_without_weights_is_its_bias_and_trains_on(coding: Coding | None) -> None:
    """One of zeros, and one that is so weak that its bias would be beyond 32 bits of its scale."""
    graph = convolutional(3)
    layer = layers_of(graph)[0]
    weight, (op, *_) = graph.consts[layer.weight].array.copy(), graph.ops_of(Conv)
    weight[0], weight[1] = 0, 1e-14
    bias = np.array([3.0, -0.5, 0.1, 0])
    graph = graph.with_ops(graph.ops, consts={layer.weight: Const(weight), op.inputs[2]: Const(bias)})
    scales = assign_scales(graph, observe(graph, list(DATA.inputs)), min_max)
    network = Int8Network(graph, scales, coding={} if coding is None else {layer.weight: coding})
    integer = network.lowered().integer
    codes = interpret(integer, encode_inputs(integer, DATA.inputs), [op.output])[op.output]
    assert (codes[..., 0] == scales[op.output].quantize(np.array(3.0))).all()
    assert (codes[..., 1] == scales[op.output].quantize(np.array(0.0))).all(), "below the relu"
    fit(network, DATA, Options(epochs=1, batch=64))
    assert digest(quantize(network.fixed(), None).graph) == digest(network.lowered().integer)
