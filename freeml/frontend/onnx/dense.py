"""Gemm and MatMul by constants, and BatchNormalization.

A product of two tensors that are both computed on the device is refused: the IR has weights only as constants.
"""

from __future__ import annotations

import math

import numpy as np

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.nodes import Args, Known, Node, Operand, Tensor
from freeml.frontend.onnx.norm import batch_norm_training
from freeml.frontend.views import MAX_TENSOR_ELEMS, Floats, View, Weight
from freeml.ir.ops import Window


def gemm(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """alpha * A' B' + beta * C, with A or B constant."""
    a, b = args[0], args[1]
    if any(arg is not None and (arg.dtype.kind != "f") for arg in args):
        node.refuse("integer arithmetic", "export a float model")
    if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2:
        node.bad("its factors are not matrices")
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    trans_a, trans_b = bool(node.integer("transA", 0)), bool(node.integer("transB", 0))
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
            row = bias.array if isinstance(bias, Weight) else bias
            y = g.binary("add", y, Weight(row.reshape(1, -1)), loc=node.loc)
    else:
        node.refuse("a product of two values computed while the model runs", "only products by constant weights")
    if rest is not None:
        y = g.binary("add", y, rest, loc=node.loc)
    return Tensor(y, x.dtype)


def _gemm_bias(
    node: Node, args: Args, beta: float, shape: tuple[int, int]
) -> tuple[Floats | Weight | None, View | Weight | None]:
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
    if c.array.shape == (shape[1],) and beta == 1:
        return node.bias(args, 2, "C"), None
    array = node.weight(c, "C").array * beta
    if array.ndim == 2 and array.shape[0] > 1:
        return None, Weight(array)
    return np.broadcast_to(array.reshape(-1), (shape[1],)), None


def _rows_out(known: Known, *, transposed: bool) -> Known:
    """A constant factor as (outputs, inputs)."""
    if not transposed:
        return known
    return Known(known.array.T, known.dtype, None if known.scales is None else known.scales.T, known.encoding)


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
    return Known(np.swapaxes(known.array, -1, -2), known.dtype, scales, known.encoding)


def _times_constant(g: GraphBuilder, node: Node, x: Tensor, b: Known) -> Tensor:
    """x (..., M, K) times b (..., K, N), or (K,)."""
    column = len(b.shape) == 1
    if x.shape[-1] != b.shape[0 if column else -2]:
        node.bad(f"factors of shapes {x.shape} and {b.shape} do not fit")
    if column or all(n == 1 for n in b.shape[:-2]):
        matrix = b.array.reshape(-1, 1 if column else b.shape[-1])
        scales = None if b.scales is None else b.scales.reshape(matrix.shape).T
        y = g.dense(x.view, node.weight(Known(matrix.T, b.dtype, scales, b.encoding)), None, loc=node.loc)
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
    weight = node.weight(Known(swapped.array.reshape(shape), b.dtype, scales, b.encoding))
    y = g.conv(image, weight, None, window=Window(kernel=(1, 1)), groups=batch, loc=node.loc)
    return g.reshape(g.transpose(g.reshape(y, (batch, n, m)), (0, 2, 1)), (*x.shape[:-2], m, n))


def batch_norm(g: GraphBuilder, node: Node, args: Args) -> Operand | list[Operand]:
    """BatchNormalization with fixed statistics: an affine map per channel; in training mode with those of the batch."""
    x = node.float_tensor(args, 0)
    if node.opset < 14 and sum(bool(name) for name in node.proto.output) > 1:
        node.refuse("statistics computed from the batch (training mode)", "export the model after model.eval()")
    if node.opset < 7 and not node.integer("is_test", 0):
        node.refuse("is_test = 0 (training mode)", "export the model after model.eval()")
    if not node.integer("spatial", 1):
        node.refuse("spatial = 0", "export the model with a current exporter")
    if len(x.shape) < 2:
        node.refuse(f"an input of shape {x.shape}")
    names = ("scale", "bias", "mean", "variance")
    scale, bias, mean, var = (_channel_values(node, args, i + 1, name, x.shape[1]) for i, name in enumerate(names))
    if node.integer("training_mode", 0):
        return batch_norm_training(g, node, x, scale, bias, mean, var)
    spread = var + node.number("epsilon", 1e-5)
    if (spread <= 0).any():
        node.bad("a variance that is not positive")
    factor = scale / np.sqrt(spread)
    return Tensor(g.affine(x.view, factor, bias - mean * factor, loc=node.loc), x.dtype)


def _channel_values(node: Node, args: Args, i: int, name: str, channels: int) -> Floats:
    values = node.floats(args, i, name)
    if values is None or values.shape != (channels,):
        node.bad(f"its {name} does not have one value for each of {channels} channels")
    return values
