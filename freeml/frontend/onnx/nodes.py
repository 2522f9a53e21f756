"""What lowering works on: a checked node with typed attributes, and its operands at run time or compile time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import AttributeProto, defs

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.views import Floats, View, Weight
from freeml.ir.types import Array, Quant

CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
_F32_MAX = float(np.finfo(np.float32).max)

# Attributes that change nothing of what an inference computes; the rule of an operator reads all others that are given.
_FLOAT8 = "of float8, which is refused"
_SHAPES = "operator set 6: whether shapes may differ, which they show themselves"
HARMLESS: dict[tuple[str, str], str] = {
    ("BatchNormalization", "momentum"): "statistics of training",
    ("Dropout", "ratio"): "dropout does nothing at inference",
    ("Dropout", "seed"): "dropout does nothing at inference",
    ("MaxPool", "storage_order"): "order of the output Indices, which is refused",
    ("Cast", "saturate"): _FLOAT8,
    ("Cast", "round_mode"): _FLOAT8,
    ("CastLike", "saturate"): _FLOAT8,
    ("CastLike", "round_mode"): _FLOAT8,
    ("QuantizeLinear", "saturate"): _FLOAT8,
    ("QuantizeLinear", "axis"): "of one scale for each channel, which is refused for activations",
    ("QuantizeLinear", "output_dtype"): "read where no zero point says it",
    ("DequantizeLinear", "axis"): "read where there are several scales",
    **{(op, "broadcast"): _SHAPES for op in ("Add", "Sub", "Mul", "Div", "Pow", "Gemm")},
}
# Operands of the same kind, by position.
HARMLESS_OPERANDS: dict[tuple[str, int], str] = {("Dropout", 1): "dropout does nothing at inference"}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value computed on the device.

    dtype     its type in the model: arithmetic on integers wraps around at its width
    low       a bound from below, as far as the operators alone tell
    codes     set between QuantizeLinear and DequantizeLinear: the value stands for its int8 codes
    recipe    how it was made, where another operator asks: "abs" or "1 + abs" of a tensor
    is_input  whether it is an input of the model, as it came in
    """

    view: View
    dtype: np.dtype[Any]
    low: float = -math.inf
    codes: Quant | None = None
    recipe: tuple[str, View] | None = None
    is_input: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Logical shape, batch axis included."""
        return self.view.shape

    @property
    def is_float(self) -> bool:
        """Whether the model computes it in floating point."""
        return self.dtype.kind == "f"

    def at(self, view: View) -> Tensor:
        """The same elements, or some of them, elsewhere."""
        return replace(self, view=view, recipe=None)


@dataclass(frozen=True, eq=False)
class Known:
    """A value known now.

    array    elements; float64 for those of DequantizeLinear, whose products float32 would round
    dtype    the type in the model
    scales   where array is codes times scales: the scale of each element, shaped like array
    encoding  how the model wants the codes stored (encodings.py)
    """

    array: Array
    dtype: np.dtype[Any]
    scales: Floats | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, array: Array) -> Known:
        """A constant as it stands."""
        return cls(array, array.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self.array.shape

    def plain(self) -> Array:
        """The array in the model's own type."""
        return self.array.astype(self.dtype, copy=False)


Operand = Tensor | Known
Args = Sequence[Operand | None]


class ReadArgs(Sequence["Operand | None"]):
    """Operands that know which of them a rule has looked at."""

    def __init__(self, args: Args) -> None:
        self._args = tuple(args)
        self.read: set[int] = set()

    def __len__(self) -> int:
        return len(self._args)

    def __getitem__(self, index: Any) -> Any:
        self.read.update([index % len(self)] if isinstance(index, int) and self._args else range(len(self)))
        return self._args[index]

    def unread(self) -> list[int]:
        """Positions of operands that are given and that nobody looked at."""
        return [i for i, arg in enumerate(self._args) if arg is not None and i not in self.read]


