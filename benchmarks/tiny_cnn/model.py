"""The network and its inputs, from a fixed seed: the usual uniform initialisation, samples uniform in 0..1."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

N_CALIBRATION, N_TEST = 1024, 256


def network() -> onnx.ModelProto:
    """The ONNX model."""
    rng = np.random.default_rng(2026)

    def weights(name: str, *shape: int) -> list[onnx.TensorProto]:
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        kernel = rng.uniform(-bound, bound, shape).astype(np.float32)
        bias = rng.uniform(-bound, bound, shape[0]).astype(np.float32)
        return [numpy_helper.from_array(kernel, f"{name}.weight"), numpy_helper.from_array(bias, f"{name}.bias")]

    def layer(kind: str, name: str, x: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(kind, [x, f"{name}.weight", f"{name}.bias"], [name], name=name, **attributes)

    def pool(x: str, y: str) -> onnx.NodeProto:
        return helper.make_node("MaxPool", [x], [y], name=y, kernel_shape=[2, 2], strides=[2, 2])

    nodes = [
        layer("Conv", "conv1", "x", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"], name="relu1"),
        pool("relu1", "pool1"),
        layer("Conv", "conv2", "pool1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv2"], ["relu2"], name="relu2"),
        pool("relu2", "pool2"),
        helper.make_node("Flatten", ["pool2"], ["flat"], name="flat"),
        layer("Gemm", "fc", "flat", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_cnn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 16, 16])],
        [helper.make_tensor_value_info("fc", TensorProto.FLOAT, [1, 10])],
        [*weights("conv1", 8, 1, 3, 3), *weights("conv2", 16, 8, 3, 3), *weights("fc", 10, 256)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def samples(split: str) -> dict[str, np.ndarray]:
    """Samples for freeml's `module:function` data: images, another seed per split."""
    seed = {"train": 1, "calibration": 2, "test": 3}[split if split != "all" else "test"]
    n = N_TEST if split == "test" else N_CALIBRATION
    return {"x": np.random.default_rng(seed).uniform(size=(n, 1, 16, 16)).astype(np.float32)}
