"""Matrix products by constants, batch normalisation and elementwise operators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from freeml.frontend.builder import MAX_TENSOR_ELEMS, Floats, GraphBuilder, View, Weight
from freeml.frontend.onnx_nodes import Args, Known, Node, Operand, Tensor
from freeml.ir.ops import Window

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
    x = _float(node, args)
    fn, attributes, low = UNARY[node.op]
    params = [node.float(name, default) for name, default in attributes]
    return Tensor(g.unary(x.view, fn, params, loc=node.loc), x.dtype, low)


def relu(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Relu."""
    x = node.tensor(args, 0)
    return _clamped(g, node, x, 0.0, math.inf)


def clip(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Clip; bounds are attributes before operator set 11."""
    x = node.tensor(args, 0)
    if node.opset < 11:
        return _clamped(g, node, x, node.float("min", -math.inf), node.float("max", math.inf))
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
    x = _float(node, args)
    kind = node.str("approximate", "none")
    if kind not in ("none", "tanh"):
        node.bad(f"approximate {kind!r}")
    return Tensor(g.unary(x.view, "gelu_tanh" if kind == "tanh" else "gelu", loc=node.loc), x.dtype)


def swish(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Swish with alpha 1, which is silu."""
    x = _float(node, args)
    if node.float("alpha", 1.0) != 1:
        node.refuse("alpha other than 1")
    return Tensor(g.unary(x.view, "silu", loc=node.loc), x.dtype)


def mish(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Mish: x * tanh(softplus(x))."""
    x = _float(node, args)
    gate = g.unary(g.unary(x.view, "softplus", loc=node.loc), "tanh", loc=node.loc)
    return Tensor(g.binary("mul", x.view, gate, loc=node.loc), x.dtype)


def prelu(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """PRelu: leaky_relu for one slope; else relu(x) + slope * min(x, 0)."""
    x = _float(node, args)
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
    scaled = g.binary("mul", below, Weight(slope), loc=node.loc)
    return Tensor(g.binary("add", above, scaled, loc=node.loc), x.dtype)


def sign_change(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Neg and Abs."""
    x = node.tensor(args, 0)
    y = g.unary(x.view, node.op.lower(), loc=node.loc)
    if node.op == "Abs" and x.is_float:
        return Tensor(y, x.dtype, 0.0, recipe=("abs", x.view))
    return Tensor(_wrapped(g, node, y, x.dtype), x.dtype)


def _float(node: Node, args: Args) -> Tensor:
    x = node.tensor(args, 0)
    if not x.is_float:
        node.refuse(f"an input of type {x.dtype}", "cast it to float first")
    return x


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
    view = g.binary(kind, a, b, loc=node.loc)
    return Tensor(_wrapped(g, node, view, dtype), dtype, recipe=recipe)


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
    shape = own + (1,) * (rank - node.axis(node.int("axis", 0), rank) - len(own))
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
            total = g.binary("add", total, other, loc=node.loc)
    assert isinstance(total, View)
    if node.op == "Mean" and len(operands) > 1:
        total = g.binary("mul", total, Weight(np.full((1,) * len(total.shape), 1 / len(operands))), loc=node.loc)
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
    x = _float(node, args)
    exponent = node.number_of(args, 1, "exponent", 1.0)
    if exponent == 0.5:
        return Tensor(g.unary(x.view, "sqrt", loc=node.loc), x.dtype, 0.0)
    if exponent not in (1, 2, 3):
        node.refuse(f"exponent {exponent:g}", "freeml has exponents 1, 2, 3 and 0.5")
    y = x.view
    for _ in range(int(exponent) - 1):
        y = g.binary("mul", y, x.view, loc=node.loc)
    return Tensor(y, x.dtype)


def gemm(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """alpha * A' B' + beta * C, with A or B constant."""
    a, b = args[0], args[1]
    if any(arg is not None and (arg.dtype.kind != "f") for arg in args):
        node.refuse("integer arithmetic", "export a float model")
    if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2:
        node.bad("its factors are not matrices")
    alpha, beta = node.float("alpha", 1.0), node.float("beta", 1.0)
    trans_a, trans_b = bool(node.int("transA", 0)), bool(node.int("transB", 0))
    m, k = reversed(a.shape) if trans_a else a.shape
    k_b, n = reversed(b.shape) if trans_b else b.shape
    if k != k_b:
        node.bad(f"factors of shapes {a.shape} and {b.shape} do not fit")
    bias, rest = _gemm_bias(node, args, beta, (m, n))
    if isinstance(b, Known):
        x = node.tensor(args, 0)
        weight = _scaled(node.weight(_rows_out(b, transposed=not trans_b)), alpha)
        view = g.transpose(x.view, (1, 0)) if trans_a else x.view
        y = g.dense(view, weight, bias, loc=node.loc)
    elif isinstance(a, Known):
        x = node.tensor(args, 1)
        weight = _scaled(node.weight(_rows_out(a, transposed=trans_a)), alpha)
        view = x.view if trans_b else g.transpose(x.view, (1, 0))
        y = g.transpose(g.dense(view, weight, None, loc=node.loc), (1, 0))
        if bias is not None:
            y = g.binary("add", y, Weight(bias.reshape(1, -1)), loc=node.loc)
    else:
        node.refuse("a product of two values computed while the model runs", "only products by constant weights")
    if rest is not None:
        y = g.binary("add", y, rest, loc=node.loc)
    return Tensor(y, x.dtype)


def _gemm_bias(
    node: Node, args: Args, beta: float, shape: tuple[int, int]
) -> tuple[Floats | None, View | Weight | None]:
    """beta * C as a bias of the columns, or as an operand of its own; whichever is not used is None."""
    c = args[2] if len(args) > 2 else None
    if c is None or beta == 0:
        return None, None
    if np.broadcast_shapes(c.shape, shape) != shape:
        node.bad(f"C of shape {c.shape} for a result of shape {shape}")
    if isinstance(c, Tensor):
        if beta != 1:
            node.refuse("beta other than 1 with a C computed while the model runs")
        return None, node.tensor(args, 2).view
    array = node.weight(c, "C").array * beta
    if array.ndim == 2 and array.shape[0] > 1:
        return None, Weight(array)
    return np.broadcast_to(array.reshape(-1), (shape[1],)), None


def _rows_out(known: Known, *, transposed: bool) -> Known:
    """A constant factor as (outputs, inputs)."""
    if not transposed:
        return known
    return Known(known.array.T, known.dtype, None if known.scales is None else known.scales.T)


def _scaled(weight: Weight, alpha: float) -> Weight:
    if alpha == 1:
        return weight
    keeps = weight.code_scales is not None and alpha > 0
    return Weight(weight.array * alpha, tuple(s * alpha for s in weight.code_scales or ()) if keeps else None)


def matmul(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """numpy's matmul with one constant factor."""
    a, b = args[0], args[1]
    if a is None or b is None or any(arg.dtype.kind != "f" for arg in (a, b)):
        node.refuse("integer arithmetic", "export a float model")
    if not a.shape or not b.shape:
        node.bad("a factor that is a scalar")
    if isinstance(b, Known):
        return _times_constant(g, node, node.tensor(args, 0), b)
    if not isinstance(a, Known):
        node.refuse("a product of two values computed while the model runs", "only products by constant weights")
    # C X = (X' C')': the same with both factors transposed.
    x = node.tensor(args, 1)
    vector = len(x.shape) == 1
    view = x.view if vector else g.transpose(x.view, (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2))
    flipped = a if len(a.shape) == 1 else _transposed(a)
    y = _times_constant(g, node, x.at(view), flipped)
    rank = len(y.shape)
    if vector or len(a.shape) == 1 or rank < 2:
        return y
    return y.at(g.transpose(y.view, (*range(rank - 2), rank - 1, rank - 2)))


def _transposed(known: Known) -> Known:
    scales = None if known.scales is None else np.swapaxes(known.scales, -1, -2)
    return Known(np.swapaxes(known.array, -1, -2), known.dtype, scales)


def _times_constant(g: GraphBuilder, node: Node, x: Tensor, b: Known) -> Tensor:
    """x (..., M, K) times b (..., K, N), or (K,)."""
    column = len(b.shape) == 1
    if x.shape[-1] != b.shape[0 if column else -2]:
        node.bad(f"factors of shapes {x.shape} and {b.shape} do not fit")
    if column or all(n == 1 for n in b.shape[:-2]):
        matrix = b.array.reshape(-1, 1 if column else b.shape[-1])
        scales = None if b.scales is None else b.scales.reshape(matrix.shape).T
        y = g.dense(x.view, node.weight(Known(matrix.T, b.dtype, scales)), None, loc=node.loc)
        if column:
            return Tensor(g.reshape(y, y.shape[:-1]), x.dtype)
        extra = max(0, len(b.shape) - max(2, len(x.shape)))
        return Tensor(g.reshape(y, (1,) * extra + y.shape) if extra else y, x.dtype)
    return Tensor(_per_batch(g, node, x.view, b), x.dtype)


def _per_batch(g: GraphBuilder, node: Node, x: View, b: Known) -> View:
    """A factor per batch entry: a 1x1 convolution over the rows, one group per entry."""
    if len(x.shape) < 2 or x.shape[:-2] != b.shape[:-2]:
        node.refuse(f"factors of shapes {x.shape} and {b.shape}, whose batches differ")
    batch, (m, k), n = math.prod(x.shape[:-2]), x.shape[-2:], b.shape[-1]
    if batch * m * n > MAX_TENSOR_ELEMS:
        node.refuse("its result is too large")
    image = g.reshape(g.transpose(g.reshape(x, (batch, m, k)), (0, 2, 1)), (1, batch * k, 1, m))
    swapped = _transposed(b)
    shape = (batch * n, k, 1, 1)
    scales = None if swapped.scales is None else swapped.scales.reshape(shape)
    weight = node.weight(Known(swapped.array.reshape(shape), b.dtype, scales))
    y = g.conv(image, weight, None, window=Window(kernel=(1, 1)), groups=batch, loc=node.loc)
    return g.reshape(g.transpose(g.reshape(y, (batch, n, m)), (0, 2, 1)), (*x.shape[:-2], m, n))


def batch_norm(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """BatchNormalization with fixed statistics: an affine map per channel."""
    x = _float(node, args)
    if node.int("training_mode", 0) or node.opset < 14 and sum(bool(name) for name in node.proto.output) > 1:
        node.refuse("statistics computed from the batch (training mode)", "export the model after model.eval()")
    if node.opset < 7 and not node.int("is_test", 0):
        node.refuse("is_test = 0 (training mode)", "export the model after model.eval()")
    if not node.int("spatial", 1):
        node.refuse("spatial = 0", "export the model with a current exporter")
    if len(x.shape) < 2:
        node.refuse(f"an input of shape {x.shape}")
    names = ("scale", "bias", "mean", "variance")
    scale, bias, mean, var = (_channel_values(node, args, i + 1, name, x.shape[1]) for i, name in enumerate(names))
    spread = var + node.float("epsilon", 1e-5)
    if (spread <= 0).any():
        node.bad("a variance that is not positive")
    factor = scale / np.sqrt(spread)
    return Tensor(g.affine(x.view, factor, bias - mean * factor, loc=node.loc), x.dtype)


def _channel_values(node: Node, args: Args, i: int, name: str, channels: int) -> Floats:
    values = node.floats(args, i, name)
    if values is None or values.shape != (channels,):
        node.bad(f"its {name} does not have one value for each of {channels} channels")
    return values


def softmax(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """Softmax; before operator set 13 over all axes from `axis` on."""
    x = _float(node, args)
    rank = len(x.shape)
    if rank == 0:
        node.refuse("a scalar")
    if node.opset >= 13:
        return Tensor(g.softmax(x.view, node.axis(node.int("axis", -1), rank), loc=node.loc), x.dtype, 0.0)
    axis = node.axis(node.int("axis", 1), rank) if node.int("axis", 1) != rank else rank
    rows: Sequence[int] = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
    flat = g.reshape(x.view, rows)
    return Tensor(g.reshape(g.softmax(flat, 1, loc=node.loc), x.shape), x.dtype, 0.0)
