"""Random layers with the oracle's answer. One generator per kernel, over a source of choices: hypothesis, or a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields as fields_of
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from freeml.ir.int_ops import (
    AddI8,
    AvgPoolI8,
    ConvI8,
    ConvPoolI8,
    DenseI8,
    LutI8,
    MaxPoolI8,
    MulI8,
    PadI8,
    SoftmaxI8,
)
from freeml.ir.interpret_int import run_int_op
from freeml.ir.ops import ArgMax, Concat, Op, Transpose, Window
from freeml.ir.types import DType, TensorType

from .choices import Choices, Codes, Drawn, codes_of, pick, rng_of
from .coded_cases import coded_generators
from .coded_conv_cases import coded_conv_generators
from .exit_cases import EXIT_GENERATORS
from .library import Case, blank
from .parts import NAMES, answer, bounds, requant, zero_point


def cases_of(kernel: str) -> st.SearchStrategy[Case]:
    """Hypothesis strategy for the cases of one kernel."""

    @st.composite
    def strategy(draw: Any) -> Case:
        return GENERATORS[kernel](Drawn(draw))

    return strategy()


# --- parts -----------------------------------------------------------------------------------------------------------


def _weights_and_requant(c: Choices, shape: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
    n_out, per_out = shape[0], math.prod(shape[1:])
    if c.between(0, 3) == 0:
        # one weight per channel and a scale of one: the accumulator itself is seen
        rng, w = rng_of(c), np.zeros((n_out, per_out), np.int8)
        w[np.arange(n_out), rng.integers(0, per_out, n_out)] = rng.choice(np.array([-1, 1], np.int8), n_out)
        bias = rng.integers(-9, 9, n_out, dtype=np.int32)
        scale: dict[str, Any] = {"mult": np.full(n_out, 16384, np.uint16), "shift": np.full(n_out, 14, np.uint8)}
        return {"w": w.reshape(shape), "bias": bias, **scale}
    bias_bits = pick(c, (0, 8, 16, 24, 30))
    bias = rng_of(c).integers(-(2**bias_bits), 2**bias_bits, size=n_out, dtype=np.int32, endpoint=True)
    acc_bits = max(bias_bits, 12 + per_out.bit_length() // 2)
    return {"w": codes_of(c, *shape, low=-127), "bias": bias, **requant(c, n_out, acc_bits)}


def _axis(c: Choices, *, pads: bool = True, touch: bool = False) -> tuple[int, int, int, int, int, int, int]:
    """(in, out, kernel, stride, dilation, pad before, pad after). touch: every window holds a tap inside the input."""
    kernel, stride, dilation = pick(c, (1, 2, 3, c.between(1, 7))), c.between(1, 3), pick(c, (1, 1, 2, 3))
    extent = (kernel - 1) * dilation + 1
    before, after = (c.between(0, kernel - 1), c.between(0, kernel)) if pads else (0, 0)
    if touch:
        before, after = (before, after) if dilation == 1 else (0, 0)
        after = min(after, kernel - 1)
    size = c.between(max(1, extent - before - after), extent + 8)
    out = (size + before + after - extent) // stride + 1
    if touch:
        out = min(out, (size - 1 + before) // stride + 1)
    return size, out, kernel, stride, dilation, before, after


def _window(c: Choices, **rules: bool) -> tuple[Window, dict[str, int]]:
    """A window and the descriptor fields of its geometry, input and output size included."""
    rows, cols = _axis(c, **rules), _axis(c, **rules)
    if c.between(0, 3) == 0:
        rows = (1, 1, 1, 1, 1, 0, 0)  # a 1-D signal
    window = Window(
        kernel=(rows[2], cols[2]),
        stride=(rows[3], cols[3]),
        dilation=(rows[4], cols[4]),
        pad=(rows[5], cols[5], rows[6], cols[6]),
    )
    names = ("in_", "out_", "k_", "stride_", "dil_")
    fields = {
        f"{name}{axis}": value for axis, a in (("h", rows), ("w", cols)) for name, value in zip(names, a, strict=False)
    }
    return window, {**fields, "pad_t": rows[5], "pad_l": cols[5]}


# --- layers ----------------------------------------------------------------------------------------------------------


def _conv_case(
    c: Choices, kernel: str, window: Window, geometry: dict[str, int], groups: int, in_c: int, out_c: int
) -> Case:
    shape = (out_c, *window.kernel, in_c // groups)
    consts = _weights_and_requant(c, shape)
    x = codes_of(c, geometry["in_h"], geometry["in_w"], in_c)
    store: dict[str, Any] = {"x_zp": zero_point(c), "y_zp": zero_point(c), **bounds(c)}
    op = ConvI8(**NAMES, window=window, groups=groups, **store)
    out_shape = (geometry["out_h"], geometry["out_w"], out_c)
    expected = answer(op, [x[None], *consts.values()], out_shape)
    if kernel == "fml_depthwise_i8":
        consts["w"] = np.ascontiguousarray(consts["w"][..., 0].transpose(1, 2, 0))
    return Case(
        kernel=kernel,
        descriptor="fml_conv_t",
        fields={**geometry, "in_c": in_c, "out_c": out_c, "groups": groups, **store},
        consts=consts,
        inputs=(x,),
        n_units=math.prod(out_shape),
        unit_bytes=1,
        expected=expected,
        scratch_bytes=math.prod(shape[1:]) if kernel == "fml_conv_i8" else None,
        op=op,
        out_shape=out_shape,
    )


def conv(c: Choices) -> Case:
    window, geometry = _window(c)
    groups = pick(c, (1, 1, 2, 3))
    in_c, out_c = groups * c.between(1, 6), groups * c.between(1, 6)
    return _conv_case(c, "fml_conv_i8", window, geometry, groups, in_c, out_c)


def pointwise(c: Choices) -> Case:
    height, width = c.between(1, 5), c.between(1, 5)
    geometry = {"in_h": height, "in_w": width, "out_h": height, "out_w": width, "k_h": 1, "k_w": 1}
    geometry |= {"stride_h": 1, "stride_w": 1, "dil_h": 1, "dil_w": 1}
    return _conv_case(c, "fml_pointwise_i8", Window(kernel=(1, 1)), geometry, 1, c.between(1, 40), c.between(1, 18))


def depthwise(c: Choices) -> Case:
    window, geometry = _window(c)
    groups = c.between(1, 11)
    return _conv_case(c, "fml_depthwise_i8", window, geometry, groups, groups, groups * pick(c, (1, 1, 2, 3)))


def _pooled(c: Choices, case: Case) -> Case:
    """The same convolution with a maximum over windows of its output, which may touch, lie apart or overhang."""
    out_h, out_w, channels = (case.fields[name] for name in ("out_h", "out_w", "out_c"))
    kernel = c.between(1, min(3, out_h)), c.between(1, min(3, out_w))
    stride = kernel[0] + pick(c, (0, 0, 1)), kernel[1] + pick(c, (0, 0, 1))
    before, after = ((c.between(0, kernel[0] - 1), c.between(0, kernel[1] - 1)) for _ in range(2))
    pad = (*before, *after)
    pool = Window(kernel=kernel, stride=stride, pad=pad)
    shape = (*pool.out_size(out_h, out_w), channels)
    whole = case.expected.view(np.int8).reshape(1, out_h, out_w, channels)
    op = MaxPoolI8(**NAMES, window=pool, lo=-128, hi=127)
    conv = case.op
    assert isinstance(conv, ConvI8)
    run = c.between(1, shape[1]) if stride[1] == kernel[1] else 1
    conv_scratch = case.scratch_bytes or 0
    fields = {
        **{
            f"pool_{name}_{axis}": getattr(pool, long)[k]
            for name, long in (("k", "kernel"), ("stride", "stride"))
            for k, axis in enumerate("hw")
        },
        "pool_out_w": shape[1],
        "pool_pad_t": pad[0],
        "pool_pad_l": pad[1],
        "run": run,
        "conv_scratch_bytes": conv_scratch,
    }
    return Case(
        kernel=case.kernel.replace("_i8", "_pool_i8"),
        descriptor="fml_conv_pool_t",
        fields={**case.fields, **fields},
        consts=case.consts,
        inputs=case.inputs,
        n_units=math.prod(shape),
        unit_bytes=1,
        expected=answer(op, [whole], shape),
        scratch_bytes=conv_scratch + run * kernel[1] * channels,
        op=ConvPoolI8(**{f.name: getattr(conv, f.name) for f in fields_of(conv)}, pool=pool),
        out_shape=shape,
    )


def conv_pool(c: Choices) -> Case:
    return _pooled(c, conv(c))


def pointwise_pool(c: Choices) -> Case:
    return _pooled(c, pointwise(c))


def depthwise_pool(c: Choices) -> Case:
    return _pooled(c, depthwise(c))


def dense(c: Choices) -> Case:
    n_in, n_out = pick(c, (c.between(1, 40), c.between(1, 400))), c.between(1, 23)
    consts = _weights_and_requant(c, (n_out, n_in))
    x = codes_of(c, n_in)
    store: dict[str, Any] = {"y_zp": zero_point(c), **bounds(c)}
    op = DenseI8(**NAMES, **store)
    expected = answer(op, [x[None], *consts.values()], (n_out,))
    fields = {"n_in": n_in, "n_out": n_out, **store}
    return Case("fml_dense_i8", "fml_dense_t", fields, consts, (x,), n_out, 1, expected, op=op, out_shape=(n_out,))


def _pool_case(
    c: Choices,
    kernel: str,
    op: MaxPoolI8 | AvgPoolI8,
    geometry: dict[str, int],
    fields: dict[str, int],
    consts: dict[str, Any],
    *,
    in_place: bool = False,
) -> Case:
    window = op.window
    channels = pick(c, (c.between(1, 5), c.between(1, 40)))
    x = codes_of(c, geometry["in_h"], geometry["in_w"], channels)
    out_shape = (geometry["out_h"], geometry["out_w"], channels)
    expected = answer(op, [x[None], *consts.values()], out_shape)
    geometry = {**geometry, "c": channels, "pad_b": window.pad[2], "pad_r": window.pad[3]}
    return Case(
        kernel=kernel,
        descriptor="fml_pool_t",
        fields={**geometry, **fields},
        consts=consts,
        inputs=(x,),
        n_units=math.prod(out_shape),
        unit_bytes=1,
        expected=expected,
        in_place=(0,) if in_place else (),
        op=op,
        out_shape=out_shape,
    )


def maxpool(c: Choices) -> Case:
    touch, pads = bool(c.between(0, 1)), bool(c.between(0, 1))
    window, geometry = _window(c, touch=touch, pads=pads)
    limits = bounds(c)
    op = MaxPoolI8(**NAMES, window=window, **limits)
    in_place = touch and window.pad[:2] == (0, 0)
    return _pool_case(c, "fml_maxpool_i8", op, geometry, limits, {}, in_place=in_place)


def avgpool(c: Choices) -> Case:
    include_pad = bool(c.between(0, 1))
    window, geometry = _window(c, touch=True)
    n_mult = pick(c, (1, window.kernel[0] * window.kernel[1]))
    store: dict[str, Any] = {"x_zp": zero_point(c), "y_zp": zero_point(c), **bounds(c)}
    op = AvgPoolI8(**NAMES, window=window, include_pad=include_pad, **store)
    fields = {**store, "include_pad": int(include_pad), "n_mult": n_mult}
    return _pool_case(c, "fml_avgpool_i8", op, geometry, fields, requant(c, n_mult, 10))


def _operands(c: Choices) -> tuple[dict[str, Any], Codes, Codes, tuple[int, ...], tuple[int, ...]]:
    """Two operands of equal rank that broadcast: descriptor fields, a, b, output shape, operands that are whole."""
    rank = c.between(1, 4)
    out = tuple(pick(c, (1, 2, 3, c.between(1, 9))) for _ in range(rank))
    shapes = []
    for _ in range(2):
        full = c.between(0, 1)
        shapes.append(tuple(size if full or c.between(0, 1) else 1 for size in out))
    out = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    fields: dict[str, Any] = {"dims": (1,) * (4 - rank) + out}
    for name, shape in zip("ab", shapes, strict=True):
        strides = [0 if size == 1 else math.prod(shape[k + 1 :]) for k, size in enumerate(shape)]
        fields[f"{name}_strides"] = tuple([0] * (4 - rank) + strides)
    whole = tuple(i for i, shape in enumerate(shapes) if shape == out)
    return fields, codes_of(c, *shapes[0]), codes_of(c, *shapes[1]), out, whole


def _binary_case(kernel: str, op: Op, parts: tuple[Any, ...], fields: dict[str, int]) -> Case:
    geometry, a, b, out, whole = parts
    expected = answer(op, [a[None], b[None]], out)
    descriptor = kernel.replace("_i8", "_t")
    fields = {**geometry, **fields}
    return Case(
        kernel, descriptor, fields, {}, (a, b), math.prod(out), 1, expected, in_place=whole, op=op, out_shape=out
    )


def add(c: Choices) -> Case:
    shift = pick(c, (c.between(0, 30), c.between(8, 20)))
    most = min(2 ** (shift + 1), 2**20 - 1) if c.between(0, 3) else 2**20 - 1
    fields: dict[str, Any] = {
        "mult_a": c.between(-most, most),
        "mult_b": c.between(-most, most),
        "offset": c.between(-(2**27), 2**27) if shift > 16 else c.between(-128 << shift, 128 << shift),
        "shift": shift,
        **bounds(c),
    }
    return _binary_case("fml_add_i8", AddI8(**NAMES, **fields), _operands(c), fields)


def mul(c: Choices) -> Case:
    scale = {name: int(values[0]) for name, values in requant(c, 1, 14).items()}
    fields: dict[str, Any] = {"a_zp": zero_point(c), "b_zp": zero_point(c), "y_zp": zero_point(c), **scale, **bounds(c)}
    return _binary_case("fml_mul_i8", MulI8(**NAMES, **fields), _operands(c), fields)


def lut(c: Choices) -> Case:
    x, table = codes_of(c, c.between(1, 60)), codes_of(c, 256)
    op = LutI8(**NAMES)
    expected = answer(op, [x[None], table], x.shape)
    consts = {"table": table}
    return Case("fml_lut_i8", None, {}, consts, (x,), x.size, 1, expected, in_place=(0,), op=op, out_shape=x.shape)


def softmax(c: Choices) -> Case:
    n_rows, n = c.between(1, 4), pick(c, (c.between(1, 12), c.between(1, 300)))
    x = codes_of(c, n_rows, n)
    step = pick(c, (0.0, 0.001, 0.02, 0.3, 5.0))
    table = np.rint(pick(c, (1, 255, 65535)) * np.exp(-step * np.arange(256))).astype(np.uint16)
    op, consts, whole = SoftmaxI8(**NAMES), {"exp_table": table}, (0,)
    expected = answer(op, [x[None], table], x.shape)
    shape = x.shape
    return Case(
        "fml_softmax_i8",
        "fml_softmax_t",
        {"n": n},
        consts,
        (x,),
        n_rows,
        n,
        expected,
        in_place=whole,
        op=op,
        out_shape=shape,
    )


def argmax(c: Choices) -> Case:
    n_rows, n, last = c.between(1, 4), c.between(1, 40), bool(c.between(0, 1))
    x = codes_of(c, n_rows, n) // np.int8(pick(c, (1, 64)))  # few values: many ties
    op, shape = ArgMax(**NAMES, last=last), (n_rows, 1)
    expected = answer(op, [x[None]], shape, DType.I32)
    fields = {"n": n, "last": int(last)}
    return Case("fml_argmax_i8", "fml_argmax_t", fields, {}, (x,), n_rows, 4, expected, op=op, out_shape=shape)


def copy(c: Choices) -> Case:
    """One input of a concatenation; the bytes of the others must stay as they are."""
    n_rows, widths = c.between(1, 5), [c.between(1, 9) for _ in range(c.between(1, 3))]
    which = c.between(0, len(widths) - 1)
    parts = [codes_of(c, n_rows, width) for width in widths]
    op, shape = Concat(**NAMES, axis=1), (n_rows, sum(widths))
    whole = run_int_op(op, [p[None] for p in parts], TensorType(shape, DType.I8))[0]
    start, row, stride = sum(widths[:which]), widths[which], sum(widths)
    area = np.ascontiguousarray(whole).view(np.uint8).reshape(-1)[start : start + (n_rows - 1) * stride + row]
    expected = np.where(np.arange(area.size) % stride < row, area, blank(area.size))
    fields = {"n_rows": n_rows, "row_bytes": row, "x_stride_bytes": row, "y_stride_bytes": stride}
    inputs = (parts[which],)
    return Case("fml_copy_i8", "fml_copy_t", fields, {}, inputs, n_rows, stride, expected, op=op, out_shape=shape)


def pad(c: Choices) -> Case:
    rank = c.between(1, 4)
    shape = tuple(c.between(1, 5) for _ in range(rank))
    before, after = tuple(c.between(0, 3) for _ in shape), tuple(c.between(0, 3) for _ in shape)
    out = tuple(b + n + a for b, n, a in zip(before, shape, after, strict=True))
    x, value = codes_of(c, *shape), c.between(-128, 127)
    op = PadI8(**NAMES, before=before, after=after, value=value)
    expected = answer(op, [x[None]], out)
    lead = 4 - rank
    fields = {
        "in_dims": (1,) * lead + shape,
        "before": (0,) * lead + before,
        "out_dims": (1,) * lead + out,
        "value": value,
    }
    return Case("fml_pad_i8", "fml_pad_t", fields, {}, (x,), math.prod(out), 1, expected, op=op, out_shape=out)


def transpose(c: Choices) -> Case:
    rank = c.between(1, 6)
    shape = tuple(c.between(1, 4) for _ in range(rank))
    order = tuple(int(axis) for axis in rng_of(c).permutation(rank))
    x, out = codes_of(c, *shape), tuple(shape[axis] for axis in order)
    op = Transpose(**NAMES, order=order)
    expected = answer(op, [x[None]], out)
    strides = [math.prod(shape[k + 1 :]) for k in range(rank)]
    spare = (0,) * (6 - rank)
    fields = {"rank": rank, "out_dims": out + spare, "x_strides": tuple(strides[axis] for axis in order) + spare}
    return Case("fml_transpose_i8", "fml_transpose_t", fields, {}, (x,), x.size, 1, expected, op=op, out_shape=out)


GENERATORS: dict[str, Callable[[Choices], Case]] = (
    {
        f"fml_{generator.__name__}_i8": generator
        for generator in (
            conv,
            conv_pool,
            pointwise,
            pointwise_pool,
            depthwise,
            depthwise_pool,
            dense,
            maxpool,
            avgpool,
            add,
            mul,
            lut,
            softmax,
            argmax,
            copy,
            pad,
            transpose,
        )
    }
    | EXIT_GENERATORS
    | coded_generators()
    | coded_conv_generators(_window)
)
