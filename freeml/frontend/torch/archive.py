"""Reads .pt2 files (`torch.export.save`) without torch: a zip of JSON and raw weights.

`torch.export.load` is not used. It unpickles weights, constants and sample inputs that the file marks as pickled, and
evaluates the file's symbolic expressions, so a hostile file would run code. This reader takes the JSON and the raw
weights, ignores sample inputs, refuses everything pickled, and checks every count before it is used.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.torch.program import AtenCall, Program, Ref
from freeml.ir.types import Array

MAX_FILE_BYTES = 256 << 20
MAX_ENTRIES = 20_000
MAX_ELEMS = 1 << 26

HINT = (
    "save the model with torch.export.save(torch.export.export(model.eval(), inputs), 'model.pt2'), "
    "or name a function as package.module:function that returns (module, example_inputs)"
)
# Codes of torch's ScalarType in the schema of .pt2 files, major version 8.
_DTYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "?"}
_SCHEMA_MAJOR = 8
_TARGET = re.compile(r"torch\.ops\.(aten\.\w+\.\w+)")


def read_archive(path: Path) -> Program:
    """The program of a .pt2 file. Raises BadModel for anything else, UnsupportedOp for what it cannot express."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadModel(f"the file has more than {MAX_FILE_BYTES} bytes", where=str(path))
        if not zipfile.is_zipfile(path):
            raise BadModel("this is not a .pt2 file: pickled torch files are never opened", where=str(path), hint=HINT)
        with zipfile.ZipFile(path) as archive:
            return _Archive(archive, path).program()
    except OSError as error:
        raise BadModel(f"the file cannot be read: {error}", where=str(path)) from error
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        ArithmeticError,
        EOFError,
    ) as error:
        raise BadModel("the file is damaged, or not one that torch.export.save wrote", where=str(path)) from error


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._path = path
        infos = archive.infolist()
        names = [info.filename for info in infos]
        if len(names) > MAX_ENTRIES or len(set(names)) != len(names):
            raise BadModel("the archive has too many entries, or two of one name", where=str(path))
        if sum(info.file_size for info in infos) > MAX_FILE_BYTES:
            raise BadModel(f"the archive unpacks to more than {MAX_FILE_BYTES} bytes", where=str(path))
        roots = {name.split("/", 1)[0] for name in names}
        self._root = roots.pop() if len(roots) == 1 else ""
        self._names = frozenset(names)
        self._n_elems = 0

    def program(self) -> Program:
        if "serialized_exported_program.json" in self._names:
            raise BadModel(
                "the file is of a torch before 2.8, whose format pickles the weights: pickled files are never opened",
                where=str(self._path),
                hint="save it again with a current torch, or name a function as package.module:function",
            )
        if self._text("archive_format") != "pt2":
            raise BadModel(
                "this is a TorchScript or pickle archive, not a .pt2 file: pickled files are never opened",
                where=str(self._path),
                hint=HINT,
            )
        model = json.loads(self._bytes("models/model.json"))
        if model["schema_version"]["major"] != _SCHEMA_MAJOR:
            raise BadModel(
                f"the file has version {model['schema_version']['major']} of the format, not {_SCHEMA_MAJOR}",
                where=str(self._path),
                hint="save it again with a current torch",
            )
        module = model["graph_module"]
        graph, signature = module["graph"], module["signature"]
        inputs, constants = self._inputs(graph, signature)
        return Program(
            self._path.stem,
            inputs,
            constants,
            tuple(self._call(node) for node in graph["nodes"]),
            tuple(self._output(spec) for spec in signature["output_specs"]),
        )

    # ---- the edge of the program ------------------------------------------------------------------------------------

    def _inputs(self, graph: Any, signature: Any) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], dict[str, Array]]:
        weights = json.loads(self._bytes("data/weights/model_weights_config.json"))["config"]
        others = json.loads(self._bytes("data/constants/model_constants_config.json"))["config"]
        inputs, constants = [], {}
        for spec in signature["input_specs"]:
            ((kind, body),) = spec.items()
            if kind == "user_input":
                name = self._tensor_name(body["arg"], "an input of the model")
                inputs.append((name, self._shape(graph["tensor_values"][name], f"input {name!r}")))
                if graph["tensor_values"][name]["dtype"] != 7:
                    raise UnsupportedOp("the input is not float32", where=f"input {name!r}")
                continue
            names = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
            if kind not in names:
                raise UnsupportedOp(f"the program takes a {kind}, which is not a tensor", where=str(self._path))
            given = body[names[kind]]
            folder, entry = ("weights", weights[given]) if given in weights else ("constants", others[given])
            constants[body["arg"]["name"]] = self._constant(folder, entry, given)
        return tuple(inputs), constants

    def _output(self, spec: Any) -> str:
        ((kind, body),) = spec.items()
        if kind != "user_output":
            raise UnsupportedOp(
                f"the program changes its own state ({kind})",
                where=str(self._path),
                hint="export the model in eval mode, without buffers that forward() writes",
            )
        return self._tensor_name(body["arg"], "an output of the model")

    def _tensor_name(self, argument: Any, what: str) -> str:
        if "as_tensor" not in argument:
            raise UnsupportedOp(f"{what} is not a tensor", where=str(self._path))
        return str(argument["as_tensor"]["name"])

    def _shape(self, meta: Any, where: str) -> tuple[int, ...]:
        shape = tuple(self._integer(size, where) for size in meta["sizes"])
        if any(n < 0 for n in shape) or math.prod(shape) > MAX_ELEMS or len(shape) > 8:
            raise BadModel(f"a tensor of the impossible shape {shape}", where=where)
        return shape

    def _integer(self, size: Any, where: str) -> int:
        if isinstance(size, dict):
            if "as_int" not in size:
                raise UnsupportedOp(
                    "the program has dynamic shapes", where=where, hint="export without dynamic_shapes, for one sample"
                )
            size = size["as_int"]
        if isinstance(size, bool) or not isinstance(size, int):
            raise BadModel("a size that is not an integer", where=where)
        return size

    def _constant(self, folder: str, entry: Any, name: str) -> Array:
        where = f"{self._path.name}:{name}"
        path = str(entry["path_name"])
        if entry["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", path):
            raise BadModel("the file holds pickled objects, which freeml never loads", where=where, hint=HINT)
        meta = entry["tensor_meta"]
        if meta["dtype"] not in _DTYPES:
            raise UnsupportedOp(f"a constant of torch's type number {meta['dtype']}", where=where)
        shape: tuple[int, ...] = self._shape(meta, where)
        self._n_elems += math.prod(shape)
        if self._n_elems > MAX_ELEMS:
            raise BadModel(f"the constants up to here have more than {MAX_ELEMS} elements", where=where)
        strides = tuple(self._integer(stride, where) for stride in meta["strides"])
        offset = self._integer(meta["storage_offset"], where)
        item = np.dtype(_DTYPES[meta["dtype"]])
        content = self._bytes(f"data/{folder}/{path}")
        stored = np.frombuffer(content[: len(content) // item.itemsize * item.itemsize], dtype=item)
        reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if offset < 0 or any(s < 0 for s in strides) or (0 not in shape and reach >= stored.size):
            raise BadModel(f"a constant of shape {shape} reaches past its {len(content)} bytes", where=where)
        steps = tuple(s * item.itemsize for s in strides)
        array: Array = np.lib.stride_tricks.as_strided(stored[offset:], shape, steps, writeable=False).copy()
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadModel("a constant contains NaN or infinity", where=where)
        return array

    # ---- calls ------------------------------------------------------------------------------------------------------

    def _call(self, node: Any) -> AtenCall:
        module = _module_path(str(node["metadata"].get("nn_module_stack", "")))
        outputs: list[str] = []
        for out in node["outputs"]:
            outputs += [out["as_tensor"]["name"]] if "as_tensor" in out else [t["name"] for t in out["as_tensors"]]
        match = _TARGET.fullmatch(node["target"])
        where = f"{self._path.stem}:{module or (outputs[0] if outputs else 'forward')}"
        if match is None:
            raise UnsupportedOp(
                f"{_plain(node['target'])}: only operators of torch's own library (aten) are supported",
                where=where,
                hint="control flow, custom and quantized operators cannot be compiled; export the float model",
            )
        args = {str(a["name"]): self._argument(a["arg"], where) for a in node["inputs"]}
        return AtenCall(match.group(1), args, tuple(map(str, outputs)), module)

    def _argument(self, argument: Any, where: str) -> object:
        ((kind, value),) = argument.items()
        if kind == "as_tensor":
            return Ref(str(value["name"]))
        if kind == "as_optional_tensor":
            return self._argument(value, where)
        if kind in ("as_tensors", "as_optional_tensors"):
            return [self._argument(v if "name" not in v else {"as_tensor": v}, where) for v in value]
        if kind == "as_none":
            return None
        if kind in ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string"):
            return value
        if kind == "as_sym_int":
            return self._integer(value, where)
        if kind == "as_sym_ints":
            return [self._integer(v, where) for v in value]
        if kind == "as_scalar_type":
            return f"torch.{np.dtype(_DTYPES[value]).name}" if value in _DTYPES else f"torch.type{value}"
        if kind in ("as_memory_format", "as_layout", "as_device"):
            return None  # where and how torch would keep it: of no meaning here
        raise UnsupportedOp(f"an argument of the kind {_plain(kind)}", where=where)

    # ---- entries ----------------------------------------------------------------------------------------------------

    def _bytes(self, name: str) -> bytes:
        entry = f"{self._root}/{name}"
        if entry not in self._names:
            raise BadModel(f"the archive lacks {name}", where=str(self._path), hint=HINT)
        return self._archive.read(entry)

    def _text(self, name: str) -> str:
        if f"{self._root}/{name}" not in self._names:
            return ""
        return self._archive.read(f"{self._root}/{name}").decode(errors="replace").strip()


def _module_path(stack: str) -> str:
    """ "L__self__,,Net;L__self__conv1,conv1,Conv2d" -> "conv1"."""
    parts = stack.rpartition(";")[2].split(",")
    return _plain(parts[1]) if len(parts) > 1 else ""


def _plain(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text)[:200])
