"""One integer op -> the descriptor of its kernel and the calls that run it.

Which kernel serves an op, how its weights are packed and what scratch it needs is decided here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from freeml.codegen.packing import order_of, pack_weights
from freeml.errors import UnsupportedOp
from freeml.ir.graph import Graph
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
from freeml.ir.ops import ArgMax, Concat, Op, Transpose, Window
from freeml.ir.types import Array
from freeml.plan.cost import conv_kernel, pool_run, scratch_bytes

_MAX_U16 = 65535
_CALLS = {
    "fml_conv_i8": ("fml_dense_i8",),
    "fml_pointwise_i8": ("fml_dense_i8",),
    "fml_conv_pool_i8": ("fml_conv_i8",),
    "fml_pointwise_pool_i8": ("fml_pointwise_i8",),
    "fml_depthwise_pool_i8": ("fml_depthwise_i8",),
}
_CALLS_NONE = (("armv7em", "fml_conv_i8"),)


@dataclass(frozen=True)
class Layer:
    """How one op, or one copied operand of a Concat, becomes C.

    In `call`, {x0}, {x1} .. stand for input pointers, {d} for the address of the descriptor and the name of a table for
    that table; `y`, `scratch`, `first` and `n` are the parameters of the generated function, see fml_runtime.h.

    kernel      file and function of runtime_c/kernels
    struct      type of the descriptor; empty where the kernel takes none
    fields      fields of the descriptor; a value "@w" means the table "w"
    tables      constants: key -> array, in the order they are emitted
    aligned     tables that the kernel reads by words: they begin at a multiple of 4
    call        C expression that computes units [first, first + n)
    part        kernel family ("conv" or "dense") that can compute one output in parts; empty where none can
    """

    kernel: str
    struct: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    tables: dict[str, Array] = field(default_factory=dict)
    call: str = ""
    scratch_bytes: int = 0
    part: str = ""
    aligned: frozenset[str] = frozenset()


def layer_of(graph: Graph, op: Op, operand: int = 0, kernels: str = "portable") -> Layer:
    """The layer of an op that computes. Raises UnsupportedOp where a size leaves 16 bits.

    operand: which input of a Concat is copied. kernels: the folder of runtime_c/kernels that weights are packed for.
    """
    match op:
        case ConvI8():
            return _conv(graph, op, kernels)
        case ConvPoolI8():
            return _conv_pool(graph, op, kernels)
        case DenseI8():
            return _dense(graph, op, kernels)
        case MaxPoolI8() | AvgPoolI8():
            return _pool(graph, op)
        case AddI8() | MulI8():
            return _elementwise(graph, op)
        case LutI8():
            table = {"table": graph.consts[op.inputs[1]].array}
            return Layer("fml_lut_i8", tables=table, call="fml_lut_i8({table}, {x0}, y, first, n)")
        case SoftmaxI8():
            return _softmax(graph, op)
        case ArgMax():
            return _argmax(graph, op)
        case Concat():
            return _concat(graph, op, operand)
        case PadI8():
            return _pad(graph, op)
        case Transpose():
            return _transpose(graph, op)
    raise AssertionError(f"no kernel for {type(op).__name__}")


def called_kernels(kernel: str, kernels: str = "portable") -> tuple[str, ...]:
    """Kernels that a kernel of a variant calls, and those that they call: their files are linked, too."""
    called = () if (kernels, kernel) in _CALLS_NONE else _CALLS.get(kernel, ())
    return called + tuple(further for one in called for further in called_kernels(one, kernels))


def _sized(op: Op, **sizes: int) -> None:
    for name, n in sizes.items():
        if n > _MAX_U16:
            raise UnsupportedOp(
                f"{name} is {n}, kernels count to {_MAX_U16}",
                where=op.loc,
                hint="use a smaller layer: this one is beyond what a microcontroller can hold",
            )


def _window_fields(window: Window) -> tuple[tuple[str, str], ...]:
    return (
        (".k_h", str(window.kernel[0])),
        (".k_w", str(window.kernel[1])),
        (".stride_h", str(window.stride[0])),
        (".stride_w", str(window.stride[1])),
        (".dil_h", str(window.dilation[0])),
        (".dil_w", str(window.dilation[1])),
        (".pad_t", str(window.pad[0])),
        (".pad_l", str(window.pad[1])),
    )


def _image_fields(x: Sequence[int], y: Sequence[int]) -> tuple[tuple[str, str], ...]:
    return (
        (".in_h", str(x[0])),
        (".in_w", str(x[1])),
        (".in_c", str(x[2])),
        (".out_h", str(y[0])),
        (".out_w", str(y[1])),
        (".out_c", str(y[2])),
    )


_REQUANT_FIELDS = ((".bias", "@bias"), (".mult", "@mult"), (".shift", "@shift"))


def _weights(graph: Graph, op: Op) -> dict[str, Array]:
    names = ("weight", "bias", "mult", "shift")
    return {name: graph.consts[const].array for name, const in zip(names, op.inputs[1:], strict=True)}


def _words(kernels: str) -> frozenset[str]:
    return frozenset({"weight"} if order_of(kernels).aligned else ())


def _conv(graph: Graph, op: ConvI8, kernels: str) -> Layer:
    x = graph.types[op.inputs[0]].shape
    y = (*op.window.out_size(x[0], x[1]), graph.consts[op.inputs[1]].shape[0])
    kernel = conv_kernel(op, graph, kernels)
    tables = _weights(graph, op)
    if kernel == "fml_depthwise_i8":
        tables["weight"] = tables["weight"][:, :, :, 0].transpose(1, 2, 0)
    else:
        tables["weight"] = pack_weights(kernels, tables["weight"], op.groups)
    scratch = scratch_bytes(op, graph, kernels)
    _sized(op, height=max(x[0], y[0]), width=max(x[1], y[1]), channels=max(x[2], y[2]), one_column=scratch)
    fields = (
        (".w", "@weight"),
        *_REQUANT_FIELDS,
        *_image_fields(x, y),
        (".groups", str(op.groups)),
        *_window_fields(op.window),
        (".x_zp", str(op.x_zp)),
        (".y_zp", str(op.y_zp)),
        (".lo", str(op.lo)),
        (".hi", str(op.hi)),
    )
    extra = ", scratch" if scratch else ""
    call = f"{kernel}({{d}}, {{x0}}, y{extra}, first, n)"
    if kernel == "fml_depthwise_i8":
        return Layer(kernel, "fml_conv_t", fields, tables, call, scratch)
    return Layer(kernel, "fml_conv_t", fields, tables, call, scratch, "conv", _words(kernels))


def _conv_pool(graph: Graph, op: ConvPoolI8, kernels: str) -> Layer:
    """The convolution's descriptor within that of the pool."""
    conv, pool, out_w = _conv(graph, op.conv(), kernels), op.pool, graph.types[op.output].shape[1]
    kernel = conv.kernel.removesuffix("_i8") + "_pool_i8"
    scratch = scratch_bytes(op, graph, kernels)
    _sized(op, scratch=scratch)
    fields = (
        *((f".conv{name}", value) for name, value in conv.fields),
        (".pool_out_w", str(out_w)),
        (".pool_k_h", str(pool.kernel[0])),
        (".pool_k_w", str(pool.kernel[1])),
        (".pool_stride_h", str(pool.stride[0])),
        (".pool_stride_w", str(pool.stride[1])),
        (".pool_pad_t", str(pool.pad[0])),
        (".pool_pad_l", str(pool.pad[1])),
        (".run", str(pool_run(op, graph))),
        (".conv_scratch_bytes", str(conv.scratch_bytes)),
    )
    call = f"{kernel}({{d}}, {{x0}}, y, scratch, first, n)"
    return Layer(kernel, "fml_conv_pool_t", fields, conv.tables, call, scratch, aligned=conv.aligned)


