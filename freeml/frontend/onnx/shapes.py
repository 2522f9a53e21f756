"""ONNX operators that move, join or select elements (Reshape, Concat, Slice, ArgMax) or do nothing at inference."""

from __future__ import annotations

import math

import numpy as np
import onnx

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.nodes import Args, Known, Node, Operand, Tensor


def _any(node: Node, args: Args) -> Tensor:
    """Operand 0, codes included: moving codes moves the values they stand for."""
    arg = args[0]
    return arg if isinstance(arg, Tensor) else node.tensor(args, 0)


def reshape(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Reshape to a constant shape with 0 (keep) and -1 (the rest)."""
    x = _any(node, args)
    wanted = node.ints_of(args, 1, "shape")
    assert wanted is not None
    keep = not node.integer("allowzero", 0)
    for i, n in enumerate(wanted):
        if (n == 0 and keep and i >= len(x.shape)) or n < -1:
            node.bad(f"shape {wanted} for an input of shape {x.shape}")
    shape = [x.shape[i] if n == 0 and keep else n for i, n in enumerate(wanted)]
    size, rest = math.prod(x.shape), math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1 or rest == 0 or size % rest or (-1 not in shape and rest != size):
        node.bad(f"an input of shape {x.shape} does not have the elements of {wanted}")
    return x.at(g.reshape(x.view, [size // rest if n == -1 else n for n in shape]))


def flatten(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Flatten to a matrix."""
    x = _any(node, args)
    axis, rank = node.integer("axis", 1), len(x.shape)
    axis = rank if axis == rank else node.axis(axis, rank)
    return x.at(g.reshape(x.view, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))))


