"""Bias correction: remove the mean shift that rounding the weights puts on every output channel.

The shift of a layer is E[x] times (rounded W - W); it is measured on calibration samples as the mean output of the
layer with only the rounding errors as weights. Nagel et al., "Data-Free Quantization Through Weight Equalization and
Bias Correction" (ICCV 2019), section 4.2; there E[x] comes from BatchNormalization statistics, here from samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.ops import Conv, Dense, Op
from freeml.ir.types import Array, Const, Quant
from freeml.ir.windows import convolve
from freeml.quantize.weights import quantize_weights


def correct_biases(graph: Graph, scales: Mapping[str, Quant], samples: Sequence[Array]) -> Graph:
    """The graph with corrected biases; layers whose codes the model fixed keep theirs."""
    layers = [op for op in graph.ops if isinstance(op, Conv | Dense) and not _came_quantized(graph, op)]
    shifts = {op.output: np.zeros(graph.types[op.output].shape[-1]) for op in layers}
    errors = {op.output: _rounding_error(graph, op, scales[op.inputs[0]]) for op in layers}
    n_samples = len(samples[0])
    for start, stop in chunks(graph, n_samples):
        inputs = encode_inputs(graph, [array[start:stop] for array in samples])
        values = interpret(graph, inputs, {op.inputs[0] for op in layers})
        for op in layers:
            x = values[op.inputs[0]]
            y = _apply(graph, op, x, errors[op.output].astype(x.dtype))
            shifts[op.output] += y.reshape(-1, y.shape[-1]).mean(axis=0) * (stop - start) / n_samples
    consts: dict[str, Const] = {}
    ops: list[Op] = []
    for known in graph.ops:
        if known.output in shifts:
            name = graph.fresh(f"{known.inputs[2]}.corrected")
            consts[name] = Const(graph.consts[known.inputs[2]].array - shifts[known.output])
            ops.append(replace(known, inputs=(*known.inputs[:2], name)))
        else:
            ops.append(known)
    return graph.with_ops(ops, consts=consts)


def _came_quantized(graph: Graph, op: Op) -> bool:
    return graph.consts[op.inputs[1]].code_scales is not None


def _rounding_error(graph: Graph, op: Op, x: Quant) -> Array:
    weight, bias = graph.consts[op.inputs[1]], graph.consts[op.inputs[2]]
    codes = quantize_weights(weight, bias, x)
    real = codes.weight.astype(np.float64) * codes.scales.reshape(-1, *(1,) * (weight.array.ndim - 1))
    return real - weight.array


def _apply(graph: Graph, op: Conv | Dense, x: Array, weight: Array) -> Array:
    if isinstance(op, Dense):
        return np.asarray(x @ weight.T)
    out = graph.types[op.output].shape
    return convolve(x, weight, op.window, op.groups, (out[0], out[1]), 0.0)