def _dense(graph: Graph, op: DenseI8, kernels: str) -> Layer:
    n_out, n_in = graph.consts[op.inputs[1]].shape
    _sized(op, inputs=n_in, outputs=n_out)
    fields = (
        (".w", "@weight"),
        *_REQUANT_FIELDS,
        (".n_in", str(n_in)),
        (".n_out", str(n_out)),
        (".y_zp", str(op.y_zp)),
        (".lo", str(op.lo)),
        (".hi", str(op.hi)),
    )
    tables = _weights(graph, op)
    tables["weight"] = pack_weights(kernels, tables["weight"])
    call = "fml_dense_i8({d}, {x0}, y, first, n)"
    return Layer("fml_dense_i8", "fml_dense_t", fields, tables, call, part="dense", aligned=_words(kernels))


def _pool(graph: Graph, op: MaxPoolI8 | AvgPoolI8) -> Layer:
    x, y = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
    _sized(op, height=max(x[0], y[0]), width=max(x[1], y[1]), channels=x[2])
    image = tuple((name.replace(".in_c", ".c"), v) for name, v in _image_fields(x, y) if name != ".out_c")
    fields = (
        *image,
        *_window_fields(op.window),
        (".pad_b", str(op.window.pad[2])),
        (".pad_r", str(op.window.pad[3])),
        (".lo", str(op.lo)),
        (".hi", str(op.hi)),
    )
    tables: dict[str, Array] = {}
    kernel = "fml_maxpool_i8"
    if isinstance(op, AvgPoolI8):
        kernel = "fml_avgpool_i8"
        tables = {name: graph.consts[const].array for name, const in zip(("mult", "shift"), op.inputs[1:], strict=True)}
        fields += (
            (".x_zp", str(op.x_zp)),
            (".y_zp", str(op.y_zp)),
            (".include_pad", str(int(op.include_pad))),
            (".n_mult", str(tables["mult"].size)),
            (".mult", "@mult"),
            (".shift", "@shift"),
        )
    return Layer(kernel, "fml_pool_t", fields, tables, f"{kernel}({{d}}, {{x0}}, y, first, n)")


