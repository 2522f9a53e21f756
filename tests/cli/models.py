"""Small models and samples, written on the spot, for tests of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE = (1, 6, 6)
N_CLASSES = 3


def tiny_model(seed: int = 0) -> onnx.ModelProto:
    """Conv 3x3, Relu, MaxPool, Flatten, Gemm: (1, 6, 6) -> 3 logits."""
    rng = np.random.default_rng(seed)
    weights = {
        "conv.w": rng.normal(size=(2, 1, 3, 3)),
        "conv.b": rng.normal(size=2),
        "fc.w": rng.normal(size=(N_CLASSES, 8)),
        "fc.b": rng.normal(size=N_CLASSES),
    }
    nodes = [
        helper.make_node("Conv", ["x", "conv.w", "conv.b"], ["c"], name="conv", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("MaxPool", ["r"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "fc.w", "fc.b"], ["y"], name="fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, N_CLASSES])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write_model(path: Path, seed: int = 0) -> Path:
    onnx.save(tiny_model(seed), path)
    return path


def write_samples(path: Path, n_samples: int = 60) -> Path:
    rng = np.random.default_rng(7)
    np.savez(path, x=rng.normal(size=(n_samples, *SHAPE)).astype(np.float32), y=np.arange(n_samples) % N_CLASSES)
    return path
