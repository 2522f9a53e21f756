"""Any model a user may have -> Graph@FLOAT: chooses the frontend by what it was given."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeml.errors import BadModel
from freeml.ir.graph import Graph
from freeml.ir.text import digest

_CONSTRUCTOR = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".h5", ".keras", ".pb", ".safetensors")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A graph, a name for it, and the SHA-256 of what it was read from."""

    graph: Graph
    name: str
    digest: str


def load_model(model: Any, example_inputs: Any = None) -> LoadedModel:
    """Read a path (.onnx, .tflite, .pt2), a constructor "package.module:function", or a torch module or program.

    example_inputs: a tuple of tensors, for a torch module. Raises BadModel or UnsupportedOp.
    """
    if isinstance(model, str) and _CONSTRUCTOR.match(model) and not Path(model).exists():
        from freeml.frontend.torch.read import from_constructor

        graph = from_constructor(model)
        return LoadedModel(graph, model.rsplit(":", 1)[1], digest(graph))
    if isinstance(model, str | Path):
        return _load_file(Path(model))
    if type(model).__module__.startswith("onnx"):
        from freeml.frontend.onnx.read import from_model_proto

        graph = from_model_proto(model, name="model", where="model")
        return LoadedModel(graph, graph.name, digest(graph))
    from freeml.frontend.torch.read import from_torch

    name = getattr(type(model), "__name__", "model")
    graph = from_torch(model, example_inputs, name=name)
    return LoadedModel(graph, name, digest(graph))


def _load_file(path: Path) -> LoadedModel:
    if path.is_dir():
        raise BadModel(
            "this is a folder, and no model file",
            where=str(path),
            hint="give the model's file; what freeml compiled is looked at by freeml verify and freeml report",
        )
    if not path.is_file():
        raise BadModel(
            "there is no such model file",
            where=str(path),
            hint="give an .onnx, .tflite or .pt2 file, or package.module:function for a torch module",
        )
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from freeml.frontend.onnx.read import read_onnx

        graph = read_onnx(path)
    elif suffix in (".tflite", ".lite"):
        from freeml.frontend.tflite.read import read_tflite

        graph = read_tflite(path)
    elif suffix == ".pt2":
        from freeml.frontend.torch.read import read_pt2

        graph = read_pt2(path)
    elif suffix in _PICKLES:
        raise BadModel(
            f"{suffix} files can run code when they are opened, or hold no network, so freeml does not read them",
            where=str(path),
            hint="export to .onnx, .tflite or .pt2 (torch.export.save), or give package.module:function",
        )
    else:
        raise BadModel(
            f"{suffix or 'a file without ending'} is no model format that freeml reads",
            where=str(path),
            hint="give an .onnx, .tflite or .pt2 file",
        )
    return LoadedModel(graph, path.stem, _file_digest(path))


def _file_digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
