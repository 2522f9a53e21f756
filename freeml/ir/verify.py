"""The graph verifier: run after every pass, written independently of the passes.

It checks SSA order, that names resolve, that every op belongs to the stage, that the shape and element type of each
output follow from its inputs, that ops which only move codes keep their scale, that integer fields are in range and
that no 32-bit accumulator can overflow.
A violation is a bug of freeml, so it raises `InvalidGraphError` (an AssertionError), not an error for users.
"""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np

from freeml.ir import int_ops as q
from freeml.ir import ops as f
from freeml.ir import unary
from freeml.ir.confidence import MOST_CLASSES as MOST_SHARES
from freeml.ir.decision import MOST_CLASSES
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import Op, Window
from freeml.ir.types import Const, Decision, DType, Port, TensorType
from freeml.ir.verify_exits import broken_rules
from freeml.ir.verify_stored import badly_sliced, badly_stored

_LAYOUT_OPS = (f.Reshape, f.Transpose, f.Concat, f.ArgMax)
_INT_OPS = (
    q.ConvI8,
    q.ConvPoolI8,
    q.DenseI8,
    q.MaxPoolI8,
    q.AvgPoolI8,
    q.AddI8,
    q.MulI8,
    q.LutI8,
    q.SoftmaxI8,
    q.PadI8,
    q.ExitHead,
    q.ExitMix,
)
# Inputs of an op: (values, constants); None: one or more values. The second operand of a Binary op may be either.
_N_INPUTS: dict[type[Op], tuple[int | None, int]] = {
    **dict.fromkeys((f.Conv, f.Dense), (1, 2)),
    **dict.fromkeys((q.ConvI8, q.ConvPoolI8, q.DenseI8), (1, 4)),
    **dict.fromkeys((f.MaxPool, f.AvgPool, f.Unary, f.Softmax, f.ArgMax, f.Pad, f.Reshape, f.Transpose), (1, 0)),
    **dict.fromkeys((q.MaxPoolI8, q.PadI8), (1, 0)),
    **dict.fromkeys((q.LutI8, q.SoftmaxI8), (1, 1)),
    q.AvgPoolI8: (1, 2),
    q.ExitHead: (None, 4),
    q.ExitMix: (2, 0),
    f.Concat: (None, 0),
}
_KEEP_SCALE = (q.MaxPoolI8, q.PadI8, f.Reshape, f.Transpose, f.Concat)
LEGAL: dict[Stage, tuple[type[Op], ...]] = {Stage.FLOAT: f.FLOAT_OPS, Stage.QUANTIZED: (*_INT_OPS, *_LAYOUT_OPS)}


class InvalidGraphError(AssertionError):
    """The graph breaks a rule of its stage: a bug in the pass before."""


def verify_graph(graph: Graph) -> Graph:
    """Check a graph against the rules of its stage, return it. Raises InvalidGraphError naming the op and the rule."""
    defined = set()
    for port in graph.inputs:
        defined.add(port.value)
        _check_port(graph, port)
        _check_input(graph, port)
    for op in graph.ops:
        _rule(isinstance(op, LEGAL[graph.stage]), op, f"{type(op).__name__} is not legal in stage {graph.stage.value}")
        _rule(op.output not in defined and op.output not in graph.consts, op, "its output is defined twice")
        for name in op.inputs:
            known = (name in defined) != (name in graph.consts)
            _rule(known, op, f"it reads {name!r}, which nothing before it defines")
        _check_inputs(graph, op)
        _check_types(graph, op)
        for broken in badly_stored(graph, op):
            _rule(False, op, broken)
        defined.add(op.output)
    for port in graph.outputs:
        if port.value not in defined:
            raise InvalidGraphError(f"output {port.name!r}: nothing defines {port.value!r}")
        _check_port(graph, port)
    for made in (*graph.exits, *([graph.decision] if graph.decision else [])):
        _check_decision(graph, made, defined)
    _check_exits(graph)
    for broken in badly_sliced(graph):
        raise InvalidGraphError(f"slices: {broken}")
    return graph


