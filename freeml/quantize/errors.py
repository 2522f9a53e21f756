"""Where the error of int8 arises, layer by layer.

For each value: the error it has, given everything before it (accumulated), and the error its own op adds when it reads
exact inputs (local). A layer whose local error is large is the one to look at; the advice says what usually helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.interpret_int import run_int_op
from freeml.ir.ops import Op, Reshape, Transpose
from freeml.ir.types import Array, DType


@dataclass(frozen=True, slots=True)
class LayerError:
    """Relative errors are root mean square of the difference over root mean square of the float values."""

    loc: str
    op: str
    value: str
    local: float
    accumulated: float
    clipped: float  # share of int8 codes at either end of the range that the float values leave
    advice: str


def layer_errors(float_graph: Graph, int_graph: Graph, samples: Sequence[Array]) -> list[LayerError]:
    """One row for each op of the integer graph whose value the float graph has too, in execution order."""
    shared = [op for op in int_graph.ops if op.output in float_graph.types and not isinstance(op, Reshape | Transpose)]
    shared = [op for op in shared if int_graph.types[op.output].dtype is DType.I8]
    sums = {op.output: np.zeros(4) for op in shared}
    for start, stop in chunks(float_graph, len(samples[0])):
        part = [array[start:stop] for array in samples]
        exact = interpret(float_graph, encode_inputs(float_graph, part), list(float_graph.types))
        actual = interpret(int_graph, encode_inputs(int_graph, part), list(int_graph.types))
        for op in shared:
            sums[op.output] += _sums(int_graph, op, exact, actual)
    return [_row(op, sums[op.output]) for op in shared]


def _sums(graph: Graph, op: Op, exact: dict[str, Array], actual: dict[str, Array]) -> Array:
    """Sums of squares: float values, accumulated difference, local difference; and the share of clipped codes."""
    args = []
    for name in op.inputs:
        if name in graph.consts:
            args.append(graph.consts[name].array)
            continue
        quant = graph.types[name].quant
        known = name in exact and quant is not None
        args.append(quant.quantize(exact[name]) if known and quant else actual[name])
    out = graph.types[op.output]
    assert out.quant is not None
    local = out.quant.dequantize(run_int_op(op, args, out))
    reference = exact[op.output].astype(np.float64)
    low, high = out.quant.dequantize(np.array([-128, 127]))
    outside = (reference < low - out.quant.scale) | (reference > high + out.quant.scale)
    return np.array(
        [
            (reference**2).sum(),
            ((out.quant.dequantize(actual[op.output]) - reference) ** 2).sum(),
            ((local - reference) ** 2).sum(),
            outside.mean(),
        ]
    )


def _row(op: Op, sums: Array) -> LayerError:
    power = float(sums[0]) or 1.0
    accumulated, local = float(np.sqrt(sums[1] / power)), float(np.sqrt(sums[2] / power))
    clipped = float(sums[3])
    return LayerError(
        op.loc, type(op).__name__, op.output, local, accumulated, clipped, _advice(local, accumulated, clipped)
    )


def _advice(local: float, accumulated: float, clipped: float) -> str:
    if local > 0.05 and clipped > 0.001:
        return "its range is clipped: give calibration samples that cover what it meets"
    if local > 0.05:
        return "its values spread over too wide a range for 8 bits: normalise before it, or retrain with quantization"
    if accumulated > 0.1 and local < accumulated / 3:
        return "the error comes from the layers before it"
    return ""
