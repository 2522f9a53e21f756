"""Layers of known size, with the oracle's answer: for limits that random layers reach too seldom, and for cycles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.interpret_int import run_int_op
from freeml.ir.ops import Window
from freeml.ir.types import DType, TensorType
from tests.kernels.library import Bytes, Case

Codes = npt.NDArray[np.int8]
_NAMES: dict[str, Any] = {"output": "y", "inputs": (), "loc": "test"}


def constants(rng: np.random.Generator, shape: tuple[int, ...], *, low: int = -127) -> dict[str, npt.NDArray[Any]]:
    """Weights (n_out, ...), biases, and multipliers that spread the results over int8."""
    n_out, n_in = shape[0], math.prod(shape[1:])
    shift = 19 + round(math.log2(n_in) / 2)
    return {
        "w": rng.integers(low, 127, size=shape, dtype=np.int8, endpoint=True),
        "bias": rng.integers(-5000, 5000, size=n_out, dtype=np.int32),
        "mult": rng.integers(32768, 65535, size=n_out, dtype=np.uint16, endpoint=True),
        "shift": rng.integers(shift, shift + 3, size=n_out, dtype=np.uint8),
    }


def dense(x: Codes, consts: dict[str, npt.NDArray[Any]], *, lo: int = -128, hi: int = 127, y_zp: int = 3) -> Case:
    """A fully connected layer of given data."""
    n_out, n_in = consts["w"].shape
    store: dict[str, Any] = {"y_zp": y_zp, "lo": lo, "hi": hi}
    op = DenseI8(**_NAMES, **store)
    expected = _bytes(run_int_op(op, [x[None], *consts.values()], TensorType((n_out,), DType.I8)))
    fields = {"n_in": n_in, "n_out": n_out, **store}
    return Case("fml_dense_i8", "fml_dense_t", fields, consts, (x,), n_out, 1, expected)


def conv(
    kernel: str,
    *,
    image: tuple[int, int],
    channels: tuple[int, int],
    k: tuple[int, int] = (1, 1),
    stride: int = 1,
    pad: int = 0,
    dilation: int = 1,
    groups: int = 1,
    x_zp: int = -128,
    seed: int = 0,
) -> Case:
    """A convolution with random data. channels: in and out."""
    rng = np.random.default_rng(seed)
    in_c, out_c = channels
    consts = constants(rng, (out_c, *k, in_c // groups))
    x = rng.integers(-128, 127, size=(*image, in_c), dtype=np.int8, endpoint=True)
    window = Window(kernel=k, stride=(stride, stride), dilation=(dilation, dilation), pad=(pad, pad, pad, pad))
    out_h, out_w = ((n + 2 * pad - (size - 1) * dilation - 1) // stride + 1 for n, size in zip(image, k, strict=True))
    store: dict[str, Any] = {"x_zp": x_zp, "y_zp": 5, "lo": -128, "hi": 127}
    op = ConvI8(**_NAMES, window=window, groups=groups, **store)
    shape = TensorType((out_h, out_w, out_c), DType.I8)
    expected = _bytes(run_int_op(op, [x[None], *consts.values()], shape))
    if kernel == "fml_depthwise_i8":
        consts["w"] = np.ascontiguousarray(consts["w"][..., 0].transpose(1, 2, 0))
    fields = {
        **{"in_h": image[0], "in_w": image[1], "in_c": in_c, "out_h": out_h, "out_w": out_w, "out_c": out_c},
        **{"k_h": k[0], "k_w": k[1], "stride_h": stride, "stride_w": stride, "dil_h": dilation, "dil_w": dilation},
        **{"pad_t": pad, "pad_l": pad, "groups": groups, **store},
    }
    scratch = math.prod(k) * in_c // groups if kernel == "fml_conv_i8" else None
    n_units = out_h * out_w * out_c
    return Case(kernel, "fml_conv_t", fields, consts, (x,), n_units, 1, expected, scratch_bytes=scratch)


def n_products(case: Case) -> int:
    """Multiply-accumulates of the whole layer, those with padding included."""
    if case.kernel == "fml_depthwise_i8":
        return int(case.n_units * case.fields["k_h"] * case.fields["k_w"])
    return int(case.n_units * math.prod(case.consts["w"].shape[1:]))


def _bytes(out: npt.NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(out.astype(np.int8)).view(np.uint8).reshape(-1)
