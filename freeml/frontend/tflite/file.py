"""A .tflite file as plain data: tensors, constants, operators, options; every number is checked before it is used.

The format is a FlatBuffer: offsets into bytes that nobody has checked. The generated reader follows them wherever they
point, so this module alone calls it, bounds every count before it loops or allocates, and turns whatever the reader
raises into BadModel. What comes out holds no offset any more. It knows nothing about what operators mean (ops.py).
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.errors import BadModel, UnsupportedOp
from freeml.ir.types import Array

MAX_FILE_BYTES = 256 << 20
MAX_TENSORS = 20_000
MAX_OPERATORS = 10_000
MAX_RANK = 8
MAX_OPERANDS = 1_000
MAX_TENSOR_ELEMS = 1 << 26

Options = Mapping[str, "int | float | bool | tuple[int, ...]"]

_ITEM_TYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT8": "<i1",
    "UINT8": "<u1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "BOOL": "<u1",
}
# All fields of the option tables; "*" marks a vector. An absent table, or a field that an older schema lacks, is zero.
_STRIDES = ("Padding", "StrideH", "StrideW")
_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": (
        "Conv2DOptions",
        (*_STRIDES, "DilationHFactor", "DilationWFactor", "FusedActivationFunction", "QuantizedBiasType"),
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        (*_STRIDES, "DepthMultiplier", "DilationHFactor", "DilationWFactor", "FusedActivationFunction"),
    ),
    "FULLY_CONNECTED": (
        "FullyConnectedOptions",
        (
            "FusedActivationFunction",
            "WeightsFormat",
            "KeepNumDims",
            "AsymmetricQuantizeInputs",
            "QuantizedBiasType",
        ),
    ),
    "BATCH_MATMUL": ("BatchMatMulOptions", ("AdjX", "AdjY", "AsymmetricQuantizeInputs")),
    "MAX_POOL_2D": (
        "Pool2DOptions",
        (*_STRIDES, "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "AVERAGE_POOL_2D": (
        "Pool2DOptions",
        (*_STRIDES, "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "MEAN": ("ReducerOptions", ("KeepDims",)),
    "REDUCE_MAX": ("ReducerOptions", ("KeepDims",)),
    "REDUCE_PROD": ("ReducerOptions", ("KeepDims",)),
    "ARG_MAX": ("ArgMaxOptions", ("OutputType",)),
    "ADD": ("AddOptions", ("FusedActivationFunction", "PotScaleInt16")),
    "SUB": ("SubOptions", ("FusedActivationFunction", "PotScaleInt16")),
    "MUL": ("MulOptions", ("FusedActivationFunction",)),
    "DIV": ("DivOptions", ("FusedActivationFunction",)),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", "FusedActivationFunction")),
    "RESHAPE": ("ReshapeOptions", ("NewShape*",)),
    "SQUEEZE": ("SqueezeOptions", ("SqueezeDims*",)),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "GELU": ("GeluOptions", ("Approximate",)),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset"),
    ),
    "SHAPE": ("ShapeOptions", ("OutType",)),
    "CAST": ("CastOptions", ("InDataType", "OutDataType")),
    "PACK": ("PackOptions", ("Axis", "ValuesCount")),
    "GATHER": ("GatherOptions", ("Axis", "BatchDims")),
}


@dataclass(frozen=True, slots=True)
class Quantization:
    """Scales and zero points as stored: one of each, or one per index of `axis`. Not checked before `check`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int

    def check(self, dtype: str, shape: tuple[int, ...], where: str) -> None:
        """Raise BadModel unless scales and zero points are legal for a tensor of this type and shape."""
        low, high = {"INT8": (-128, 127), "UINT8": (0, 255)}.get(dtype, (0, 0))
        n = len(self.scales)
        if not all(math.isfinite(s) and s > 0 for s in self.scales):
            raise BadModel("a quantization scale is not a finite positive number", where=where)
        if len(self.zero_points) != n or not all(low <= z <= high for z in self.zero_points):
            raise BadModel(f"the zero points do not fit {n} scales and the type {dtype}", where=where)
        if n > 1 and not (0 <= self.axis < len(shape) and shape[self.axis] == n):
            raise BadModel(f"{n} scales along axis {self.axis} do not fit a tensor of shape {shape}", where=where)


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor of the file. `data` holds a constant's stored items; None for one that is computed or given."""

    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]  # as `shape`, with -1 for a dimension that may change from call to call
    dtype: str  # the schema's name, "FLOAT32"
    data: Array | None
    quant: Quantization | None
    refused: str  # why freeml cannot read this tensor, should an operator need it; else empty


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator: schema name, tensor indices (-1: absent) and the option fields freeml reads."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """The main subgraph of a file."""

    file: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    locs: tuple[str, ...]  # how errors name each operator


def _locs(file: str, operators: tuple[Operator, ...], tensors: tuple[Tensor, ...]) -> tuple[str, ...]:
    """Each operator by the tensor it computes, else by its kind and number.

    The converter joins the names of the layers it fuses by ";"; the first one is enough where no other has it. The
    ":0" at the end of a name is TensorFlow's number of an output.
    """
    names = [re.sub(r":\d+$", "", tensors[op.outputs[0]].name) if op.outputs else "" for op in operators]
    firsts = [name.split(";")[0] for name in names]
    counts = Counter(firsts)
    return tuple(
        f"{file}:{(first if counts[first] == 1 else name) or f'{op.kind}#{index}'}"
        for index, (op, name, first) in enumerate(zip(operators, names, firsts, strict=True))
    )


def parse(path: Path) -> TfliteModel:
    """Read and check a file. Raises BadModel, or UnsupportedOp for a sound file with several entry points."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadModel(f"the file has {size} bytes, more than {MAX_FILE_BYTES}", where=str(path))
        content = path.read_bytes()
    except OSError as error:
        raise BadModel(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    if content[4:8] != b"TFL3":
        raise BadModel(
            "this is not a TensorFlow Lite model: the identifier TFL3 is missing",
            where=str(path),
            hint="give the .tflite file that the TensorFlow Lite converter wrote",
        )
    try:
        return _Parser(content, path.name).model()
    except (IndexError, struct.error, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise BadModel(
            "the file is damaged: an offset or a count in it points outside",
            where=str(path),
            hint="copy or convert the model again",
        ) from error


class _Parser:
    def __init__(self, content: bytes, file: str) -> None:
        import tflite

        self._schema: Any = tflite
        self._file = file
        self._model = tflite.Model.GetRootAsModel(content, 0)
        self._kinds = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
        self._types = {code: name for name, code in vars(tflite.TensorType).items() if isinstance(code, int)}

    def model(self) -> TfliteModel:
        if self._model.SubgraphsLength() < 1:
            raise BadModel("the file has no subgraph", where=self._file)
        self._check_signatures()
        graph = self._model.Subgraphs(0)
        n_tensors = self._count(graph.TensorsLength(), MAX_TENSORS, "tensors")
        n_operators = self._count(graph.OperatorsLength(), MAX_OPERATORS, "operators")
        tensors = tuple(self._tensor(graph.Tensors(i), i) for i in range(n_tensors))
        operators = tuple(self._operator(graph.Operators(i), i, n_tensors) for i in range(n_operators))
        return TfliteModel(
            self._file,
            tensors,
            operators,
            self._indices(graph, "Inputs", n_tensors, 0, "the model's inputs"),
            self._indices(graph, "Outputs", n_tensors, 0, "the model's outputs"),
            _locs(self._file, operators, tensors),
        )

    def _check_signatures(self) -> None:
        n = self._model.SignatureDefsLength() if hasattr(self._model, "SignatureDefsLength") else 0
        for i in range(self._count(n, 100, "signatures")):
            if self._model.SignatureDefs(i).SubgraphIndex() != 0:
                raise UnsupportedOp(
                    "the model has several entry points (signatures), each with a graph of its own",
                    where=self._file,
                    hint="convert one function of the model into a file of its own",
                )

    def _tensor(self, tensor: Any, index: int) -> Tensor:
        name = _printable(tensor.Name())
        where = f"{self._file}:{name or f'tensor#{index}'}"
        shape = self._shape(tensor, "Shape", where, smallest=0)
        signature = self._shape(tensor, "ShapeSignature", where, smallest=-1) or shape
        dtype = self._types.get(tensor.Type(), f"type {tensor.Type()}")
        if math.prod(shape) > MAX_TENSOR_ELEMS:
            raise BadModel(f"a tensor of shape {shape} has more than {MAX_TENSOR_ELEMS} elements", where=where)
        refused = ""
        if tensor.Sparsity() is not None:
            refused = "its constants are stored in a sparse format"
        elif tensor.IsVariable():
            refused = "it keeps state from one inference to the next"
        elif dtype not in _ITEM_TYPES:
            refused = f"its elements are of type {dtype}"
        data = None if refused else self._data(tensor.Buffer(), shape, dtype, where)
        return Tensor(name, shape, signature, dtype, data, self._quantization(tensor, where), refused)

    def _shape(self, tensor: Any, field: str, where: str, *, smallest: int) -> tuple[int, ...]:
        rank = getattr(tensor, f"{field}Length")()
        if rank > MAX_RANK:
            raise BadModel(f"a tensor has {rank} dimensions", where=where)
        shape = tuple(int(getattr(tensor, field)(k)) for k in range(rank))
        if any(n < smallest for n in shape):
            raise BadModel(f"a tensor has the impossible shape {shape}", where=where)
        return shape

    def _data(self, buffer: int, shape: tuple[int, ...], dtype: str, where: str) -> Array | None:
        if buffer >= self._model.BuffersLength():
            raise BadModel(f"a tensor refers to buffer {buffer}, which does not exist", where=where)
        stored = self._model.Buffers(buffer)
        n_bytes = stored.DataLength() if stored is not None else 0
        if n_bytes == 0:
            return None
        item = np.dtype(_ITEM_TYPES[dtype])
        if n_bytes != math.prod(shape) * item.itemsize:
            raise BadModel(
                f"a constant of shape {shape} and type {dtype} does not have the {n_bytes} bytes of its buffer",
                where=where,
            )
        content: npt.NDArray[np.uint8] = stored.DataAsNumpy()
        return content.view(item).reshape(shape)

    def _quantization(self, tensor: Any, where: str) -> Quantization | None:
        stored = tensor.Quantization()
        if stored is None or stored.ScaleLength() == 0:
            return None
        if stored.DetailsType() != 0:
            raise UnsupportedOp("a tensor is quantized by a custom scheme", where=where)
        scales = tuple(float(s) for s in stored.ScaleAsNumpy())
        zeros = tuple(int(z) for z in stored.ZeroPointAsNumpy()) if stored.ZeroPointLength() else (0,) * len(scales)
        return Quantization(scales, zeros, int(stored.QuantizedDimension()))

    def _operator(self, op: Any, index: int, n_tensors: int) -> Operator:
        where = f"{self._file}:operator #{index}"
        if not 0 <= op.OpcodeIndex() < self._model.OperatorCodesLength():
            raise BadModel("an operator without a code", where=where)
        code = self._model.OperatorCodes(op.OpcodeIndex())
        number = code.DeprecatedBuiltinCode()
        if hasattr(code, "BuiltinCode"):
            number = max(number, code.BuiltinCode())
        kind = self._kinds.get(number, f"operator {number}")
        if kind == "CUSTOM":
            kind = f"custom operator {_printable(code.CustomCode()) or '(unnamed)'}"
        return Operator(
            kind,
            self._indices(op, "Inputs", n_tensors, -1, where),
            self._indices(op, "Outputs", n_tensors, 0, where),
            self._options(op, kind, where),
        )

    def _options(self, op: Any, kind: str, where: str) -> Options:
        if kind not in _OPTIONS:
            return {}
        table, fields = _OPTIONS[kind]
        union = op.BuiltinOptions()
        if union is None:
            return {field.rstrip("*"): () if field.endswith("*") else 0 for field in fields}
        if op.BuiltinOptionsType() != getattr(self._schema.BuiltinOptions, table):
            raise BadModel(f"{kind} carries the options of another operator", where=where)
        options = getattr(self._schema, table)()
        options.Init(union.Bytes, union.Pos)
        return {
            field.rstrip("*"): self._shape(options, field[:-1], where, smallest=-MAX_TENSOR_ELEMS)
            if field.endswith("*")
            else getattr(options, field, int)()
            for field in fields
        }

    def _indices(self, table: Any, field: str, n_tensors: int, smallest: int, where: str) -> tuple[int, ...]:
        count = self._count(getattr(table, f"{field}Length")(), MAX_OPERANDS, "operands")
        indices = tuple(int(getattr(table, field)(k)) for k in range(count))
        if not all(smallest <= i < n_tensors for i in indices):
            raise BadModel(f"a tensor index is not in 0..{n_tensors - 1}", where=where)
        return indices

    def _count(self, n: int, limit: int, what: str) -> int:
        if n > limit:
            raise BadModel(f"the file claims {n} {what}, more than {limit}", where=self._file)
        return n


def _printable(raw: bytes | None) -> str:
    """A name from the file, safe to print in an error of three lines."""
    text = (raw or b"")[:500].decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else "?" for c in text)
