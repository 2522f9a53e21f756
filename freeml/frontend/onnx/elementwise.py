"""Elementwise ONNX operators: arithmetic, activations (Relu to PRelu, Gelu, Mish), Clip, Pow, Max, Min; Softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.nodes import Args, Known, Node, Operand, Tensor
from freeml.frontend.views import View, Weight

# ONNX operator: (function of ir.unary, its attributes with their defaults, lower bound of the result)
UNARY: dict[str, tuple[str, tuple[tuple[str, float], ...], float]] = {
    "LeakyRelu": ("leaky_relu", (("alpha", 0.01),), -math.inf),
    "Sigmoid": ("sigmoid", (), 0.0),
    "Tanh": ("tanh", (), -1.0),
    "HardSigmoid": ("hard_sigmoid", (("alpha", 0.2), ("beta", 0.5)), 0.0),
    "HardSwish": ("hard_swish", (), -math.inf),
    "Elu": ("elu", (("alpha", 1.0),), -math.inf),
    "Selu": ("selu", (("alpha", 1.67326319217681884765625), ("gamma", 1.05070102214813232421875)), -math.inf),
    "Softplus": ("softplus", (), 0.0),
    "Softsign": ("softsign", (), -1.0),
    "Exp": ("exp", (), 0.0),
    "Sqrt": ("sqrt", (), 0.0),
    "Erf": ("erf", (), -1.0),
}
_EXACT_BITS = 53


def unary(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """An operator that is a function of ir.unary."""
    x = node.float_tensor(args, 0)
    fn, attributes, low = UNARY[node.op]
    params = [node.number(name, default) for name, default in attributes]
    return Tensor(g.unary(x.view, fn, params, loc=node.loc), x.dtype, low)


def relu(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Relu."""
    x = node.tensor(args, 0)
    return _clamped(g, node, x, 0.0, math.inf)


