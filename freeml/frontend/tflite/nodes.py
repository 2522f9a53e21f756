"""The state of reading one TFLite graph: which tensor is which View or constant, and how their quantization is kept."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.common_scale import spanning
from freeml.frontend.tflite.file import Operator, Quantization, Tensor, TfliteModel
from freeml.frontend.views import Floats, View, Weight
from freeml.ir.types import Array, Quant

# Activations and weights of a network for a microcontroller are far below this; the bound keeps a hostile file from
# filling the memory of the machine that compiles it.
MAX_ACTIVATION_ELEMS = 1 << 24
MAX_WEIGHT_ELEMS = 1 << 26
MAX_WINDOW = 1 << 16

# Options that change nothing of what an inference computes; an operator's lowering looks at all others that are set.
_TYPES = "types of indices and shapes, which the tensors have themselves"
HARMLESS: dict[str, str] = {
    "AsymmetricQuantizeInputs": "how a kernel rounds its float input; freeml keeps it as it is",
    "QuantizedBiasType": "width of the accumulator, which the type of the bias tells",
    "PotScaleInt16": "of 16-bit activations, which are refused",
    "ValuesCount": "the number of inputs, which the list of them has",
    **dict.fromkeys(("OutputType", "OutType", "InDataType", "OutDataType"), _TYPES),
}
_FUSED = {1: (0.0, math.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A constant: stored items, and what they stand for where they are codes."""

    items: Array
    dtype: str
    quant: Quantization | None = None

    @property
    def is_integer(self) -> bool:
        """Whether the items are numbers to count with: shapes, axes, indices."""
        return self.items.dtype.kind == "i" and self.quant is None


def _common_scales(model: TfliteModel) -> dict[int, Quant]:
    """For float tensors that several QUANTIZE read in different scales: one that all of them fit in."""
    found: dict[int, set[Quant]] = {}
    for op in model.operators:
        if op.kind == "QUANTIZE" and len(op.inputs) == len(op.outputs) == 1 and op.inputs[0] >= 0:
            quant, dtype = model.tensors[op.outputs[0]].quant, model.tensors[op.outputs[0]].dtype
            offset = {"INT8": 0, "UINT8": 128}.get(dtype)
            if quant is None or offset is None or not len(quant.scales) == len(quant.zero_points) == 1:
                continue
            with contextlib.suppress(ValueError):  # `activation_quant` says what is wrong with it
                found.setdefault(op.inputs[0], set()).add(Quant(quant.scales[0], quant.zero_points[0] - offset))
    return {index: spanning(quants) for index, quants in found.items() if len(quants) > 1}


