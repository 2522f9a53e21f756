"""Writes tiny .tflite files for the tests: LiteRT, the oracle, has no writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite


@dataclass(frozen=True)
class T:
    name: str
    shape: Sequence[int]
    type: str = "FLOAT32"
    data: np.ndarray | None = None
    scales: Sequence[float] = ()
    zeros: Sequence[int] = ()
    axis: int = 0
    signature: Sequence[int] | None = None
    variable: bool = False


@dataclass(frozen=True)
class Op:
    kind: str
    inputs: Sequence[str | None]
    output: str
    table: str = ""
    options: Mapping[str, float | Sequence[int]] = field(default_factory=dict)


def const(name: str, array: np.ndarray, **quant: object) -> T:
    types = {"f4": "FLOAT32", "f2": "FLOAT16", "i1": "INT8", "u1": "UINT8", "i4": "INT32", "i8": "INT64", "i2": "INT16"}
    return T(name, array.shape, types[array.dtype.str[1:]], array, **quant)  # type: ignore[arg-type]


def write_model(tensors: Sequence[T], ops: Sequence[Op], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    b = flatbuffers.Builder(1024)
    number = {t.name: i for i, t in enumerate(tensors)}
    buffers = [_buffer(b, None)] + [_buffer(b, t.data) for t in tensors]
    stored = [_tensor(b, t, i + 1) for i, t in enumerate(tensors)]
    kinds = list(dict.fromkeys(op.kind for op in ops))
    operators = [_operator(b, op, kinds.index(op.kind), number) for op in ops]
    codes = [_code(b, kind) for kind in kinds]
    ins, outs = _ints(b, [number[n] for n in inputs]), _ints(b, [number[n] for n in outputs])
    tensor_vector, operator_vector = _offsets(b, stored), _offsets(b, operators)
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensor_vector)
    tflite.SubGraphAddInputs(b, ins)
    tflite.SubGraphAddOutputs(b, outs)
    tflite.SubGraphAddOperators(b, operator_vector)
    graph = tflite.SubGraphEnd(b)
    graphs, code_vector, buffer_vector = _offsets(b, [graph]), _offsets(b, codes), _offsets(b, buffers)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, code_vector)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, buffer_vector)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def _offsets(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _ints(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    return b.CreateNumpyVector(np.array(values, dtype=np.int32))


def _buffer(b: flatbuffers.Builder, data: np.ndarray | None) -> int:
    vector = None
    if data is not None:
        raw = np.frombuffer(np.ascontiguousarray(data).tobytes(), dtype=np.uint8)
        b.StartVector(1, raw.size, 16)
        b.head -= raw.size
        b.Bytes[b.head : b.head + raw.size] = raw.tobytes()
        vector = b.EndVector()
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return tflite.BufferEnd(b)


def _tensor(b: flatbuffers.Builder, t: T, buffer: int) -> int:
    name, shape = b.CreateString(t.name), _ints(b, t.shape)
    signature = None if t.signature is None else _ints(b, t.signature)
    quant = None
    if t.scales:
        scales = b.CreateNumpyVector(np.array(t.scales, dtype=np.float32))
        zeros = b.CreateNumpyVector(np.array(t.zeros or [0] * len(t.scales), dtype=np.int64))
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scales)
        tflite.QuantizationParametersAddZeroPoint(b, zeros)
        tflite.QuantizationParametersAddQuantizedDimension(b, t.axis)
        quant = tflite.QuantizationParametersEnd(b)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, getattr(tflite.TensorType, t.type))
    tflite.TensorAddBuffer(b, buffer)
    tflite.TensorAddName(b, name)
    tflite.TensorAddIsVariable(b, t.variable)
    if quant is not None:
        tflite.TensorAddQuantization(b, quant)
    if signature is not None:
        tflite.TensorAddShapeSignature(b, signature)
    return tflite.TensorEnd(b)


def _operator(b: flatbuffers.Builder, op: Op, code: int, number: Mapping[str, int]) -> int:
    options = _options(b, op) if op.table else None
    ins, outs = _ints(b, [-1 if n is None else number[n] for n in op.inputs]), _ints(b, [number[op.output]])
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, code)
    tflite.OperatorAddInputs(b, ins)
    tflite.OperatorAddOutputs(b, outs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, op.table))
        tflite.OperatorAddBuiltinOptions(b, options)
    return tflite.OperatorEnd(b)


def _options(b: flatbuffers.Builder, op: Op) -> int:
    vectors = {k: _ints(b, v) for k, v in op.options.items() if isinstance(v, list | tuple)}
    getattr(tflite, f"{op.table}Start")(b)
    for key, value in op.options.items():
        getattr(tflite, f"{op.table}Add{key}")(b, vectors.get(key, value))
    return getattr(tflite, f"{op.table}End")(b)


def _code(b: flatbuffers.Builder, kind: str) -> int:
    custom = b.CreateString("MyOp") if kind == "CUSTOM" else None
    number = getattr(tflite.BuiltinOperator, kind)
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
    tflite.OperatorCodeAddBuiltinCode(b, number)
    tflite.OperatorCodeAddVersion(b, _VERSIONS.get(kind, 1))
    if custom is not None:
        tflite.OperatorCodeAddCustomCode(b, custom)
    return tflite.OperatorCodeEnd(b)


# LiteRT picks the newer semantics of an operator by its version.
_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 5}
