"""What each TFLite operator means, CONV_2D to SOFTMAX and ARG_MAX: a small function each, from `Node` to a View.

The builder speaks channels first; `_first` and `_last` are free re-indexings around its calls, so that no transpose is
left in the graph. Semantics are those of the reference kernels of TFLite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.tflite import shapes
from freeml.frontend.tflite.nodes import MAX_WINDOW, Known, Node
from freeml.frontend.views import Floats, View, Weight, check_size
from freeml.frontend.windows import same_window, window
from freeml.ir.ops import Window

Lowering = Callable[[Node], "View | Known"]


def refusal(kind: str) -> tuple[str, str]:
    """What to say of an operator that is in no table: (what, hint)."""
    if kind.startswith("custom operator"):
        return f"{kind}: only built-in operators are supported", "convert with built-in operators only"
    for kinds, why, hint in REFUSED:
        if kind in kinds:
            return f"{kind}: {why}", hint
    return f"{kind}: this operator is not supported", "replace the layer, or convert the model without it"


REFUSED: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"IF", "WHILE", "CALL", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE", "DELEGATE"}),
        "control flow is not supported: the cost of an inference must be known beforehand",
        "unroll the loop or take the branch when converting",
    ),
    (
        frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE", "SVDF", "HASHTABLE"}),
        "the model keeps state from one inference to the next (a streaming model)",
        "convert the non-streaming variant, which takes a whole window as its input",
    ),
    (
        frozenset(
            {
                "LSTM",
                "RNN",
                "UNIDIRECTIONAL_SEQUENCE_LSTM",
                "UNIDIRECTIONAL_SEQUENCE_RNN",
                "BIDIRECTIONAL_SEQUENCE_LSTM",
                "BIDIRECTIONAL_SEQUENCE_RNN",
            }
        ),
        "recurrent layers are not supported",
        "use a convolution over time instead",
    ),
    (frozenset({"TRANSPOSE_CONV"}), "transposed convolution is not supported", "use a convolution or a pooling"),
)


# ---- helpers --------------------------------------------------------------------------------------------------------


def _first(node: Node, x: View) -> View:
    return node.builder.transpose(x, (0, 3, 1, 2))


def _last(node: Node, x: View) -> View:
    return node.builder.transpose(x, (0, 2, 3, 1))


def _window(node: Node, size: Sequence[int], kernel: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Window:
    stride = (node.option("StrideH"), node.option("StrideW"))
    if not all(1 <= n <= MAX_WINDOW for n in (*stride, *kernel, *dilation)):
        raise BadModel(f"{node.op.kind} with kernel {kernel}, stride {stride}, dilation {dilation}", where=node.loc)
    padding = node.option("Padding")
    if padding not in (0, 1):
        raise BadModel(f"{node.op.kind} with the unknown padding {padding}", where=node.loc)
    made = (
        same_window(size, kernel, stride, dilation)
        if padding == 0
        else window(kernel, stride, dilation, (0, 0), (0, 0))
    )
    out = made.out_size(size[0], size[1])
    if min(out) < 1:
        raise BadModel(f"a window of {made.extent()} is larger than its input {tuple(size)}", where=node.loc)
    return made


def _bias(node: Node, k: int, weight: Known, n_out: int) -> Floats | None:
    """The bias in real numbers; int32 ones count in steps of input scale times weight scale."""
    if node.value(k) is None:
        return None
    bias = node.known(k, "the bias")
    if bias.items.size != n_out:
        raise BadModel(f"a bias of shape {bias.items.shape} for {n_out} outputs", where=node.loc)
    if bias.dtype == "INT64":
        raise UnsupportedOp(
            "the bias has 64 bits (int16x8 quantization)", where=node.loc, hint="convert with int8 activations"
        )
    if bias.dtype != "INT32":
        return node.reader.real(bias, node.loc).reshape(n_out)
    x = node.reader.tensor(node.op.inputs[0])
    if weight.quant is None or x.dtype == "FLOAT32":
        raise BadModel("an int32 bias without int8 input and weights", where=node.loc)
    step = node.reader.activation_quant(x, node.loc).scale * np.array(weight.quant.scales, dtype=np.float64)
    return bias.items.reshape(n_out).astype(np.float64) * step


def _weight(node: Node, k: int, rank: int, axis: int) -> tuple[Known, Floats, tuple[float, ...] | None]:
    """A constant weight: stored, in real numbers, and its scales along `axis`, the one of the output channels."""
    known = node.known(k, "the weight")
    if known.items.ndim != rank:
        raise BadModel(f"a weight of shape {known.items.shape}; {rank} dimensions are needed", where=node.loc)
    if known.items.size == 0:
        raise BadModel(f"an empty weight of shape {known.items.shape}", where=node.loc)
    if known.quant is not None and len(known.quant.scales) > 1 and known.quant.axis != axis:
        raise BadModel(f"weight scales along axis {known.quant.axis}, not {axis}", where=node.loc)
    real = node.reader.real(known, node.loc)
    return known, real, node.reader.code_scales(known, axis)


# ---- layers with weights --------------------------------------------------------------------------------------------


def _conv_2d(node: Node) -> View:
    node.n_inputs(2, 3)
    x = node.view(0, rank=4)
    known, weight, scales = _weight(node, 1, 4, 0)
    n_out, _, _, per_group = weight.shape
    channels = x.shape[3]
    if channels % per_group or n_out % (channels // per_group):
        raise BadModel(f"{channels} channels do not fit a weight of shape {weight.shape}", where=node.loc)
    return _convolved(
        node, x, Weight(weight.transpose(0, 3, 1, 2), scales), _bias(node, 2, known, n_out), channels // per_group
    )


def _depthwise_conv_2d(node: Node) -> View:
    node.n_inputs(2, 3)
    x = node.view(0, rank=4)
    known, weight, scales = _weight(node, 1, 4, 3)
    one, _, _, n_out = weight.shape
    if one != 1 or n_out % x.shape[3] or node.option("DepthMultiplier") not in (0, n_out // x.shape[3]):
        raise BadModel(f"{x.shape[3]} channels do not fit a weight of shape {weight.shape}", where=node.loc)
    return _convolved(node, x, Weight(weight.transpose(3, 0, 1, 2), scales), _bias(node, 2, known, n_out), x.shape[3])


def _convolved(node: Node, x: View, weight: Weight, bias: Floats | None, groups: int) -> View:
    """x NHWC, weight (O, C/groups, kh, kw)."""
    n, h, w, _ = x.shape
    n_out, _, kh, kw = weight.array.shape
    dilation = (node.option("DilationHFactor"), node.option("DilationWFactor"))
    made = _window(node, (h, w), (kh, kw), dilation)
    check_size((n, *weight.array.shape), node.loc)
    check_size((n, *made.out_size(h, w), n_out), node.loc)
    y = node.builder.conv(_first(node, x), weight, bias, window=made, groups=groups, loc=node.loc)
    return node.activated(_last(node, y))


def _fully_connected(node: Node) -> View:
    node.n_inputs(2, 3)
    x = node.view(0)
    if node.option("WeightsFormat") != 0:
        raise UnsupportedOp("the weights are stored in a shuffled format", where=node.loc)
    known, weight, scales = _weight(node, 1, 2, 0)
    n_out, k = weight.shape
    if math.prod(x.shape) % k:
        raise BadModel(f"an input of shape {x.shape} for a weight of shape {weight.shape}", where=node.loc)
    if not (node.option("KeepNumDims") and x.shape[-1:] == (k,)):
        x = node.builder.reshape(x, (math.prod(x.shape) // k, k))
    check_size((*x.shape[:-1], n_out), node.loc)
    return node.activated(node.builder.dense(x, Weight(weight, scales), _bias(node, 2, known, n_out), loc=node.loc))


def _batch_matmul(node: Node) -> View:
    node.n_inputs(2, 2)
    if isinstance(node.value(0), Known) or not isinstance(node.value(1), Known) or node.option("AdjX"):
        raise UnsupportedOp(
            "only a computed tensor times a constant matrix is supported",
            where=node.loc,
            hint="attention-like products of two computed tensors cannot be compiled",
        )
    x = node.view(0)
    known = node.known(1, "the matrix")
    if known.items.ndim < 2 or math.prod(known.items.shape[:-2]) != 1 or known.items.size == 0:
        raise UnsupportedOp(f"a matrix of shape {known.items.shape}", where=node.loc)
    lead = known.items.ndim - 2
    axis = lead + (0 if node.option("AdjY") else 1)
    scales = node.reader.code_scales(known, axis)
    rows, columns = known.items.shape[-2:]
    matrix: Floats = node.reader.real(known, node.loc).reshape(rows, columns)
    matrix = matrix if node.option("AdjY") else matrix.T
    if len(x.shape) < max(2, known.items.ndim) or x.shape[-1] != (columns if node.option("AdjY") else rows):
        raise BadModel(f"an input of shape {x.shape} for a matrix of shape {known.items.shape}", where=node.loc)
    check_size((*x.shape[:-1], max(rows, columns)), node.loc)
    return node.builder.dense(x, Weight(matrix, scales), None, loc=node.loc)


# ---- pooling and reductions -----------------------------------------------------------------------------------------


def _pool(kind: str) -> Lowering:
    def lower(node: Node) -> View:
        node.n_inputs(1, 1)
        x = node.view(0, rank=4)
        kernel = (node.option("FilterHeight"), node.option("FilterWidth"))
        made = _window(node, x.shape[1:3], kernel)
        y = node.builder.pool(_first(node, x), kind, window=made, loc=node.loc)
        return node.activated(_last(node, y))

    return lower


def _reduce(kind: str) -> Lowering:
    def lower(node: Node) -> View:
        node.n_inputs(2, 2)
        x = node.view(0)
        axes = node.axes(1, len(x.shape))
        return node.builder.reduce(x, kind, axes, keepdims=bool(node.option("KeepDims")), loc=node.loc)

    return lower


def _arg_max(node: Node) -> View:
    node.n_inputs(2, 2)
    x = node.view(0)
    axes = node.axes(1, len(x.shape))
    if len(axes) != 1:
        raise BadModel(f"ARG_MAX over the axes {axes}", where=node.loc)
    if node.reader.tensor(node.op.outputs[0]).dtype not in ("INT32", "INT64"):
        raise BadModel("ARG_MAX gives something other than integers", where=node.loc)
    return node.builder.argmax(x, axes[0], keepdims=False, loc=node.loc)


# ---- elementwise ----------------------------------------------------------------------------------------------------


def _unary(fn: str, *params: float) -> Lowering:
    def lower(node: Node) -> View:
        node.n_inputs(1, 1)
        return node.builder.unary(node.view(0), fn, params, loc=node.loc)

    return lower


def _leaky_relu(node: Node) -> View:
    node.n_inputs(1, 1)
    return node.builder.unary(node.view(0), "leaky_relu", (node.number("Alpha"),), loc=node.loc)


def _gelu(node: Node) -> View:
    node.n_inputs(1, 1)
    fn = "gelu_tanh" if node.option("Approximate") else "gelu"
    return node.builder.unary(node.view(0), fn, loc=node.loc)


def _prelu(node: Node) -> View:
    node.n_inputs(2, 2)
    alpha = node.reader.real(node.known(1, "the slope"), node.loc)
    if alpha.size == 0 or (alpha != alpha.flat[0]).any():
        raise UnsupportedOp(
            "a slope for each channel is not supported",
            where=node.loc,
            hint="train with one slope for all channels (LeakyReLU)",
        )
    return node.builder.unary(node.view(0), "leaky_relu", (float(alpha.flat[0]),), loc=node.loc)


def _limit(*, upper: bool) -> Lowering:
    """MINIMUM or MAXIMUM with one constant: a clamp."""

    def lower(node: Node) -> View:
        node.n_inputs(2, 2)
        a, b = node.operand(0), node.operand(1)
        x, bound = (a, b) if isinstance(a, View) else (b, a)
        if not (isinstance(x, View) and isinstance(bound, Weight) and bound.array.size == 1):
            raise UnsupportedOp("only a limit that is one constant is supported", where=node.loc)
        limit = float(bound.array.flat[0])
        params = (-math.inf, limit) if upper else (limit, math.inf)
        return node.builder.unary(x, "clamp", params, loc=node.loc)

    return lower


def _binary(kind: str) -> Lowering:
    def lower(node: Node) -> View:
        node.n_inputs(2, 2)
        return node.activated(_combined(node, kind, node.operand(0), node.operand(1)))

    return lower


def _combined(node: Node, kind: str, a: View | Weight, b: View | Weight) -> View:
    if isinstance(a, Weight) and isinstance(b, Weight):
        raise UnsupportedOp("both operands are constants", where=node.loc, hint="fold constants when converting")
    sizes = [v.shape if isinstance(v, View) else v.array.shape for v in (a, b)]
    try:
        np.broadcast_shapes(*sizes)
    except ValueError as error:
        raise BadModel(f"operands of shapes {sizes[0]} and {sizes[1]}", where=node.loc) from error
    return node.builder.binary(kind, a, b, loc=node.loc)


def _div(node: Node) -> View:
    node.n_inputs(2, 2)
    divisor = node.reader.real(node.known(1, "the divisor"), node.loc)
    if (divisor == 0).any():
        raise BadModel("a division by zero", where=node.loc)
    return node.activated(_combined(node, "mul", node.view(0), Weight(1 / divisor)))


def _softmax(node: Node) -> View:
    node.n_inputs(1, 1)
    beta = node.number("Beta")
    if beta != 1:
        raise UnsupportedOp(f"beta = {beta}; only 1 is supported", where=node.loc, hint="scale the layer before it")
    return node.builder.softmax(node.view(0), -1, loc=node.loc)


def _quantize(node: Node) -> View | Known:
    """Another way to write the same real numbers; the annotation of the result says which."""
    node.n_inputs(1, 1)
    value = node.value(0)
    return value if isinstance(value, Known) and node.op.kind == "DEQUANTIZE" else node.view(0)


def _unfolded(node: Node) -> View:
    raise UnsupportedOp(
        "it is supported only where it computes a shape from shapes",
        where=node.loc,
        hint="freeml does not slice or gather activations",
    )


LOWERINGS: dict[str, Lowering] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "MAX_POOL_2D": _pool("max"),
    "AVERAGE_POOL_2D": _pool("avg"),
    "MEAN": _reduce("avg"),
    "REDUCE_MAX": _reduce("max"),
    "ARG_MAX": _arg_max,
    "ADD": _binary("add"),
    "SUB": _binary("sub"),
    "MUL": _binary("mul"),
    "DIV": _div,
    "MINIMUM": _limit(upper=True),
    "MAXIMUM": _limit(upper=False),
    "RELU": _unary("clamp", 0.0, math.inf),
    "RELU6": _unary("clamp", 0.0, 6.0),
    "RELU_N1_TO_1": _unary("clamp", -1.0, 1.0),
    "RELU_0_TO_1": _unary("clamp", 0.0, 1.0),
    "LEAKY_RELU": _leaky_relu,
    "PRELU": _prelu,
    "LOGISTIC": _unary("sigmoid"),
    "TANH": _unary("tanh"),
    "HARD_SWISH": _unary("hard_swish"),
    "ELU": _unary("elu", 1.0),
    "GELU": _gelu,
    "ABS": _unary("abs"),
    "NEG": _unary("neg"),
    "SOFTMAX": _softmax,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _quantize,
    "CONCATENATION": shapes.concatenation,
    "PAD": shapes.pad,
    "PADV2": shapes.pad,
    "RESHAPE": shapes.reshape,
    "SQUEEZE": shapes.squeeze,
    "EXPAND_DIMS": shapes.expand_dims,
    "TRANSPOSE": shapes.transpose,
    "SHAPE": _unfolded,
    "STRIDED_SLICE": _unfolded,
    "PACK": _unfolded,
    "GATHER": _unfolded,
    "CAST": _unfolded,
    "REDUCE_PROD": _unfolded,
}