def _array(values: Sequence[int]) -> str:
    return "{" + ", ".join(f"{value}" for value in values) + "}"


def _elementwise(graph: Graph, op: AddI8 | MulI8) -> Layer:
    out = graph.types[op.output].shape
    shapes = [(1,) * (len(out) - len(t.shape)) + t.shape for t in graph.op_types(op)]
    dims, strides = merged_axes(out, [broadcast_strides(out, shape) for shape in shapes])
    if len(dims) > 4:
        raise UnsupportedOp("broadcasting over more than four axes is not supported", where=op.loc)
    _sized(op, one_axis=max(dims))
    lead = 4 - len(dims)
    fields: tuple[tuple[str, str], ...] = (
        (".dims", _array([1] * lead + dims)),
        (".a_strides", _array([0] * lead + strides[0])),
        (".b_strides", _array([0] * lead + strides[1])),
    )
    if isinstance(op, AddI8):
        kernel = "fml_add_i8"
        fields += ((".offset", str(op.offset)), (".mult_a", str(op.mult_a)), (".mult_b", str(op.mult_b)))
    else:
        kernel = "fml_mul_i8"
        fields += ((".mult", str(op.mult)), (".a_zp", str(op.a_zp)), (".b_zp", str(op.b_zp)), (".y_zp", str(op.y_zp)))
    fields += ((".shift", str(op.shift)), (".lo", str(op.lo)), (".hi", str(op.hi)))
    tables = {f"operand{k}": graph.consts[name].array for k, name in enumerate(op.inputs) if name in graph.consts}
    operands = ", ".join(f"{{operand{k}}}" if name in graph.consts else f"{{x{k}}}" for k, name in enumerate(op.inputs))
    call = f"{kernel}({{d}}, {operands}, y, first, n)"
    return Layer(kernel, kernel.replace("_i8", "_t"), fields, tables, call)


