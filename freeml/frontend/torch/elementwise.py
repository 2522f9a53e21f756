"""Elementwise ATen operators: arithmetic, activations, clamps; softmax."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from freeml.errors import BadModel
from freeml.frontend.torch.nodes import Node, Value
from freeml.frontend.torch.program import Ref
from freeml.frontend.views import View, Weight, check_size
from freeml.ir.types import Array

Rule = Callable[[Node], Value]

# From here on softplus is the identity to the last bit of a float32, so that switching over to it changes nothing.
_SMOOTH = 20.0


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
    beta, threshold = node.number("beta", 1), node.number("threshold", 20)
    if beta == 0:
        raise node.refuse("beta = 0")
    if beta == 1 and threshold >= _SMOOTH:
        return node.builder.unary(node.view(), "softplus", loc=node.loc)
    return node.builder.unary(node.view(), "softplus_linear", (beta, threshold), loc=node.loc)


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
    node.check_dtype()
    return node.builder.softmax(x, node.axis("dim", len(x.shape)), loc=node.loc)


_NUMPY: dict[str, Callable[[Array, Array], Array]] = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def _binary(kind: str, *, swapped: bool = False) -> Rule:
    """self + alpha * other, self - alpha * other; swapped: other - alpha * self."""

    def rule(node: Node) -> Value:
        a, b = node.operand("self"), node.operand("other")
        a, b = (b, a) if swapped else (a, b)
        alpha = node.number("alpha", 1)
        if alpha != 1:
            b = Weight(b.array * alpha) if isinstance(b, Weight) else _combined(node, "mul", b, Weight(np.array(alpha)))
        return _combined_or_folded(node, kind, a, b)

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


RULES: dict[str, Rule] = {
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
}
