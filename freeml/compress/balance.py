"""Factors of channels behind a layer go into it, and max pools before offsets: batch norms behind ReLUs leave both.

A network that was trained with such norms may have a first layer whose outputs are hundreds of times smaller than all
others, and factors that make up for it. It computes the same with both in the layer, and trains better: steps of Adam
are as long whatever a weight's size is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense, MaxPool, Op, Reshape
from freeml.ir.types import Const

_CLAMPS = (None, (0.0, float("inf")))  # what a positive factor passes through


def balanced(graph: Graph) -> Graph:
    """The graph whose layers have the sizes of the factors behind them; of these the signs are left."""
    for op in graph.ops:
        layer = _layer_before(graph, op) if isinstance(op, Conv) and _is_factor(graph, op) else None
        if layer is not None:
            graph = _moved(graph, layer, graph.producers[op.output])
    for pool in graph.ops_of(MaxPool):
        graph = _pooled_first(graph, pool)
    return graph


def _pooled_first(graph: Graph, pool: MaxPool) -> Graph:
    """The graph with a pool before the factors that it reads, where none is below zero: the largest stays the largest.

    So the pool is behind the convolution, where a device can join them, and the factors have fewer places.
    """
    back = graph.producers.get(pool.inputs[0])
    factor = graph.producers.get(back.inputs[0]) if isinstance(back, Reshape) else None
    flat = graph.producers.get(factor.inputs[0]) if isinstance(factor, Conv) else None
    if not (isinstance(back, Reshape) and isinstance(factor, Conv) and isinstance(flat, Reshape)):
        return graph
    ends = {port.value for port in graph.outputs}
    alone = all(graph.uses[op.output] == 1 and op.output not in ends for op in (back, factor, flat))
    image, pooled = graph.types[flat.inputs[0]], graph.types[pool.output]
    if not (alone and _is_factor(graph, factor) and image.shape == graph.types[back.output].shape):
        return graph
    if (graph.consts[factor.inputs[1]].array < 0).any() or factor.clamp is not None:
        return graph
    inner = graph.fresh(f"{pool.output}.pooled")
    channels = pooled.shape[-1]
    small = replace(graph.types[flat.output], shape=(1, pooled.n_elems // channels, channels))
    first = replace(pool, output=inner, inputs=(flat.inputs[0],))
    moved = {flat: replace(flat, inputs=(inner,)), pool: replace(back, output=pool.output)}
    ops = [
        made
        for op in graph.ops
        if op is not back
        for made in ((first, moved[flat]) if op is flat else (moved.get(op, op),))
    ]
    types = {inner: replace(image, shape=pooled.shape), flat.output: small, factor.output: small}
    return graph.with_ops(ops, types=types)


def _is_factor(graph: Graph, op: Conv) -> bool:
    weight = graph.consts[op.inputs[1]].array
    alone = op.groups == len(weight) > 1 and weight[0].size == 1 and not any(op.window.pad)
    return bool(alone and graph.uses[op.inputs[1]] == 1 and np.all(weight != 0))


def _layer_before(graph: Graph, factor: Op) -> Conv | Dense | None:
    """The layer whose outputs the factors multiply, if nobody else reads them."""
    value, channels = factor.inputs[0], graph.types[factor.inputs[0]].shape[-1]
    ends = {port.value for port in graph.outputs}
    while graph.uses[value] == 1 and value not in ends and graph.types[value].shape[-1] == channels:
        op = graph.producers.get(value)
        if isinstance(op, Conv | Dense):
            same = len(graph.consts[op.inputs[1]].array) == channels
            free = all(graph.uses[name] == 1 for name in op.inputs[1:])
            return op if same and free and op.clamp in _CLAMPS else None
        if not isinstance(op, Reshape):
            return None
        value = op.inputs[0]
    return None


def _moved(graph: Graph, layer: Conv | Dense, factor: Op) -> Graph:
    by = graph.consts[factor.inputs[1]].array
    size = np.abs(by).reshape(-1)
    weight, bias = (graph.consts[name].array for name in layer.inputs[1:])
    arrays = {
        layer.inputs[1]: weight * size.reshape(-1, *(1,) * (weight.ndim - 1)),
        layer.inputs[2]: bias * size,
        factor.inputs[1]: np.sign(by),
    }
    consts: dict[str, Const] = {
        name: replace(graph.consts[name], array=array.astype(graph.consts[name].array.dtype))
        for name, array in arrays.items()
    }
    return graph.with_ops(graph.ops, consts=consts)