def broadcast_strides(out: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Element strides of an operand over the axes of the output; 0 where it is broadcast."""
    strides, step = [], 1
    for length, size in zip(reversed(out), reversed(shape), strict=True):
        strides.append(0 if size == 1 and length != 1 else step)
        step *= size
    return strides[::-1]


def merged_axes(dims: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Fewer axes with the same addresses: ones dropped, neighbours joined where every operand runs on through them."""
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, length in enumerate(dims):
        if length == 1:
            continue
        inner = [operand[axis] for operand in strides]
        joins = lengths and all(last[-1] == step * length for last, step in zip(steps, inner, strict=True))
        if joins and lengths[-1] * length <= _MAX_U16:
            lengths[-1] *= length
            for last, step in zip(steps, inner, strict=True):
                last[-1] = step
        else:
            lengths.append(length)
            for last, step in zip(steps, inner, strict=True):
                last.append(step)
    return lengths or [1], [last or [0] for last in steps]


def _softmax(graph: Graph, op: SoftmaxI8) -> Layer:
    shape = graph.types[op.output].shape
    _sized(op, classes=shape[-1])
    tables = {"table": graph.consts[op.inputs[1]].array}
    fields = ((".exp_table", "@table"), (".n", str(shape[-1])))
    return Layer("fml_softmax_i8", "fml_softmax_t", fields, tables, "fml_softmax_i8({d}, {x0}, y, first, n)")


def _argmax(graph: Graph, op: ArgMax) -> Layer:
    shape = graph.types[op.inputs[0]].shape
    _sized(op, classes=shape[-1])
    fields = ((".n", str(shape[-1])), (".last", str(int(op.last))))
    call = "fml_argmax_i8({d}, {x0}, (int32_t *)(void *)y, first, n)"
    return Layer("fml_argmax_i8", "fml_argmax_t", fields, {}, call)


def _concat(graph: Graph, op: Concat, operand: int) -> Layer:
    """The copy of one operand; in the tile buffer its rows follow each other, in the arena they are a stride apart."""
    shape = graph.types[op.inputs[operand]].shape
    row = math.prod(shape[op.axis :])
    fields = (
        (".n_rows", str(math.prod(shape[: op.axis]))),
        (".row_bytes", str(row)),
        (".x_stride_bytes", str(row)),
        (".y_stride_bytes", str(row)),
    )
    # The kernel's y is where row 0 goes, whatever `first` is; the tile buffer begins with row `first`.
    call = f"fml_copy_i8({{d}}, {{x{operand}}} + (size_t)first * {row}u, y, 0, n)"
    return Layer("fml_copy_i8", "fml_copy_t", fields, {}, call)


def _pad(graph: Graph, op: PadI8) -> Layer:
    x, y = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
    dims: list[tuple[int, int, int]] = []  # (input, before, output), innermost last
    for n, before, total in zip(x, op.before, y, strict=True):
        # An axis without padding joins an unpadded one before it.
        if dims and n == total and dims[-1][0] == dims[-1][2] and dims[-1][0] * n <= _MAX_U16:
            dims[-1] = (dims[-1][0] * n, 0, dims[-1][2] * n)
        else:
            dims.append((n, before, total))
    if len(dims) > 4:
        raise UnsupportedOp("padding over more than four axes is not supported", where=op.loc)
    dims = [(1, 0, 1)] * (4 - len(dims)) + dims
    _sized(op, one_axis=max(total for _, _, total in dims))
    fields = (
        (".in_dims", _array([d[0] for d in dims])),
        (".before", _array([d[1] for d in dims])),
        (".out_dims", _array([d[2] for d in dims])),
        (".value", str(op.value)),
    )
    return Layer("fml_pad_i8", "fml_pad_t", fields, {}, "fml_pad_i8({d}, {x0}, y, first, n)")


def _transpose(graph: Graph, op: Transpose) -> Layer:
    x, y = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
    steps = [int(np.prod(x[axis + 1 :])) for axis in range(len(x))]
    dims, strides = merged_axes(y, [[steps[axis] for axis in op.order]])
    if len(dims) > 6:
        raise UnsupportedOp("a transpose over more than six axes is not supported", where=op.loc)
    _sized(op, one_axis=max(dims))
    fields = (
        (".rank", str(len(dims))),
        (".out_dims", _array(dims)),
        (".x_strides", _array(strides[0])),
    )
    call = "fml_transpose_i8({d}, {x0}, y, first, n)"
    return Layer("fml_transpose_i8", "fml_transpose_t", fields, {}, call)