def _check_exits(graph: Graph) -> None:
    """Exits have scores, each of something that no exit before it has computed, in the order of the ops."""
    place = {op.output: k for k, op in enumerate(graph.ops)}
    last = -1
    for made in graph.exits:
        if made.kind != "scores" or place.get(made.value, -1) <= last:
            raise InvalidGraphError(
                f"exit: {made.kind} of %{made.value}, which nothing computes behind the exit before"
            )
        last = place[made.value]


def _check_decision(graph: Graph, made: Decision, defined: set[str]) -> None:
    """What the device publishes must be a value of the kind's type: of scores int8, or int32 with a shift."""
    if made.value not in defined or made.output >= len(graph.outputs) or graph.stage is not Stage.QUANTIZED:
        raise InvalidGraphError(f"decision: %{made.value} of output {made.output} is not in this graph")
    type_ = graph.types[made.value]
    is_sum = made.kind == "scores" and type_.dtype is DType.I32
    dtype, fits = (DType.I32, type_.n_elems == 1) if made.kind == "index" else (DType.I8, type_.n_elems <= MOST_CLASSES)
    dtype, fits = (DType.I32, fits and 0 <= made.shift < 32) if is_sum else (dtype, fits and made.shift == 0)
    if made.softness is not None:
        mult, shift = made.softness
        fits = fits and is_sum and type_.n_elems <= MOST_SHARES and 0 <= mult <= 65_535 and 1 <= shift <= 46
    if type_.dtype is not dtype or not fits or (made.kind == "threshold") != (type_.n_elems == 1 and dtype is DType.I8):
        raise InvalidGraphError(f"decision: {made.kind} from a value of type {type_}")


def _rule(holds: bool, op: Op, message: str) -> None:
    if not holds:
        raise InvalidGraphError(f"%{op.output} ({type(op).__name__}, {op.loc}): {message}")


def _check_port(graph: Graph, port: Port) -> None:
    if port.value not in graph.types:
        raise InvalidGraphError(f"port of %{port.value}: a value without type")
    if sorted(port.order) != list(range(len(port.shape))):
        raise InvalidGraphError(f"port of %{port.value}: {port.order} is not an order of the axes of {port.shape}")
    if math.prod(port.shape) != graph.types[port.value].n_elems:
        raise InvalidGraphError(f"port of %{port.value}: shape {port.shape} does not hold {graph.types[port.value]}")


def _check_input(graph: Graph, port: Port) -> None:
    type_, integer = graph.types[port.value], graph.stage is Stage.QUANTIZED
    if type_.dtype is not (DType.I8 if integer else DType.F32) or any(n < 1 for n in type_.shape):
        raise InvalidGraphError(f"input %{port.value}: a value of type {type_} in stage {graph.stage.value}")
    if integer and type_.quant is None:
        raise InvalidGraphError(f"input %{port.value}: an int8 value without scale and zero point")


def _check_inputs(graph: Graph, op: Op) -> None:
    """The number and the kind of an op's inputs: values first, of the element types that it reads, then constants."""
    is_const = [name in graph.consts for name in op.inputs]
    if isinstance(op, f.Binary | q.AddI8 | q.MulI8):
        _rule(len(is_const) == 2 and not is_const[0], op, f"{len(is_const)} inputs, or a constant first")
    else:
        n_values, n_consts = _N_INPUTS[type(op)]
        counted = len(is_const) - n_consts if n_values is None else n_values
        _rule(counted > 0 and len(is_const) == counted + n_consts, op, f"{len(is_const)} inputs")
        _rule(is_const == [False] * counted + [True] * n_consts, op, "a constant where a value belongs, or the reverse")
    values = [name for name in op.inputs if name in graph.types]
    for k, name in enumerate(values):
        wanted = _value_type(graph, op, k, graph.types[values[0]].dtype)
        _rule(graph.types[name].dtype is wanted, op, f"an input that is not {wanted.value}")
    if graph.stage is Stage.QUANTIZED and isinstance(op, _KEEP_SCALE) and op.output in graph.types:
        kept = all(graph.types[name].quant == graph.types[op.output].quant for name in values)
        _rule(kept, op, "it only moves codes, but its output has another scale than its input")


