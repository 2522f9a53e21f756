"""Conv, pools and reductions of ONNX. Three spatial axes are folded into two where that is exact.

A box pools over (H, W) with the depth among the channels, then over the depth alone: a maximum of maxima is one, and
the divisor of an average is a product over the axes. A 3-D convolution is a 2-D one whose weight is banded over depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.elementwise import binary_op
from freeml.frontend.onnx.nodes import Args, Node, Operand, Tensor
from freeml.frontend.views import MAX_TENSOR_ELEMS, View, Weight
from freeml.frontend.windows import pooled_size, same_window, window
from freeml.ir.ops import Window

_MAX_STEP = 1 << 20


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a window."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    n_out: int

    @property
    def extent(self) -> int:
        """Length from the first to the last tap."""
        return (self.kernel - 1) * self.dilation + 1

    def starts(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Where each window begins, in the coordinates of the input."""
        return np.arange(self.n_out, dtype=np.int64) * self.stride - self.before


def spatial_axes(node: Node, x: Tensor, kernel: Sequence[int], *, ceil: bool = False) -> list[Axis]:
    """Window attributes of a convolution or pooling, per axis, padding made explicit. Raises where they do not fit."""
    sizes = x.shape[2:]
    rank = len(sizes)
    if not 1 <= rank <= 3:
        node.refuse(f"{rank} spatial axes", "freeml has 1-D, 2-D and 3-D windows")
    strides = node.integers("strides") or [1] * rank
    dilations = node.integers("dilations") or [1] * rank
    pads = node.integers("pads") or [0] * (2 * rank)
    if not len(kernel) == len(strides) == len(dilations) == len(pads) // 2 == rank or len(pads) % 2:
        node.bad(f"kernel {list(kernel)}, strides, dilations or pads do not fit an input of shape {x.shape}")
    if min(*kernel, *strides, *dilations) < 1 or max(*kernel, *strides, *dilations, *pads) > _MAX_STEP:
        node.bad("kernel, strides and dilations must be positive and of sensible size")
    if min(pads) < 0:
        node.refuse("negative padding", "crop the input before the model")
    auto = node.text("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        node.bad(f"auto_pad {auto!r}")
    if auto == "VALID":
        pads = [0] * (2 * rank)
    axes = []
    for i, (n, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        before, after = pads[i], pads[rank + i]
        if auto.startswith("SAME"):
            _, before, _, after = same_window([n], [k], [s], [d], extra_first=auto == "SAME_LOWER").pad
        n_out = pooled_size(n, (k - 1) * d + 1, s, before, after, ceil=ceil and not auto.startswith("SAME"))
        if n_out < 1:
            node.refuse(f"a window of {(k - 1) * d + 1} is larger than its padded input of {n + before + after}")
        axes.append(Axis(n, k, s, d, before, after, n_out))
    padded = math.prod(a.size + a.before + a.after for a in axes) * math.prod(x.shape[:2])
    if padded > MAX_TENSOR_ELEMS or math.prod(a.n_out for a in axes) * math.prod(x.shape[:2]) > MAX_TENSOR_ELEMS:
        node.refuse(f"a padded input of {padded} elements")
    return axes


def window_of(axes: Sequence[Axis]) -> Window:
    """The IR's window over one or two axes."""
    return window(
        [a.kernel for a in axes],
        [a.stride for a in axes],
        [a.dilation for a in axes],
        [a.before for a in axes],
        [a.after for a in axes],
    )


def conv(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Conv over one to three spatial axes with a constant weight."""
    x = node.tensor(args, 0)
    known = node.known(args, 1, "weight")
    assert known is not None
    if not x.is_float:
        node.refuse("integer arithmetic", "export a float model")
    if len(x.shape) < 3 or len(known.shape) != len(x.shape):
        node.bad(f"a weight of shape {known.shape} for an input of shape {x.shape}")
    weight, bias = node.weight(known), node.bias(args, 2)
    groups, n_out = node.integer("group", 1), known.shape[0]
    if groups < 1 or n_out % groups or known.shape[1] * groups != x.shape[1]:
        node.bad(f"{x.shape[1]} channels do not fit a weight of shape {known.shape} in {groups} groups")
    if bias is not None and bias.array.shape != (n_out,):
        node.bad(f"a bias of shape {bias.array.shape} for {n_out} channels")
    kernel = node.integers("kernel_shape") or list(known.shape[2:])
    if kernel != list(known.shape[2:]):
        node.bad(f"kernel_shape {kernel} and a weight of shape {known.shape}")
    axes = spatial_axes(node, x, kernel)
    copies = x.shape[0] * (axes[0].size * axes[0].n_out if len(axes) == 3 else 1)
    if copies * known.array.size > MAX_TENSOR_ELEMS:
        node.refuse(f"a batch or depth that makes {copies} copies of the weight", "export with batch 1")
    if len(axes) == 3:
        return Tensor(_conv3d(g, node, x.view, weight, bias, axes, groups), x.dtype)
    return Tensor(g.conv(x.view, weight, bias, window=window_of(axes), groups=groups, loc=node.loc), x.dtype)


def _conv3d(
    g: GraphBuilder,
    node: Node,
    x: View,
    weight: Weight,
    bias: Weight | None,
    axes: Sequence[Axis],
    groups: int,
) -> View:
    """(C, D) become channels; weight[(o, od), (c, d)] is W[o, c, kd] where window od has tap kd on plane d."""
    n, c, depth = x.shape[:3]
    n_out, per_group, taps = weight.array.shape[:3]
    deep = axes[0]
    banded = np.zeros((n_out, deep.n_out, per_group, depth, *weight.array.shape[3:]))
    for od, start in enumerate(deep.starts()):
        for kd in range(taps):
            plane = int(start) + kd * deep.dilation
            if 0 <= plane < depth:
                banded[:, od, :, plane] = weight.array[:, :, kd]
    flat = banded.reshape(n_out * deep.n_out, per_group * depth, *weight.array.shape[3:])
    scales = weight.code_scales
    if scales is not None and len(scales) > 1:
        scales = tuple(np.repeat(scales, deep.n_out))
    y = g.conv(
        g.reshape(x, (n, c * depth, *x.shape[3:])),
        Weight(flat, scales),
        None if bias is None else np.repeat(bias.array, deep.n_out),
        window=window_of(axes[1:]),
        groups=groups,
        loc=node.loc,
    )
    return g.reshape(y, (n, n_out, deep.n_out, *y.shape[2:]))


def pool(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """MaxPool and AveragePool over one to three spatial axes."""
    x = args[0] if isinstance(args[0], Tensor) and args[0].codes and node.op == "MaxPool" else node.tensor(args, 0)
    assert isinstance(x, Tensor)
    if node.op == "AveragePool" and not x.is_float:
        node.refuse("the average of integers")
    if node.op == "MaxPool" and len([name for name in node.proto.output if name]) > 1:
        node.refuse("its output Indices", "freeml has no use for positions; remove MaxUnpool from the model")
    if len(x.shape) < 3:
        node.bad(f"an input of shape {x.shape}")
    axes = spatial_axes(node, x, node.integers("kernel_shape") or [], ceil=bool(node.integer("ceil_mode", 0)))
    for axis in axes:
        starts = axis.starts()
        first_tap = np.where(starts >= 0, starts, starts % axis.dilation)
        if (first_tap >= axis.size).any() or (first_tap > starts + axis.extent - 1).any():
            node.refuse("a window that lies wholly in the padding", "use less padding than the kernel is long")
    include_pad = bool(node.integer("count_include_pad", 0))
    kind = "max" if node.op == "MaxPool" else "avg"

    def over(view: View, part: Sequence[Axis]) -> View:
        size = (part[0].n_out, part[1].n_out) if len(part) == 2 else (1, part[0].n_out)
        return g.pool(view, kind, window=window_of(part), out_hw=size, include_pad=include_pad, loc=node.loc)

    if len(axes) < 3:
        return x.at(over(x.view, axes))
    n, c, depth, height, width = x.shape
    planes = over(g.reshape(x.view, (n, c * depth, height, width)), axes[1:])
    oh, ow = planes.shape[2:]
    columns = g.transpose(g.reshape(planes, (n, c, depth, oh, ow)), (0, 1, 3, 4, 2))
    y = over(g.reshape(columns, (n, c * oh * ow, depth)), axes[:1])
    return x.at(g.transpose(g.reshape(y, (n, c, oh, ow, axes[0].n_out)), (0, 1, 4, 2, 3)))


def global_pool(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """GlobalAveragePool and GlobalMaxPool."""
    x = node.tensor(args, 0)
    if len(x.shape) < 3 or not x.is_float:
        node.bad(f"an input of shape {x.shape} and type {x.dtype}")
    kind = "max" if node.op == "GlobalMaxPool" else "avg"
    return x.at(g.reduce(x.view, kind, range(2, len(x.shape)), keepdims=True, loc=node.loc))


def reduce(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """ReduceMean, ReduceMax and ReduceSum over fixed axes; axes are an attribute in older operator sets."""
    x = node.tensor(args, 0)
    axes = node.integers("axes") if node.has("axes") else node.ints_of(args, 1, "axes")
    keepdims = bool(node.integer("keepdims", 1))
    does_nothing = bool(node.integer("noop_with_empty_axes", 0))
    if not axes:
        if does_nothing:
            return x
        axes = list(range(len(x.shape)))
    axes = list(node.axes(axes, len(x.shape)))
    if not x.is_float and node.op != "ReduceMax":
        node.refuse("integer arithmetic", "export a float model")
    if not axes:
        return x
    kind = "max" if node.op == "ReduceMax" else "avg"
    y = g.reduce(x.view, kind, axes, keepdims=keepdims, loc=node.loc)
    if node.op == "ReduceSum":
        count = Weight(np.array(math.prod(x.shape[axis] for axis in axes), dtype=np.float64))
        return Tensor(binary_op(g, "mul", y, count, loc=node.loc), x.dtype)
    return x.at(y)