@dataclass(frozen=True)
class Node:
    """A node whose operator, arity and attribute types agree with the ONNX schema."""

    proto: onnx.NodeProto
    loc: str
    opset: int
    schema: defs.OpSchema
    attrs: Mapping[str, object] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)  # attributes that the operator's rule has looked at

    @property
    def op(self) -> str:
        """Name of the operator."""
        return str(self.proto.op_type)

    def refuse(self, why: str, hint: str = "") -> NoReturn:
        """The model is sound, freeml cannot compile this."""
        raise UnsupportedOp(f"{self.op}: {why}", where=self.loc, hint=hint)

    def bad(self, why: str) -> NoReturn:
        """The node contradicts itself."""
        raise BadModel(f"{self.op}: {why}", where=self.loc, hint="check the model with onnx.checker")

    def check_all_read(self, args: ReadArgs) -> None:
        """Raise UnsupportedOp for an attribute or operand that the rule has not looked at: it may change the result."""
        for name, value in self.attrs.items():
            if name not in self.read and (self.op, name) not in HARMLESS and value != self._default(name):
                self.refuse(f"attribute {name} = {value} is not supported")
        for i in args.unread():
            if (self.op, i) not in HARMLESS_OPERANDS:
                self.refuse(f"its input {i} is not supported")

    def _default(self, name: str) -> object:
        default = self.schema.attributes[name].default_value
        return onnx.helper.get_attribute_value(default) if default.type else None

    def attr(self, name: str, default: object) -> object:
        """An attribute, the default where it is not given."""
        self.read.add(name)
        return self.attrs.get(name, default)

    def has(self, name: str) -> bool:
        """Whether an attribute is given."""
        return name in self.attrs

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attr(name, default)
        assert isinstance(value, int)
        return value

    def number(self, name: str, default: float) -> float:
        """A float attribute, finite."""
        value = self.attr(name, default)
        assert isinstance(value, float)
        if math.isnan(value):
            self.bad(f"attribute {name} is not a number")
        return value

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attr(name, default.encode())
        assert isinstance(value, bytes)
        return value.decode("utf-8", "replace")

    def integers(self, name: str) -> list[int] | None:
        """A list of integers; None where the attribute is absent."""
        value = self.attr(name, None)
        return None if value is None else [int(v) for v in value]  # type: ignore[attr-defined]

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= value < rank:
            self.bad(f"axis {value} of a tensor of rank {rank}")
        return value % rank

    def axes(self, values: Sequence[int], rank: int) -> tuple[int, ...]:
        """Different axes counted from the front, ascending."""
        axes = sorted(self.axis(int(value), rank) for value in values)
        if len(set(axes)) != len(axes):
            self.bad(f"axes {list(values)} repeat one")
        return tuple(axes)

    def tensor(self, args: Args, i: int) -> Tensor:
        """Operand i, computed on the device and not in codes."""
        arg = args[i] if i < len(args) else None
        if isinstance(arg, Tensor):
            if arg.codes is not None:
                self.refuse("it reads quantized codes", "place DequantizeLinear before and QuantizeLinear after it")
            return arg
        return self.refuse(f"its input {i} is a constant" if arg else f"its input {i} is missing")

    def float_tensor(self, args: Args, i: int) -> Tensor:
        """Operand i, computed on the device in floating point."""
        x = self.tensor(args, i)
        if not x.is_float:
            self.refuse(f"an input of type {x.dtype}", "cast it to float first")
        return x

    def known(self, args: Args, i: int, what: str) -> Known | None:
        """Operand i where it is given; it must be a constant."""
        arg = args[i] if i < len(args) else None
        if isinstance(arg, Tensor):
            self.refuse(f"its {what} is computed while the model runs", f"export the model with a constant {what}")
        return arg

    def ints_of(self, args: Args, i: int, what: str) -> list[int] | None:
        """A constant list of integers, from an operand; None where it is not given."""
        known = self.known(args, i, what)
        if known is None:
            return None
        if known.array.dtype.kind not in "iu" or known.array.ndim > 1:
            self.bad(f"its {what} is not a list of integers")
        return [int(v) for v in known.array.reshape(-1)]

    def number_of(self, args: Args, i: int, what: str, default: float) -> float:
        """A constant number, from an operand."""
        known = self.known(args, i, what)
        if known is None:
            return default
        if known.array.size != 1:
            self.refuse(f"its {what} has {known.array.size} values", f"use one number as {what}")
        if math.isnan(float(known.array.reshape(-1)[0])):
            self.bad(f"its {what} is not a number")
        return float(known.array.reshape(-1)[0])

    def weight(self, known: Known, what: str = "weight") -> Weight:
        """A constant as an operand of the IR, with the scales of its codes where they are one per entry of axis 0."""
        if known.array.size == 0:
            self.refuse(f"its {what} is empty (shape {known.shape})")
        if known.array.dtype.kind not in "fiu":
            self.refuse(f"its {what} is of type {known.dtype.name}")
        with np.errstate(invalid="ignore"):  # signalling NaNs of damaged files
            array = known.array.astype(np.float64)
        if not (np.abs(array) <= _F32_MAX).all():
            if np.isinf(known.array).any() and what == "operand":
                self.refuse("its operand is infinite in places", "freeml has no masks; remove the masked elements")
            self.bad(f"its {what} holds values that are not finite in float32")
        if known.array.dtype.kind in "iu" and (np.abs(array) > 2.0**53).any():
            self.refuse(f"its {what} holds integers above 2**53")
        scales = None if known.scales is None or array.ndim == 0 else _code_scales(array, known.scales)
        return Weight(array, scales, known.encoding)

    def floats(self, args: Args, i: int, what: str) -> Floats | None:
        """A constant operand as float64; None where it is not given."""
        known = self.known(args, i, what)
        return None if known is None else self.weight(known, what).array

    def bias(self, args: Args, i: int, what: str = "bias") -> Weight | None:
        """A constant operand, with the step of its codes, of whatever width they are; None where it is not given."""
        known = self.known(args, i, what)
        if known is None:
            return None
        found = self.weight(known, what)
        if known.scales is None or found.array.ndim != 1:
            return Weight(found.array)
        return Weight(found.array, tuple(float(step) for step in known.scales), known.encoding)


