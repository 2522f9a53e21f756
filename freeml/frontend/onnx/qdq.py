"""QuantizeLinear and DequantizeLinear: the scales a model came with are kept, not measured again.

DQ(Q(x)) rounds x to a grid and saturates; in the float graph it is x with the grid as annotation. Saturation at zero is
real where the exporter dropped a Relu because the grid starts there, so a clamp takes its place. Weights that are
integers behind a DequantizeLinear become their exact product, with the scales beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.common_scale import spanning
from freeml.frontend.onnx.elementwise import binary_op
from freeml.frontend.onnx.nodes import Args, Known, Node, Operand, Tensor
from freeml.ir.types import Quant

_CONSTANT_CODES = ("int8", "uint8", "int16", "uint16", "int32")
_HINT = "quantize with int8 or uint8 activations and weights, one scale per activation"


def common_scales(nodes: Iterable[onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]) -> dict[str, Quant]:
    """For tensors that are quantized more than once, in different scales: one that spans the ranges of all.

    The first scale alone would clamp what is read in a wider one. `constants`: initialisers by name.
    """
    found: dict[str, set[Quant]] = {}
    for node in nodes:
        if node.op_type == "QuantizeLinear" and node.input and (quant := _declared(node, constants)) is not None:
            found.setdefault(node.input[0], set()).add(quant)
    return {name: spanning(quants) for name, quants in found.items() if len(quants) > 1}


def _declared(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> Quant | None:
    """Scale and zero point of a QuantizeLinear, where both are single numbers of the file; `quantize` checks them."""
    given = [constants.get(name) for name in node.input[1:3]]
    if any(tensor is None or math.prod(tensor.dims) != 1 or tensor.external_data for tensor in given) or not given:
        return None
    try:
        scale, *zeros = (numpy_helper.to_array(tensor).reshape(-1)[0] for tensor in given if tensor is not None)
        zero = zeros[0] if zeros else np.uint8(0)
        return Quant(float(scale), int(zero) - (128 if zero.dtype == np.uint8 else 0))
    except (ValueError, TypeError, IndexError):
        return None


def quantize(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """QuantizeLinear of an activation: annotate it, and remember that it stands for codes."""
    x = node.tensor(args, 0)
    quant, dtype = _quant_of(node, args, None)
    if not x.is_float:
        node.refuse("its input is not a float tensor")
    view = x.view
    low = quant.scale * (-128 - quant.zero_point)
    high = quant.scale * (127 - quant.zero_point)
    # Saturation at zero replaces a Relu that the exporter took out. The model's input saturates as it is quantized.
    if low == 0 and x.low < 0 and not x.is_input:
        view = g.unary(view, "clamp", (low, high), loc=node.loc)
    view = g.annotate(view, quant, node.loc)
    return Tensor(view, dtype, low=max(x.low, low), codes=quant)


def dequantize(g: GraphBuilder, node: Node, args: Args) -> Operand:
    """DequantizeLinear of codes from QuantizeLinear, of a quantized input of the model, or of a constant."""
    x = args[0]
    if node.integer("block_size", 0):
        node.refuse("blocked quantization", _HINT)
    if isinstance(x, Known):
        return _constant(node, args, x)
    assert x is not None
    out = _scale(node, args).dtype
    quant, _ = _quant_of(node, args, x.dtype)
    if x.codes is not None:
        if x.codes != quant:
            node.refuse("its scale or zero point is not that of the QuantizeLinear before it", _HINT)
        return replace(x, dtype=out, codes=None)
    offset = -float(quant.zero_point + (128 if x.dtype == np.uint8 else 0))
    shifted = binary_op(g, "add", x.view, node.weight(Known.of(np.array(offset))), loc=node.loc)
    real = binary_op(g, "mul", shifted, node.weight(Known.of(np.array(quant.scale))), loc=node.loc)
    return Tensor(g.annotate(real, quant, node.loc), out)


def _scale(node: Node, args: Args) -> Known:
    scale = node.known(args, 1, "scale")
    assert scale is not None
    if scale.dtype.kind != "f" or not (np.isfinite(scale.array) & (scale.array > 0)).all():
        node.bad("a scale that is not finite and positive")
    return scale


def _quant_of(node: Node, args: Args, codes: np.dtype[np.generic] | None) -> tuple[Quant, np.dtype[np.generic]]:
    """Scale and zero point in terms of int8, and the model's own type of the codes."""
    scale, zero = _scale(node, args), node.known(args, 2, "zero point")
    if scale.array.size != 1 or (zero is not None and zero.array.size != 1):
        node.refuse("one scale per channel for an activation", _HINT)
    if zero is None and node.integer("output_dtype", 0) not in (0, 2):  # 2 is uint8, the default
        node.refuse("codes that are not int8 or uint8", _HINT)
    dtype = zero.dtype if zero is not None else codes or np.dtype(np.uint8)
    if dtype not in (np.dtype(np.int8), np.dtype(np.uint8)):
        node.refuse(f"codes of type {dtype.name}", _HINT)
    if codes is not None and codes != dtype:
        node.bad(f"codes of type {codes.name} with a zero point of type {dtype.name}")
    point = int(zero.array.reshape(-1)[0]) if zero is not None else 0
    return Quant(float(scale.array.reshape(-1)[0]), point - (128 if dtype == np.uint8 else 0)), dtype


def _constant(node: Node, args: Args, x: Known) -> Known:
    """codes of a constant -> its exact values and the scale of each element."""
    scale, zero = _scale(node, args), node.known(args, 2, "zero point")
    if x.dtype.name not in _CONSTANT_CODES:
        node.refuse(f"codes of type {x.dtype.name}", _HINT)
    shape = [1] * x.array.ndim
    if scale.array.size > 1:
        axis = node.axis(node.integer("axis", 1), x.array.ndim)
        shape[axis] = x.shape[axis]
    sizes = {scale.array.size, math.prod(shape)} | ({zero.array.size} if zero is not None else set())
    if sizes != {math.prod(shape)}:
        node.bad(f"scales of shape {scale.shape} do not fit codes of shape {x.shape}")
    steps = scale.array.astype(np.float64).reshape(shape)
    offset = 0 if zero is None else zero.array.astype(np.int64).reshape(shape)
    codes = x.array.astype(np.int64) - offset
    return Known(codes.astype(np.float64) * steps, scale.dtype, np.broadcast_to(steps, x.shape), x.encoding)