def _value_type(graph: Graph, op: Op, k: int, first: DType) -> DType:
    """Element type of the k-th value that an op reads, of which the first has type `first`."""
    if graph.stage is Stage.FLOAT:
        return DType.F32
    if not op.elements.values:
        return DType.I32 if first is DType.I32 else DType.I8
    return op.elements.values[min(k, len(op.elements.values) - 1)]


def _output_type(graph: Graph, op: Op, first: DType) -> DType:
    """Element type of what an op computes."""
    if graph.stage is Stage.FLOAT:
        return DType.I32 if isinstance(op, f.ArgMax) else DType.F32
    return op.elements.output or first


def _check_types(graph: Graph, op: Op) -> None:
    _rule(op.output in graph.types, op, "its output has no type")
    out, args = graph.types[op.output], graph.op_types(op)
    _rule(all(n > 0 for n in out.shape), op, f"empty output {out}")
    wanted = _output_type(graph, op, args[0].dtype)
    _rule(out.dtype is wanted, op, f"output of type {out.dtype.value}, not {wanted.value}")
    if graph.stage is Stage.QUANTIZED:
        _rule(out.dtype is not DType.I8 or out.quant is not None, op, "an int8 value without scale and zero point")
        _rule(out.dtype is DType.I8 or out.quant is None, op, f"a scale of int8 codes for {out.dtype.value}")
    _check_fields(op, args)
    shape = _output_shape(op, args)
    _rule(shape is None or shape == out.shape, op, f"output shape {out.shape}, but its inputs give {shape}")
    _check_details(graph, op, out, args)


def _check_fields(op: Op, args: tuple[TensorType, ...]) -> None:
    """What must hold before an output shape can be computed at all."""
    rank = len(args[0].shape)
    for window in (getattr(op, name, None) for name in ("window", "pool")):
        if not isinstance(window, Window):
            continue
        _rule(rank == 3, op, "a window needs (H, W, C)")
        for name in ("kernel", "stride", "dilation"):
            _rule(min(getattr(window, name)) >= 1, op, f"{name} {getattr(window, name)} is below 1")
        _rule(min(window.pad) >= 0, op, f"negative padding {window.pad}")
    clamp = getattr(op, "clamp", None)
    _rule(clamp is None or clamp[0] <= clamp[1], op, f"clamp {clamp} has no values")
    match op:
        case f.Conv() | q.ConvI8() | q.ConvPoolI8():
            _rule(len(args[1].shape) == 4, op, "a convolution needs a weight of four axes")
            _rule(op.groups >= 1, op, f"{op.groups} groups")
        case f.Dense() | q.DenseI8():
            _rule(len(args[1].shape) == 2, op, "a dense layer needs a weight of two axes")
        case f.Binary() | q.AddI8() | q.MulI8():
            b = args[1].shape
            _rule(len(b) == rank, op, f"operands of rank {rank} and {len(b)}")
            fits = all(m == n or 1 in (m, n) for m, n in zip(args[0].shape, b, strict=True))
            _rule(fits, op, f"operands {args[0]} and {args[1]} do not broadcast")
        case f.Concat():
            _rule(0 <= op.axis < rank, op, f"no axis {op.axis}")
            rest = {(*a.shape[: op.axis], *a.shape[op.axis + 1 :]) for a in args}
            _rule(len(rest) == 1 and len({len(a.shape) for a in args}) == 1, op, "inputs of shapes that do not join")
        case f.Pad() | q.PadI8():
            _rule(len(op.before) == len(op.after) == rank, op, f"padding for another rank than {rank}")
            _rule(min((*op.before, *op.after), default=0) >= 0, op, "negative padding")
        case f.Transpose():
            _rule(sorted(op.order) == list(range(rank)), op, f"{op.order} is not an order of axes")
        case f.Softmax() | q.SoftmaxI8() | f.ArgMax():
            _rule(rank >= 1, op, "a scalar has no last axis")


