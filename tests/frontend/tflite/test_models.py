"""The published models of the data folder, against LiteRT."""

from __future__ import annotations

import numpy as np
import pytest
import tflite

from freeml.frontend.tflite.read import read_tflite
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.ops import Conv, Dense, Transpose
from freeml.ir.types import Quant
from freeml.ir.verify import verify_graph
from tests.frontend.tflite.oracle import data_file, fake_quantized, litert, random_inputs

pytestmark = pytest.mark.needs_data

FLOAT = [
    "hello_world_float",
    "pretrainedResnet",
    "tinymaix_cifar10_f",
    "tinymaix_mnist_resnet_f",
    "tinymaix_mnist_valid_f",
]
# The largest and the mean difference from LiteRT in steps of the output, over random codes. LiteRT rounds twice where
# it requantizes, so single codes differ by one layer after layer; random inputs also drive every layer into saturation.
INT8 = {
    "ad01_int8": (4, 0.5),
    "hello_world_int8": (1, 0.1),
    "kws_ref_model": (16, 0.2),
    "micro_speech_quantized": (1, 0.1),
    "pretrainedResnet_quant": (64, 2.0),
    "tinymaix_mnist_valid_q": (16, 0.2),
    "vww_96_int8": (2, 0.2),
}
HYBRID = ["kws_ref_model_float32"]


def model(name: str) -> Graph:
    return read_tflite(data_file(f"models/{name}.tflite"))


def kws_test_set() -> tuple[np.ndarray, np.ndarray]:
    """The dev-test clips as real MFCCs, and their labels."""
    with np.load(data_file("kws/kws_mfcc_visible.npz")) as data:
        chosen = data["split"] == 2
        codes = data["mfcc_int8"][chosen].astype(np.float64)
        real = (codes - float(data["zero_point"])) * float(data["scale"])
        return real.reshape(-1, 49, 10, 1).astype(np.float32), data["label"][chosen]


@pytest.mark.parametrize("name", [*FLOAT, *HYBRID, *INT8])
def test_every_published_model_is_read_without_a_transpose(name):
    graph = verify_graph(model(name))
    assert not list(graph.ops_of(Transpose))
    assert all(op.loc.startswith(f"{name}.tflite:") for op in graph.ops)
    assert all(port.dtype == "float32" for port in (*graph.inputs, *graph.outputs))


@pytest.mark.parametrize("name", FLOAT)
def test_float_models_compute_what_litert_computes(name):
    graph = model(name)
    inputs = random_inputs(graph, 10)
    expected = litert(data_file(f"models/{name}.tflite"), *inputs)
    np.testing.assert_allclose(predict(graph, inputs)[0], expected[:, 0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", INT8)
def test_int8_models_stay_within_a_few_output_steps_of_litert(name):
    graph = model(name)
    inputs = random_inputs(graph, 50)
    expected = litert(data_file(f"models/{name}.tflite"), *inputs)[:, 0]
    quant = graph.types[graph.outputs[0].value].quant
    assert quant is not None
    steps = np.round(np.abs(fake_quantized(graph, inputs) - expected) / quant.scale)
    largest, mean = INT8[name]
    assert steps.max() <= largest
    assert steps.mean() <= mean


@pytest.mark.parametrize(("name", "least"), [("kws_ref_model", 0.98), ("kws_ref_model_float32", 0.98)])
def test_the_float_interpretation_of_keyword_spotting_agrees_with_litert_on_real_clips(name, least):
    clips, labels = kws_test_set()
    ours = predict(model(name), [clips])[0]
    theirs = litert(data_file(f"models/{name}.tflite"), clips)[:, 0]
    # LiteRT quantizes the activations of a hybrid model on the fly; ours stay float.
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= least
    accuracy = (ours.argmax(axis=1) == labels).mean()
    assert accuracy >= (theirs.argmax(axis=1) == labels).mean() - 0.015
    assert accuracy > 0.91


@pytest.mark.parametrize("name", INT8)
def test_int8_models_keep_scales_zero_points_and_codes(name):
    graph = model(name)
    content = data_file(f"models/{name}.tflite").read_bytes()
    stored = tflite.Model.GetRootAsModel(content, 0)
    file = stored.Subgraphs(0)
    tensors = [file.Tensors(i) for i in range(file.TensorsLength())]
    annotated = {
        op.loc.split(":", 1)[1]: graph.types[op.output].quant for op in graph.ops if graph.types[op.output].quant
    }
    checked = 0
    layers = iter([op for op in graph.ops if isinstance(op, Conv | Dense)])
    for i in range(file.OperatorsLength()):
        op = file.Operators(i)
        out = tensors[op.Outputs(0)]
        quant = out.Quantization()
        expected = Quant(float(quant.Scale(0)), int(quant.ZeroPoint(0)))
        name_of_out = out.Name().decode().split(";")[0].removesuffix(":0")
        if name_of_out in annotated:
            checked += annotated[name_of_out] == expected
        if op.InputsLength() == 3:
            layer = next(layers)
            weight = graph.consts[layer.inputs[1]]
            assert weight.code_scales is not None
            scales = np.array(weight.code_scales).reshape(-1, *[1] * (weight.array.ndim - 1))
            codes = weight.array / scales
            np.testing.assert_allclose(codes, np.round(codes), atol=1e-9)
            given = tensors[op.Inputs(1)]
            raw = stored.Buffers(given.Buffer()).DataAsNumpy().view(np.int8)
            np.testing.assert_array_equal(np.sort(np.round(codes).ravel()), np.sort(raw))
            assert weight.code_scales == tuple(float(s) for s in given.Quantization().ScaleAsNumpy())
            in_scale = float(tensors[op.Inputs(0)].Quantization().Scale(0))
            bias = graph.consts[layer.inputs[2]].array / (in_scale * np.array(weight.code_scales))
            bias_codes = stored.Buffers(tensors[op.Inputs(2)].Buffer()).DataAsNumpy().view(np.int32)
            np.testing.assert_array_equal(np.round(bias), bias_codes)
    assert checked == len(annotated) > 0
    assert all(graph.types[port.value].quant for port in graph.outputs)


def test_the_input_is_presented_as_real_values_in_the_authors_shape():
    graph = model("kws_ref_model")
    (port,) = graph.inputs
    assert (port.name, port.shape, port.order, port.dtype) == ("input_1", (49, 10, 1), (0, 1, 2), "float32")
    assert graph.types[port.value].quant == Quant(0.5847029089927673, 83)


def test_hybrid_weights_keep_their_codes():
    graph = model("kws_ref_model_float32")
    scales = [graph.consts[op.inputs[1]].code_scales for op in graph.ops_of(Conv)]
    assert scales[0] == (0.0020227544009685516,)
    assert scales[1] is None  # its depthwise layers are float
    assert graph.types[graph.inputs[0].value].quant is None
