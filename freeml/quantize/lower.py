"""Graph@FLOAT with a scale for every value -> Graph@QUANTIZED: each float op becomes integer ops of int_ops.py.

An op that moves values but reads another scale than it writes is followed by a table that rescales (LutI8); where its
output may hold more than its input (Pad, Concat), the table comes before it, so that nothing is clamped to a scale that
is not the output's.
Sources: affine quantization with folded zero points as in Jacob et al., "Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018), section 2; here: one 16-bit multiplier and one rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from freeml.errors import BadModel, UnsupportedOp
from freeml.ir import unary
from freeml.ir.decision import decide
from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph, Stage
from freeml.ir.int_ops import MAX_ADD_MULT, AddI8, AvgPoolI8, ConvI8, DenseI8, LutI8, MaxPoolI8, MulI8, PadI8, SoftmaxI8
from freeml.ir.ops import (
    ArgMax,
    AvgPool,
    Binary,
    Concat,
    Conv,
    Dense,
    MaxPool,
    Op,
    Pad,
    Reshape,
    Softmax,
    Transpose,
    Unary,
)
from freeml.ir.types import Array, Const, DType, Quant, TensorType
from freeml.ir.verify import verify_graph
from freeml.ir.verify_stored import storable
from freeml.ir.windows import divisors
from freeml.quantize.fixed_point import multiplier, multipliers, quant_of_range, round_half_up
from freeml.quantize.tables import inner_values, is_table
from freeml.quantize.weights import WeightCodes, quantize_weights

_CODES = np.arange(-128, 128, dtype=np.int64)
_SOFTMAX_OUT = Quant(1 / 256, -128)


def lower(graph: Graph, scales: Mapping[str, Quant]) -> Graph:
    """The integer graph. Raises UnsupportedOp or BadModel with the node's name where no integers exist for an op."""
    builder = _Lowering(graph, scales)
    for op in graph.ops:
        if op.output not in builder.inner:
            builder.lower(op)
    types = {port.value: _int8_type(graph.types[port.value], scales[port.value]) for port in graph.inputs}
    lowered = Graph(
        name=graph.name,
        inputs=tuple(replace(port, dtype="float32") for port in graph.inputs),
        outputs=graph.outputs,
        ops=tuple(builder.ops),
        types={**types, **builder.types},
        consts=builder.consts,
        stage=Stage.QUANTIZED,
        decision=decide(graph),
    )
    return verify_graph(lowered)


def _as_wished(kind: type[Op], position: int, codes: Array, real: Const) -> Const:
    """Codes stored as the model says of what they are the codes of, where that is legal."""
    wish = real.encoding
    legal = wish is not None and wish in storable(kind).get(position, ()) and ENCODINGS[wish].refusal(codes) is None
    return Const(codes, encoding=wish if legal else None)


def _int8_type(type_: TensorType, quant: Quant) -> TensorType:
    return TensorType(type_.shape, DType.I8, quant)


