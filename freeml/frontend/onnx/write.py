"""Graph@FLOAT -> ONNX, the other way round. A graph whose scales are fixed becomes a QDQ model that reads back so.

Values keep the IR's memory order, channels last, with a batch axis of 1 in front; transposes stand at the edge and
around what ONNX defines channels first. Reading follows transposes as index maps, so that they cost nothing there.
The node that an op is has the op's own name, so that what is read again is called what it was called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from freeml.errors import UnsupportedOp
from freeml.frontend.onnx.encodings import DENSE, PREFIX
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import (
    ArgMax,
    AvgPool,
    Binary,
    Concat,
    Conv,
    Dense,
    MaxPool,
    Op,
    Pad,
    Reshape,
    Softmax,
    Transpose,
    Unary,
)
from freeml.ir.types import Array, Const, Quant

OPSET = 20
_IR_VERSION = 9

# Operator and attributes by function; those that are no operator of their own are not written.
_UNARY: dict[str, Callable[[tuple[float, ...]], tuple[str, dict[str, Any]]]] = {
    "identity": lambda _: ("Identity", {}),
    "leaky_relu": lambda p: ("LeakyRelu", {"alpha": p[0]}),
    "sigmoid": lambda _: ("Sigmoid", {}),
    "tanh": lambda _: ("Tanh", {}),
    "hard_sigmoid": lambda p: ("HardSigmoid", {"alpha": p[0], "beta": p[1]}),
    "hard_swish": lambda _: ("HardSwish", {}),
    "elu": lambda p: ("Elu", {"alpha": p[0]}),
    "selu": lambda p: ("Selu", {"alpha": p[0], "gamma": p[1]}),
    "gelu": lambda _: ("Gelu", {}),
    "gelu_tanh": lambda _: ("Gelu", {"approximate": "tanh"}),
    "softplus": lambda _: ("Softplus", {}),
    "softsign": lambda _: ("Softsign", {}),
    "exp": lambda _: ("Exp", {}),
    "sqrt": lambda _: ("Sqrt", {}),
    "abs": lambda _: ("Abs", {}),
    "neg": lambda _: ("Neg", {}),
    "erf": lambda _: ("Erf", {}),
}


def to_onnx(graph: Graph, metadata: Mapping[str, str] | None = None) -> bytes:
    """A model file; the same graph gives the same bytes.

    metadata: of the model, beside how each coded initialiser is stored. Values with a scale get QuantizeLinear and
    DequantizeLinear, weights with scales of their codes int8 initialisers; scales are of single precision there.
    Raises UnsupportedOp for a function that is no ONNX operator.
    """
    assert graph.stage is Stage.FLOAT
    writer = _Writer(graph)
    made = helper.make_graph(writer.nodes, graph.name, *writer.ports(), initializer=writer.initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    model.producer_name = "freeml"
    helper.set_model_props(model, dict(sorted({**writer.encodings, **(metadata or {})}.items())))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


class _Writer:
    """Nodes and initialisers as they grow. names: what stands for each value of the graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.names: dict[str, str] = {}
        self.n = 0
        self.stem = ""
        self.encodings: dict[str, str] = {}
        self.taken = {port.name for port in (*graph.inputs, *graph.outputs)}
        for port in graph.inputs:
            moved = self.node("Transpose", port.name, perm=(0, *(axis + 1 for axis in port.order)))
            self.value(port.value, self.reshape(moved, graph.types[port.value].shape))
        for op in graph.ops:
            if not isinstance(op, Reshape | Transpose):  # readers follow these without an op
                self.stem = self.unique(op.loc.rsplit(":", 1)[-1] or type(op).__name__)
            self.value(op.output, self.op(op))

    def ports(self) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
        """Inputs and outputs as the author sees them, with a batch axis."""
        for port in self.graph.outputs:
            stored = self.reshape(self.names[port.value], tuple(port.shape[axis] for axis in port.order))
            back = (0, *(int(axis) + 1 for axis in np.argsort(np.array(port.order, dtype=np.int64))))
            self.nodes.append(helper.make_node("Transpose", [stored], [port.name], perm=back))
        infos = []
        for ports in (self.graph.inputs, self.graph.outputs):
            kinds = [
                onnx.TensorProto.INT64
                if isinstance(self.graph.producers.get(port.value), ArgMax)
                else onnx.TensorProto.FLOAT
                for port in ports
            ]
            infos.append(
                [
                    helper.make_tensor_value_info(port.name, kind, (1, *port.shape))
                    for port, kind in zip(ports, kinds, strict=True)
                ]
            )
        return infos[0], infos[1]

    def value(self, value: str, name: str) -> None:
        """What stands for a value, rounded to its scale where that is fixed."""
        quant = self.graph.types[value].quant
        self.names[value] = name if quant is None else self.rounded(name, quant)

    def rounded(self, name: str, quant: Quant) -> str:
        grid = [self.constant(np.float32(quant.scale)), self.constant(np.int8(quant.zero_point))]
        return self.node("DequantizeLinear", self.node("QuantizeLinear", name, *grid), *grid)

    def op(self, op: Op) -> str:
        """The nodes of an op; the name of its result."""
        out, x = self.graph.types[op.output], self.names.get(op.inputs[0], "")
        match op:
            case Conv():
                weight = self.weight(op.inputs[1], (0, 3, 1, 2))
                window = self.window(op, floor=True) | {"group": op.groups}
                y = self.main("Conv", self.first(x), weight, self.bias(op), **window)
                return self.clip(self.last(y), op.clamp)
            case Dense():
                weight, bias = self.weight(op.inputs[1], (0, 1)), self.bias(op)
                return self.clip(self.main("Gemm", x, weight, bias, transB=1), op.clamp)
            case MaxPool():
                return self.last(self.main("MaxPool", self.first(x), **self.window(op)))
            case AvgPool():
                more = {"count_include_pad": int(op.include_pad)}
                return self.last(self.main("AveragePool", self.first(x), **self.window(op), **more))
            case Binary():
                other = op.inputs[1]
                b = self.names[other] if other in self.names else self.constant(self.array(other)[None])
                return self.clip(self.main(op.kind.capitalize(), x, b), op.clamp)
            case Unary():
                return self.function(op, x)
            case Softmax():
                return self.main("Softmax", x, axis=-1)
            case ArgMax():
                return self.main("ArgMax", x, axis=-1, keepdims=1, select_last_index=int(op.last))
            case Concat():
                return self.main("Concat", *(self.names[name] for name in op.inputs), axis=op.axis + 1)
            case Pad():
                amounts = np.array([0, *op.before, 0, *op.after], dtype=np.int64)
                return self.main("Pad", x, self.constant(amounts), self.constant(np.float32(op.value)))
            case Reshape():
                return self.reshape(x, out.shape)
            case Transpose():
                return self.node("Transpose", x, perm=(0, *(axis + 1 for axis in op.order)))
        raise AssertionError(f"no ONNX for {type(op).__name__}")

    def function(self, op: Unary, x: str) -> str:
        if op.fn == "clamp":
            return self.clip(x, (op.params[0], op.params[1]), main=True)
        if op.fn not in _UNARY:
            raise UnsupportedOp(
                f"{op.fn} is no operator of ONNX {OPSET}, so that the network cannot be written", where=op.loc
            )
        kind, attributes = _UNARY[op.fn](op.params)
        return self.main(kind, x, **attributes)

    def window(self, op: Conv | MaxPool | AvgPool, *, floor: bool = False) -> dict[str, Any]:
        window, x = op.window, self.graph.types[op.inputs[0]].shape
        exact = window.out_size(x[0], x[1]) == self.graph.types[op.output].shape[:2]
        assert exact or not floor
        sizes: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.stride, "pads": window.pad}
        # onnxruntime refuses a quantized average with dilations, be they 1.
        sizes |= {} if window.dilation == (1, 1) else {"dilations": window.dilation}
        return sizes | ({} if exact else {"ceil_mode": 1})

    # ---- nodes ------------------------------------------------------------------------------------------------------

    def main(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The node that an op is, by the op's name."""
        return self.node(kind, *inputs, called=self.stem, **attributes)

    def node(self, kind: str, *inputs: str, called: str = "", **attributes: Any) -> str:
        self.n += 1
        name = called or self.unique(f"{kind}_{self.n}")
        self.nodes.append(helper.make_node(kind, list(inputs), [f"{name}:0"], name=name, **attributes))
        return f"{name}:0"

    def unique(self, stem: str) -> str:
        """A name that no node, initialiser or port has yet, nor a port the name of such a node's result."""
        name, n = stem, 0
        while name in self.taken or f"{name}:0" in self.taken:
            n += 1
            name = f"{stem}.{n}"
        self.taken.add(name)
        return name

    def constant(self, array: Array | np.generic, name: str = "") -> str:
        name = self.unique(name or f"constant_{len(self.initializers)}")
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def array(self, name: str) -> Array:
        return self.graph.consts[name].array.astype(np.float32)

    def weight(self, name: str, order: tuple[int, ...]) -> str:
        """Axis 0 stays the outputs: that of the scales."""
        const = self.graph.consts[name]
        if const.code_scales is None:
            return self.constant(const.array.transpose(order).astype(np.float32), f"{self.stem}.weight")
        return self.coded(const, np.int8, order, f"{self.stem}.weight")

    def bias(self, op: Conv | Dense) -> str:
        const = self.graph.consts[op.inputs[2]]
        if const.code_scales is None:
            return self.constant(self.array(op.inputs[2]), f"{self.stem}.bias")
        return self.coded(const, np.int32, (0,), f"{self.stem}.bias")

    def coded(self, const: Const, dtype: type[np.integer[Any]], order: tuple[int, ...], name: str) -> str:
        """A constant as codes, and what they stand for."""
        scales = np.broadcast_to(np.array(const.code_scales), const.shape[:1])
        codes = np.rint(const.array / scales.reshape(-1, *(1,) * (const.array.ndim - 1))).astype(dtype)
        one = bool((scales == scales[0]).all())
        steps = np.float32(scales[0]) if one else scales.astype(np.float32)
        zeros = dtype(0) if one else np.zeros(len(scales), dtype=dtype)
        grid = [self.constant(steps, f"{name}.scale"), self.constant(zeros)]
        stored = self.constant(codes.transpose(order), name)
        self.encodings[PREFIX + stored] = const.encoding or DENSE
        axis: dict[str, Any] = {} if one else {"axis": 0}
        return self.node("DequantizeLinear", stored, *grid, **axis)

    def clip(self, x: str, clamp: tuple[float, float] | None, *, main: bool = False) -> str:
        if clamp is None:
            return x
        called = self.stem if main else ""
        if clamp == (0.0, math.inf):
            return self.node("Relu", x, called=called)
        bounds = [self.constant(np.float32(bound)) if math.isfinite(bound) else "" for bound in clamp]
        return self.node("Clip", x, *bounds, called=called)

    def reshape(self, x: str, shape: tuple[int, ...]) -> str:
        return self.node("Reshape", x, self.constant(np.array([1, *shape], dtype=np.int64)))

    def first(self, x: str) -> str:
        return self.node("Transpose", x, perm=(0, 3, 1, 2))

    def last(self, x: str) -> str:
        return self.node("Transpose", x, perm=(0, 2, 3, 1))
