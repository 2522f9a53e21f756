"""What each ATen operator means: one small function per operator, from `Node` to a View or a constant.

Both forms of exported programs are covered: the one torch.export gives (conv2d, batch_norm, linear) and core ATen after
run_decompositions (convolution, _native_batch_norm_legit_no_training, addmm).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend import torch_shapes as shapes
from freeml.frontend.builder import Floats, View, Weight, check_size
from freeml.frontend.torch_lower import Lowering, Node, Value
from freeml.frontend.torch_program import Call, Program, Ref, unsafe_in_place
from freeml.frontend.windows import pooled_size, window
from freeml.ir.graph import Graph
from freeml.ir.ops import Transpose
from freeml.ir.types import Array
from freeml.ir.verify import verify

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
    return verify(graph)


def _lowered(program: Program, *, channels_first: bool) -> Graph:
    lowering = Lowering(program, channels_first=channels_first)
    for call in program.calls:
        if call.op in _IGNORED:
            continue
        node = Node(lowering, call, program.loc(call))
        try:
            result = _RULES[_functional(call.op)](node)
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


def is_supported(call: Call) -> bool:
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
    (("quantize", "quantized"), "export the float model; freeml quantises it"),
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
    return node.builder.conv(x, Weight(weight), node.optional_weight("bias"), window=made, groups=groups, loc=node.loc)


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
        if min(*kernel, *stride, *dilation) < 1 or min(pads) < 0 or any(2 * p > k for p, k in zip(pads, kernel)):  # noqa: B905
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


# ---- elementwise ----------------------------------------------------------------------------------------------------


def _unary(fn: str, *params: float) -> Rule:
    return lambda node: node.builder.unary(node.view(), fn, params, loc=node.loc)


def _with(fn: str, **arguments: float) -> Rule:
    """A function whose parameters are arguments of the operator, with their defaults."""

    def rule(node: Node) -> View:
        params = [node.number(name, default) for name, default in arguments.items()]
        return node.builder.unary(node.view(), fn, params, loc=node.loc)

    return rule


def _clamp(low: str, high: str) -> Rule:
    def rule(node: Node) -> View:
        defaults = {"min_val": -1.0, "max_val": 1.0}
        given = [node.arg(name, defaults.get(name)) if name else None for name in (low, high)]
        if any(isinstance(value, Ref) for value in given):
            raise node.refuse("limits that are tensors are not supported", "use numbers as limits")
        lo = -math.inf if given[0] is None else node.number(low, defaults.get(low))
        hi = math.inf if given[1] is None else node.number(high, defaults.get(high))
        return node.builder.unary(node.view(), "clamp", (lo, hi), loc=node.loc)

    return rule


def _limit(*, upper: bool) -> Rule:
    """minimum or maximum with one constant."""

    def rule(node: Node) -> View:
        a, b = node.operand("self"), node.operand("other")
        x, bound = (a, b) if isinstance(a, View) else (b, a)
        if not (isinstance(x, View) and isinstance(bound, Weight) and bound.array.size == 1):
            raise node.refuse("only a limit that is one constant is supported")
        limit = float(bound.array.flat[0])
        return node.builder.unary(x, "clamp", (-math.inf, limit) if upper else (limit, math.inf), loc=node.loc)

    return rule


def _elu(node: Node) -> View:
    if node.number("input_scale", 1) != 1:
        raise node.refuse("an input scale other than 1 is not supported")
    alpha, scale = node.number("alpha", 1), node.number("scale", 1)
    if scale == 1:
        return node.builder.unary(node.view(), "elu", (alpha,), loc=node.loc)
    return node.builder.unary(node.view(), "selu", (alpha, scale), loc=node.loc)


def _softplus(node: Node) -> View:
    if node.number("beta", 1) != 1:
        raise node.refuse("beta other than 1 is not supported")
    return node.builder.unary(node.view(), "softplus", loc=node.loc)


def _gelu(node: Node) -> View:
    fn = "gelu_tanh" if node.arg("approximate", "none") == "tanh" else "gelu"
    return node.builder.unary(node.view(), fn, loc=node.loc)


def _prelu(node: Node) -> View:
    slope = node.weight("weight")
    if slope.size == 0 or (slope != slope.flat[0]).any():
        raise node.refuse("a slope for each channel is not supported", "use num_parameters=1")
    return node.builder.unary(node.view(), "leaky_relu", (float(slope.flat[0]),), loc=node.loc)


def _softmax(node: Node) -> View:
    x = node.view()
    return node.builder.softmax(x, node.axis("dim", len(x.shape)), loc=node.loc)


_NUMPY: dict[str, Callable[[Array, Array], Array]] = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def _binary(kind: str, *, swapped: bool = False) -> Rule:
    def rule(node: Node) -> Value:
        a, b = node.operand("self"), node.operand("other")
        alpha = node.number("alpha", 1)
        if alpha != 1:
            b = Weight(b.array * alpha) if isinstance(b, Weight) else _combined(node, "mul", b, Weight(np.array(alpha)))
        return _combined_or_folded(node, kind, b, a) if swapped else _combined_or_folded(node, kind, a, b)

    return rule


def _div(node: Node) -> Value:
    if node.arg("rounding_mode") is not None:
        raise node.refuse("a rounding mode is not supported")
    a, divisor = node.operand("self"), node.operand("other")
    if isinstance(divisor, View):
        raise node.refuse("only division by a constant is supported")
    if (divisor.array == 0).any():
        raise BadModel("a division by zero", where=node.loc)
    return _combined_or_folded(node, "mul", a, Weight(1 / divisor.array))


def _pow(node: Node) -> View:
    if node.number("exponent", 2) != 2:
        raise node.refuse("only the square is supported")
    return node.builder.binary("mul", node.view(), node.view(), loc=node.loc)


def _combined_or_folded(node: Node, kind: str, a: View | Weight, b: View | Weight) -> Value:
    if isinstance(a, Weight) and isinstance(b, Weight):
        folded = _NUMPY[kind](a.array, b.array)
        check_size(folded.shape or (1,), node.loc)
        return folded
    return _combined(node, kind, a, b)


def _combined(node: Node, kind: str, a: View | Weight, b: View | Weight) -> View:
    sizes = [v.shape if isinstance(v, View) else v.array.shape for v in (a, b)]
    try:
        np.broadcast_shapes(*sizes)
    except ValueError as error:
        raise BadModel(f"operands of shapes {sizes[0]} and {sizes[1]}", where=node.loc) from error
    return node.builder.binary(kind, a, b, loc=node.loc)


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
        "relu": _unary("clamp", 0.0, math.inf),
        "relu6": _unary("clamp", 0.0, 6.0),
        "hardtanh": _clamp("min_val", "max_val"),
        "clamp": _clamp("min", "max"),
        "clamp_min": _clamp("min", ""),
        "clamp_max": _clamp("", "max"),
        "maximum": _limit(upper=False),
        "minimum": _limit(upper=True),
        "leaky_relu": _with("leaky_relu", negative_slope=0.01),
        "prelu": _prelu,
        "_prelu_kernel": _prelu,
        "sigmoid": _unary("sigmoid"),
        "tanh": _unary("tanh"),
        "hardsigmoid": _unary("hard_sigmoid", 1 / 6, 0.5),
        "hardswish": _unary("hard_swish"),
        "silu": _unary("silu"),
        "gelu": _gelu,
        "elu": _elu,
        "selu": _unary("selu", 1.6732632423543772, 1.0507009873554805),
        "softplus": _softplus,
        "exp": _unary("exp"),
        "sqrt": _unary("sqrt"),
        "abs": _unary("abs"),
        "neg": _unary("neg"),
        "erf": _unary("erf"),
        "softmax": _softmax,
        "_softmax": _softmax,
        "add": _binary("add"),
        "sub": _binary("sub"),
        "rsub": _binary("sub", swapped=True),
        "mul": _binary("mul"),
        "div": _div,
        "pow": _pow,
        "square": _pow,
        **shapes.RULES,
    }.items()
}
