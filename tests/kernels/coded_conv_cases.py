"""Random convolutions with weights, biases or scales stored in each form, with the oracle's answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph, Stage
from freeml.ir.int_ops import ConvI8
from freeml.ir.ops import Window
from freeml.ir.types import Const, DType, TensorType
from freeml.kernels.coded_conv import CodedConvKernel
from freeml.kernels.coded_convs import CODED_CONVS, CODED_DEPTHWISE, DECODED_SLICES

from .choices import Choices, codes_of, pick
from .coded_cases import weights_for
from .library import Case, for_variant
from .parts import NAMES, answer, bounds, requant, zero_point

WindowOf = Callable[[Choices], tuple[Window, dict[str, int]]]

_NARROW = {"bias": ("int16", 1), "mult": ("single", 2), "shift": ("single", 4)}
_ROLES = ("weight", "bias", "mult", "shift")


def _by_kernel(kernels: Mapping[str | None, CodedConvKernel]) -> dict[str, tuple[str | None, ...]]:
    """Encodings of weights that each kernel is for."""
    names = dict.fromkeys(kernel.kernel for kernel in kernels.values())
    return {name: tuple(form for form, kernel in kernels.items() if kernel.kernel == name) for name in names}


CODED_CONV_PARTS = _by_kernel(CODED_CONVS)
"""Kernels that can compute an output in parts."""
_DEPTHWISE = {name: forms for name, forms in _by_kernel(CODED_DEPTHWISE).items() if name not in CODED_CONV_PARTS}
DECODED_IN_SLICES = _by_kernel(DECODED_SLICES)
CODED_CONV_KERNELS = {**CODED_CONV_PARTS, **_DEPTHWISE, **DECODED_IN_SLICES}
DECODED_IN_BLOCKS = tuple(name for name in CODED_CONV_PARTS if name.startswith("fml_decoded"))
"""Kernels that decode rows of weights into SRAM, as many as there is room for."""


def coded_conv(
    c: Choices, window_of: WindowOf, encodings: Sequence[str | None], *, depthwise: bool, least_channels: int = 1
) -> Case:
    """A layer stored in one of these forms, None being dense weights; biases and scales in few bytes where they can be,
    which with dense weights one of them always is. least_channels: above 1, the layer has one group."""
    encoding, (window, geometry) = pick(c, encodings), window_of(c)
    groups = c.between(2, 9) if depthwise else 1 if least_channels > 1 else pick(c, (1, 1, 1, 2, 3))
    least = 1 if groups == 1 else 2
    per_group = 1 if depthwise else pick(c, (c.between(least, 6), c.between(least, 40)))
    out_c = groups * (pick(c, (1, 1, 2, 3)) if depthwise else c.between(least_channels, 9 * least_channels))
    shape = (out_c, *window.kernel, per_group)
    n_products = shape[1] * shape[2] * per_group
    weight = codes_of(c, *shape, low=-127) if encoding is None else weights_for(c, encoding, out_c, n_products)
    x = codes_of(c, geometry["in_h"], geometry["in_w"], groups * per_group)
    store: dict[str, Any] = {"x_zp": zero_point(c), "y_zp": zero_point(c), **bounds(c)}
    op = ConvI8(**NAMES, window=window, groups=groups, **store)
    consts = {"weight": weight.reshape(shape), **_scales(c, out_c, n_products, must=encoding is None)}
    out_shape = (geometry["out_h"], geometry["out_w"], out_c)
    expected = answer(op, [x[None], *consts.values()], out_shape)
    graph = _graph(op, x, consts, out_shape, encoding)
    kept = graph.consts
    narrow = {name: _NARROW[name][1] for name in _NARROW if kept[name].encoding is not None}
    fields = {
        **geometry,
        **{"in_c": groups * per_group, "groups": groups, "n_in": n_products, "n_out": out_c},
        **{"narrow": sum(narrow.values()), **store},
    }
    scales = {
        name: next(iter(kept[name].stored.sections.values())) if name in narrow else kept[name].array
        for name in _NARROW
    }
    case = Case(
        kernel=(CODED_DEPTHWISE if depthwise else CODED_CONVS)[encoding].kernel,
        descriptor="fml_coded_conv_t",
        fields=fields,
        consts={"w": weight, **scales},
        inputs=(x,),
        n_units=len(expected),
        unit_bytes=1,
        expected=expected,
        scratch_bytes=0,
        op=graph.ops[0],
        out_shape=out_shape,
        graph=graph,
    )
    return for_variant(case, "portable")


def decoded_slice(c: Choices, window_of: WindowOf, encodings: Sequence[str | None]) -> Case:
    """One call for some channels of a convolution: its units are pixels."""
    whole = coded_conv(c, window_of, encodings, depthwise=False, least_channels=2)
    assert whole.graph is not None
    assert whole.op is not None
    channels = whole.out_shape[2]
    step = c.between(1, channels - 1)
    graph = replace(whole.graph, slices={whole.op.output: step})
    first = step * c.between(0, (channels - 1) // step)
    rows = min(step, channels - first)
    pixels = whole.expected.reshape(-1, channels)[:, first : first + rows]
    encoding = graph.consts["weight"].encoding
    case = replace(
        whole,
        kernel=DECODED_SLICES[encoding].kernel,
        n_units=len(pixels),
        unit_bytes=rows,
        expected=np.ascontiguousarray(pixels).ravel(),
        graph=graph,
        slice=(first, rows),
    )
    return for_variant(case, "portable")


def _scales(c: Choices, out_c: int, n_products: int, *, must: bool) -> dict[str, Any]:
    """Biases, multipliers and shifts; must: one of them can be stored in few bytes."""
    bits = pick(c, (0, 8, 14, 24, 30))
    made = {"bias": codes_of(c, out_c).astype(np.int32) << max(0, bits - 7)}
    made |= requant(c, out_c, max(bits, 12 + n_products.bit_length() // 2))
    if c.between(0, 1) or (must and bits > 14):
        made["mult"][:], made["shift"][:] = 40_000, 24
    return made


def _graph(op: ConvI8, x: Any, consts: dict[str, Any], out_shape: tuple[int, ...], encoding: str | None) -> Graph:
    """The layer alone, its constants stored."""
    forms = {"weight": encoding, **{name: form for name, (form, _) in _NARROW.items()}}
    kept = {}
    for name, array in consts.items():
        form = forms[name]
        kept[name] = Const(array, encoding=None if form is None or ENCODINGS[form].refusal(array) else form)
    types = {"x": TensorType(x.shape, DType.I8), op.output: TensorType(out_shape, DType.I8)}
    return Graph("one", (), (), (replace(op, inputs=("x", *_ROLES)),), types, kept, Stage.QUANTIZED)


def coded_conv_generators(window_of: WindowOf) -> dict[str, Callable[[Choices], Case]]:
    """By kernel."""
    return {
        kernel: partial(coded_conv, window_of=window_of, encodings=encodings, depthwise=kernel in _DEPTHWISE)
        for kernel, encodings in (CODED_CONV_PARTS | _DEPTHWISE).items()
    } | {
        kernel: partial(decoded_slice, window_of=window_of, encodings=encodings)
        for kernel, encodings in DECODED_IN_SLICES.items()
    }
