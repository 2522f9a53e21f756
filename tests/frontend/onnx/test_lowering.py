"""Operators against onnxruntime: attributes, layouts, older operator sets, and random graphs of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from freeml.errors import UnsupportedOp
from freeml.ir.interpret import predict
from freeml.ir.ops import ArgMax, Conv, Dense, MaxPool, Reshape, Transpose, Unary
from tests.frontend.onnx.nets import Shape, check, model, one, random, read, residual_cnn, shape_arithmetic

pytest.importorskip("onnxruntime")


def test_a_residual_network_agrees() -> None:
    assert check(residual_cnn()).inputs[0].shape == (3, 8, 8)


def test_images_come_in_channels_first_and_lie_channels_last() -> None:
    graph = read(residual_cnn())
    assert graph.inputs[0].order == (1, 2, 0)
    assert not list(graph.ops_of(Transpose))


def test_shape_arithmetic_leaves_no_trace() -> None:
    graph = check(shape_arithmetic())
    assert {type(op).__name__ for op in graph.ops} == {"Reshape", "Dense", "Softmax"}


@pytest.mark.parametrize("shape", [(1, 4, 9), (1, 4, 9, 8), (1, 4, 5, 6, 7), (3, 4, 9, 8)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions_agree(shape: Shape, groups: int) -> None:
    axes = len(shape) - 2
    kernel = (3, 2, 2)[:axes]
    pads = [1, 0, 1][:axes] + [0, 1, 1][:axes]
    weights = [random(8, 4 // groups, *kernel), random(8)]
    check(one("Conv", shape, weights, group=groups, strides=[2, 1, 2][:axes], pads=pads, dilations=[1, 2, 1][:axes]))


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding_agrees(auto_pad: str) -> None:
    check(one("Conv", (1, 2, 7, 8), [random(3, 2, 4, 3)], auto_pad=auto_pad, strides=[2, 3]))
    check(one("MaxPool", (1, 2, 7, 8), auto_pad=auto_pad, kernel_shape=[4, 3], strides=[2, 3]))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("shape", [(1, 2, 9), (1, 2, 9, 8), (1, 2, 5, 6, 7), (2, 2, 9, 8)])
def test_pooling_agrees(op: str, ceil: int, shape: Shape) -> None:
    axes = len(shape) - 2
    window = {"kernel_shape": [3, 2, 3][:axes], "strides": [2, 3, 2][:axes]}
    pads = [1, 0, 1][:axes] + [0, 1, 1][:axes]
    for include in (0, 1) if op == "AveragePool" else (None,):
        extra = {} if include is None else {"count_include_pad": include}
        check(one(op, shape, pads=pads, ceil_mode=ceil, **window, **extra))


def test_box_pooling_is_two_poolings() -> None:
    assert len(list(check(one("MaxPool", (1, 2, 4, 4, 4), kernel_shape=[2, 2, 2])).ops_of(MaxPool))) == 2


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("c", [(5,), (1, 5), (3, 5), (3, 1), (1,), ()])
def test_gemm_agrees(trans_a: int, trans_b: int, c: tuple[int, ...]) -> None:
    b = random(5, 4) if trans_b else random(4, 5)
    shape = (4, 3) if trans_a else (3, 4)
    check(one("Gemm", shape, [b, random(*c)], transA=trans_a, transB=trans_b, alpha=0.5, beta=-2.0))


def test_gemm_with_a_constant_on_the_left_agrees() -> None:
    node = helper.make_node("Gemm", ["a", "x", "c"], ["y"], transA=1, alpha=2.0)
    check(model([node], {"x": (4, 5)}, ["y"], {"a": random(4, 3), "c": random(3, 1)}))


@pytest.mark.parametrize(
    ("x", "b"),
    [
        ((3, 4), (4, 5)),
        ((1, 2, 3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((2, 4), (1, 4, 3)),
    ],
)
def test_matrix_products_by_constants_agree(x: tuple[int, ...], b: tuple[int, ...]) -> None:
    check(one("MatMul", x, [random(*b)]))


def test_a_constant_on_the_left_agrees() -> None:
    check(model([helper.make_node("MatMul", ["a", "x"], ["y"])], {"x": (2, 4, 3)}, ["y"], {"a": random(5, 4)}))


def test_a_dense_layer_behind_a_flatten_needs_no_transpose() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    graph = check(model(nodes, {"x": (1, 2, 5, 5)}, ["y"], {"w": random(3, 2, 2, 2), "m": random(48, 6)}))
    assert [type(op) for op in graph.ops] == [Conv, Reshape, Dense]


UNARY = [
    *("Relu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Selu", "Softplus", "Softsign"),
    *("Exp", "Abs", "Neg", "Erf", "Identity"),
]


@pytest.mark.parametrize("op", UNARY)
def test_elementwise_functions_agree(op: str) -> None:
    check(one(op, (1, 3, 4, 5)))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_agrees(approximate: str) -> None:
    check(one("Gelu", (1, 12), opset=20, approximate=approximate))


@pytest.mark.parametrize("slope", [(1,), (3, 1, 1), (4, 1), (3, 4, 5)])
def test_prelu_agrees(slope: tuple[int, ...]) -> None:
    check(one("PRelu", (1, 3, 4, 5), [random(*slope)]))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("c", [(), (1,), (5,), (4, 1), (3, 1, 1), (1, 3, 4, 5), (2, 3, 4, 5)])
def test_constants_broadcast_on_either_side(op: str, c: tuple[int, ...]) -> None:
    constant = np.abs(random(*c)) + np.float32(0.5)
    check(one(op, (1, 3, 4, 5), [constant]))
    if op != "Div":
        check(model([helper.make_node(op, ["c", "x"], ["y"])], {"x": (1, 3, 4, 5)}, ["y"], {"c": constant}))


@pytest.mark.parametrize(
    ("a", "b"), [((1, 3, 4, 5), (1, 3, 1, 1)), ((2, 3, 4), (1, 3, 4)), ((2, 3), (3,)), ((1, 3, 1, 1), (1, 3, 4, 5))]
)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
def test_activations_broadcast(op: str, a: Shape, b: Shape) -> None:
    check(model([helper.make_node(op, ["a", "b"], ["y"])], {"a": a, "b": b}, ["y"]))


@pytest.mark.parametrize("axes", [[1], [2, 3], [-1], [0, 1, 2, 3], [1, 3]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions_agree(axes: list[int], keepdims: int) -> None:
    for op, opset in (("ReduceMean", 17), ("ReduceMax", 13)):
        check(one(op, (1, 3, 4, 5), opset=opset, axes=axes, keepdims=keepdims))
    check(one("ReduceMean", (1, 3, 4, 5), [np.array(axes)], opset=18, keepdims=keepdims))
    check(one("ReduceSum", (1, 3, 4, 5), [np.array(axes)], keepdims=keepdims))


@pytest.mark.parametrize("opset", [7, 11, 13, 20])
@pytest.mark.parametrize("axis", [1, 2, -1])
def test_softmax_means_what_its_operator_set_says(opset: int, axis: int) -> None:
    check(one("Softmax", (1, 3, 4), opset=opset, axis=axis))


def test_clip_and_pad_read_attributes_before_operator_set_11_and_inputs_since() -> None:
    check(one("Clip", (1, 9), opset=7, min=-0.5, max=0.25))
    check(one("Clip", (1, 9), [np.float32(-0.5), np.float32(0.25)], opset=13))
    check(one("Clip", (1, 9), [np.float32(1), np.float32(-1)], opset=13))
    check(one("Pad", (1, 2, 3), opset=7, pads=[0, 1, 2, 0, 0, 1], value=0.5))
    check(one("Pad", (1, 2, 3), [np.array([0, 1, 2, 0, 0, 1]), np.float32(0.5)], opset=13))


def test_squeeze_and_unsqueeze_read_attributes_before_operator_set_13_and_inputs_since() -> None:
    check(one("Squeeze", (1, 3, 1, 4), opset=11, axes=[2]))
    check(one("Squeeze", (1, 3, 1, 4), [np.array([-2])], opset=13))
    check(one("Unsqueeze", (1, 3), opset=11, axes=[0, 3]))
    check(one("Unsqueeze", (1, 3), [np.array([1, -1])], opset=13))


def test_scalars_are_tensors_too() -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
        helper.make_node("Add", ["m", "c"], ["s"]),
        helper.make_node("Mul", ["s", "s"], ["q"]),
        helper.make_node("Sub", ["c", "q"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    check(model(nodes, {"x": (1, 4)}, ["y", "s"], {"c": np.float32(3)}))
    check(model(nodes[1:], {"m": ()}, ["y"], {"c": np.float32(3)}))


def test_reshape_keeps_and_infers_dimensions() -> None:
    check(one("Reshape", (1, 3, 4), [np.array([0, -1, 2])]))
    check(one("Reshape", (2, 3, 4), [np.array([-1])]))


def test_argmax_is_an_int64_output_and_nothing_else() -> None:
    for last in (0, 1):
        graph = check(one("ArgMax", (1, 6), axis=1, select_last_index=last))
        assert graph.outputs[0].dtype == "int64"
        assert len(list(graph.ops_of(ArgMax))) == 1
    nodes = [helper.make_node("ArgMax", ["x"], ["a"]), helper.make_node("Cast", ["a"], ["y"], to=TensorProto.FLOAT)]
    with pytest.raises(UnsupportedOp, match="ArgMax"):
        read(model(nodes, {"x": (1, 6)}, ["y"]))


def test_several_inputs_and_outputs_keep_their_names_and_order() -> None:
    nodes = [helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Relu", ["s"], ["r"])]
    graph = check(model(nodes, {"a": (1, 4), "b": (1, 4)}, ["r", "s"]))
    assert [port.name for port in graph.inputs] == ["a", "b"]
    assert [port.name for port in graph.outputs] == ["r", "s"]


def test_a_symbolic_batch_is_one_sample() -> None:
    assert read(one("Relu", ("batch", 3))).inputs[0].shape == (3,)


def test_signals_lie_channels_last_only_where_a_window_reads_them() -> None:
    assert read(one("Conv", (1, 4, 9), [random(2, 4, 3)])).inputs[0].order == (1, 0)
    assert read(one("MatMul", (1, 4, 9), [random(9, 2)])).inputs[0].order == (0, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
def test_narrow_integers_wrap_around(dtype: type, op: str) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    proto = model([helper.make_node(op, ["a", "b"], ["y"])], {"a": (1, 64), "b": (1, 64)}, ["y"], dtype=kind)
    if op == "Mul" and np.dtype(dtype).itemsize == 4:
        with pytest.raises(UnsupportedOp, match="products"):
            read(proto)
        return
    info = np.iinfo(dtype)
    a, b = np.random.default_rng(0).integers(info.min, info.max, (2, 1, 64), dtype, endpoint=True)
    (got,) = predict(read(proto), [a, b])
    with np.errstate(over="ignore"):
        want = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[op](a, b)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == dtype


def test_dropout_and_identity_cost_nothing() -> None:
    nodes = [
        helper.make_node("Dropout", ["x"], ["d"]),
        helper.make_node("Identity", ["d"], ["i"]),
        helper.make_node("Relu", ["i"], ["y"]),
    ]
    assert [type(op) for op in check(model(nodes, {"x": (1, 4)}, ["y"])).ops] == [Unary]


def test_old_files_that_list_their_weights_as_inputs_are_read() -> None:
    proto = one("Conv", (1, 2, 5, 5), [random(3, 2, 2, 2)])
    proto.graph.input.append(helper.make_tensor_value_info("c0", TensorProto.FLOAT, [3, 2, 2, 2]))
    assert len(read(proto).inputs) == 1
