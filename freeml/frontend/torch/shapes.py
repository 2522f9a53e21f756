"""ATen operators that move elements without computing. On constants numpy does the same at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from freeml.errors import BadModel
from freeml.frontend.torch.nodes import Node, Value
from freeml.frontend.torch.program import Ref
from freeml.frontend.views import View, check_size

MAX_PAD = 1 << 16


def _reshaped(node: Node, shape: Sequence[int]) -> Value:
    value = node.value()
    size = math.prod(value.shape)
    target = list(shape)
    if target.count(-1) == 1:
        rest = math.prod(n for n in target if n != -1)
        if rest > 0 and size % rest == 0:
            target[target.index(-1)] = size // rest
    if math.prod(target) != size or any(n < 1 for n in target):
        raise BadModel(f"{size} elements cannot take the shape {list(shape)}", where=node.loc)
    return node.builder.reshape(value, target) if isinstance(value, View) else value.reshape(target)


def _transposed(node: Node, order: Sequence[int]) -> Value:
    value = node.value()
    return node.builder.transpose(value, order) if isinstance(value, View) else value.transpose(order)


def _view(node: Node) -> Value:
    return _reshaped(node, node.integers("size" if "size" in node.call.args else "shape"))


def _flatten(node: Node) -> Value:
    shape = node.value().shape
    first, last = node.axis("start_dim", len(shape), 0), node.axis("end_dim", len(shape), -1)
    return _reshaped(node, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def _unflatten(node: Node) -> Value:
    shape = node.value().shape
    axis = node.axis("dim", len(shape))
    sizes = node.integers("sizes")
    rest = math.prod(n for n in sizes if n != -1)
    sizes = [shape[axis] // rest if n == -1 and rest else n for n in sizes]
    return _reshaped(node, (*shape[:axis], *sizes, *shape[axis + 1 :]))


def _squeeze(node: Node) -> Value:
    shape = node.value().shape
    axes = node.axes("dim", len(shape))
    return _reshaped(node, [n for k, n in enumerate(shape) if not (n == 1 and k in axes)])


def _unsqueeze(node: Node) -> Value:
    shape = node.value().shape
    axis = node.axis("dim", len(shape) + 1)
    return _reshaped(node, (*shape[:axis], 1, *shape[axis:]))


def _permute(node: Node) -> Value:
    rank = len(node.value().shape)
    order = [axis % rank for axis in node.integers("dims")]
    if sorted(order) != list(range(rank)):
        raise BadModel(f"{order} is not an order of {rank} axes", where=node.loc)
    return _transposed(node, order)


def _transpose(node: Node) -> Value:
    rank = len(node.value().shape)
    order = list(range(rank))
    a, b = node.axis("dim0", rank), node.axis("dim1", rank)
    order[a], order[b] = order[b], order[a]
    return _transposed(node, order)


def _t(node: Node) -> Value:
    return _transposed(node, list(range(len(node.value().shape)))[::-1])


def _channel_shuffle(node: Node) -> Value:
    x, groups = node.view(), node.integer("groups")
    n, c, *rest = x.shape
    if groups < 1 or c % groups:
        raise BadModel(f"{c} channels in {groups} groups", where=node.loc)
    split = node.builder.reshape(x, (n, groups, c // groups, *rest))
    order = (0, 2, 1, *range(3, len(split.shape)))
    return node.builder.reshape(node.builder.transpose(split, order), x.shape)


def _same(node: Node) -> Value:
    """Copies, aliases, dropout in eval mode."""
    name = "self" if "self" in node.call.args else "input"
    if "dropout" in node.call.op and node.flag("train"):
        raise node.refuse("dropout in training mode", "export in eval mode")
    return node.value(name)


def _to(node: Node) -> Value:
    dtype, like = node.arg("dtype"), node.arg("other")
    if isinstance(like, Ref) and isinstance(found := node.read(like), np.ndarray):
        dtype = f"torch.{found.dtype.name}"
    if isinstance(node.value(), View) and dtype is not None and "float" not in str(dtype):
        raise node.refuse(f"a conversion to {dtype}", "keep activations in float32")
    return node.value()


def _expand(node: Node) -> Value:
    value, size = node.value(), node.integers("size")
    lead = (1,) * (len(size) - len(value.shape))
    shape = (*lead, *value.shape)
    target = [own if n == -1 else n for own, n in zip(shape, size, strict=True)]
    if isinstance(value, View):
        if tuple(target) != shape:
            raise node.refuse("repeating a computed tensor is not supported")
        return node.builder.reshape(value, target)
    check_size(target, node.loc)
    return np.broadcast_to(value, target)


def _slice(node: Node) -> Value:
    x = node.view()
    size = x.shape[node.axis("dim", len(x.shape), 0)]
    start, end = node.arg("start"), node.arg("end")
    if (
        start in (None, 0, -size)
        and (end is None or (isinstance(end, int) and end >= size))
        and node.arg("step", 1) == 1
    ):
        return x
    raise node.refuse("taking a part of a tensor is not supported", "give the branches layers of their own instead")


def _select(node: Node) -> Value:
    x = node.view()
    axis = node.axis("dim", len(x.shape))
    if x.shape[axis] == 1 and node.integer("index") in (0, -1):
        return node.builder.reshape(x, [n for k, n in enumerate(x.shape) if k != axis])
    raise node.refuse("taking a part of a tensor is not supported", "give the branches layers of their own instead")


def _views(node: Node) -> list[View]:
    listed = node.arg("tensors")
    if not isinstance(listed, list | tuple) or not listed:
        raise node.refuse("not a list of tensors")
    views = [node.read(ref) if isinstance(ref, Ref) else None for ref in listed]
    if not all(isinstance(v, View) for v in views):
        raise node.refuse("constants among the joined tensors are not supported")
    return views  # type: ignore[return-value]


def _cat(node: Node) -> Value:
    views = _views(node)
    axis = node.axis("dim", len(views[0].shape), 0)
    if len({(*v.shape[:axis], *v.shape[axis + 1 :], len(v.shape)) for v in views}) != 1:
        raise BadModel(f"tensors of the shapes {[v.shape for v in views]} are joined", where=node.loc)
    check_size((len(views), *max((v.shape for v in views), key=math.prod)), node.loc)
    return node.builder.concat(views, axis, loc=node.loc)


def _stack(node: Node) -> Value:
    views = _views(node)
    shape = views[0].shape
    axis = node.axis("dim", len(shape) + 1, 0)
    if any(v.shape != shape for v in views):
        raise BadModel(f"tensors of the shapes {[v.shape for v in views]} are stacked", where=node.loc)
    check_size((len(views), *shape), node.loc)
    wider = [node.builder.reshape(v, (*shape[:axis], 1, *shape[axis:])) for v in views]
    return node.builder.concat(wider, axis, loc=node.loc)


def _pad(node: Node) -> Value:
    x, widths = node.view(), node.integers("pad")
    if node.arg("mode", "constant") != "constant":
        raise node.refuse(f"padding mode {node.arg('mode')!r} is not supported", "pad with a constant")
    if len(widths) % 2 or len(widths) > 2 * len(x.shape) or max(widths, default=0) > MAX_PAD:
        raise BadModel(f"the padding {widths} of a tensor of shape {x.shape}", where=node.loc)
    if min(widths, default=0) < 0:
        raise node.refuse("negative padding, which cuts, is not supported")
    value = 0.0 if node.arg("value") is None else node.number("value")
    missing = [0] * (len(x.shape) - len(widths) // 2)
    before, after = missing + widths[0::2][::-1], missing + widths[1::2][::-1]
    return node.builder.pad(x, before, after, value, loc=node.loc)


RULES: dict[str, Callable[[Node], Value]] = {
    "view": _view,
    "reshape": _view,
    "_unsafe_view": _view,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "permute": _permute,
    "transpose": _transpose,
    "t": _t,
    "channel_shuffle": _channel_shuffle,
    "native_channel_shuffle": _channel_shuffle,
    "clone": _same,
    "contiguous": _same,
    "alias": _same,
    "detach": _same,
    "lift_fresh_copy": _same,
    "dropout": _same,
    "feature_dropout": _same,
    "alpha_dropout": _same,
    "_to_copy": _to,
    "to": _to,
    "expand": _expand,
    "slice": _slice,
    "select": _select,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
    "pad": _pad,
}
