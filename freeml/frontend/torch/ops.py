"""What each ATen operator means, conv2d to argmax: a small function each, from `Node` to a View or a constant.

Both forms of exported programs are covered: the one torch.export gives (conv2d, batch_norm, linear) and core ATen after
run_decompositions (convolution, _native_batch_norm_legit_no_training, addmm).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.torch import elementwise, shapes
from freeml.frontend.torch.nodes import Lowering, Node, Value
from freeml.frontend.torch.program import AtenCall, Program, unsafe_in_place
from freeml.frontend.views import Floats, View, Weight, check_size
from freeml.frontend.windows import pooled_size, window
from freeml.ir.graph import Graph
from freeml.ir.ops import Transpose
from freeml.ir.verify import verify_graph

Rule = Callable[[Node], Value]


def lower(program: Program) -> Graph:
    """The verified graph of a program. Raises UnsupportedOp, naming the module and the operator."""
    if not program.outputs:
        raise UnsupportedOp("the model has no output", where=program.name)
    check_supported(program)
    clash = unsafe_in_place(program)
    if clash is not None:
        raise UnsupportedOp(
            f"{clash.op}: it overwrites a tensor that is also used elsewhere",
            where=program.loc(clash),
            hint="use inplace=False, or run_decompositions({}) on the program before saving it",
        )
    # Images come channels first; sequences may not. The order in memory is ours to choose: take the one that needs
    # no transpose, channels last where both do.
    graph = _lowered(program, channels_first=True)
    if any(graph.ops_of(Transpose)):
        other = _lowered(program, channels_first=False)
        graph = min(graph, other, key=lambda g: sum(1 for _ in g.ops_of(Transpose)))
    return verify_graph(graph)


def _lowered(program: Program, *, channels_first: bool) -> Graph:
    lowering = Lowering(program, channels_first=channels_first)
    for call in program.calls:
        if call.op in _IGNORED:
            continue
        node = Node(lowering, call, program.loc(call))
        try:
            result = _RULES[_functional(call.op)](node)
            node.check_all_read()
        except UnsupportedOp as error:
            what = error.what if error.what.startswith("aten.") else f"{call.op}: {error.what}"
            raise UnsupportedOp(what, where=error.where or node.loc, hint=error.hint) from error
        lowering.define(call.outputs[0], result, node.loc)
        if call.op == "aten.argmax":
            lowering.indices.add(call.outputs[0])
    for name in program.outputs:
        lowering.output(name)
    return lowering.builder.finish()


def check_supported(program: Program) -> None:
    """Raise UnsupportedOp for the first operator without a rule."""
    for call in program.calls:
        if not is_supported(call):
            what, hint = refusal(call.op)
            raise UnsupportedOp(what, where=program.loc(call), hint=hint)


def is_supported(call: AtenCall) -> bool:
    """Whether there is a rule for the operator."""
    return call.op in _IGNORED or _functional(call.op) in _RULES


def _functional(op: str) -> str:
    return op[:-1] if op not in _RULES and op.endswith("_") else op


def refusal(op: str) -> tuple[str, str]:
    """What to say of an operator that has no rule: (what, hint)."""
    for parts, hint in _HINTS:
        if any(part in op for part in parts):
            return f"{op}: this operator is not supported", hint
    return f"{op}: this operator is not supported", "replace the layer by supported ones"


_HINTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("log_softmax",), "leave it out: the largest logit stays the largest; use it in the loss only"),
    (("lstm", "gru", "rnn"), "use a convolution over time instead of a recurrent layer"),
    (("layer_norm", "group_norm", "instance_norm"), "use BatchNorm, which becomes part of the convolution before it"),
    (("attention", "bmm", "baddbmm"), "products of two computed tensors cannot be compiled"),
    (("embedding", "index", "gather", "where", "nonzero"), "data-dependent selection cannot be compiled"),
    (("split", "chunk", "unbind", "slice", "select", "narrow"), "give the branches layers of their own instead"),
    (("transpose",), "use an ordinary convolution; transposed ones are not supported"),
    (("upsample", "interpolate"), "networks that enlarge images are not supported"),
    (("quantize", "quantized"), "export the float model; freeml quantizes it"),
    (("sym_", "_local_scalar_dense", "item"), "export without dynamic shapes and without .item()"),
)


# ---- layers with weights --------------------------------------------------------------------------------------------


def _conv(node: Node) -> View:
    x, weight = node.view("input"), node.weight("weight")
    n = weight.ndim - 2
    if node.flag("transposed"):
        raise node.refuse("transposed convolution is not supported", "use an ordinary convolution")
    if n not in (1, 2) or len(x.shape) != n + 2:
        raise node.refuse(f"an input of shape {x.shape} with a weight of shape {weight.shape}")
    if x.shape[0] != 1:
        raise node.refuse(f"a batch of {x.shape[0]} images; only one at a time is supported")
    kernel = list(weight.shape[2:])
    stride, dilation = node.spatial("stride", [1], n), node.spatial("dilation", [1], n)
    groups = node.integer("groups", 1)
    before, after = _conv_padding(node, kernel, dilation)
    if min(*stride, *dilation, groups, weight.size) < 1 or min(before) < 0:
        raise BadModel(f"a convolution with stride {stride}, dilation {dilation}, padding {before}", where=node.loc)
    made = window(kernel, stride, dilation, before, after)
    out = made.out_size(*((1, x.shape[2]) if n == 1 else x.shape[2:]))
    check_size((weight.shape[0], *(max(size, 1) for size in out)), node.loc)
    bias = node.optional_weight("bias")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise BadModel(f"a bias of shape {bias.shape} for a weight of shape {weight.shape}", where=node.loc)
    return node.builder.conv(x, Weight(weight), bias, window=made, groups=groups, loc=node.loc)


def _conv_padding(node: Node, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[list[int], list[int]]:
    mode = node.arg("padding", [0])
    if mode == "valid":
        return [0] * len(kernel), [0] * len(kernel)
    if mode == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [t // 2 for t in totals], [t - t // 2 for t in totals]
    pads = node.spatial("padding", [0], len(kernel))
    return pads, pads


def _dense(node: Node, x: View, matrix: Floats, bias: Floats | None) -> View:
    if matrix.ndim != 2 or len(x.shape) < 1 or x.shape[-1] != matrix.shape[1]:
        raise node.refuse(f"an input of shape {x.shape} with a weight of shape {matrix.shape}")
    if bias is not None and bias.shape != matrix.shape[:1]:
        raise node.refuse(f"a bias of shape {bias.shape} with a weight of shape {matrix.shape}")
    check_size((*x.shape[:-1], matrix.shape[0]), node.loc)
    return node.builder.dense(x, Weight(matrix), bias, loc=node.loc)


def _linear(node: Node) -> View:
    return _dense(node, node.view("input"), node.weight("weight"), node.optional_weight("bias"))


def _addmm(node: Node) -> View:
    if node.number("beta", 1) != 1 or node.number("alpha", 1) != 1:
        raise node.refuse("alpha and beta other than 1 are not supported")
    bias = node.weight("self")
    if bias.ndim != 1:
        raise node.refuse("a bias that is no vector")
    return _dense(node, node.view("mat1"), node.weight("mat2").T, bias)


def _matmul(node: Node) -> View:
    second = "mat2" if "mat2" in node.call.args else "other"
    matrix = node.weight(second)
    if matrix.ndim > 2 and matrix.size:
        planes = matrix.reshape(-1, *matrix.shape[-2:])
        if (planes != planes[0]).any():
            raise node.refuse("a matrix for each element of a batch is not supported")
        matrix = planes[0]  # one matrix, repeated: how core ATen writes a linear layer over an image
    return _dense(node, node.view(), matrix.T, None)


def _batch_norm(node: Node) -> View:
    mean, var = node.optional_weight("running_mean"), node.optional_weight("running_var")
    if node.flag("training") or mean is None or var is None:
        raise node.refuse(
            "it normalises by the statistics of the batch", "use track_running_stats=True and export in eval mode"
        )
    x = node.view("input")
    weight, bias = node.optional_weight("weight"), node.optional_weight("bias")
    spread = var + node.number("eps")
    parts = [p for p in (mean, var, weight, bias) if p is not None]
    if len(x.shape) < 2 or any(p.shape != (x.shape[1],) for p in parts) or (spread <= 0).any():
        raise BadModel(f"a normalisation that does not fit the shape {x.shape}", where=node.loc)
    scale = (1.0 if weight is None else weight) / np.sqrt(spread)
    offset = (0.0 if bias is None else bias) - mean * scale
    return node.builder.affine(x, scale, offset, loc=node.loc)


# ---- pooling and reductions -----------------------------------------------------------------------------------------


def _pool(kind: str) -> Rule:
    def rule(node: Node) -> View:
        x = node.view()
        n = 1 if "pool1d" in node.call.op else 2
        if len(x.shape) != n + 2:
            raise node.refuse(f"an input of shape {x.shape}")
        kernel = node.spatial("kernel_size", [], n)
        stride, pads = node.spatial("stride", kernel, n), node.spatial("padding", [0], n)
        dilation = node.spatial("dilation", [1], n)
        too_wide = any(2 * pad > k for pad, k in zip(pads, kernel, strict=True))  # torch's own rule
        if min(*kernel, *stride, *dilation) < 1 or min(pads) < 0 or too_wide:
            raise BadModel(f"a pooling with kernel {kernel}, stride {stride}, padding {pads}", where=node.loc)
        if node.arg("divisor_override") is not None:
            raise node.refuse("divisor_override is not supported")
        made = window(kernel, stride, dilation, pads, pads)
        ceil = node.flag("ceil_mode")
        sizes = [1, x.shape[2]] if n == 1 else list(x.shape[2:])
        out = tuple(
            pooled_size(size, extent, step, pad, pad, ceil=ceil)
            for size, extent, step, pad in zip(sizes, made.extent(), made.stride, made.pad[:2], strict=True)
        )
        if min(out) < 1:
            raise BadModel(f"a window of {made.extent()} on an input of {sizes}", where=node.loc)
        include = node.flag("count_include_pad", default=True)
        return node.builder.pool(x, kind, window=made, out_hw=(out[0], out[1]), include_pad=include, loc=node.loc)

    return rule


def _adaptive(kind: str) -> Rule:
    def rule(node: Node) -> View:
        x = node.view()
        n = 1 if "pool1d" in node.call.op else 2
        if len(x.shape) != n + 2:
            raise node.refuse(f"an input of shape {x.shape}")
        sizes = list(x.shape[2:])
        out = node.spatial("output_size", [], n)
        if any(o < 1 or s % o for s, o in zip(sizes, out, strict=True)):
            raise node.refuse(
                f"{sizes} cannot be divided evenly into {out}", "choose an output size that divides the input size"
            )
        if max(out) == 1:
            return node.builder.reduce(x, kind, range(2, n + 2), keepdims=True, loc=node.loc)
        kernel = [s // o for s, o in zip(sizes, out, strict=True)]
        made = window(kernel, kernel, [1] * n, [0] * n, [0] * n)
        return node.builder.pool(x, kind, window=made, loc=node.loc)

    return rule


def _reduce(kind: str, *, total: bool = False) -> Rule:
    def rule(node: Node) -> View:
        x = node.view()
        node.check_dtype()
        axes = node.axes("dim", len(x.shape))
        y = node.builder.reduce(x, kind, axes, keepdims=node.flag("keepdim"), loc=node.loc)
        if not total:
            return y
        count = np.array(float(math.prod(x.shape[axis] for axis in axes)))
        return node.builder.binary("mul", y, Weight(count), loc=node.loc)

    return rule


def _argmax(node: Node) -> View:
    x = node.view()
    if node.arg("dim") is None:
        x = node.builder.reshape(x, (math.prod(x.shape),))
    axis = node.axis("dim", len(x.shape)) if node.arg("dim") is not None else 0
    return node.builder.argmax(x, axis, keepdims=node.flag("keepdim"), loc=node.loc)


_IGNORED = frozenset({"aten._assert_tensor_metadata", "aten._assert_async", "aten._assert_scalar"})

_RULES: dict[str, Rule] = {
    f"aten.{name}": rule
    for name, rule in {
        "conv1d": _conv,
        "conv2d": _conv,
        "convolution": _conv,
        "linear": _linear,
        "addmm": _addmm,
        "mm": _matmul,
        "matmul": _matmul,
        "bmm": _matmul,
        "batch_norm": _batch_norm,
        "_native_batch_norm_legit_no_training": _batch_norm,
        "max_pool1d": _pool("max"),
        "max_pool2d": _pool("max"),
        "max_pool1d_with_indices": _pool("max"),
        "max_pool2d_with_indices": _pool("max"),
        "avg_pool1d": _pool("avg"),
        "avg_pool2d": _pool("avg"),
        "adaptive_avg_pool1d": _adaptive("avg"),
        "adaptive_avg_pool2d": _adaptive("avg"),
        "_adaptive_avg_pool2d": _adaptive("avg"),
        "adaptive_max_pool1d": _adaptive("max"),
        "adaptive_max_pool2d": _adaptive("max"),
        "mean": _reduce("avg"),
        "sum": _reduce("avg", total=True),
        "amax": _reduce("max"),
        "argmax": _argmax,
        **elementwise.RULES,
        **shapes.RULES,
    }.items()
}
