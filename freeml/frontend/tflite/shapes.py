"""TFLite operators that move elements without computing: reshapes, transposes, padding, concatenation."""

from __future__ import annotations

import math

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.tflite.nodes import MAX_WINDOW, Known, Node
from freeml.frontend.views import View, check_size
from freeml.ir.types import Array


def concatenation(node: Node) -> View:
    """CONCATENATION of computed tensors."""
    node.n_inputs(1, 1_000)
    views = [node.view(k) for k in range(len(node.op.inputs))]
    rank, axis = len(views[0].shape), node.option("Axis")
    if not -rank <= axis < rank:
        raise BadModel(f"CONCATENATION along axis {axis} of {rank}", where=node.loc)
    axis %= rank
    if len({(*v.shape[:axis], *v.shape[axis + 1 :], len(v.shape)) for v in views}) != 1:
        raise BadModel(f"CONCATENATION of the shapes {[v.shape for v in views]}", where=node.loc)
    check_size((len(views), *max((v.shape for v in views), key=math.prod)), node.loc)
    return node.activated(node.builder.concat(views, axis, loc=node.loc))


def pad(node: Node) -> View:
    """PAD and PADV2: constant padding."""
    node.n_inputs(2, 3)
    x = node.view(0)
    rank = len(x.shape)
    widths = node.integers(1, "the padding")
    if len(widths) != 2 * rank or min(widths) < 0 or max(widths) > MAX_WINDOW:
        raise BadModel(f"the padding {widths} of a tensor of shape {x.shape}", where=node.loc)
    value = 0.0
    if len(node.op.inputs) == 3:
        constant = node.reader.real(node.known(2, "the padding value"), node.loc)
        if constant.size != 1:
            raise BadModel("a padding value that is not one number", where=node.loc)
        value = float(constant.flat[0])
    return node.builder.pad(x, widths[0::2], widths[1::2], value, loc=node.loc)


def reshape(node: Node) -> View | Known:
    """RESHAPE; the target is a constant, an option, or the declared shape of the result."""
    node.n_inputs(1, 2)
    value = node.value(0)
    size = value.items.size if isinstance(value, Known) else math.prod(node.view(0).shape)
    target = _target(node, size)
    if isinstance(value, Known):
        if value.quant is not None and len(value.quant.scales) > 1:
            raise UnsupportedOp("a constant with a scale for each channel is reshaped", where=node.loc)
        return Known(value.items.reshape(target), value.dtype, value.quant)
    return node.builder.reshape(node.view(0), target)


def _target(node: Node, size: int) -> tuple[int, ...]:
    declared = node.list_option("NewShape")  # of no meaning beside an operand
    if node.value(1) is not None:
        target = node.integers(1, "the shape to reshape to")
    else:
        target = declared or node.reader.tensor(node.op.outputs[0]).shape
    free = [k for k, n in enumerate(target) if n == -1]
    fixed = math.prod(n for n in target if n != -1)
    if len(free) == 1 and fixed > 0 and size % fixed == 0:
        target = tuple(size // fixed if n == -1 else n for n in target)
    if math.prod(target) != size or any(n < 1 for n in target) or len(target) > 8:
        raise BadModel(f"{size} elements cannot take the shape {target}", where=node.loc)
    return target


def squeeze(node: Node) -> View:
    """SQUEEZE: drop axes of length 1."""
    node.n_inputs(1, 1)
    x = node.view(0)
    rank = len(x.shape)
    dims = node.list_option("SqueezeDims")
    if not all(-rank <= d < rank and x.shape[d] == 1 for d in dims):
        raise BadModel(f"SQUEEZE of the axes {dims} of the shape {x.shape}", where=node.loc)
    gone = {d % rank for d in dims} or {k for k, n in enumerate(x.shape) if n == 1}
    return node.builder.reshape(x, [n for k, n in enumerate(x.shape) if k not in gone])


def expand_dims(node: Node) -> View:
    """EXPAND_DIMS: one more axis of length 1."""
    node.n_inputs(2, 2)
    x = node.view(0)
    (axis, *more) = node.axes(1, len(x.shape) + 1) or (0, 0)
    if more:
        raise BadModel("EXPAND_DIMS with several axes", where=node.loc)
    return node.builder.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def transpose(node: Node) -> View | Known:
    """TRANSPOSE, free unless a later op needs another memory order."""
    node.n_inputs(2, 2)
    value = node.value(0)
    shape = value.items.shape if isinstance(value, Known) else node.view(0).shape
    order = node.axes(1, len(shape)) if shape else ()
    if len(order) != len(shape):
        raise BadModel(f"TRANSPOSE of the shape {shape} by {order}", where=node.loc)
    if isinstance(value, Known):
        if value.quant is not None and len(value.quant.scales) > 1:
            raise UnsupportedOp("a constant with a scale for each channel is transposed", where=node.loc)
        items: Array = value.items.transpose(order)
        return Known(items, value.dtype, value.quant)
    return node.builder.transpose(node.view(0), order)