def _output_shape(op: Op, args: tuple[TensorType, ...]) -> tuple[int, ...] | None:
    """The shape that follows from the inputs; None where only the element count does (Reshape, windows with ceil)."""
    x = args[0].shape
    match op:
        case f.Conv() | q.ConvI8():
            return (*op.window.out_size(x[0], x[1]), args[1].shape[0])
        case f.Dense() | q.DenseI8():
            return (args[1].shape[0],)
        case q.ExitHead():
            return args[-1].shape
        case q.ExitMix():
            return x
        case f.Binary() | q.AddI8() | q.MulI8():
            return tuple(np.broadcast_shapes(x, args[1].shape))
        case f.Unary() | q.LutI8() | f.Softmax() | q.SoftmaxI8():
            return x
        case f.ArgMax():
            return (*x[:-1], 1)
        case f.Concat():
            joined = sum(arg.shape[op.axis] for arg in args)
            return (*x[: op.axis], joined, *x[op.axis + 1 :])
        case f.Pad() | q.PadI8():
            return tuple(b + n + a for b, n, a in zip(op.before, x, op.after, strict=True))
        case f.Transpose():
            return tuple(x[axis] for axis in op.order)
    return None


def _check_details(graph: Graph, op: Op, out: TensorType, args: tuple[TensorType, ...]) -> None:
    match op:
        case f.Conv() | q.ConvI8() | q.ConvPoolI8():
            n_out, kh, kw, per_group = args[1].shape
            _rule((kh, kw) == op.window.kernel, op, "kernel and weight disagree")
            _rule(
                per_group * op.groups == args[0].shape[2] and n_out % op.groups == 0, op, "groups and channels disagree"
            )
            _rule(args[2].shape == (n_out,), op, f"a bias {args[2]} for {n_out} channels")
            if isinstance(op, q.ConvPoolI8):
                _check_conv_pool(op, args[0].shape, n_out, out.shape)
        case f.Dense() | q.DenseI8():
            _rule(args[0].shape == args[1].shape[1:], op, f"input {args[0]} does not fit weight {args[1]}")
            _rule(args[2].shape == args[1].shape[:1], op, f"a bias {args[2]} for a weight {args[1]}")
        case f.MaxPool() | q.MaxPoolI8() | f.AvgPool() | q.AvgPoolI8():
            _check_pool(op.window, op, args[0].shape, out.shape)
        case f.Reshape():
            _rule(args[0].n_elems == out.n_elems, op, f"{args[0]} does not have the elements of {out}")
        case f.Unary():
            known = op.fn in unary.FUNCTIONS and len(unary.FUNCTIONS[op.fn].params) == len(op.params)
            _rule(known, op, f"no function {op.fn!r} with {len(op.params)} parameters")
        case f.Binary():
            _rule(op.kind in ("add", "sub", "mul"), op, f"no binary op {op.kind!r}")
    if graph.stage is Stage.QUANTIZED:
        _check_integers(graph, op, out)


def _check_conv_pool(op: q.ConvPoolI8, x: tuple[int, ...], n_out: int, y: tuple[int, ...]) -> None:
    whole = (*op.window.out_size(x[0], x[1]), n_out)
    _rule(min(whole) > 0, op, f"an empty convolution {whole}")
    _check_pool(op.pool, op, whole, y)
    apart = all(s >= k for s, k in zip(op.pool.stride, op.pool.kernel, strict=True)) and op.pool.dilation == (1, 1)
    _rule(apart, op, "windows of the pool overlap")