def _code_scales(array: Floats, scales: Floats) -> tuple[float, ...] | None:
    """One scale per entry of axis 0, or one for all; None where they vary otherwise or a code is no int8."""
    rows = scales.reshape(array.shape[0], -1)
    codes = np.round(array / scales)
    if (rows != rows[:, :1]).any() or codes.min() < -128 or codes.max() > 127:
        return None
    if not np.array_equal(codes, array / scales):
        return None
    column = tuple(float(s) for s in rows[:, 0])
    return column[:1] if len(set(column)) == 1 else column


def make_node(proto: onnx.NodeProto, index: int, opset: int, where: str) -> Node:
    """Check a node against its schema. Raises UnsupportedOp for an unknown operator, BadModel where they disagree."""
    first = next((name for name in proto.output if name), "")
    loc = f"{where}:{proto.name or f'{proto.op_type}#{index}({first})'}"
    if proto.domain not in ("", "ai.onnx"):
        hint = "export without contrib or custom operators"
        if proto.op_type.startswith(("QLinear", "Quantize", "Dequantize", "QGemm", "Dynamic", "QAttention")):
            hint = "quantize with quant_format=QuantFormat.QDQ and int8 or uint8 types"
        raise UnsupportedOp(f"{proto.op_type}: an operator of domain {proto.domain!r}", where=loc, hint=hint)
    if proto.op_type in CONTROL_FLOW:
        raise UnsupportedOp(
            f"{proto.op_type}: control flow",
            where=loc,
            hint="freeml compiles fixed graphs; export the model without branches on data",
        )
    try:
        schema = defs.get_schema(proto.op_type, opset, "")
    except Exception as error:
        raise UnsupportedOp(
            f"{proto.op_type}: no operator of ONNX operator set {opset}",
            where=loc,
            hint="export the model again with a current exporter",
        ) from error
    node = Node(proto, loc, opset, schema, {})
    if not schema.min_input <= len(proto.input) <= schema.max_input:
        node.bad(f"{len(proto.input)} inputs, ONNX has {schema.min_input} to {schema.max_input}")
    if not max(1, schema.min_output) <= len(proto.output) <= schema.max_output:
        node.bad(f"{len(proto.output)} outputs, ONNX has {schema.min_output} to {schema.max_output}")
    for name, formal in zip(proto.input, schema.inputs, strict=False):
        if not name and formal.option == defs.OpSchema.FormalParameterOption.Single:
            node.bad(f"its input {formal.name} is missing")
    return replace(node, attrs=_attributes(node))


def _attributes(node: Node) -> dict[str, object]:
    attrs: dict[str, object] = {}
    for attribute in node.proto.attribute:
        formal = node.schema.attributes.get(attribute.name)
        if formal is None or attribute.name in attrs or attribute.ref_attr_name:
            node.bad(f"attribute {attribute.name!r} is unknown or given twice")
        if formal.type.value != attribute.type:  # type: ignore[attr-defined]  # a pybind11 enum
            node.bad(f"attribute {attribute.name!r} is of another type than ONNX defines")
        if attribute.type in (AttributeProto.TENSOR, AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING):
            attrs[attribute.name] = onnx.helper.get_attribute_value(attribute)
        elif attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS, AttributeProto.STRINGS):
            attrs[attribute.name] = tuple(onnx.helper.get_attribute_value(attribute))
        else:
            node.refuse(f"attribute {attribute.name!r} holds a graph, a sparse tensor or a type")
    for name, formal in node.schema.attributes.items():
        if formal.required and name not in attrs:
            node.bad(f"attribute {name!r} is missing")
    return attrs
