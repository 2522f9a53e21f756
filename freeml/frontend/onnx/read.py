"""ONNX -> Graph@FLOAT. Float models of operator set 7 and later, and QDQ models with their scales kept.

    file     what nobody vouches for: bounded, checked, external data confined
    nodes    nodes checked against ONNX's own schemas
    fold     constants and shapes, by the onnx package
    lower    operator by operator onto the GraphBuilder, by dense, elementwise, norm, shapes and windows
    qdq      scales that the model fixes

What cannot be compiled is refused with the node's name; nothing is approximated. Integer tensors keep the model's type;
sums and differences of 64-bit integers are exact below 2**53, where the float64 of the interpreter stops counting.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from freeml.errors import UnsupportedOp
from freeml.frontend.onnx.file import check_graph, opset_of, parse, read_bytes
from freeml.frontend.onnx.lower import Lowering
from freeml.ir.graph import Graph
from freeml.ir.verify import verify_graph


def read_onnx(path: Path | str) -> Graph:
    """Read an .onnx file. Raises BadModel for what is no sound model, UnsupportedOp for what freeml cannot compile."""
    path = Path(path)
    model = parse(read_bytes(path), path.name)
    return from_model_proto(model, name=path.stem, where=path.name, folder=path.parent)


def from_model_proto(model: onnx.ModelProto, *, name: str, where: str, folder: Path | None = None) -> Graph:
    """The graph of a model in memory.

    name     of the graph; the generated C is named after it
    where    stands before the node's name in every error
    folder   where external data may lie; none is read where it is None
    """
    opset = opset_of(model, where)
    check_graph(model.graph, where)
    if model.functions:
        raise UnsupportedOp(
            f"the model defines its own functions ({model.functions[0].name!r})",
            where=where,
            hint="inline them first: onnx.inliner.inline_local_functions(model)",
        )
    return verify_graph(Lowering(model, opset, name=name, where=where, folder=folder).run().finish())
