"""Cross-layer equalisation: scale channels between two layers so that no channel wastes the shared activation scale.

A layer with a positively homogeneous activation (none, or Relu) can give channel c divided by s_c when the next layer
multiplies its weights for c by s_c. Nagel et al. (ICCV 2019), section 4.1, balance the weight ranges of both layers;
here weights have a scale per output channel anyway, so what is balanced is the observed range of the activation
against the weights that read it. A depthwise reader has one scale per channel, so there the activations become fully
equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.ops import AvgPool, Conv, Dense, MaxPool, Op
from freeml.ir.types import Const

Floats = npt.NDArray[np.float64]
# Factors outside this range would buy nothing and endanger the 16-bit multipliers.
_LIMIT = 64.0


@dataclass(frozen=True, slots=True)
class Pair:
    """`first` feeds `second` through nothing but pooling, and nobody else reads what lies between."""

    first: Conv | Dense
    second: Conv | Dense


def pairs(graph: Graph) -> list[Pair]:
    """All pairs of layers that can be equalised, in order; those whose codes or scales the model fixed cannot."""
    found = []
    for op in graph.ops:
        if not isinstance(op, Conv | Dense) or op.clamp not in (None, (0.0, float("inf"))):
            continue
        value, reader = op.output, _only_reader(graph, op.output)
        while isinstance(reader, MaxPool | AvgPool) and graph.types[value].quant is None:
            value = reader.output
            reader = _only_reader(graph, value)
        free = isinstance(reader, Conv | Dense) and reader.inputs[0] == value and graph.types[value].quant is None
        if free and all(graph.consts[layer.inputs[1]].code_scales is None for layer in (op, reader)):  # type: ignore[union-attr]
            found.append(Pair(op, reader))  # type: ignore[arg-type]
    return found


def _only_reader(graph: Graph, value: str) -> Op | None:
    readers = graph.readers(value)
    return readers[0] if len(readers) == 1 and graph.uses[value] == 1 else None


def equalize(graph: Graph, channel_peaks: Mapping[str, Floats]) -> Graph:
    """The same function with balanced channels. channel_peaks: largest |value| per channel of each layer's output."""
    weights = {op.output: graph.consts[op.inputs[1]].array for op in graph.ops if isinstance(op, Conv | Dense)}
    biases = {op.output: graph.consts[op.inputs[2]].array for op in graph.ops if isinstance(op, Conv | Dense)}
    for pair in pairs(graph):
        peaks = channel_peaks[pair.first.output]
        reader = weights[pair.second.output]
        factors = _factors(peaks, reader, pair.second)
        weights[pair.first.output] = weights[pair.first.output] / factors.reshape(
            -1, *(1,) * (_rank(graph, pair.first) - 1)
        )
        biases[pair.first.output] = biases[pair.first.output] / factors
        weights[pair.second.output] = _scaled_inputs(reader, factors, pair.second)
    ops, consts = [], {}
    for op in graph.ops:
        if op.output not in weights:
            ops.append(op)
            continue
        names = (graph.fresh(f"{op.inputs[1]}.equalized"), graph.fresh(f"{op.inputs[2]}.equalized"))
        was = graph.consts[op.inputs[1]]
        consts[names[0]] = Const(weights[op.output], was.code_scales)
        consts[names[1]] = Const(biases[op.output])
        ops.append(replace(op, inputs=(op.inputs[0], *names)))
    return graph.with_ops(ops, consts=consts)


def _rank(graph: Graph, op: Op) -> int:
    return len(graph.consts[op.inputs[1]].shape)


def _factors(peaks: Floats, reader: npt.NDArray[np.float64], second: Conv | Dense) -> Floats:
    positive = np.where(peaks > 0, peaks, peaks.max() or 1.0)
    if isinstance(second, Conv) and second.groups > 1:
        factors = positive / positive.max()
    else:
        strength = _strength(reader, len(peaks), second)
        factors = np.sqrt(positive / np.where(strength > 0, strength, strength.max() or 1.0))
        factors = factors / np.exp(np.log(factors).mean())
    return np.asarray(np.clip(factors, 1 / _LIMIT, _LIMIT))


def _strength(reader: npt.NDArray[np.float64], n_channels: int, second: Conv | Dense) -> Floats:
    """Largest weight that reads each channel."""
    if isinstance(second, Conv):
        return np.asarray(np.abs(reader).max(axis=(0, 1, 2)), dtype=np.float64)
    return np.asarray(np.abs(reader).reshape(reader.shape[0], -1, n_channels).max(axis=(0, 1)), dtype=np.float64)


def _scaled_inputs(reader: npt.NDArray[np.float64], factors: Floats, second: Conv | Dense) -> npt.NDArray[np.float64]:
    if isinstance(second, Dense):
        return np.asarray(reader * np.tile(factors, reader.shape[1] // factors.size)[None, :])
    if second.groups == 1:
        return np.asarray(reader * factors[None, None, None, :])
    n_out, _, _, per_group = reader.shape
    channel = (np.arange(n_out) // (n_out // second.groups))[:, None] * per_group + np.arange(per_group)[None, :]
    return np.asarray(reader * factors[channel][:, None, None, :])
