"""Single operators in files written here, against LiteRT."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.frontend.tflite.read import read_tflite
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.ops import Transpose, Unary
from freeml.ir.types import Quant
from freeml.passes.pipeline import run_passes
from freeml.quantize.search import quantize
from tests.frontend.tflite.oracle import fake_quantized, litert, random_inputs
from tests.frontend.tflite.writer import Op, T, const, write_model

RNG = np.random.default_rng(7)
SAME, VALID = 0, 1
POOL = {"StrideH": 2, "StrideW": 2, "FilterHeight": 3, "FilterWidth": 2}


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def read(tmp_path, content: bytes) -> Graph:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(content)
    return read_tflite(path)


def check(tmp_path, content: bytes, *, atol: float = 1e-5, samples: int = 4) -> Graph:
    """LiteRT and freeml give the same numbers for a float file."""
    graph = read(tmp_path, content)
    inputs = random_inputs(graph, samples)
    expected = litert(content, *inputs)
    ours = predict(graph, inputs)[0]
    np.testing.assert_allclose(ours, expected.reshape(ours.shape), atol=atol, rtol=1e-5)
    return graph


def single(kind, shape, out, consts=(), table="", options=None, *, inputs=1) -> bytes:
    """A model of one operator: computed inputs first, then constants."""
    xs = [T(f"x{k}", shape) for k in range(inputs)]
    cs = [const(f"c{k}", array) for k, array in enumerate(consts)]
    names = [t.name for t in (*xs, *cs)]
    return write_model(
        [*xs, *cs, T("y", out)], [Op(kind, names, "y", table, options or {})], [x.name for x in xs], ["y"]
    )


def conv(padding, activation=0, stride=1, dilation=1):
    return {
        "Padding": padding,
        "StrideH": stride,
        "StrideW": stride,
        "DilationHFactor": dilation,
        "DilationWFactor": dilation,
        "FusedActivationFunction": activation,
    }


X = (1, 7, 6, 4)
ONE_OP = {
    "conv same": ("CONV_2D", X, (1, 4, 3, 3), [normal(3, 3, 3, 4), normal(3)], "Conv2DOptions", conv(SAME, 1, 2)),
    "conv valid, dilated, relu6": (
        "CONV_2D", X, (1, 3, 2, 3), [normal(3, 3, 3, 4), normal(3)], "Conv2DOptions", conv(VALID, 3, 1, 2),
    ),
    "conv in groups": ("CONV_2D", X, (1, 7, 6, 6), [normal(6, 3, 3, 2), normal(6)], "Conv2DOptions", conv(SAME)),
    "depthwise": (
        "DEPTHWISE_CONV_2D", X, (1, 7, 6, 4), [normal(1, 3, 3, 4), normal(4)], "DepthwiseConv2DOptions",
        {**conv(SAME), "DepthMultiplier": 1},
    ),
    "depthwise with multiplier": (
        "DEPTHWISE_CONV_2D", X, (1, 5, 4, 8), [normal(1, 3, 3, 8), normal(8)], "DepthwiseConv2DOptions",
        {**conv(VALID, 1), "DepthMultiplier": 2},
    ),
    "depthwise dilated": (
        "DEPTHWISE_CONV_2D", X, (1, 7, 6, 4), [normal(1, 3, 3, 4), normal(4)], "DepthwiseConv2DOptions",
        {**conv(SAME, 0, 1, 2), "DepthMultiplier": 1},
    ),
    "dense": ("FULLY_CONNECTED", (1, 6), (1, 3), [normal(3, 6), normal(3)], "FullyConnectedOptions", {}),
    "dense without bias": ("FULLY_CONNECTED", (1, 6), (1, 3), [normal(3, 6)], "FullyConnectedOptions", {}),
    "dense flattens": ("FULLY_CONNECTED", (1, 2, 3), (1, 3), [normal(3, 6), normal(3)], "FullyConnectedOptions", {}),
    "dense keeps dimensions": (
        "FULLY_CONNECTED", (1, 5, 6), (1, 5, 3), [normal(3, 6), normal(3)], "FullyConnectedOptions",
        {"KeepNumDims": True},
    ),
    "matmul": ("BATCH_MATMUL", (1, 5, 6), (1, 5, 3), [normal(6, 3)], "BatchMatMulOptions", {}),
    "matmul transposed": ("BATCH_MATMUL", (1, 5, 6), (1, 5, 3), [normal(3, 6)], "BatchMatMulOptions", {"AdjY": True}),
    "max pool same": ("MAX_POOL_2D", X, (1, 4, 3, 4), [], "Pool2DOptions", {"Padding": SAME, **POOL}),
    "max pool valid": ("MAX_POOL_2D", X, (1, 3, 3, 4), [], "Pool2DOptions", {"Padding": VALID, **POOL}),
    "average pool same": ("AVERAGE_POOL_2D", X, (1, 4, 3, 4), [], "Pool2DOptions", {"Padding": SAME, **POOL}),
    "average pool valid": ("AVERAGE_POOL_2D", X, (1, 3, 3, 4), [], "Pool2DOptions", {"Padding": VALID, **POOL}),
    "mean": ("MEAN", X, (1, 4), [ints(1, 2)], "ReducerOptions", {}),
    "mean keeps dimensions": ("MEAN", X, (1, 1, 6, 4), [ints(-3)], "ReducerOptions", {"KeepDims": True}),
    "mean over channels": ("MEAN", X, (1, 7, 6), [ints(3)], "ReducerOptions", {}),
    "reduce max": ("REDUCE_MAX", X, (1, 4), [ints(1, 2)], "ReducerOptions", {}),
    "add constant": ("ADD", X, X, [normal(4)], "AddOptions", {"FusedActivationFunction": 1}),
    "sub constant": ("SUB", X, X, [normal(1, 1, 6, 4)], "SubOptions", {}),
    "mul scalar": ("MUL", X, X, [np.float32(0.3).reshape(())], "MulOptions", {}),
    "div constant": ("DIV", X, X, [np.float32([1, 2, -4, 8])], "DivOptions", {}),
    "minimum": ("MINIMUM", X, X, [np.float32([0.5])], "", {}),
    "maximum": ("MAXIMUM", X, X, [np.float32([0.5])], "", {}),
    "pad": ("PAD", X, (1, 9, 9, 4), [ints(0, 0, 1, 1, 2, 1, 0, 0).reshape(4, 2)], "", {}),
    "pad value": (
        "PADV2", X, (1, 9, 9, 4), [ints(0, 0, 1, 1, 2, 1, 0, 0).reshape(4, 2), np.float32([1.5])], "", {},
    ),
    "reshape": ("RESHAPE", X, (1, 168), [ints(1, -1)], "ReshapeOptions", {}),
    "reshape by option": ("RESHAPE", X, (1, 7, 24), [], "ReshapeOptions", {"NewShape": (1, 7, 24)}),
    "squeeze": ("SQUEEZE", (1, 1, 5, 4), (1, 5, 4), [], "SqueezeOptions", {"SqueezeDims": (1,)}),
    "expand": ("EXPAND_DIMS", (1, 5, 4), (1, 1, 5, 4), [ints(1)], "", {}),
    "transpose": ("TRANSPOSE", X, (1, 4, 7, 6), [ints(0, 3, 1, 2)], "", {}),
    "relu": ("RELU", X, X, [], "", {}),
    "relu6": ("RELU6", X, X, [], "", {}),
    "relu -1 to 1": ("RELU_N1_TO_1", X, X, [], "", {}),
    "relu 0 to 1": ("RELU_0_TO_1", X, X, [], "", {}),
    "leaky relu": ("LEAKY_RELU", X, X, [], "LeakyReluOptions", {"Alpha": 0.2}),
    "prelu": ("PRELU", X, X, [np.full((1, 1, 4), 0.25, dtype=np.float32)], "", {}),
    "sigmoid": ("LOGISTIC", X, X, [], "", {}),
    "tanh": ("TANH", X, X, [], "", {}),
    "hard swish": ("HARD_SWISH", X, X, [], "", {}),
    "elu": ("ELU", X, X, [], "", {}),
    "gelu": ("GELU", X, X, [], "GeluOptions", {}),
    "gelu tanh": ("GELU", X, X, [], "GeluOptions", {"Approximate": True}),
    "abs": ("ABS", X, X, [], "", {}),
    "neg": ("NEG", X, X, [], "", {}),
    "softmax": ("SOFTMAX", (1, 9), (1, 9), [], "SoftmaxOptions", {"Beta": 1.0}),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_OP)
def test_an_operator_computes_what_litert_computes(case, tmp_path):
    kind, shape, out, consts, table, options = ONE_OP[case]
    graph = check(tmp_path, single(kind, shape, out, consts, table, options))
    assert case in ("transpose", "mean over channels") or not list(graph.ops_of(Transpose))
    assert all(op.loc == "tiny.tflite:y" for op in graph.ops if not op.loc.startswith("output"))


@pytest.mark.parametrize(("kind", "table"), [("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions")])
def test_binary_operators_take_two_computed_tensors(kind, table, tmp_path):
    check(tmp_path, single(kind, X, X, (), table, {"FusedActivationFunction": 3}, inputs=2))


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_concatenation_joins_along_any_axis(axis, tmp_path):
    out = list(X)
    out[axis] *= 2
    check(tmp_path, single("CONCATENATION", X, out, (), "ConcatenationOptions", {"Axis": axis}, inputs=2))


def test_flatten_after_convolution_needs_no_transpose(tmp_path):
    content = write_model(
        [T("x", X), const("w", normal(5, 3, 3, 4)), const("b", normal(5)), T("f", (1, 5, 4, 5)),
         const("s", ints(1, 100)), T("r", (1, 100)),
         const("v", normal(3, 100)), T("y", (1, 3))],
        [Op("CONV_2D", ["x", "w", "b"], "f", "Conv2DOptions", conv(VALID)),
         Op("RESHAPE", ["f", "s"], "r", "ReshapeOptions"),
         Op("FULLY_CONNECTED", ["r", "v", None], "y", "FullyConnectedOptions")],
        ["x"], ["y"],
    )  # fmt: skip
    assert not list(check(tmp_path, content).ops_of(Transpose))


def test_one_dimensional_convolution_as_keras_writes_it(tmp_path):
    content = write_model(
        [T("x", (1, 12, 3)), const("one", ints(-3)), T("e", (1, 1, 12, 3)),
         const("w", normal(4, 1, 3, 3)), const("b", normal(4)),
         T("f", (1, 1, 6, 4)), T("y", (1, 6, 4))],
        [Op("EXPAND_DIMS", ["x", "one"], "e"), Op("CONV_2D", ["e", "w", "b"], "f", "Conv2DOptions", conv(SAME, 0, 2)),
         Op("SQUEEZE", ["f"], "y", "SqueezeOptions", {"SqueezeDims": (1,)})],
        ["x"], ["y"],
    )  # fmt: skip
    assert not list(check(tmp_path, content).ops_of(Transpose))


def test_argmax_is_an_integer_output(tmp_path):
    content = write_model(
        [T("x", (1, 9)), const("a", ints(1)), T("y", (1,), "INT64")],
        [Op("ARG_MAX", ["x", "a"], "y", "ArgMaxOptions", {"OutputType": 4})],
        ["x"],
        ["y"],
    )
    graph = check(tmp_path, content)
    assert graph.outputs[0].dtype == "int64"


def test_a_reshape_target_computed_from_the_batch_size_is_folded(tmp_path):
    """What Keras leaves of Flatten with a free batch size: SHAPE, STRIDED_SLICE, PACK."""
    content = write_model(
        [T("x", (1, 4, 6), signature=(-1, 4, 6)), T("shape", (3,), "INT32"), const("b", ints(0)), const("e", ints(1)),
         const("s", ints(1)), T("n", (), "INT32"), const("k", np.array(24, dtype=np.int32)), T("t", (2,), "INT32"),
         T("y", (1, 24), signature=(-1, 24))],
        [Op("SHAPE", ["x"], "shape", "ShapeOptions", {"OutType": 2}),
         Op("STRIDED_SLICE", ["shape", "b", "e", "s"], "n", "StridedSliceOptions", {"ShrinkAxisMask": 1}),
         Op("PACK", ["n", "k"], "t", "PackOptions", {"ValuesCount": 2}),
         Op("RESHAPE", ["x", "t"], "y", "ReshapeOptions")],
        ["x"], ["y"],
    )  # fmt: skip
    assert check(tmp_path, content).outputs[0].shape == (24,)


# ---- quantized files ------------------------------------------------------------------------------------------------

Q_IN, Q_OUT = (0.05, 3), (0.1, -5)


def quantized(name, shape, quant, dtype="INT8") -> T:
    return T(name, shape, dtype, scales=[quant[0]], zeros=[quant[1]])


def int8_dense(channels=3) -> list[T]:
    codes = RNG.integers(-127, 128, (channels, 6)).astype(np.int8)
    scales = list(np.linspace(0.01, 0.02, channels).astype(np.float32))
    bias = RNG.integers(-500, 500, channels).astype(np.int32)
    return [
        const("w", codes, scales=scales, zeros=[0] * channels, axis=0),
        const("b", bias, scales=[float(np.float32(Q_IN[0]) * s) for s in scales], zeros=[0] * channels),
    ]


def float32(x: float) -> float:
    return float(np.float32(x))


def test_a_float_interface_around_an_int8_model_vanishes_into_annotations(tmp_path):
    content = write_model(
        [T("x", (1, 6)), quantized("xq", (1, 6), Q_IN), *int8_dense(), quantized("yq", (1, 3), Q_OUT), T("y", (1, 3))],
        [Op("QUANTIZE", ["x"], "xq"), Op("FULLY_CONNECTED", ["xq", "w", "b"], "yq", "FullyConnectedOptions"),
         Op("DEQUANTIZE", ["yq"], "y")],
        ["x"], ["y"],
    )  # fmt: skip
    graph = read(tmp_path, content)
    assert [type(op).__name__ for op in graph.ops] == ["Dense"]
    assert graph.types[graph.inputs[0].value].quant == Quant(float32(0.05), 3)
    assert graph.types[graph.outputs[0].value].quant == Quant(float32(0.1), -5)
    inputs = random_inputs(graph, 50)
    steps = np.abs(fake_quantized(graph, inputs) - litert(content, *inputs)[:, 0]) / 0.1
    assert steps.max() < 1.01
    assert steps.mean() < 0.05


def test_requantizing_is_an_identity_with_another_annotation(tmp_path):
    content = write_model(
        [quantized("x", (1, 6), Q_IN), quantized("y", (1, 6), Q_OUT)], [Op("QUANTIZE", ["x"], "y")], ["x"], ["y"]
    )
    graph = read(tmp_path, content)
    (op,) = graph.ops
    assert isinstance(op, Unary)
    assert op.fn == "identity"
    inputs = random_inputs(graph, 50)
    steps = np.abs(fake_quantized(graph, inputs) - litert(content, *inputs)[:, 0]) / 0.1
    assert steps.max() < 1.01


def test_uint8_codes_are_shifted_to_int8(tmp_path):
    content = write_model(
        [quantized("x", (1, 6), (0.05, 131), "UINT8"), quantized("y", (1, 6), (0.05, 131), "UINT8")],
        [Op("RELU", ["x"], "y")],
        ["x"],
        ["y"],
    )
    graph = read(tmp_path, content)
    assert graph.types[graph.inputs[0].value].quant == Quant(float32(0.05), 3)
    inputs = random_inputs(graph, 20)
    np.testing.assert_allclose(fake_quantized(graph, inputs), litert(content, *inputs)[:, 0], atol=1e-6)


def test_float16_weights_are_read_through_their_dequantize(tmp_path):
    content = write_model(
        [T("x", (1, 6)), const("h", normal(3, 6).astype(np.float16)), T("w", (3, 6)), T("y", (1, 3))],
        [Op("DEQUANTIZE", ["h"], "w"), Op("FULLY_CONNECTED", ["x", "w", None], "y", "FullyConnectedOptions")],
        ["x"], ["y"],
    )  # fmt: skip
    check(tmp_path, content)


def test_int8_weights_behind_a_dequantize_keep_their_codes(tmp_path):
    weight = const("h", RNG.integers(-127, 128, (3, 6)).astype(np.int8), scales=[0.02], zeros=[0])
    content = write_model(
        [T("x", (1, 6)), weight, T("w", (3, 6)), T("y", (1, 3))],
        [Op("DEQUANTIZE", ["h"], "w"), Op("FULLY_CONNECTED", ["x", "w", None], "y", "FullyConnectedOptions")],
        ["x"], ["y"],
    )  # fmt: skip
    graph = check(tmp_path, content)
    assert graph.consts[graph.ops[0].inputs[1]].code_scales == (float32(0.02),)


def test_int8_depthwise_scales_follow_the_output_channels(tmp_path):
    codes = RNG.integers(-127, 128, (1, 3, 3, 8)).astype(np.int8)
    scales = list(np.linspace(0.01, 0.02, 8).astype(np.float32))
    bias = RNG.integers(-500, 500, 8).astype(np.int32)
    content = write_model(
        [quantized("x", X, Q_IN), const("w", codes, scales=scales, zeros=[0] * 8, axis=3),
         const("b", bias, scales=[float(np.float32(0.05) * s) for s in scales], zeros=[0] * 8),
         quantized("y", (1, 7, 6, 8), Q_OUT)],
        [Op("DEPTHWISE_CONV_2D", ["x", "w", "b"], "y", "DepthwiseConv2DOptions",
            {**conv(SAME, 1), "DepthMultiplier": 2})],
        ["x"], ["y"],
    )  # fmt: skip
    graph = read(tmp_path, content)
    assert graph.consts[graph.ops[0].inputs[1]].code_scales == tuple(float(s) for s in scales)
    inputs = random_inputs(graph, 20)
    steps = np.abs(fake_quantized(graph, inputs) - litert(content, *inputs)[:, 0]) / 0.1
    assert steps.max() < 1.01
    assert steps.mean() < 0.05


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
def test_int8_elementwise_operators_with_a_quantized_constant(kind, tmp_path):
    content = write_model(
        [quantized("x", X, Q_IN), const("c", np.int8([1, -7, 100, 4]), scales=[0.04], zeros=[2]),
         quantized("y", X, Q_OUT)],
        [Op(kind, ["x", "c"], "y", f"{kind.title()}Options")], ["x"], ["y"],
    )  # fmt: skip
    graph = read(tmp_path, content)
    inputs = random_inputs(graph, 20)
    steps = np.abs(fake_quantized(graph, inputs) - litert(content, *inputs)[:, 0]) / 0.1
    assert steps.max() < 1.01


def test_uint8_layers_of_older_converters(tmp_path):
    codes = RNG.integers(0, 256, (3, 6)).astype(np.uint8)
    bias = RNG.integers(-500, 500, 3).astype(np.int32)
    content = write_model(
        [quantized("x", (1, 6), (0.05, 131), "UINT8"), const("w", codes, scales=[0.02], zeros=[120]),
         const("b", bias, scales=[float(np.float32(0.05) * np.float32(0.02))], zeros=[0]),
         quantized("y", (1, 3), (0.1, 123), "UINT8")],
        [Op("FULLY_CONNECTED", ["x", "w", "b"], "y", "FullyConnectedOptions")], ["x"], ["y"],
    )  # fmt: skip
    graph = read(tmp_path, content)
    assert graph.consts[graph.ops[0].inputs[1]].code_scales is None  # 255 - 120 is no int8 code
    inputs = random_inputs(graph, 50)
    steps = np.abs(fake_quantized(graph, inputs) - litert(content, *inputs)[:, 0]) / 0.1
    assert steps.max() < 1.01
    assert steps.mean() < 0.05


def int8_pad(before: tuple[float, int], after: tuple[float, int], code: int | None) -> bytes:
    """PADV2 of int8, or PAD without a value, between two scales."""
    shape, out = (1, 3, 3, 2), (1, 4, 5, 2)
    tensors = [
        T("x", shape, "INT8", None, before[:1], before[1:]),
        const("w", np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32)),
        T("y", out, "INT8", None, after[:1], after[1:]),
    ]
    names = ["x", "w"]
    if code is not None:
        tensors.append(T("v", (), "INT8", np.array(code, np.int8), after[:1], after[1:]))
        names.append("v")
    return write_model(tensors, [Op("PAD" if code is None else "PADV2", names, "y")], ["x"], ["y"])


@pytest.mark.parametrize("code", [None, 100, -128])
def test_padding_of_int8_is_the_code_that_litert_writes(code, tmp_path):
    content = int8_pad((0.02, 5), (0.02, 5), code)
    graph = quantize(run_passes(read(tmp_path, content)), None).graph
    inputs = random_inputs(graph, 4)
    ours = predict(graph, inputs)[0]
    np.testing.assert_allclose(ours, litert(content, *inputs).reshape(ours.shape), atol=1e-5)


def test_a_padding_value_beyond_the_scale_of_the_input_keeps_its_code(tmp_path):
    """LiteRT's kernel moves codes as they are; the value is one of the scale behind it."""
    graph = quantize(run_passes(read(tmp_path, int8_pad((0.01, 5), (0.04, -7), 100))), None).graph
    zeros = np.zeros((1, *graph.inputs[0].shape), np.float32)
    assert predict(graph, [zeros])[0].reshape(4, 5, 2)[0, 0, 0] == pytest.approx(107 * 0.04)


def test_a_float_tensor_in_two_scales_is_clamped_by_neither(tmp_path):
    scales = {"narrow": (1 / 255, -128), "wide": (4 / 255, 0)}
    tensors = [T("x", (1, 6))]
    ops = []
    for name, (scale, zero) in scales.items():
        tensors += [T(f"{name}q", (1, 6), "INT8", None, (scale,), (zero,)), T(name, (1, 6))]
        ops += [Op("QUANTIZE", ["x"], f"{name}q"), Op("DEQUANTIZE", [f"{name}q"], name)]
    content = write_model(tensors, ops, ["x"], list(scales))
    graph = quantize(run_passes(read(tmp_path, content)), None).graph
    x = np.array([[-3, -1, -0.25, 0.25, 0.75, 3]], np.float32)
    narrow, wide = predict(graph, [x])
    np.testing.assert_allclose(narrow, np.clip(x, 0, 1), atol=0.5 / 255 + 2 / 255)
    np.testing.assert_allclose(wide, np.clip(x, -2, 2), atol=2.1 / 255)