class _Lowering:
    """The integer graph as it grows; value names are those of the float graph."""

    def __init__(self, graph: Graph, scales: Mapping[str, Quant]) -> None:
        self.graph = graph
        self.scales = dict(scales)
        self.inner = inner_values(graph)
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self.consts: dict[str, Const] = {}

    def lower(self, op: Op) -> None:
        try:
            self._lower(op)
        except ValueError as error:
            raise BadModel(f"no integers for this op: {error}", where=op.loc) from error

    def _lower(self, op: Op) -> None:
        match op:
            case Conv() | Dense():
                self._weighted(op)
            case AvgPool():
                self._average(op)
            case Binary():
                self._binary(op)
            case Unary():
                self._table(op)
            case Softmax():
                self._softmax(op)
            case MaxPool():
                kept = self.scales[op.inputs[0]]
                new = MaxPoolI8(output=op.output, inputs=op.inputs, loc=op.loc, window=op.window, lo=-128, hi=127)
                self._moved(new, kept)
            case Pad():
                self._pad(op)
            case Reshape() | Transpose():
                self._moved(op, self.scales[op.inputs[0]])
            case Concat():
                self._concat(op)
            case ArgMax():
                if any(op.output in other.inputs for other in self.graph.ops):
                    raise UnsupportedOp(
                        "ArgMax is only supported as an output of the model",
                        where=op.loc,
                        hint="end the model there, or remove what gates on the index",
                    )
                self._add(op, TensorType(self.graph.types[op.output].shape, DType.I32))
            case _:
                raise AssertionError(f"no lowering of {type(op).__name__}")

    # ---- plumbing ---------------------------------------------------------------------------------------------------

    def _add(self, op: Op, type_: TensorType, **consts: Array | Const) -> None:
        names = []
        for suffix, made in consts.items():
            names.append(f"{op.output}.{suffix}")
            self.consts[names[-1]] = made if isinstance(made, Const) else Const(made)
        self.ops.append(replace(op, inputs=(*op.inputs, *names)))
        self.types[op.output] = type_

    def _type(self, op: Op) -> TensorType:
        return _int8_type(self.graph.types[op.output], self.scales[op.output])

    def _moved(self, op: Op, kept: Quant) -> None:
        """An op that keeps its input's scale, and a rescaling behind it where the output should have another."""
        wanted = self.scales[op.output]
        if kept == wanted:
            self._add(op, self._type(op))
            return
        inner = f"{op.output}.unscaled"
        self._add(replace(op, output=inner), _int8_type(self.graph.types[op.output], kept))
        self._rescale(inner, op.output, wanted, op.loc)

    def _rescale(self, source: str, output: str, wanted: Quant, loc: str) -> None:
        kept = self.types[source].quant if source in self.types else self.scales[source]
        assert kept is not None
        table = _constant_codes(kept.dequantize(_CODES), wanted)
        type_ = self.types[source] if source in self.types else self.graph.types[source]
        self._add(LutI8(output=output, inputs=(source,), loc=loc), _int8_type(type_, wanted), table=table)

    # ---- one op each ------------------------------------------------------------------------------------------------

    def _weighted(self, op: Conv | Dense) -> None:
        x, y = self.scales[op.inputs[0]], self.scales[op.output]
        weight, bias = (self.graph.consts[name] for name in op.inputs[1:])
        codes = quantize_weights(weight, bias, x)
        mult, shift = multipliers(x.scale * codes.scales / y.scale)
        lo, hi = _code_range(y, op.clamp)
        kind = DenseI8 if isinstance(op, Dense) else ConvI8
        consts: dict[str, Array | Const] = {
            "weight": _as_wished(kind, 1, codes.weight, weight),
            "bias": _as_wished(kind, 2, codes.bias, bias),
            "mult": mult,
            "shift": shift,
        }
        _check_accumulators(codes, op)
        base = {"output": op.output, "inputs": op.inputs[:1], "loc": op.loc, "y_zp": y.zero_point, "lo": lo, "hi": hi}
        if isinstance(op, Dense):
            self._add(DenseI8(**base), self._type(op), **consts)  # type: ignore[arg-type]
        else:
            conv = ConvI8(**base, window=op.window, groups=op.groups, x_zp=x.zero_point)  # type: ignore[arg-type]
            self._add(conv, self._type(op), **consts)

    def _average(self, op: AvgPool) -> None:
        x, y = self.scales[op.inputs[0]], self.scales[op.output]
        in_shape, out_shape = self.graph.types[op.inputs[0]].shape, self.graph.types[op.output].shape
        counts = divisors(op.window, in_shape[:2], out_shape[:2], include_pad=op.include_pad)  # type: ignore[arg-type]
        if counts.min() == counts.max():
            wanted = np.array([counts.min()], dtype=np.float64)
        else:
            wanted = np.arange(1, op.window.kernel[0] * op.window.kernel[1] + 1, dtype=np.float64)
        mult, shift = multipliers(x.scale / y.scale / wanted)
        new = AvgPoolI8(
            output=op.output,
            inputs=op.inputs,
            loc=op.loc,
            window=op.window,
            include_pad=op.include_pad,
            x_zp=x.zero_point,
            y_zp=y.zero_point,
            lo=-128,
            hi=127,
        )
        self._add(new, self._type(op), mult=mult, shift=shift)

    def _binary(self, op: Binary) -> None:
        const = self.graph.consts.get(op.inputs[1])
        if is_table(self.graph, op):
            self._table(op)
            return
        left = self.scales[op.inputs[0]]
        names, right = op.inputs, self.scales.get(op.inputs[1])
        if const is not None:
            right = _const_quant(const)
            name = f"{op.output}.operand"
            self.consts[name] = Const(right.quantize(const.array))
            names = (op.inputs[0], name)
        assert right is not None
        y = self.scales[op.output]
        lo, hi = _code_range(y, op.clamp)
        if op.kind == "mul":
            mult, shift = multiplier(left.scale * right.scale / y.scale)
            zeros = {"a_zp": left.zero_point, "b_zp": right.zero_point, "y_zp": y.zero_point}
            mul = MulI8(output=op.output, inputs=names, loc=op.loc, mult=mult, shift=shift, lo=lo, hi=hi, **zeros)
            self._add(mul, self._type(op))
        else:
            sign = -1 if op.kind == "sub" else 1
            fields = add_fields(left, right, y, sign)
            self._add(AddI8(output=op.output, inputs=names, loc=op.loc, lo=lo, hi=hi, **fields), self._type(op))

    def _table(self, op: Op) -> None:
        source, real = self._function(op)
        table = _constant_codes(real, self.scales[op.output])
        self._add(LutI8(output=op.output, inputs=(source,), loc=op.loc), self._type(op), table=table)

    def _function(self, op: Op) -> tuple[str, npt.NDArray[np.float64]]:
        """The value that a function is one of, and its real result for each code, through the functions before it."""
        source = op.inputs[0]
        if source in self.inner:
            source, real = self._function(self.graph.producers[source])
        else:
            x = self.scales[source]
            real = np.asarray((_CODES - x.zero_point) * x.scale, dtype=np.float64)
        return source, self._of_scalar(op, real) if isinstance(op, Binary) else self._of_function(op, real)

    def _of_function(self, op: Op, real: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        assert isinstance(op, Unary)
        with np.errstate(all="ignore"):
            y: npt.NDArray[np.float64] = np.asarray(unary.apply(op.fn, op.params, real), dtype=np.float64)
        if np.isnan(y).any():
            raise UnsupportedOp(
                f"{op.fn} is undefined for part of the range of its input, {real.min():.3g} to {real.max():.3g}",
                where=op.loc,
                hint="put an op before it that keeps its input in the domain, such as Relu or Clip",
            )
        return y

    def _of_scalar(self, op: Binary, real: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        scalar = float(self.graph.consts[op.inputs[1]].array.reshape(()))
        y = {"add": real + scalar, "sub": real - scalar, "mul": real * scalar}[op.kind]
        return np.asarray(y if op.clamp is None else np.clip(y, *op.clamp), dtype=np.float64)

    def _softmax(self, op: Softmax) -> None:
        x, wanted = self.scales[op.inputs[0]], self.scales[op.output]
        if (n := self.graph.types[op.output].shape[-1]) > 65_535:
            raise UnsupportedOp(f"a softmax over {n} values, more than 65535", where=op.loc)
        table = np.rint(np.exp(-np.arange(256) * x.scale) * 65535).astype(np.uint16)
        inner = op.output if wanted == _SOFTMAX_OUT else f"{op.output}.unscaled"
        new = SoftmaxI8(output=inner, inputs=op.inputs, loc=op.loc)
        self._add(new, _int8_type(self.graph.types[op.output], _SOFTMAX_OUT), table=table)
        if inner != op.output:
            self._rescale(inner, op.output, wanted, op.loc)

    def _pad(self, op: Pad) -> None:
        """Padding in the scale behind it: that of the input need not have a code for the value."""
        wanted, source = self.scales[op.output], op.inputs[0]
        if self.scales[source] != wanted:
            source = f"{op.output}.rescaled"
            self._rescale(op.inputs[0], source, wanted, op.loc)
        value = int(_constant_codes(np.array(op.value), wanted))
        pad = PadI8(output=op.output, inputs=(source,), loc=op.loc, before=op.before, after=op.after, value=value)
        self._add(pad, self._type(op))

    def _concat(self, op: Concat) -> None:
        wanted = self.scales[op.output]
        names = []
        for k, name in enumerate(op.inputs):
            if name in self.graph.consts:
                raise UnsupportedOp("Concat with a constant is not supported", where=op.loc)
            if self.scales[name] == wanted:
                names.append(name)
                continue
            names.append(f"{op.output}.in{k}")
            self._rescale(name, names[-1], wanted, op.loc)
        self._add(replace(op, inputs=tuple(names)), self._type(op))


def _constant_codes(real: npt.NDArray[np.floating], quant: Quant) -> npt.NDArray[np.int8]:
    """Codes of bounds, padding and entries of tables as ONNX defines them: in float32, halves to even.

    Scales that differ by a factor of two meet halves with every other code.
    """
    steps = np.clip(real, -1e30, 1e30).astype(np.float32) / np.float32(quant.scale)
    return np.asarray(np.clip(np.rint(steps) + np.float32(quant.zero_point), -128, 127), dtype=np.int8)


def add_fields(left: Quant, right: Quant, y: Quant, sign: int) -> dict[str, int]:
    """Multipliers, offset and shift of AddI8: both operands on one shift, all sums within 32 bits."""
    ratios = (left.scale / y.scale, right.scale / y.scale)
    _, shift = multiplier(max(ratios))
    # Four bits beyond 16, so that the smaller of two unequal multipliers keeps its precision too. Above 22 the output
    # zero point would leave 32 bits; the operands then hardly move the output at all.
    shift = min(shift + 4, 22)
    mult_a, mult_b = (min(round(ratio * 2**shift), MAX_ADD_MULT) for ratio in ratios)
    offset = (y.zero_point << shift) + (1 << shift >> 1) - mult_a * left.zero_point - sign * mult_b * right.zero_point
    return {"mult_a": mult_a, "mult_b": sign * mult_b, "offset": offset, "shift": shift}


def _code_range(y: Quant, clamp: tuple[float, float] | None) -> tuple[int, int]:
    if clamp is None:
        return -128, 127
    lo, hi = _constant_codes(np.array(clamp), y)
    return int(lo), int(hi)


def _const_quant(const: Const) -> Quant:
    if const.code_scales is not None and len(const.code_scales) == 1:
        return Quant(const.code_scales[0], 0)
    return quant_of_range(float(const.array.min()), float(const.array.max()))


def _check_accumulators(codes: WeightCodes, op: Op) -> None:
    sums = np.abs(codes.weight.astype(np.int64)).reshape(codes.weight.shape[0], -1).sum(axis=1) * 128
    if (sums + np.abs(codes.bias.astype(np.int64)) >= 2**31).any():
        raise BadModel("a 32-bit accumulator could overflow: the layer sums too many products", where=op.loc)


__all__ = ["add_fields", "lower", "round_half_up"]