def _check_pool(window: Window, op: Op, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    _rule(len(x) == len(y) == 3 and x[2] == y[2], op, "pooling needs (H, W, C) and keeps C")
    for axis in (0, 1):
        start = (y[axis] - 1) * window.stride[axis] - window.pad[axis]
        reached = max(start, start % window.dilation[axis])
        _rule(reached < x[axis], op, "a window lies wholly outside the input")
        span = (window.kernel[axis] - 1) * window.dilation[axis]
        _rule(span >= window.pad[axis], op, "the first window lies wholly in the padding")


def _check_integers(graph: Graph, op: Op, out: TensorType) -> None:
    for field in fields(op):
        value = getattr(op, field.name)
        if field.name in ("x_zp", "y_zp", "a_zp", "b_zp", "lo", "hi", "value"):
            _rule(-128 <= value <= 127, op, f"{field.name} = {value} is not an int8")
        if field.name == "shift":
            _rule(0 <= value <= 46, op, f"shift {value} is not in 0..46")
    lo, hi = getattr(op, "lo", -128), getattr(op, "hi", 127)
    _rule(lo <= hi, op, f"lo = {lo} is above hi = {hi}")
    match op:
        case q.ConvI8() | q.ConvPoolI8() | q.DenseI8():
            weight, bias, mult, shift = (graph.consts[name] for name in op.inputs[1:])
            _check_const(op, weight, DType.I8, None)
            for const, dtype in ((bias, DType.I32), (mult, DType.U16), (shift, DType.U8)):
                _check_const(op, const, dtype, (out.shape[-1],))
            _check_requantize(op, mult, shift)
            _check_accumulator(op, weight, bias)
        case q.ExitHead() | q.ExitMix():
            for broken in broken_rules(graph, op):
                _rule(False, op, broken)
        case q.AvgPoolI8():
            mult, shift = (graph.consts[name] for name in op.inputs[1:])
            taps = op.window.kernel[0] * op.window.kernel[1]
            _rule(mult.shape == shift.shape and mult.shape in ((1,), (taps,)), op, "one entry or one per divisor")
            _check_requantize(op, mult, shift)
            _rule(taps * 255 < 2**31, op, "the sum of a window may overflow 32 bits")
        case q.LutI8():
            _check_const(op, graph.consts[op.inputs[1]], DType.I8, (256,))
        case q.SoftmaxI8():
            table = graph.consts[op.inputs[1]]
            _check_const(op, table, DType.U16, (256,))
            _rule(bool(table.array[0] > 0), op, "a table whose first entry is zero: a row of equal codes divides by it")
            _rule(out.shape[-1] <= 65_536, op, "the sum of a row may overflow 32 bits")
        case q.MulI8():
            _rule(0 <= op.mult <= 65535, op, f"mult {op.mult} is not an unsigned 16-bit number")
            _rule(op.shift >= 1, op, f"shift {op.shift} is not in 1..46")
            _check_operand(graph, op)
        case q.AddI8():
            _check_operand(graph, op)
            _rule(op.shift <= 30, op, f"shift {op.shift} is not in 0..30")
            _rule(max(abs(op.mult_a), abs(op.mult_b)) <= q.MAX_ADD_MULT, op, "a multiplier is not 20 bits")
            reach = 128 * (abs(op.mult_a) + abs(op.mult_b)) + abs(op.offset)
            _rule(reach < 2**31, op, "the sum may overflow 32 bits")


def _check_operand(graph: Graph, op: Op) -> None:
    if op.inputs[1] in graph.consts:
        _check_const(op, graph.consts[op.inputs[1]], DType.I8, None)


def _check_const(op: Op, const: Const, dtype: DType, shape: tuple[int, ...] | None) -> None:
    _rule(const.dtype is dtype, op, f"a constant of {const.dtype.value}, not {dtype.value}")
    _rule(shape is None or const.shape == shape, op, f"a constant of shape {const.shape}, not {shape}")


def _check_requantize(op: Op, mult: Const, shift: Const) -> None:
    _rule(mult.dtype is DType.U16, op, "a multiplier that is not an unsigned 16-bit number")
    in_range = bool(((shift.array >= 1) & (shift.array <= 46)).all())
    _rule(in_range, op, "a shift outside 1..46")


def _check_accumulator(op: Op, weight: Const, bias: Const) -> None:
    """The worst case over all int8 inputs, channel by channel: sum |w| * 128 + |bias| < 2**31."""
    largest = np.abs(weight.array.astype(np.int64)).reshape(weight.shape[0], -1).sum(axis=1) * 128
    _rule(
        bool((largest + np.abs(bias.array.astype(np.int64)) < 2**31).all()), op, "an accumulator may overflow 32 bits"
    )
