"""Reading an ONNX file that nobody vouches for: every size is checked before it is allocated.

Only the protobuf parser sees raw bytes; what it returns is checked for what the rest relies on (names, counts, sizes
of tensors, types of inputs) before any code of the onnx package looks at it. External data may not leave the model's
folder.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.views import MAX_TENSOR_ELEMS
from freeml.ir.types import Array

MAX_FILE_BYTES = 1 << 30
MAX_NODES = 20_000
MIN_OPSET = 6
_REEXPORT = "export the model again, or check that the download is complete"

# Where a tensor without raw_data keeps its elements.
_FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
    TensorProto.FLOAT16: "int32_data",
    TensorProto.BFLOAT16: "int32_data",
    TensorProto.INT8: "int32_data",
    TensorProto.INT16: "int32_data",
    TensorProto.INT32: "int32_data",
    TensorProto.UINT8: "int32_data",
    TensorProto.UINT16: "int32_data",
    TensorProto.BOOL: "int32_data",
}


@dataclass(frozen=True)
class InputSpec:
    """A graph input: its name, static shape (a symbolic batch is 1) and numpy type name."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def read_bytes(path: Path) -> bytes:
    """The whole file, or BadModel: missing, not a file, empty or too large."""
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise BadModel("not a file", where=str(path), hint="give the path of an .onnx file")
        if not 0 < info.st_size <= MAX_FILE_BYTES:
            raise BadModel(
                f"the file has {info.st_size} bytes; a model has between 1 and {MAX_FILE_BYTES}",
                where=str(path),
                hint=_REEXPORT,
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadModel(f"the file cannot be read: {reason}", where=str(path), hint="check the path") from error


def parse(data: bytes, where: str) -> onnx.ModelProto:
    """Bytes -> ModelProto. Raises BadModel where they are not an ONNX model."""
    try:
        model = onnx.ModelProto()
        model.ParseFromString(data)
    except Exception as error:  # the parser raises its own DecodeError, and others for bad UTF-8
        raise BadModel("not an ONNX file, or a damaged one", where=where, hint=_REEXPORT) from error
    if not model.graph.node and not model.graph.output:
        raise BadModel("not an ONNX file: it holds no graph", where=where, hint=_REEXPORT)
    return model


def opset_of(model: onnx.ModelProto, where: str) -> int:
    """Version of the standard operator set. Raises BadModel without one, UnsupportedOp outside what freeml reads."""
    versions = [int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1:
        raise BadModel("the model does not name one version of the ONNX operator set", where=where, hint=_REEXPORT)
    newest = onnx.defs.onnx_opset_version()
    if not MIN_OPSET <= versions[0] <= newest:
        raise UnsupportedOp(
            f"ONNX operator set {versions[0]}; freeml reads {MIN_OPSET} to {newest}",
            where=where,
            hint="export with opset_version=17, or convert with onnx.version_converter",
        )
    return versions[0]


def check_graph(graph: onnx.GraphProto, where: str) -> None:
    """What the lowering relies on: bounded size, unique names, sound initialisers. Raises BadModel or UnsupportedOp."""
    if len(graph.node) > MAX_NODES:
        raise UnsupportedOp(
            f"the graph has {len(graph.node)} nodes, freeml reads up to {MAX_NODES}",
            where=where,
            hint="freeml compiles networks for microcontrollers",
        )
    if graph.sparse_initializer:
        raise UnsupportedOp("sparse initialisers", where=where, hint="export dense weights")
    if not graph.output:
        raise BadModel("the graph has no outputs", where=where, hint=_REEXPORT)
    _check_names(graph, where)
    _unique((tensor.name for tensor in graph.initializer), "initialiser", where)
    _unique((value.name for value in graph.input), "input", where)
    _unique((value.name for value in graph.output), "output", where)
    _unique((name for node in graph.node for name in node.output if name), "result of a node", where)
    given = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    for node in graph.node:
        for name in node.output:
            if name in given:
                raise BadModel(f"a node writes {name!r}, which is an input or an initialiser", where=where)
    for tensor in graph.initializer:
        check_tensor(tensor, f"{where}:{tensor.name}")


def _check_names(graph: onnx.GraphProto, where: str) -> None:
    """The parser hands out strings that are no UTF-8 as bytes."""
    names: list[object] = [value.name for value in (*graph.input, *graph.output, *graph.initializer)]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    if not all(isinstance(name, str) for name in names):
        raise BadModel("a name that is not text", where=where, hint=_REEXPORT)


def _unique(names: Iterable[str], what: str, where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not name or name in seen:
            raise BadModel(
                f"{what} {name!r} appears twice" if name else f"a {what} without a name", where=where, hint=_REEXPORT
            )
        seen.add(name)


def check_tensor(tensor: TensorProto, where: str) -> int:
    """Number of elements of a tensor that says about itself only what is true. Raises BadModel or UnsupportedOp."""
    kind = tensor.data_type
    if kind not in _FIELDS:
        known = kind in TensorProto.DataType.values() and kind != TensorProto.UNDEFINED
        if not known:
            raise BadModel(f"element type {kind} does not exist in ONNX", where=where, hint=_REEXPORT)
        raise UnsupportedOp(
            f"constants of type {TensorProto.DataType.Name(kind).lower()}",
            where=where,
            hint="use float32 weights, or int8 weights with QuantizeLinear and DequantizeLinear",
        )
    n_elems = checked_size(tuple(tensor.dims), where)
    if tensor.data_location == TensorProto.EXTERNAL:
        return n_elems
    if tensor.HasField("raw_data"):
        expected = n_elems * onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
        found, unit = len(tensor.raw_data), "bytes"
    else:
        expected, found, unit = n_elems, len(getattr(tensor, _FIELDS[kind])), "elements"
    if expected != found:
        raise BadModel(
            f"a tensor of shape {tuple(tensor.dims)} needs {expected} {unit} and has {found}",
            where=where,
            hint=_REEXPORT,
        )
    return n_elems


def checked_size(dims: tuple[int, ...], where: str) -> int:
    """Product of the dimensions. Raises BadModel where one is negative or there are too many elements."""
    if any(n < 0 for n in dims) or len(dims) > 32 or math.prod(dims) > MAX_TENSOR_ELEMS:
        raise BadModel(
            f"a tensor of shape {dims[:8]} is not possible: freeml reads up to {MAX_TENSOR_ELEMS} elements",
            where=where,
            hint=_REEXPORT,
        )
    return math.prod(dims)


def to_array(tensor: TensorProto, where: str, folder: Path | None) -> Array:
    """The numpy array of a tensor (bfloat16 as float32). Raises BadModel where its data is missing or does not fit."""
    n_elems = check_tensor(tensor, where)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if tensor.data_location == TensorProto.EXTERNAL:
        array = np.frombuffer(_external_bytes(tensor, n_elems * dtype.itemsize, where, folder), dtype.newbyteorder("<"))
        array = array.reshape(tuple(tensor.dims)).astype(dtype)
    else:
        try:
            array = numpy_helper.to_array(tensor)
        except Exception as error:
            raise BadModel(f"a tensor that cannot be decoded: {error}", where=where, hint=_REEXPORT) from error
    return array.astype(np.float32) if tensor.data_type == TensorProto.BFLOAT16 else array


def _external_bytes(tensor: TensorProto, n_bytes: int, where: str, folder: Path | None) -> bytes:
    entries = {str(entry.key): str(entry.value) for entry in tensor.external_data}
    path = _inside(folder, entries.get("location", ""), where)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", n_bytes))
    except ValueError as error:
        raise BadModel("offset or length of external data is not a number", where=where, hint=_REEXPORT) from error
    if not 0 <= offset <= MAX_FILE_BYTES or length != n_bytes:
        raise BadModel(f"external data of {length} bytes at {offset}, {n_bytes} are needed", where=where)
    # Path components were checked above; O_NOFOLLOW closes the gap for the last one.
    try:
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            file.seek(offset)
            data = file.read(n_bytes)
    except (OSError, OverflowError) as error:
        raise BadModel(f"external data cannot be read: {error}", where=where, hint=_REEXPORT) from error
    if len(data) != n_bytes:
        raise BadModel(f"external data ends after {len(data)} of {n_bytes} bytes", where=where, hint=_REEXPORT)
    return data


def _inside(folder: Path | None, location: str, where: str) -> Path:
    """The external file, which must lie in the model's own folder, without links on the way."""
    parts = Path(location).parts
    if folder is None or not parts or Path(location).is_absolute() or ".." in parts or "\0" in location:
        raise BadModel(
            f"external data at {location!r} does not lie in the model's folder",
            where=where,
            hint="save the weights next to the model, or inside it (onnx.save with save_as_external_data=False)",
        )
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise BadModel(f"external data at {location!r} is a symbolic link", where=where, hint="copy the file here")
    if not path.is_file():
        raise BadModel(f"external data at {location!r} is missing", where=where, hint="keep it next to the model")
    return path


def inputs_of(graph: onnx.GraphProto, where: str) -> list[InputSpec]:
    """Inputs that are not initialisers (old exporters list both). Raises UnsupportedOp for dynamic shapes."""
    initialised = {tensor.name for tensor in graph.initializer}
    return [_input_spec(value, where) for value in graph.input if value.name not in initialised]


def _input_spec(value: onnx.ValueInfoProto, where: str) -> InputSpec:
    place = f"{where}:{value.name}"
    if value.type.WhichOneof("value") != "tensor_type":
        kind = str(value.type.WhichOneof("value") or "no type").replace("_type", "")
        raise UnsupportedOp(f"input {value.name!r} is a {kind}, not a tensor", where=place)
    type_ = value.type.tensor_type
    dtype = _port_dtype(type_.elem_type, f"input {value.name!r}", place)
    if not type_.HasField("shape"):
        raise UnsupportedOp(
            f"input {value.name!r} has no shape", where=place, hint="export the model with a fixed input shape"
        )
    dims = []
    for axis, dim in enumerate(type_.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value >= 0:
            dims.append(dim.dim_value)
        elif axis == 0:
            dims.append(1)  # the batch: one sample at a time on the device
        else:
            raise UnsupportedOp(
                f"input {value.name!r}: dimension {axis} ({dim.dim_param or 'unknown'!r}) is not fixed",
                where=place,
                hint="export the model with a fixed input shape (no dynamic_axes but the batch)",
            )
    return InputSpec(value.name, tuple(dims), dtype)


def _port_dtype(elem_type: int, what: str, place: str) -> str:
    if elem_type not in TensorProto.DataType.values() or elem_type == TensorProto.UNDEFINED:
        raise BadModel(f"{what} has an element type that does not exist ({elem_type})", where=place, hint=_REEXPORT)
    name = onnx.helper.tensor_dtype_to_np_dtype(elem_type).name if elem_type in _FIELDS else "other"
    if elem_type in (TensorProto.BFLOAT16, TensorProto.BOOL) or name == "other":
        raise UnsupportedOp(
            f"{what} is of type {TensorProto.DataType.Name(elem_type).lower()}",
            where=place,
            hint="freeml takes float and integer tensors",
        )
    return name