def clip(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Clip; bounds are attributes before operator set 11."""
    x = node.tensor(args, 0)
    if node.opset < 11:
        return _clamped(g, node, x, node.number("min", -math.inf), node.number("max", math.inf))
    return _clamped(
        g, node, x, node.number_of(args, 1, "lower bound", -math.inf), node.number_of(args, 2, "upper bound", math.inf)
    )


def _clamped(g: GraphBuilder, node: Node, x: Tensor, lo: float, hi: float) -> Tensor:
    if (lo, hi) == (-math.inf, math.inf):
        return x
    # Where the bounds cross, ONNX gives the upper one.
    view = g.unary(x.view, "clamp", (min(lo, hi), hi), loc=node.loc)
    return Tensor(view, x.dtype, max(x.low, min(lo, hi)))


def gelu(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Gelu, exact or by tanh."""
    x = node.float_tensor(args, 0)
    kind = node.text("approximate", "none")
    if kind not in ("none", "tanh"):
        node.bad(f"approximate {kind!r}")
    return Tensor(g.unary(x.view, "gelu_tanh" if kind == "tanh" else "gelu", loc=node.loc), x.dtype)


def swish(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Swish with alpha 1, which is silu."""
    x = node.float_tensor(args, 0)
    if node.number("alpha", 1.0) != 1:
        node.refuse("alpha other than 1")
    return Tensor(g.unary(x.view, "silu", loc=node.loc), x.dtype)


def mish(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Mish: x * tanh(softplus(x))."""
    x = node.float_tensor(args, 0)
    gate = g.unary(g.unary(x.view, "softplus", loc=node.loc), "tanh", loc=node.loc)
    return Tensor(binary_op(g, "mul", x.view, gate, loc=node.loc), x.dtype)


def prelu(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """PRelu: leaky_relu for one slope; else relu(x) + slope * min(x, 0)."""
    x = node.float_tensor(args, 0)
    slope = node.floats(args, 1, "slope")
    assert slope is not None
    if (slope == slope.reshape(-1)[0]).all():
        return Tensor(g.unary(x.view, "leaky_relu", (float(slope.reshape(-1)[0]),), loc=node.loc), x.dtype)
    if node.opset < 7:
        slope = slope.reshape(-1, *(1,) * (len(x.shape) - 2))  # per channel
    if np.broadcast_shapes(x.shape, slope.shape) != x.shape:
        node.bad(f"a slope of shape {slope.shape} for an input of shape {x.shape}")
    above = g.unary(x.view, "clamp", (0.0, math.inf), loc=node.loc)
    below = g.unary(x.view, "clamp", (-math.inf, 0.0), loc=node.loc)
    scaled = binary_op(g, "mul", below, Weight(slope), loc=node.loc)
    return Tensor(binary_op(g, "add", above, scaled, loc=node.loc), x.dtype)


def sign_change(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Neg and Abs."""
    x = node.tensor(args, 0)
    y = g.unary(x.view, node.op.lower(), loc=node.loc)
    if node.op == "Abs" and x.is_float:
        return Tensor(y, x.dtype, 0.0, recipe=("abs", x.view))
    return Tensor(_wrapped(g, node, y, x.dtype), x.dtype)


def binary(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Add, Sub, Mul, and Div by a constant, with numpy broadcasting; integers wrap around as in the model."""
    a, b = _operand(node, args, 0), _operand(node, args, 1)
    if node.has("axis"):
        b = _placed(g, node, a, b)
    dtypes = {arg.dtype for arg in args if arg is not None}
    dtype = dtypes.pop()
    if dtypes:
        node.bad("its inputs are of different types")
    kind, recipe = node.op.lower(), _one_plus_abs(node, args)
    if kind == "div" and _is_softsign(args):
        assert isinstance(a, View)
        return Tensor(g.unary(a, "softsign", loc=node.loc), dtype, -1.0)
    if kind == "div":
        if not isinstance(b, Weight) or dtype.kind != "f":
            node.refuse("division by a value computed while the model runs, or of integers", "multiply instead")
        if (np.abs(b.array) < np.finfo(np.float32).tiny).any():
            node.refuse("division by zero")
        b, kind = Weight(1 / b.array), "mul"
    if kind == "mul" and dtype.kind in "iu" and dtype.itemsize * 16 > _EXACT_BITS:
        node.refuse(f"products of {dtype}", "compute in float or in narrower integers")
    view = binary_op(g, kind, a, b, loc=node.loc)
    return Tensor(_wrapped(g, node, view, dtype), dtype, recipe=recipe)


def binary_op(g: GraphBuilder, kind: str, a: View | Weight, b: View | Weight, *, loc: str) -> View:
    """GraphBuilder.binary, also for two scalars: constants of the IR have one axis at least."""
    if _shape(a) or _shape(b):
        return g.binary(kind, a, b, loc=loc)
    rows = [Weight(x.array.reshape(1)) if isinstance(x, Weight) else g.reshape(x, (1,)) for x in (a, b)]
    return g.reshape(g.binary(kind, rows[0], rows[1], loc=loc), ())


def _one_plus_abs(node: Node, args: Args) -> tuple[str, View] | None:
    for this, other in (args, args[::-1]):
        if node.op == "Add" and isinstance(this, Tensor) and this.recipe and this.recipe[0] == "abs":
            one = isinstance(other, Known) and other.array.size == 1 and float(other.array.reshape(-1)[0]) == 1
            return ("1 + abs", this.recipe[1]) if one else None
    return None


def _is_softsign(args: Args) -> bool:
    """x / (1 + abs(x)), as exporters without Softsign wrote it."""
    x, divisor = args
    if not isinstance(x, Tensor) or not isinstance(divisor, Tensor) or divisor.recipe is None:
        return False
    what, of = divisor.recipe
    return what == "1 + abs" and of.value == x.view.value and np.array_equal(of.index, x.view.index)


def _operand(node: Node, args: Args, i: int) -> View | Weight:
    arg = args[i]
    return node.weight(arg, "operand") if isinstance(arg, Known) else node.tensor(args, i).view


def _placed(g: GraphBuilder, node: Node, a: View | Weight, b: View | Weight) -> View | Weight:
    """Operator set 6: b's axes are those of a from attribute `axis` on."""
    rank, own = len(_shape(a)), _shape(b)
    shape = own + (1,) * (rank - node.axis(node.integer("axis", 0), rank) - len(own))
    return Weight(b.array.reshape(shape)) if isinstance(b, Weight) else g.reshape(b, shape)


def _shape(x: View | Weight) -> tuple[int, ...]:
    return x.shape if isinstance(x, View) else x.array.shape


def _wrapped(g: GraphBuilder, node: Node, y: View, dtype: np.dtype[np.generic]) -> View:
    """Integer results modulo 2**bits. Those of 64 bits are exact below 2**53, as far as float64 counts."""
    if dtype.kind == "f" or dtype.itemsize == 8:
        return y
    return g.unary(y, "wrap", (8 * dtype.itemsize, dtype.kind == "i"), loc=node.loc)


def sum_(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Sum and Mean of any number of tensors."""
    operands = [_operand(node, args, i) for i in range(len(args))]
    first = next(arg for arg in args if isinstance(arg, Tensor))
    if any(arg is None or arg.dtype != first.dtype for arg in args) or not first.is_float:
        node.bad("its inputs are not of one float type")
    total = operands[0]
    for other in operands[1:]:
        if isinstance(total, Weight) and isinstance(other, Weight):
            total = Weight(total.array + other.array)
        else:
            total = binary_op(g, "add", total, other, loc=node.loc)
    assert isinstance(total, View)
    if node.op == "Mean" and len(operands) > 1:
        total = binary_op(g, "mul", total, Weight(np.full((1,) * len(total.shape), 1 / len(operands))), loc=node.loc)
    return Tensor(total, first.dtype)


def extreme(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Max and Min of one tensor and constant bounds."""
    x: Tensor | None = None
    bound = -math.inf if node.op == "Max" else math.inf
    for i, arg in enumerate(args):
        if isinstance(arg, Known):
            values = node.weight(arg, "bound").array
            if arg.array.size != 1:
                node.refuse("a bound with several values", "use one number, as Clip has")
            bound = max(bound, float(values.reshape(-1)[0])) if node.op == "Max" else min(bound, float(values.max()))
        elif x is None:
            x = node.tensor(args, i)
        else:
            node.refuse("two values computed while the model runs", "only bounds that are constant")
    assert x is not None
    if any(arg is not None and len(arg.shape) > len(x.shape) for arg in args):
        node.refuse("a bound of higher rank than the tensor")
    return _clamped(g, node, x, bound, math.inf) if node.op == "Max" else _clamped(g, node, x, -math.inf, bound)


def power(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Pow with exponent 1, 2, 3 or 0.5."""
    x = node.float_tensor(args, 0)
    exponent = node.number_of(args, 1, "exponent", 1.0)
    if exponent == 0.5:
        return Tensor(g.unary(x.view, "sqrt", loc=node.loc), x.dtype, 0.0)
    if exponent not in (1, 2, 3):
        node.refuse(f"exponent {exponent:g}", "freeml has exponents 1, 2, 3 and 0.5")
    y = x.view
    for _ in range(int(exponent) - 1):
        y = binary_op(g, "mul", y, x.view, loc=node.loc)
    return Tensor(y, x.dtype)


def softmax(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Softmax; before operator set 13 over all axes from `axis` on."""
    x = node.float_tensor(args, 0)
    rank = len(x.shape)
    if rank == 0:
        node.refuse("a scalar")
    if node.opset >= 13:
        return Tensor(g.softmax(x.view, node.axis(node.integer("axis", -1), rank), loc=node.loc), x.dtype, 0.0)
    axis = node.axis(node.integer("axis", 1), rank) if node.integer("axis", 1) != rank else rank
    rows: Sequence[int] = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
    flat = g.reshape(x.view, rows)
    return Tensor(g.reshape(g.softmax(flat, 1, loc=node.loc), x.shape), x.dtype, 0.0)
