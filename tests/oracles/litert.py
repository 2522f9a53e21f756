"""LiteRT as an oracle: its final outputs, and every intermediate tensor of an int8 model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from freeml.ir.graph import Graph
from freeml.ir.interpret_int import run_int_op
from freeml.ir.types import Array, DType


class Oracle:
    """A .tflite file in LiteRT, one sample at a time."""

    def __init__(self, path: Path, *, preserve: bool = False) -> None:
        # Delegates fuse layers, so with them intermediate tensors would not all exist.
        kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if preserve else OpResolverType.AUTO
        self.interpreter = Interpreter(
            str(path), experimental_preserve_all_tensors=preserve, num_threads=1, experimental_op_resolver_type=kind
        )
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.output = self.interpreter.get_output_details()[0]

    def run(self, sample: Array) -> Array:
        """The output for one sample, in the model's own element type."""
        self.interpreter.set_tensor(
            self.input["index"], sample.reshape(self.input["shape"]).astype(self.input["dtype"])
        )
        self.interpreter.invoke()
        return np.array(self.interpreter.get_tensor(self.output["index"])[0])

    def run_all(self, samples: Sequence[Array]) -> Array:
        """Outputs of several samples."""
        return np.stack([self.run(sample) for sample in samples])

    def tensors(self) -> dict[str, Array]:
        """Every int8 tensor of the last run by name (needs preserve)."""
        found = {}
        for detail in self.interpreter.get_tensor_details():
            if detail["dtype"] is np.int8 and detail["shape"].size and detail["name"]:
                try:
                    found[detail["name"].split(";")[0]] = np.array(self.interpreter.get_tensor(detail["index"]))
                except ValueError:
                    continue  # constants that the delegate has packed away
        return found


def codes(graph: Graph, real: Array) -> npt.NDArray[np.int8]:
    """Input codes of an int8 model for real samples."""
    quant = graph.types[graph.inputs[0].value].quant
    assert quant is not None
    return quant.quantize(real)


def layer_differences(graph: Graph, tensors: dict[str, Array]) -> dict[str, npt.NDArray[np.int64]]:
    """|ours - LiteRT's| of every layer that reads exactly what LiteRT's layer read, by value name."""
    known: dict[str, Array] = {}
    for port in graph.inputs:
        known[port.value] = tensors[port.name.split(";")[0]].reshape(1, *graph.types[port.value].shape)
    differences = {}
    for op in graph.ops:
        type_ = graph.types[op.output]
        values = [name for name in op.inputs if name in graph.types]
        theirs = tensors.get(op.loc.split(":", 1)[1].split(";")[0])
        if type_.dtype is DType.I8 and all(name in known for name in values):
            args = [known[name] if name in known else graph.consts[name].array for name in op.inputs]
            ours = run_int_op(op, args, type_)
            last = not any(later.loc == op.loc for later in graph.ops[graph.ops.index(op) + 1 :])
            if last and theirs is not None and theirs.size == ours.size:
                reference = theirs.reshape(ours.shape)
                differences[op.output] = np.abs(ours.astype(np.int64) - reference)
                known[op.output] = reference
            else:
                known[op.output] = ours
    return differences
