"""Small models for the tests, and onnxruntime as the oracle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from freeml.frontend.onnx.read import from_model_proto
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict

Array = np.ndarray
Shape = Sequence[int | str]


def data_file(*parts: str) -> Path:
    """A file of the data folder; a test that needs one skips without it, but never in CI."""
    root = Path(os.environ.get("FREEML_DATA") or Path(__file__).parents[3].parent / "shared" / "data")
    path = root.joinpath(*parts)
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path.name} is missing; set FREEML_DATA")
        pytest.skip("the data folder is absent; set FREEML_DATA")
    return path


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    constants: Mapping[str, Array] | None = None,
    *,
    opset: int = 17,
    dtype: int = onnx.TensorProto.FLOAT,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def one(op: str, shape: Shape, constants: Sequence[Array] = (), *, opset: int = 17, **attrs: object) -> onnx.ModelProto:
    """A model of one node: input x, then constants."""
    names = [f"c{i}" for i in range(len(constants))]
    node = helper.make_node(op, ["x", *names], ["y"], name="node", **attrs)
    return model([node], {"x": shape}, ["y"], dict(zip(names, constants, strict=True)), opset=opset)


def read(proto: onnx.ModelProto) -> Graph:
    return from_model_proto(proto, name="net", where="net.onnx")


def check(proto: onnx.ModelProto, *, n_samples: int = 2, tolerance: float = 1e-4) -> Graph:
    """freeml's interpreter and onnxruntime agree on random samples; a sample is what the first axis of 1 leaves."""
    import onnxruntime

    graph = read(proto)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(onnx.shape_inference.infer_shapes(proto).SerializeToString(), options)
    rng = np.random.default_rng(0)
    shapes = {i.name: [n if isinstance(n, int) else 1 for n in i.shape] for i in session.get_inputs()}
    samples = [rng.standard_normal((n_samples, *shapes[port.name])).astype(np.float32) for port in graph.inputs]
    given = [s.reshape(n_samples, *port.shape) for s, port in zip(samples, graph.inputs, strict=True)]
    got = predict(graph, given)
    for k in range(n_samples):
        feed = {port.name: np.asarray(sample[k]) for port, sample in zip(graph.inputs, samples, strict=True)}
        for mine, theirs, port in zip(got, session.run(None, feed), graph.outputs, strict=True):
            assert port.shape in (theirs.shape, theirs.shape[1:])
            np.testing.assert_allclose(mine[k].reshape(theirs.shape), theirs, rtol=tolerance, atol=tolerance)
    return graph


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def residual_cnn(opset: int = 17) -> onnx.ModelProto:
    """Conv, Relu, a residual block, MaxPool and a dense layer over (N, 3, 8, 8)."""
    scaled = {
        "w1": random(8, 3, 3, 3) / 5,
        "b1": random(8, seed=1) / 5,
        "w2": random(8, 8, 3, 3, seed=2) / 8,
        "b2": random(8, seed=3) / 5,
        "w3": random(10, 128, seed=4) / 11,
        "b3": random(10, seed=5) / 5,
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv2", pads=[1] * 4),
        helper.make_node("Add", ["c2", "r1"], ["a"], name="add"),
        helper.make_node("Relu", ["a"], ["r2"], name="relu2"),
        helper.make_node("MaxPool", ["r2"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], name="fc", transB=1),
    ]
    proto = model(nodes, {"x": ("N", 3, 8, 8)}, ["y"], scaled, opset=opset)
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 10]))
    return proto


def shape_arithmetic() -> onnx.ModelProto:
    """x.view(x.shape[0], -1) and a transposed weight, as exporters write them."""
    constants = {"first": np.array(0), "rest": np.array([-1]), "zero": np.array([0]), "w": random(5, 24)}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "zero"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("Transpose", ["w"], ["wt"]),
        helper.make_node("MatMul", ["flat", "wt"], ["m"]),
        helper.make_node("Softmax", ["m"], ["y"]),
    ]
    return model(nodes, {"x": ("batch", 2, 3, 4)}, ["y"], constants)
