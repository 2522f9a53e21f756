"""Fold per-channel scale and offset into the convolution or dense layer before it, else into the one after it.

A per-channel affine map is a depthwise 1x1 convolution (what BatchNormalization becomes, see builder.affine) or a
Binary with a constant that varies along the last axis only. s * (W x + b) + o is one layer with W' = s W, b' = s b +
o, per output channel; W (s x + o) + b is one with W' = W s and b' = b + W o, per input channel, where no padding adds
zeros. A value between the two whose scale a quantized model fixed is rounded and saturates, so nothing folds over it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.ops import Binary, Conv, Dense, Op
from freeml.ir.types import Const
from freeml.passes.rewrite import rename, through_reshapes

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Affine:
    """y = scale * x + offset along the last axis; both of shape (C,)."""

    scale: Floats
    offset: Floats


@dataclass(frozen=True, slots=True)
class FoldAffine:
    """Graph@FLOAT -> Graph@FLOAT; an affine op between two that cannot take it stays."""

    def __call__(self, graph: Graph) -> Graph:
        """Apply until nothing changes; each step removes one op."""
        while True:
            for op in graph.ops:
                folded = _fold_one(graph, op)
                if folded is not None:
                    graph = folded
                    break
            else:
                return graph


def _fold_one(graph: Graph, op: Op) -> Graph | None:
    affine = affine_of(graph, op)
    if affine is None or graph.types[op.output].shape != graph.types[op.inputs[0]].shape:
        return None
    before = through_reshapes(graph, op.inputs[0])
    if isinstance(before, Conv | Dense) and _takes(graph, op, before, affine):
        return _into_producer(graph, op, before, affine)
    readers = graph.readers(op.output)
    if len(readers) == 1 and graph.uses[op.output] == 1 and graph.types[op.output].quant is None:
        after = readers[0]
        if isinstance(after, Conv | Dense) and op.output == after.inputs[0] and not _keeps_codes(graph, after):
            return _into_reader(graph, op, after, affine)
    return None


def _takes(graph: Graph, op: Op, layer: Conv | Dense, affine: Affine) -> bool:
    """Whether the layer before an affine op can take it."""
    alone = layer.clamp is None and graph.uses[op.inputs[0]] == 1 and not _keeps_codes(graph, layer)
    between = (layer.output, *_reshapes_between(graph, layer.output, op.inputs[0]))
    free = all(graph.types[name].quant is None for name in between)
    return alone and free and graph.types[layer.output].shape[-1] == affine.scale.size


def affine_of(graph: Graph, op: Op) -> Affine | None:
    """The per-channel affine map an op computes, or None."""
    match op:
        case Conv(clamp=None) if _is_pointwise_depthwise(graph, op):
            weight, bias = (graph.consts[name] for name in op.inputs[1:])
            if weight.code_scales is not None:
                return None
            return Affine(weight.array.reshape(-1).astype(np.float64), bias.array.astype(np.float64))
        case Binary(clamp=None) if op.inputs[1] in graph.consts:
            const = graph.consts[op.inputs[1]]
            channels = graph.types[op.inputs[0]].shape[-1]
            if const.array.size not in (1, const.shape[-1]) or const.shape[-1] not in (1, channels):
                return None
            value = np.broadcast_to(const.array.reshape(-1).astype(np.float64), (channels,))
            if op.kind == "mul":
                return Affine(value, np.zeros(channels))
            return Affine(np.ones(channels), value if op.kind == "add" else -value)
    return None


def _is_pointwise_depthwise(graph: Graph, op: Conv) -> bool:
    shape = graph.consts[op.inputs[1]].shape
    trivial = op.window.kernel == (1, 1) and op.window.stride == (1, 1) and op.window.pad == (0, 0, 0, 0)
    return trivial and shape[3] == 1 and shape[0] == op.groups and graph.types[op.inputs[0]].shape[2] == op.groups


def _keeps_codes(graph: Graph, layer: Conv | Dense) -> bool:
    """A layer whose int8 codes the model fixed keeps them: folding into it would quantize it anew."""
    return graph.consts[layer.inputs[1]].code_scales is not None


def _into_producer(graph: Graph, op: Op, layer: Conv | Dense, affine: Affine) -> Graph:
    weight, bias = (graph.consts[name].array for name in layer.inputs[1:])
    spread = affine.scale.reshape(-1, *(1,) * (weight.ndim - 1))
    return _replaced(graph, op, layer, Const(weight * spread), Const(bias * affine.scale + affine.offset))


def _into_reader(graph: Graph, op: Op, layer: Conv | Dense, affine: Affine) -> Graph | None:
    weight, bias = (graph.consts[name].array for name in layer.inputs[1:])
    if isinstance(layer, Conv):
        if layer.window.pad != (0, 0, 0, 0) and affine.offset.any():
            return None
        per_group = weight.shape[3]
        group = np.repeat(np.arange(layer.groups), weight.shape[0] // layer.groups)
        channel = group[:, None] * per_group + np.arange(per_group)[None, :]
        scale, offset = affine.scale[channel][:, None, None, :], affine.offset[channel][:, None, None, :]
    else:
        scale, offset = affine.scale[None, :], affine.offset[None, :]
    shift = (weight * offset).reshape(weight.shape[0], -1).sum(axis=1)
    return _replaced(graph, op, layer, Const(weight * scale), Const(bias + shift))


def _reshapes_between(graph: Graph, first: str, last: str) -> tuple[str, ...]:
    """Values from `last` back to, and without, `first`: each is a reshape of the one before."""
    names = []
    while last != first:
        names.append(last)
        last = graph.producers[last].inputs[0]
    return tuple(names)


def _replaced(graph: Graph, op: Op, layer: Conv | Dense, weight: Const, bias: Const) -> Graph:
    """`layer` with other constants; `op` gone, its readers read what it read (the shapes are equal)."""
    names = {"weight": graph.fresh(f"{layer.inputs[1]}.folded"), "bias": graph.fresh(f"{layer.inputs[2]}.folded")}
    new_layer = replace(layer, inputs=(layer.inputs[0], names["weight"], names["bias"]))
    ops = [new_layer if other is layer else other for other in graph.ops if other is not op]
    outputs = tuple(replace(p, value=op.inputs[0]) if p.value == op.output else p for p in graph.outputs)
    # What the affine op's result was known to be quantized as now holds for the values that take its place.
    changed = (
        () if op.output == layer.inputs[0] else (layer.output, *_reshapes_between(graph, layer.output, op.inputs[0]))
    )
    types = {name: replace(graph.types[name], quant=graph.types[op.output].quant) for name in changed}
    return graph.with_ops(
        rename(ops, {op.output: op.inputs[0]}),
        types=types,
        consts={names["weight"]: weight, names["bias"]: bias},
        outputs=outputs,
    )