class Reader:
    """The values of one model while its operators are lowered onto a builder, in order."""

    def __init__(self, model: TfliteModel, builder: GraphBuilder) -> None:
        self.model = model
        self.builder = builder
        self._values: dict[int, View | Known] = {}
        self._indices: set[int] = set()  # results of ARG_MAX, which may only leave the graph
        self._common = _common_scales(model)
        self._n_activation_elems = 0
        self._n_weight_elems = 0

    # ---- the graph's edge -------------------------------------------------------------------------------------------

    def add_input(self, index: int) -> None:
        """Make a tensor of the TFLite file an input of the graph."""
        tensor = self.tensor(index)
        where = f"input {tensor.name!r}"
        if index in self._values or tensor.data is not None:
            raise BadModel("an input that is also a constant or another input", where=where)
        if tensor.dtype not in ("FLOAT32", "INT8", "UINT8"):
            raise UnsupportedOp(
                f"the input is of type {tensor.dtype}; only FLOAT32, INT8 and UINT8 are supported", where=where
            )
        if any(n < 0 for n in tensor.signature[1:]):
            raise UnsupportedOp(
                f"the input has no fixed shape: {tensor.signature}",
                where=where,
                hint="convert the model again with a fixed input shape",
            )
        if not tensor.shape:
            raise UnsupportedOp("the input is a single number without dimensions", where=where)
        self._charge(tensor.shape, where)
        view = self.builder.input(tensor.name or f"input{index}", tensor.shape)
        self._values[index] = self._annotated(view, index, where)

    def add_output(self, index: int) -> None:
        """Make a tensor an output of the graph."""
        tensor = self.tensor(index)
        value = self._values.get(index)
        if not isinstance(value, View):
            raise BadModel("an output that no operator computes", where=f"output {tensor.name!r}")
        dtype = tensor.dtype.lower() if index in self._indices else "float32"
        self.builder.output(value, tensor.name or f"output{index}", dtype=dtype)

    # ---- results ----------------------------------------------------------------------------------------------------

    def define(self, node: Node, result: View | Known) -> None:
        """Make `result` what the operator's one output stands for."""
        out = node.op.outputs[0]
        self._values[out] = self._settled(result, node, out) if isinstance(result, View) else result

    def check_output(self, op: Operator, loc: str) -> None:
        """Raise BadModel unless the operator defines exactly one new tensor."""
        if len(op.outputs) != 1:
            raise BadModel(f"{op.kind} has {len(op.outputs)} outputs, not one", where=loc)
        if op.outputs[0] in self._values or self.tensor(op.outputs[0]).data is not None:
            raise BadModel(f"{op.kind} writes a tensor that is already defined", where=loc)

    def _settled(self, view: View, node: Node, out: int) -> View:
        """The result with the shape the file declares and the quantization it fixes."""
        tensor = self.tensor(out)
        if not view.shape:
            raise UnsupportedOp("the result is a single number without dimensions", where=node.loc)
        static = all(n >= 0 for n in tensor.signature[1:]) and tensor.shape
        if static and view.shape != tensor.shape:
            raise BadModel(
                f"{node.op.kind} gives the shape {view.shape}, but the file says {tensor.shape}", where=node.loc
            )
        self._charge(view.shape, node.loc)
        if node.op.kind == "ARG_MAX":
            self._indices.add(out)
            return view
        return self._annotated(view, out, node.loc)

    def _annotated(self, view: View, index: int, where: str) -> View:
        tensor = self.tensor(index)
        if tensor.dtype == "FLOAT32":
            common = self._common.get(index)
            return view if common is None else self.builder.annotate(view, common, where)
        return self.builder.annotate(view, self.activation_quant(tensor, where), where)

    def _charge(self, shape: tuple[int, ...], where: str) -> None:
        self._n_activation_elems += math.prod(shape)
        if self._n_activation_elems > MAX_ACTIVATION_ELEMS:
            raise UnsupportedOp(
                f"the tensors up to here have more than {MAX_ACTIVATION_ELEMS} elements in all",
                where=where,
                hint="freeml compiles networks for microcontrollers; check the model's input shape",
            )

    # ---- tensors ----------------------------------------------------------------------------------------------------

    def tensor(self, index: int) -> Tensor:
        """A tensor that freeml can read. Raises UnsupportedOp for one it cannot."""
        tensor = self.model.tensors[index]
        if tensor.refused:
            raise UnsupportedOp(
                f"the tensor {tensor.name!r} cannot be read: {tensor.refused}",
                where=self.model.file,
                hint="convert the model again as float32 or with full int8 quantization, without pruning formats",
            )
        return tensor

    def activation_quant(self, tensor: Tensor, where: str) -> Quant:
        """Scale and zero point of an int8 tensor; uint8 codes count from -128 on."""
        if tensor.dtype == "INT16":
            raise UnsupportedOp(
                f"the tensor {tensor.name!r} has 16-bit activations (int16x8)",
                where=where,
                hint="convert the model again with int8 activations, or as float32",
            )
        if tensor.dtype not in ("INT8", "UINT8"):
            raise UnsupportedOp(
                f"the tensor {tensor.name!r} is of type {tensor.dtype}, which no arithmetic is supported for",
                where=where,
                hint="convert the model again as float32 or with full int8 quantization",
            )
        if tensor.quant is None or len(tensor.quant.scales) != 1:
            raise BadModel(f"the {tensor.dtype} tensor {tensor.name!r} does not have exactly one scale", where=where)
        tensor.quant.check(tensor.dtype, tensor.shape, where)
        offset = 128 if tensor.dtype == "UINT8" else 0
        return Quant(tensor.quant.scales[0], tensor.quant.zero_points[0] - offset)

    def value(self, index: int, loc: str) -> View | Known:
        """What an operator reads."""
        if index in self._values:
            if index in self._indices:
                raise UnsupportedOp("the result of ARG_MAX is used inside the model, not as an output", where=loc)
            return self._values[index]
        tensor = self.tensor(index)
        if tensor.data is None:
            raise BadModel(f"it reads the tensor {tensor.name!r}, which nothing before it computes", where=loc)
        return Known(tensor.data, tensor.dtype, tensor.quant)

    def real(self, known: Known, loc: str) -> Floats:
        """The real numbers a constant stands for, in float64 (codes are small integers: the product is exact enough).

        Raises BadModel for values that are not finite.
        """
        self._n_weight_elems += known.items.size
        if self._n_weight_elems > MAX_WEIGHT_ELEMS:
            raise UnsupportedOp(f"the constants up to here have more than {MAX_WEIGHT_ELEMS} elements", where=loc)
        if known.items.dtype.kind == "f":
            if not np.isfinite(known.items).all():
                raise BadModel("a constant contains NaN or infinity", where=loc)
            return known.items.astype(np.float64)
        if known.dtype not in ("INT8", "UINT8"):
            raise UnsupportedOp(f"a constant of type {known.dtype} in place of numbers", where=loc)
        if known.quant is None:
            raise BadModel(f"a constant of type {known.dtype} without a scale", where=loc)
        known.quant.check(known.dtype, known.items.shape, loc)
        items = known.items.astype(np.float64)
        shape = [1] * items.ndim
        if len(known.quant.scales) > 1:
            shape[known.quant.axis] = -1
        scales = np.array(known.quant.scales, dtype=np.float64)
        zeros = np.array(known.quant.zero_points, dtype=np.float64)
        if items.ndim == 0:
            return np.asarray((items - zeros[0]) * scales[0])
        real: npt.NDArray[np.float64] = (items - zeros.reshape(shape)) * scales.reshape(shape)
        return real

    def code_scales(self, known: Known, axis: int) -> tuple[float, ...] | None:
        """Scales along `axis` (or one) where the stored codes, zero point taken off, are themselves int8 codes."""
        if known.quant is None or known.items.dtype.itemsize != 1:
            return None
        if len(known.quant.scales) > 1 and known.quant.axis != axis:
            return None
        shape = [1] * known.items.ndim
        if len(known.quant.scales) > 1:
            shape[known.quant.axis] = -1
        codes = known.items.astype(np.int64) - np.array(known.quant.zero_points, dtype=np.int64).reshape(shape)
        return known.quant.scales if codes.min() >= -128 and codes.max() <= 127 else None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator being lowered: its options, and its inputs as Views or constants."""

    reader: Reader
    op: Operator
    loc: str
    _read: set[str] = field(default_factory=set)

    @property
    def builder(self) -> GraphBuilder:
        """Where ops go."""
        return self.reader.builder

    def n_inputs(self, low: int, high: int) -> None:
        """Raise BadModel unless the operator has so many operands."""
        if not low <= len(self.op.inputs) <= high:
            raise BadModel(f"{self.op.kind} has {len(self.op.inputs)} inputs, not {low} to {high}", where=self.loc)

    def value(self, k: int) -> View | Known | None:
        """Operand k; None where it is absent."""
        if k >= len(self.op.inputs) or self.op.inputs[k] < 0:
            return None
        return self.reader.value(self.op.inputs[k], self.loc)

    def view(self, k: int, rank: int | None = None) -> View:
        """Operand k, which must be computed, of a given rank."""
        value = self.value(k)
        if value is None:
            raise BadModel(f"{self.op.kind} lacks its input {k}", where=self.loc)
        if isinstance(value, Known):
            raise UnsupportedOp(f"input {k} is a constant", where=self.loc, hint="fold constants when converting")
        if rank is not None and len(value.shape) != rank:
            raise BadModel(f"{self.op.kind} needs {rank} dimensions, not the shape {value.shape}", where=self.loc)
        return value

    def known(self, k: int, why: str) -> Known:
        """Operand k, which must be a constant; `why` names it in the refusal."""
        value = self.value(k)
        if value is None:
            raise BadModel(f"{self.op.kind} lacks its input {k} ({why})", where=self.loc)
        if isinstance(value, View):
            raise UnsupportedOp(
                f"{why} is computed by the model, not a constant",
                where=self.loc,
                hint="freeml supports static shapes and constant weights only",
            )
        return value

    def integers(self, k: int, why: str) -> tuple[int, ...]:
        """Operand k as integers: axes, paddings, shapes."""
        known = self.known(k, why)
        if known.items.dtype.kind != "i" or known.items.size > 64:
            raise BadModel(f"{why} is not a short list of integers", where=self.loc)
        return tuple(int(n) for n in known.items.ravel())

    def axes(self, k: int, rank: int) -> tuple[int, ...]:
        """Operand k as distinct axes of a tensor of `rank` dimensions, counted from 0."""
        axes = self.integers(k, "the list of axes")
        if not all(-rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) != len(axes):
            raise BadModel(f"the axes {axes} do not fit {rank} dimensions", where=self.loc)
        return tuple(axis % rank for axis in axes)

    def check_all_read(self) -> None:
        """Raise UnsupportedOp for an option that is set and that nobody looked at: it may change the result."""
        for name, value in self.op.options.items():
            if value and name not in self._read and name not in HARMLESS:
                raise UnsupportedOp(f"the option {name} = {value} is not supported", where=self.loc)

    def list_option(self, name: str) -> tuple[int, ...]:
        """An option that is a list of integers."""
        self._read.add(name)
        return self.op.options[name]  # type: ignore[return-value]

    def option(self, name: str) -> int:
        """An integer or boolean option."""
        self._read.add(name)
        return int(self.op.options[name])  # type: ignore[arg-type]

    def number(self, name: str) -> float:
        """A real option. Raises BadModel unless it is finite."""
        self._read.add(name)
        value = float(self.op.options[name])  # type: ignore[arg-type]
        if not math.isfinite(value):
            raise BadModel(f"{self.op.kind} has the option {name} = {value}", where=self.loc)
        return value

    def operand(self, k: int) -> View | Weight:
        """Operand k of an elementwise operator of TFLite: a View, or a constant as a Weight."""
        value = self.value(k)
        if isinstance(value, Known):
            single = value.quant is not None and len(value.quant.scales) == 1
            return Weight(self.reader.real(value, self.loc), self.reader.code_scales(value, 0) if single else None)
        return self.view(k)

    def activated(self, x: View) -> View:
        """The fused activation of the operator, after it."""
        code = self.option("FusedActivationFunction")
        if code == 0:
            return x
        if code in _FUSED:
            return self.builder.unary(x, "clamp", _FUSED[code], loc=self.loc)
        if code == 4:
            return self.builder.unary(x, "tanh", loc=self.loc)
        raise UnsupportedOp(f"the fused activation {code} is not supported", where=self.loc)
