"""Networks of chosen sizes with random weights: what matters here is where their weights go."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def dense_network(path: Path, *widths: int, seed: int = 5) -> Path:
    """Fully connected layers of these widths, input first, with ReLU between: an ONNX file."""
    rng = np.random.default_rng(seed)
    nodes, constants, value = [], [], "x"
    layers = list(pairwise(widths))
    for k, (n_in, n_out) in enumerate(layers):
        weight = rng.normal(scale=n_in**-0.5, size=(n_in, n_out)).astype(np.float32)
        bias = rng.normal(scale=0.1, size=n_out).astype(np.float32)
        constants += [numpy_helper.from_array(weight, f"w{k}"), numpy_helper.from_array(bias, f"b{k}")]
        nodes.append(helper.make_node("Gemm", [value, f"w{k}", f"b{k}"], [f"y{k}"]))
        value = f"y{k}"
        if k + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [value], [f"r{k}"]))
            value = f"r{k}"
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, widths[0]])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, widths[-1]])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def separable_network(path: Path, seed: int = 7) -> Path:
    """(4, 12, 10) -> depthwise 3x3 with padding -> pointwise to 12 -> depthwise with stride 2 -> 6 averages."""
    rng = np.random.default_rng(seed)
    shapes = {"d0": (4, 1, 3, 3), "p0": (12, 4, 1, 1), "d1": (12, 1, 3, 3), "p1": (6, 12, 1, 1)}
    constants = [numpy_helper.from_array(rng.normal(size=s).astype(np.float32) / 3, name) for name, s in shapes.items()]
    around: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "d0"], ["a"], group=4, **around),
        helper.make_node("Conv", ["a", "p0"], ["b"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "d1"], ["d"], group=12, strides=[2, 2], **around),
        helper.make_node("Conv", ["d", "p1"], ["e"], kernel_shape=[1, 1]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 12, 10])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6])
    graph = helper.make_graph(nodes, "separable", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def calibration(path: Path, *shape: int, n_samples: int = 32, seed: int = 6) -> Path:
    """Random inputs in an .npz file that `data` takes."""
    x = np.random.default_rng(seed).normal(size=(n_samples, *shape)).astype(np.float32)
    np.savez(path, x=x)
    return path