def squeeze(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Squeeze; axes are an attribute before operator set 13."""
    x = _any(node, args)
    given = node.integers("axes") if node.has("axes") else node.ints_of(args, 1, "axes")
    ones = tuple(axis for axis, n in enumerate(x.shape) if n == 1)
    axes = ones if given is None else node.axes(given, len(x.shape))
    if not set(axes) <= set(ones):
        node.bad(f"axes {given} of a tensor of shape {x.shape} are not of length 1")
    return x.at(g.reshape(x.view, [n for axis, n in enumerate(x.shape) if axis not in axes]))


def unsqueeze(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Unsqueeze; axes are an attribute before operator set 13."""
    x = _any(node, args)
    given = node.integers("axes") if node.has("axes") else node.ints_of(args, 1, "axes")
    if given is None:
        node.bad("no axes")
    rank = len(x.shape) + len(given)
    if rank > 32:
        node.bad(f"a result of rank {rank}")
    axes = node.axes(given, rank)
    rest = iter(x.shape)
    return x.at(g.reshape(x.view, [1 if axis in axes else next(rest) for axis in range(rank)]))


def transpose(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Transpose."""
    x = _any(node, args)
    order = node.integers("perm") or list(reversed(range(len(x.shape))))
    if sorted(order) != list(range(len(x.shape))):
        node.bad(f"perm {order} of a tensor of shape {x.shape}")
    return x.at(g.transpose(x.view, order))


def concat(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Concat of tensors that are all computed on the device."""
    parts = [node.tensor(args, i) for i in range(len(args))]
    axis = node.axis(node.integer("axis", 1), len(parts[0].shape))
    for part in parts:
        same = len(part.shape) == len(parts[0].shape) and all(
            n == m for k, (n, m) in enumerate(zip(part.shape, parts[0].shape, strict=True)) if k != axis
        )
        if not same or part.dtype != parts[0].dtype:
            node.bad(f"inputs of shapes {[p.shape for p in parts]} cannot be joined along axis {axis}")
    view = g.concat([part.view for part in parts], axis, loc=node.loc)
    return Tensor(view, parts[0].dtype, min(part.low for part in parts))


def pad(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Pad with a constant; an attribute before operator set 11, an input since."""
    x = node.tensor(args, 0)
    mode, rank = node.text("mode", "constant"), len(x.shape)
    if mode != "constant":
        node.refuse(f"mode {mode!r}", "pad with a constant, or let the convolution pad")
    value = node.number("value", 0.0) if node.opset < 11 else node.number_of(args, 2, "padding value", 0.0)
    pads = node.integers("pads") if node.opset < 11 else node.ints_of(args, 1, "pads")
    axes = node.ints_of(args, 3, "axes")
    chosen = list(range(rank)) if axes is None else [node.axis(axis, rank) for axis in axes]
    if pads is None or len(pads) != 2 * len(chosen) or len(set(chosen)) != len(chosen):
        node.bad(f"{pads} is not a padding of axes {chosen}")
    if min(pads, default=0) < 0:
        node.refuse("negative padding", "crop the input before the model")
    if not math.isfinite(value):
        node.refuse(f"padding with {value}", "let MaxPool pad")
    if not any(pads):
        return x
    before, after = [0] * rank, [0] * rank
    for k, axis in enumerate(chosen):
        before[axis], after[axis] = pads[k], pads[k + len(chosen)]
    return Tensor(g.pad(x.view, before, after, value, loc=node.loc), x.dtype, min(x.low, value))


def identity(_g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Identity."""
    return _any(node, args)


def expand(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Expand to a shape the tensor already has, up to leading axes of length 1."""
    x = _any(node, args)
    wanted = node.ints_of(args, 1, "shape")
    assert wanted is not None
    shape = np.broadcast_shapes(tuple(wanted), x.shape)
    if math.prod(shape) != math.prod(x.shape):
        node.refuse(f"copies of elements ({x.shape} to {shape})", "let Add or Mul broadcast")
    return x.at(g.reshape(x.view, shape))


def dropout(_g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Dropout, which does nothing at inference."""
    x = _any(node, args)
    training = node.known(args, 2, "training_mode")
    if (training is not None and training.array.any()) or (node.opset < 7 and not node.integer("is_test", 0)):
        node.refuse("training mode", "export the model after model.eval()")
    return x


def cast(_g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Cast between float types, or from integers to float."""
    if node.op == "CastLike":
        like = args[1]
        assert like is not None
        target = like.dtype
        if isinstance(args[0], Known):
            return Known.of(args[0].plain().astype(target))
    else:
        kind = node.integer("to", 0)
        try:
            target = onnx.helper.tensor_dtype_to_np_dtype(kind)
        except KeyError:
            node.bad(f"element type {kind} does not exist")
    x = node.tensor(args, 0)
    if target == x.dtype:
        return x
    if target.name not in ("float16", "float32", "float64"):
        node.refuse(f"{x.dtype} to {target}", "freeml casts to float only")
    return Tensor(x.view, target, x.low)


def argmax(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """ArgMax over one axis, at the output of the model."""
    x = node.tensor(args, 0)
    axis = node.axis(node.integer("axis", 0), len(x.shape))
    last = bool(node.integer("select_last_index", 0))
    view = g.argmax(x.view, axis, keepdims=bool(node.integer("keepdims", 1)), last=last, loc=node.loc)
    return Tensor(view, np.dtype(np.int64), 0.0)


def constant(_g: GraphBuilder, node: Node, _args: Args) -> Operand:
    """Constant, from a number or a list; tensors are read by the caller."""
    name, value = next(iter(node.attrs.items()), ("", None))
    if len(node.attrs) != 1 or name not in ("value_float", "value_floats", "value_int", "value_ints"):
        node.refuse(f"attribute {name!r}", "store the constant as a numeric tensor")
    node.read.add(name)
    return Known.of(np.array(value, dtype=np.float32 if "float" in name else np.int64))


def shape_of(_g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Shape and Size, which are constants: every shape is static."""
    arg = args[0]
    assert arg is not None
    if node.op == "Size":
        return Known.of(np.array(math.prod(arg.shape), dtype=np.int64))
    start, stop = node.integer("start", 0), node.integer("end", len(arg.shape))
    return Known.of(np.array(arg.shape[start:stop], dtype=np.int64))


def slice_(_g: GraphBuilder, node: Node, _args: Args) -> Operand:
    """Slice, Split and Gather, where they keep the whole tensor."""
    return node.refuse(
        "it takes a part of a value computed while the model runs",
        "freeml keeps tensors whole; split the weights instead",
    )
