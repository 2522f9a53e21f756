"""Random networks with a random scale on every tensor: what quantizers do not write, but the standard allows.

Ranges are the true ones, stretched or cut at random, so that much saturates; some tensors have no scale, some are read
in two. Constants of layers have int8 codes, by tensor or by channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from freeml.ir.types import Array

_LAYERS = ("Conv", "Gemm", "MatMul")


class Scaled:
    """The graph as it is written anew: `reads` has the names that consumers of each tensor read, in turn."""

    def __init__(self, net: onnx.ModelProto, rng: np.random.Generator, ranges: dict[str, tuple[float, float]]) -> None:
        self.net, self.rng, self.ranges = net, rng, ranges
        self.nodes: list[onnx.NodeProto] = []
        self.constants = list(net.graph.initializer)
        self.arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in net.graph.initializer}
        self.reads: dict[str, list[str]] = {}

    def const(self, array: Array) -> str:
        name = f"s{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def scaled(self, name: str) -> str:
        """A tensor through codes of a random scale."""
        low, high = self.ranges[name]
        stretch = np.exp(self.rng.uniform(np.log(0.4), np.log(2.5), 2))
        low, high = min(low * stretch[0], 0.0), max(high * stretch[1], 0.0)
        scale = np.float32(max(high - low, 0.05) / 255)
        dtype = (np.int8, np.uint8)[int(self.rng.integers(2))]
        info = np.iinfo(dtype)
        zero = dtype(np.clip(round(info.min - low / float(scale)), info.min, info.max))
        params = [self.const(scale), self.const(np.array(zero))]
        stem = f"{name}_{len(self.nodes)}"
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *params], [f"{stem}q"], name=f"{stem}q"))
        self.nodes.append(helper.make_node("DequantizeLinear", [f"{stem}q", *params], [stem], name=stem))
        return stem

    def weight(self, name: str, node: onnx.NodeProto) -> str:
        """int8 codes of a layer's weight, with a scale for each output where the operator has them in front."""
        array = self.arrays[name]
        rows_out = node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute)
        axes = tuple(range(1, array.ndim)) if rows_out and self.rng.random() < 0.5 else None
        scale = np.maximum(np.abs(array).max(axis=axes, keepdims=True), 1e-6) / 127
        codes = np.clip(np.rint(array / scale), -127, 127).astype(np.int8)
        scales = scale.reshape(-1).astype(np.float32) if axes else np.float32(scale.reshape(-1)[0])
        zeros = np.zeros(np.shape(scales), np.int8)
        inputs = [self.const(codes), self.const(scales), self.const(zeros)]
        attrs: dict[str, Any] = {"axis": 0} if axes else {}
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}_real"], name=f"{name}_real", **attrs))
        return f"{name}_real"

    def tensor(self, name: str, *, is_output: bool) -> None:
        """A new tensor, and what its readers find."""
        n = 1 if is_output else int(self.rng.choice((0, 1, 1, 1, 1, 1, 1, 1, 2, 2)))
        self.reads[name] = [self.scaled(name) for _ in range(n)] or [name]

    def operand(self, name: str) -> str:
        found = self.reads.get(name, [name])
        return found[int(self.rng.integers(len(found)))]


def random_scales(net: onnx.ModelProto, rng: np.random.Generator, calibration: Array) -> onnx.ModelProto:
    """The network in codes. Raises what onnxruntime raises where it cannot run the float network."""
    made = Scaled(net, rng, _ranges(net, calibration))
    (output,) = (value.name for value in net.graph.output)
    for value in net.graph.input:
        made.tensor(value.name, is_output=False)
    for node in net.graph.node:
        new = onnx.NodeProto()
        new.CopyFrom(node)
        layered = node.op_type in _LAYERS
        for i, name in enumerate(node.input):
            new.input[i] = made.weight(name, node) if layered and i < 2 and name in made.arrays else made.operand(name)
        made.nodes.append(new)
        made.tensor(node.output[0], is_output=node.output[0] == output)
    result = made.reads[output][0]
    graph = helper.make_graph(
        made.nodes,
        "scaled",
        list(net.graph.input),
        [helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, None)],
        made.constants,
    )
    return helper.make_model(graph, opset_imports=list(net.opset_import), ir_version=net.ir_version)


def _ranges(net: onnx.ModelProto, calibration: Array) -> dict[str, tuple[float, float]]:
    full = onnx.ModelProto()
    full.CopyFrom(net)
    kept = {value.name for value in net.graph.output}
    names = [node.output[0] for node in net.graph.node]
    full.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in kept)
    session = onnxruntime.InferenceSession(full.SerializeToString())
    outputs = [port.name for port in session.get_outputs()]
    columns = zip(*(session.run(outputs, {"x": row}) for row in calibration), strict=True)
    ranges = {"x": (float(calibration.min()), float(calibration.max()))}
    for name, column in zip(outputs, columns, strict=True):
        ranges[name] = (min(float(y.min()) for y in column), max(float(y.max()) for y in column))
    return ranges
