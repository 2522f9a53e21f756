"""TensorFlow Lite files -> Graph@FLOAT, quantized models included.

An int8 model is read as the real-valued function it approximates: constants as code times scale, with their scales kept
(`Const.code_scales`), activations with scale and zero point on their types, so that quantizing again gives the model's
own numbers. QUANTIZE and DEQUANTIZE become such annotations. Tensors are channels last in the file as in the IR, so the
file's layout is the memory's. What is refused, and why: `ops.REFUSED`; nothing is executed and nothing dynamic
is supported.
"""

from __future__ import annotations

import os
from pathlib import Path

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.tflite.file import TfliteModel, parse
from freeml.frontend.tflite.fold import FOLDS
from freeml.frontend.tflite.nodes import Node, Reader
from freeml.frontend.tflite.ops import LOWERINGS, refusal
from freeml.ir.graph import Graph
from freeml.ir.verify import verify_graph


def read_tflite(path: str | os.PathLike[str]) -> Graph:
    """The graph of a .tflite file; inputs and outputs are real values in the author's NHWC shapes.

    Raises BadModel for a file that is damaged or contradicts itself, UnsupportedOp for one freeml cannot compile.
    """
    model = parse(Path(path))
    if not (model.inputs and model.outputs):
        raise BadModel("the model has no input or no output", where=model.file)
    for index, op in enumerate(model.operators):
        if op.kind not in LOWERINGS:
            what, hint = refusal(op.kind)
            raise UnsupportedOp(what, where=model.locs[index], hint=hint)
    try:
        graph = _lowered(model, Path(path).stem)
    except (ValueError, IndexError, ArithmeticError) as error:
        raise BadModel(f"the model contradicts itself: {error}", where=model.file) from error
    return verify_graph(graph)


def _lowered(model: TfliteModel, name: str) -> Graph:
    reader = Reader(model, GraphBuilder(name))
    for index in model.inputs:
        reader.add_input(index)
    for number in range(len(model.operators)):
        _run(reader, number)
    for index in model.outputs:
        reader.add_output(index)
    return reader.builder.finish()


def _run(reader: Reader, number: int) -> None:
    """Lower one operator, or fold it where all its inputs are known integers."""
    op, loc = reader.model.operators[number], reader.model.locs[number]
    reader.check_output(op, loc)
    node = Node(reader, op, loc)
    try:
        folded = FOLDS[op.kind](node) if op.kind in FOLDS else None
        result = LOWERINGS[op.kind](node) if folded is None else folded
        node.check_all_read()
        reader.define(node, result)
    except UnsupportedOp as error:
        raise UnsupportedOp(f"{op.kind}: {error.what}", where=error.where or loc, hint=error.hint) from error
