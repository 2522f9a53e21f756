"""Constant folding and shape checks, both by the onnx package: one node at a time.

Nodes whose inputs are all known run in onnx's reference evaluator; shape arithmetic disappears that way, because every
shape is static and Shape therefore a constant. Before a node runs, onnx's shape inference says how large its results
are. Behind every lowered node the same inference is asked again, and freeml refuses a model on which the two disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TypeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

from freeml.errors import UnsupportedOp
from freeml.frontend.onnx.file import check_tensor
from freeml.frontend.onnx.nodes import Args, Known, Node, Operand
from freeml.frontend.views import MAX_TENSOR_ELEMS
from freeml.ir.types import Array

# Deterministic operators that exporters leave between constants. All have results no larger than inference says.
# fmt: off
FOLDABLE = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "CastLike", "Ceil", "Clip", "Concat", "ConstantOfShape", "Cos",
    "Div", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "Gather", "GatherElements", "GatherND",
    "Gemm", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Mean", "Min",
    "Mod", "Mul", "Neg", "Not", "OneHot", "Or", "Pad", "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "ReduceL2", "Relu", "Reshape", "Round",
    "Sigmoid", "Sign", "Sin", "Size", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile",
    "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
))
# fmt: on
# Moving elements moves their scales alike, so these keep the codes of quantized weights.
# fmt: off
MOVES = frozenset((
    "Concat", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
))
# fmt: on
_SMALL = 256


def inferred(node: Node, args: Args) -> list[tuple[int, tuple[int | None, ...] | None]]:
    """onnx's inference of each result: element type and shape; unknown parts are None. Raises BadModel."""
    types: dict[str, TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    for name, arg in zip(node.proto.input, args, strict=True):
        if arg is None:
            continue
        types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(arg.dtype), arg.shape)
        if isinstance(arg, Known) and arg.array.size <= _SMALL:
            data[name] = numpy_helper.from_array(arg.plain(), name)
    opsets = [helper.make_opsetid("", node.opset)]
    try:
        found = infer_node_outputs(node.schema, node.proto, types, data, opset_imports=opsets)
    except Exception as error:  # C++ exceptions arrive as several Python types
        node.bad(_first_line(error))
    return [_type_and_shape(found.get(name)) for name in node.proto.output]


def _type_and_shape(type_: TypeProto | None) -> tuple[int, tuple[int | None, ...] | None]:
    if type_ is None or not type_.HasField("tensor_type"):
        return 0, None
    tensor = type_.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    return tensor.elem_type, tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)


def check_results(node: Node, args: Args, results: Sequence[Operand]) -> None:
    """Compare lowered results with onnx's inference. Raises BadModel or UnsupportedOp."""
    for result, (elem_type, shape) in zip(results, inferred(node, args), strict=False):
        if elem_type and helper.tensor_dtype_to_np_dtype(elem_type) != result.dtype:
            node.bad(f"its result should be of type {helper.tensor_dtype_to_np_dtype(elem_type)}, not {result.dtype}")
        # Inference of onnx 1.23 keeps a last window that starts behind the input, which ONNX itself drops.
        if shape is None or (node.op in ("MaxPool", "AveragePool") and node.integer("ceil_mode", 0)):
            continue
        same_rank = len(shape) == len(result.shape)
        if not same_rank or any(want not in (None, got) for want, got in zip(shape, result.shape, strict=True)):
            node.refuse(f"freeml computes a result of shape {result.shape}, onnx {shape}", "report this model")


def fold(node: Node, args: Args) -> list[Known]:
    """Run a node on constants. Raises UnsupportedOp for other operators and for large results, BadModel on errors."""
    if node.op not in FOLDABLE:
        node.refuse(
            "freeml does not evaluate it on constants", "simplify the model first, for example with onnx-simplifier"
        )
    if node.integer("broadcast", 0):
        node.refuse("constants with the broadcasting of operator set 6", "export with a current operator set")
    for value in node.attrs.values():
        if isinstance(value, onnx.TensorProto):
            check_tensor(value, node.loc)
    for _, shape in inferred(node, args):
        if shape is None or any(n is None for n in shape):
            node.refuse("the size of its result depends on data")
        if math.prod(n for n in shape if n is not None) > MAX_TENSOR_ELEMS:
            node.refuse(f"its result of shape {shape} has more than {MAX_TENSOR_ELEMS} elements")
    given = {name: arg for name, arg in zip(node.proto.input, args, strict=True) if arg is not None}
    known = {name: arg for name, arg in given.items() if isinstance(arg, Known)}
    assert len(known) == len(given)
    first = next(iter(known.values()), None)
    if node.op in MOVES and first is not None and first.scales is not None and _alike(node, known):
        arrays = _run(node, {name: arg.array for name, arg in known.items()})
        scales = _run(node, {k: v.array if v.scales is None else v.scales for k, v in known.items()})
        return [
            Known(array, first.dtype, scale.astype(np.float64)) for array, scale in zip(arrays, scales, strict=True)
        ]
    return [Known.of(array) for array in _run(node, {name: arg.plain() for name, arg in known.items()})]


def _alike(node: Node, known: Mapping[str, Known]) -> bool:
    return node.op != "Concat" or all(arg.scales is not None for arg in known.values())


def _run(node: Node, inputs: dict[str, Array]) -> list[Array]:
    names = [name for name in node.proto.output if name]
    graph = helper.make_graph(
        [node.proto],
        "constant",
        [onnx.ValueInfoProto(name=name) for name in inputs],
        [onnx.ValueInfoProto(name=name) for name in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, inputs)
    except Exception as error:
        node.bad(f"cannot be evaluated: {_first_line(error)}")
    arrays = [np.asarray(result) for result in results]
    for array in arrays:
        if array.dtype.kind not in "fiub":
            raise UnsupportedOp(f"{node.op}: a constant of type {array.dtype.name}", where=node.loc)
    by_name = dict(zip(names, arrays, strict=True))
    return [by_name.get(name, np.zeros(0)) for name in node.proto.output]


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
