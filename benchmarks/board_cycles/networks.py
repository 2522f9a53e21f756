"""What is measured: the networks of the power-loss tables, and three of every kind of layer there is a kernel for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.power_loss.models import source
from freeml.data import Dataset
from freeml.frontend.load import load_model
from freeml.ir.graph import Graph
from freeml.pipeline import optimise, quantise
from freeml.plan.fuse import fused, fusible

MODELS = ("digits", "tiny_cnn", "mnist8", "har", "kws")
WITHOUT_DATA = ("digits", "tiny_cnn")
LAYERS = ("layers_a", "layers_b", "layers_c")


def names() -> tuple[str, ...]:
    """Those that can be had here: some need FREEML_DATA."""
    return (*LAYERS, *(MODELS if "FREEML_DATA" in os.environ else WITHOUT_DATA))


def graphs(wanted: tuple[str, ...], work: Path) -> dict[str, Graph]:
    """Quantised graphs by name; of those with pools behind convolutions "NAME pooled", too, with both joined."""
    found: dict[str, Graph] = {}
    for name in wanted:
        if name in LAYERS:
            model, shape = _LAYERS[name]()
            onnx.save(model, work / f"{name}.onnx")
            samples = np.random.default_rng(3).normal(size=(64, *shape)).astype(np.float32)
            data: str | Dataset | None = Dataset((samples,), None, (), name, "test")
            path = work / f"{name}.onnx"
        else:
            path, data = source(name, work)
        graph = quantise(optimise(load_model(path), name), data).graph
        found[name] = graph
        joined = graph
        while pair := next(fusible(joined), None):
            joined = fused(joined, *pair)
        if joined is not graph:
            found[f"{name} pooled"] = replace(joined, name=f"{name}_pooled")
    return found


class _Builder:
    """ONNX nodes one after the other, with random weights."""

    def __init__(self, *shape: int) -> None:
        self._rng = np.random.default_rng(2026)
        self._nodes: list[onnx.NodeProto] = []
        self._consts: list[onnx.TensorProto] = []
        self._shape = shape
        self._numbers: Iterator[int] = iter(range(1000))

    def const(self, array: np.ndarray) -> str:
        name = f"c{next(self._numbers)}"
        self._consts.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{next(self._numbers)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, *shape: int) -> str:
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        return self.const(self._rng.uniform(-bound, bound, shape).astype(np.float32))

    def conv(self, x: str, n_in: int, n_out: int, k: int = 3, group: int = 1, **attributes: Any) -> str:
        attributes.setdefault("pads", [k // 2] * 4)
        weight, bias = self.weight(n_out, n_in // group, k, k), self.weight(n_out)
        return self.node("Conv", x, weight, bias, group=group, **attributes)

    def dense(self, x: str, n_in: int, n_out: int) -> str:
        return self.node("Gemm", x, self.weight(n_out, n_in), self.weight(n_out), transB=1)

    def pad(self, x: str, *amounts: int) -> str:
        return self.node("Pad", x, self.const(np.array(amounts, dtype=np.int64)))

    def model(self, name: str, *outputs: str) -> tuple[onnx.ModelProto, tuple[int, ...]]:
        kinds = {node.output[0]: node.op_type for node in self._nodes}
        made = [
            helper.make_tensor_value_info(y, TensorProto.INT64 if kinds[y] == "ArgMax" else TensorProto.FLOAT, None)
            for y in outputs
        ]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *self._shape])
        graph = helper.make_graph(self._nodes, name, [x], made, self._consts)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), self._shape


def _layers_a() -> tuple[onnx.ModelProto, tuple[int, ...]]:
    """Convolutions plain, grouped, depthwise and pointwise; add, multiply, table, average, pad, transpose, concat."""
    b = _Builder(4, 10, 10)
    x = b.conv("x", 4, 8)
    y = b.conv(b.node("Relu", x), 8, 8, group=8)
    x = b.node("Add", x, b.conv(y, 8, 8, k=1))
    x = b.node("Mul", x, b.node("Sigmoid", x))
    x = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Add", b.conv(x, 8, 8, group=2), x)
    turned = b.node("Transpose", x, perm=[0, 1, 3, 2])
    padded = b.pad(b.node("Add", x, turned), 0, 0, 1, 0, 0, 0, 0, 2)
    x = b.node("Concat", padded, b.pad(turned, 0, 0, 1, 2, 0, 0, 0, 0), axis=1)
    x = b.node("Flatten", b.node("GlobalAveragePool", x))
    scores = b.dense(x, 16, 12)
    return b.model("layers_a", b.node("Softmax", scores), b.node("ArgMax", scores, axis=1))


def _layers_b() -> tuple[onnx.ModelProto, tuple[int, ...]]:
    """The same kinds with other windows, strides and numbers of channels."""
    b = _Builder(3, 14, 9)
    x = b.node("Relu", b.conv("x", 3, 5, k=5, strides=[2, 1]))
    x = b.node("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    x = b.conv(x, 5, 5, k=5, group=5, strides=[1, 2])
    x = b.node("Tanh", b.conv(x, 5, 20, k=1))
    x = b.conv(x, 20, 7, k=3, dilations=[2, 2], pads=[2, 2, 2, 2])
    y = b.node("AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    x = b.node("Concat", b.node("Sigmoid", x), b.node("Mul", x, y), axis=2)
    x = b.node("Transpose", b.node("Softmax", x, axis=1), perm=[0, 2, 1, 3])
    x = b.node("Flatten", x)
    x = b.node("Relu", b.dense(x, 7 * 14 * 5, 30))
    return b.model("layers_b", b.node("Softmax", b.dense(x, 30, 21)))


def _layers_c() -> tuple[onnx.ModelProto, tuple[int, ...]]:
    """One input channel into many, wide depthwise and pointwise layers with pools behind them."""
    b = _Builder(1, 12, 8)
    x = b.node("Relu", b.conv("x", 1, 32))
    x = b.node("Relu", b.conv(x, 32, 32, group=32))
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Relu", b.conv(x, 32, 24, k=1))
    x = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Relu", b.conv(x, 24, 16))
    x = b.node("Relu", b.dense(b.node("Flatten", x), 16 * 3 * 2, 40))
    return b.model("layers_c", b.node("Sigmoid", b.dense(x, 40, 10)))


_LAYERS: Mapping[str, Any] = {"layers_a": _layers_a, "layers_b": _layers_b, "layers_c": _layers_c}
