"""Lowering: the nodes of a checked ONNX graph, in order, onto the GraphBuilder.

Each value is either known now or computed on the device. Nodes on known values are folded, the others go to the
function LOWER has for them; behind each one onnx's shape inference must agree. Nodes nobody reads are not looked at.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from freeml.errors import BadModel, FreemlError, UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx import dense, elementwise, norm, qdq, shapes, windows
from freeml.frontend.onnx.encodings import encodings_of
from freeml.frontend.onnx.file import InputSpec, inputs_of, to_array
from freeml.frontend.onnx.fold import check_results, fold
from freeml.frontend.onnx.nodes import Known, Node, Operand, ReadArgs, Tensor, make_node
from freeml.frontend.views import check_size

Rule = Callable[[GraphBuilder, Node, Sequence[Operand | None]], Operand | list[Operand]]

# Activations of the whole model; microcontrollers hold some 100,000 at most.
MAX_ACTIVATION_ELEMS = 1 << 25
# Constants read and folded, together.
MAX_CONSTANT_ELEMS = 1 << 26

LOWER: dict[str, Rule] = {
    **dict.fromkeys(elementwise.UNARY, elementwise.unary),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), elementwise.binary),
    **dict.fromkeys(("Neg", "Abs"), elementwise.sign_change),
    **dict.fromkeys(("Sum", "Mean"), elementwise.sum_),
    **dict.fromkeys(("Max", "Min"), elementwise.extreme),
    **dict.fromkeys(("MaxPool", "AveragePool"), windows.pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), windows.global_pool),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceSum"), windows.reduce),
    **dict.fromkeys(("Cast", "CastLike"), shapes.cast),
    **dict.fromkeys(("Shape", "Size"), shapes.shape_of),
    **dict.fromkeys(("Slice", "Split", "Gather"), shapes.slice_),
    "ArgMax": shapes.argmax,
    "BatchNormalization": dense.batch_norm,
    "Clip": elementwise.clip,
    "Concat": shapes.concat,
    "Constant": shapes.constant,
    "Conv": windows.conv,
    "DequantizeLinear": qdq.dequantize,
    "Dropout": shapes.dropout,
    "Expand": shapes.expand,
    "Flatten": shapes.flatten,
    "Gelu": elementwise.gelu,
    "Gemm": dense.gemm,
    "Identity": shapes.identity,
    "InstanceNormalization": norm.instance_norm,
    "LayerNormalization": norm.layer_norm,
    "MatMul": dense.matmul,
    "Mish": elementwise.mish,
    "PRelu": elementwise.prelu,
    "Pad": shapes.pad,
    "Pow": elementwise.power,
    "QuantizeLinear": qdq.quantize,
    "Relu": elementwise.relu,
    "Reshape": shapes.reshape,
    "Softmax": elementwise.softmax,
    "Squeeze": shapes.squeeze,
    "Swish": elementwise.swish,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
}
_HINTS = {
    "QLinear": "quantize with quant_format=QuantFormat.QDQ",
    "MatMulInteger": "quantize with quant_format=QuantFormat.QDQ",
    "ConvInteger": "quantize with quant_format=QuantFormat.QDQ",
    "DynamicQuantize": "quantize statically (quantize_static with QuantFormat.QDQ)",
    "LogSoftmax": "end the model with its logits, or with Softmax",
    "Upsample": "export with a current operator set; resizing is not compiled",
}
# fmt: off
_IMAGE_OPS = frozenset((
    "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization",
))
# fmt: on
_TRANSPARENT = frozenset(
    (
        *elementwise.UNARY,
        *[
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Neg",
            "Abs",
            "Relu",
            "Clip",
            "Identity",
            "QuantizeLinear",
            "DequantizeLinear",
            "Cast",
            "Dropout",
        ],
    )
)
# Of the index tensor that ArgMax makes, only the shape may change.
# fmt: off
_ON_INDICES = frozenset((
    "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape", "Size", "ArgMax",
))
# fmt: on


class Lowering:
    """Walks one graph; `run` returns the builder with everything in it."""

    def __init__(self, model: onnx.ModelProto, opset: int, *, name: str, where: str, folder: Path | None) -> None:
        self.graph = model.graph
        self.opset = opset
        self.where = where
        self.folder = folder
        self.builder = GraphBuilder(name)
        self.values: dict[str, Operand] = {}
        self.indices: set[str] = set()
        self.absent: dict[str, Node] = {}
        self.n_elems = 0
        self.n_constants = 0
        self.encodings = encodings_of(model, where)
        self.initialisers = {tensor.name: tensor for tensor in self.graph.initializer}
        self.common_scales = qdq.common_scales((node for _, node in live_nodes(self.graph)), self.initialisers)

    def run(self) -> GraphBuilder:
        """Inputs, nodes, outputs. Raises UnsupportedOp and BadModel."""
        nodes = scheduled(live_nodes(self.graph))
        readers = _readers(self.graph)
        for spec in inputs_of(self.graph, self.where):
            self._input(spec, _channels_first(spec, readers))
        left = Counter(name for _, node in nodes for name in node.input)
        left.update(value.name for value in self.graph.output)
        for index, proto in nodes:
            self._node(make_node(proto, index, self.opset, self.where))
            left.subtract(proto.input)
            for name in set(proto.input):
                if left[name] <= 0:
                    self.values.pop(name, None)
        for value in self.graph.output:
            self._output(value)
        return self.builder

    def _input(self, spec: InputSpec, channels_first: bool) -> None:
        check_size(spec.shape, f"{self.where}:{spec.name}")
        self._count(spec.shape, f"{self.where}:{spec.name}")
        view = self.builder.input(spec.name, spec.shape, channels_first=channels_first, dtype=spec.dtype)
        tensor = Tensor(view, np.dtype(spec.dtype), is_input=True)
        self.values[spec.name] = self._in_common_scale(spec.name, tensor, f"{self.where}:{spec.name}")

    def _in_common_scale(self, name: str, result: Operand, loc: str) -> Operand:
        """A result that several QuantizeLinear read in different scales gets one that all of them fit in."""
        quant = self.common_scales.get(name)
        if quant is None or not isinstance(result, Tensor) or not result.is_float:
            return result
        return replace(result, view=self.builder.annotate(result.view, quant, loc))

    def _count(self, shape: tuple[int, ...], where: str) -> None:
        self.n_elems += math.prod(shape)
        if self.n_elems > MAX_ACTIVATION_ELEMS:
            raise UnsupportedOp(
                f"the model computes more than {MAX_ACTIVATION_ELEMS} values",
                where=where,
                hint="freeml compiles networks for microcontrollers; check the model's input shape",
            )

    def _read(self, tensor: onnx.TensorProto, where: str) -> Known:
        known = Known.of(to_array(tensor, where, self.folder))
        self._count_constant(known, where)
        return known

    def _count_constant(self, known: Known, where: str) -> None:
        self.n_constants += known.array.size
        if self.n_constants > MAX_CONSTANT_ELEMS:
            raise UnsupportedOp(
                f"the model has constants of more than {MAX_CONSTANT_ELEMS} elements",
                where=where,
                hint="freeml compiles networks for microcontrollers",
            )

    def _operand(self, name: str, node: Node) -> Operand | None:
        if not name:
            return None
        self._check_absent(name)
        if name not in self.values:
            if name not in self.initialisers:
                node.bad(f"it reads {name!r}, which no input, initialiser or earlier node defines")
            read = self._read(self.initialisers[name], f"{self.where}:{name}")
            self.values[name] = replace(read, encoding=self.encodings.get(name))
        return self.values[name]

    def _check_absent(self, name: str) -> None:
        if name in self.absent:
            self.absent[name].refuse(
                f"its output {name!r} is read, but freeml computes the first output only",
                "remove what reads it from the model",
            )

    def _node(self, node: Node) -> None:
        if node.op == "Constant" and "value" in node.attrs:
            value = node.attrs["value"]
            assert isinstance(value, onnx.TensorProto)
            results: Sequence[Operand] = [self._read(value, node.loc)]
        else:
            args = [self._operand(name, node) for name in node.proto.input]
            results = self._results(node, args)
        for name, result in zip(node.proto.output, results, strict=False):
            if isinstance(result, Tensor):
                self._count(result.shape, node.loc)
            else:
                self._count_constant(result, node.loc)
            self.values[name] = self._in_common_scale(name, result, node.loc)
        self.absent.update(dict.fromkeys(node.proto.output[len(results) :], node))

    def _results(self, node: Node, args: list[Operand | None]) -> Sequence[Operand]:
        if self.indices.intersection(node.proto.input) and node.op not in _ON_INDICES:
            node.refuse("it computes with the result of ArgMax", "ArgMax must be the end of the model")
        try:
            known = not any(isinstance(arg, Tensor) for arg in args)
            if known and node.op not in ("Constant", "Shape", "Size", "DequantizeLinear"):
                return fold(node, args)
            rule = LOWER.get(node.op)
            if rule is None:
                node.refuse(
                    "no such operator on the device",
                    next((hint for op, hint in _HINTS.items() if node.op.startswith(op)), "replace it in the model"),
                )
            read = ReadArgs(args)
            result = rule(self.builder, node, read)
            node.check_all_read(read)
            results = result if isinstance(result, list) else [result]
            check_results(node, args, results)
        except FreemlError:
            raise
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError, AssertionError, MemoryError) as error:
            # numpy and the builder object where attributes and shapes do not fit: the node contradicts itself.
            raise BadModel(
                f"{node.op}: attributes and inputs do not fit: {error}",
                where=node.loc,
                hint="check the model with onnx.checker",
            ) from error
        if node.op == "ArgMax" or self.indices.intersection(node.proto.input):
            self.indices.update(node.proto.output)
        return results

    def _output(self, value: onnx.ValueInfoProto) -> None:
        place = f"{self.where}:{value.name}"
        self._check_absent(value.name)
        result = self.values.get(value.name)
        if result is None and value.name not in self.initialisers:
            raise BadModel(f"nothing computes the output {value.name!r}", where=place, hint="export the model again")
        if not isinstance(result, Tensor):
            raise UnsupportedOp(
                f"output {value.name!r} does not depend on any input", where=place, hint="remove it from the outputs"
            )
        if result.codes is not None:
            raise UnsupportedOp(
                f"output {value.name!r} is quantized codes",
                where=place,
                hint="let the model end with DequantizeLinear: freeml returns real values and int8 codes alike",
            )
        self._check_output(value, result, place)
        self.builder.output(result.view, value.name, dtype=result.dtype.name)

    def _check_output(self, value: onnx.ValueInfoProto, result: Tensor, place: str) -> None:
        kind = value.type.WhichOneof("value")
        if kind is None:
            return
        declared = value.type.tensor_type
        dtype = onnx.helper.np_dtype_to_tensor_dtype(result.dtype)
        if kind != "tensor_type" or declared.elem_type not in (dtype, onnx.TensorProto.UNDEFINED):
            raise BadModel(f"output {value.name!r} is declared with another type than {result.dtype}", where=place)
        # Shape inference up to onnx 1.23 counts a last window behind the input; exporters and quantizers write it down.
        rounds_up = any(a.name == "ceil_mode" and a.i for node in self.graph.node for a in node.attribute)
        if not declared.HasField("shape") or rounds_up:
            return
        dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in declared.shape.dim]
        fits = len(dims) == len(result.shape) and all(
            want is None or want <= 0 or want == got for want, got in zip(dims, result.shape, strict=True)
        )
        if not fits:
            raise BadModel(
                f"output {value.name!r} is declared with shape {dims}, the nodes compute {list(result.shape)}",
                where=place,
                hint="export the model again, or correct the declared shape",
            )


def live_nodes(graph: onnx.GraphProto) -> list[tuple[int, onnx.NodeProto]]:
    """Nodes that an output depends on, with their position, in file order."""
    wanted = {value.name for value in graph.output}
    live = []
    for index in range(len(graph.node) - 1, -1, -1):
        node = graph.node[index]
        if wanted.intersection(name for name in node.output if name):
            live.append((index, node))
            wanted.update(node.input)
    return live[::-1]


def scheduled(nodes: list[tuple[int, onnx.NodeProto]]) -> list[tuple[int, onnx.NodeProto]]:
    """The same order, but QuantizeLinear directly behind what it quantizes: the scale then sticks to that value."""
    made_at: dict[str, tuple[int, int]] = {}
    keyed = []
    for position, (index, node) in enumerate(nodes):
        key = (position, 0)
        if node.op_type == "QuantizeLinear":
            newest = max((made_at[name] for name in node.input if name in made_at), default=key)
            key = (newest[0], newest[1] + 1)
        for name in node.output:
            made_at[name] = key
        keyed.append((key, position, (index, node)))
    return [item for _, _, item in sorted(keyed, key=lambda entry: entry[:2])]


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def _channels_first(spec: InputSpec, readers: dict[str, list[onnx.NodeProto]]) -> bool:
    """Images are; of rank 3 only what a convolution or pooling reads, maybe behind elementwise operators."""
    if len(spec.shape) != 3:
        return len(spec.shape) in (4, 5)
    names, seen = [spec.name], {spec.name}
    while names:
        for node in readers.get(names.pop(0), ()):
            if node.op_type in _IMAGE_OPS:
                return True
            fresh = {name for name in node.output if name} - seen if node.op_type in _TRANSPARENT else set()
            seen |= fresh
            names.extend(sorted(fresh))
    return False
