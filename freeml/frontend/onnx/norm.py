"""Normalisation by the sample's own statistics: layer and instance norm, batch norm in training mode.

Mean and variance are poolings over whole axes, and what follows is elementwise, so no new op is needed. A network that
normalises like this costs more on a device than one whose statistics are fixed, which fold into the layer before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.nodes import Args, Node, Operand, Tensor
from freeml.frontend.views import View, Weight

Floats = npt.NDArray[np.floating]


def moments(g: GraphBuilder, x: View, axes: Sequence[int], loc: str) -> tuple[View, View, View]:
    """Mean and population variance over axes (kept with length 1), and x minus its mean."""
    mean = g.reduce(x, "avg", axes, keepdims=True, loc=loc)
    centred = g.binary("sub", x, mean, loc=loc)
    variance = g.reduce(g.binary("mul", centred, centred, loc=loc), "avg", axes, keepdims=True, loc=loc)
    return mean, variance, centred


def normalised(g: GraphBuilder, centred: View, variance: View, epsilon: float, loc: str) -> View:
    """centred / sqrt(variance + epsilon)."""
    spread = g.binary("add", variance, Weight(np.array([epsilon])), loc=loc)
    return g.binary("mul", centred, g.unary(spread, "rsqrt", loc=loc), loc=loc)


def instance_norm(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """InstanceNormalization: statistics over the spatial axes, scale and bias per channel."""
    x = node.float_tensor(args, 0)
    if len(x.shape) < 3:
        node.bad(f"an input of shape {x.shape}")
    _, variance, centred = moments(g, x.view, range(2, len(x.shape)), node.loc)
    y = normalised(g, centred, variance, node.number("epsilon", 1e-5), node.loc)
    scale, bias = (_values(node, args, i, name, (x.shape[1],)) for i, name in ((1, "scale"), (2, "bias")))
    return Tensor(g.affine(y, scale, bias, loc=node.loc), x.dtype)


def layer_norm(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """LayerNormalization: statistics over the last axes, scale and bias per element of them."""
    x = node.float_tensor(args, 0)
    axis = node.integer("axis", -1) % len(x.shape)
    if sum(bool(name) for name in node.proto.output) > 1:
        node.refuse("its outputs Mean and InvStdDev", "remove them from the model")
    _, variance, centred = moments(g, x.view, range(axis, len(x.shape)), node.loc)
    y = normalised(g, centred, variance, node.number("epsilon", 1e-5), node.loc)
    scale = _values(node, args, 1, "scale", x.shape[axis:])
    y = g.binary("mul", y, Weight(scale), loc=node.loc)
    if len(args) > 2 and args[2] is not None:
        y = g.binary("add", y, Weight(_values(node, args, 2, "bias", x.shape[axis:])), loc=node.loc)
    return Tensor(y, x.dtype)


def batch_norm_training(
    g: GraphBuilder, node: Node, x: Tensor, scale: Floats, bias: Floats, mean: Floats, variance: Floats
) -> list[Operand]:
    """BatchNormalization with training_mode = 1: by the batch's statistics; running ones are two more outputs."""
    axes = [axis for axis in range(len(x.shape)) if axis != 1]
    batch_mean, batch_variance, centred = moments(g, x.view, axes, node.loc)
    y = normalised(g, centred, batch_variance, node.number("epsilon", 1e-5), node.loc)
    momentum = node.number("momentum", 0.9)
    running = []
    for now, before in ((batch_mean, mean), (batch_variance, variance)):
        moved = g.affine(now, np.full(x.shape[1], 1 - momentum), before * momentum, loc=node.loc)
        running.append(Tensor(g.reshape(moved, (x.shape[1],)), x.dtype))
    return [Tensor(g.affine(y, scale, bias, loc=node.loc), x.dtype), *running]


def _values(node: Node, args: Args, i: int, name: str, shape: tuple[int, ...]) -> Floats:
    values = node.floats(args, i, name)
    if values is None or np.broadcast_shapes(values.shape, shape) != shape:
        node.bad(f"its {name} does not fit {shape}")
    return np.broadcast_to(values, shape)
