"""Where the scales of a QDQ graph differ from one tensor to the next, the answer is still that of onnxruntime.

Each case is a chain of operators with a scale of its own behind every one. What saturates in one scale and what a later
one could hold, values that an operator adds from outside (padding, constants, bounds), and one tensor in two scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
from onnx import helper

from freeml.ir.int_ops import ConvI8, LutI8, PadI8
from freeml.ir.interpret import predict
from freeml.passes.pipeline import run_passes
from freeml.quantize.search import Quantized, quantize
from tests.frontend.onnx.nets import model, read

onnxruntime = pytest.importorskip("onnxruntime")

Array = np.ndarray
Range = tuple[float, float]


@dataclass
class Chain:
    """A QDQ graph as it grows: every tensor is quantized by the range given for it."""

    shape: tuple[int, ...]
    dtype: type = np.int8
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    last: str = "x"

    def q(self, span: Range, source: str | None = None) -> str:
        """Quantize and dequantize a tensor; returns, and goes on from, the result."""
        source = source or self.last
        info = np.iinfo(self.dtype)
        scale = np.float32((span[1] - span[0]) / 255)
        zero = self.dtype(np.clip(round(info.min - span[0] / float(scale)), info.min, info.max))
        name = f"t{len(self.nodes)}"
        params = [self.const(scale), self.const(np.array(zero))]
        self.nodes += [
            helper.make_node("QuantizeLinear", [source, *params], [f"{name}q"], name=f"{name}q"),
            helper.make_node("DequantizeLinear", [f"{name}q", *params], [name], name=name),
        ]
        self.last = name
        return name

    def const(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def op(self, kind: str, *constants: Array, inputs: Sequence[str] | None = None, **attrs: object) -> str:
        name = f"n{len(self.nodes)}"
        read_by = list(inputs or [self.last]) + [self.const(c) for c in constants]
        self.nodes.append(helper.make_node(kind, read_by, [name], name=name, **attrs))
        self.last = name
        return name

    def weight(self, codes: Array, scale: float = 1 / 64) -> str:
        name = f"w{len(self.nodes)}"
        params = [self.const(codes.astype(np.int8)), self.const(np.float32(scale)), self.const(np.int8(0))]
        self.nodes.append(helper.make_node("DequantizeLinear", params, [name], name=name))
        return name


def floats(value: float) -> Array:
    return np.array(value, np.float32)


def pads(*values: int) -> Array:
    return np.array(values, np.int64)


# Multiples of the step of their own codes: how well eight bits hold a constant is not the question here.
FACTORS = np.array([[[[2.0]], [[4.0]], [[-127 / 32]]]])
WEIGHT = np.random.default_rng(5).integers(-127, 128, (3, 2, 3, 3))
WEIGHT[:, 0, 0, 0] = 127


def padded(value: float, before: Range, after: Range | None, dtype: type = np.int8) -> Chain:
    c = Chain((1, 2, 4, 4), dtype)
    c.q(before)
    c.op("Pad", pads(0, 0, 1, 2, 0, 0, 1, 0), floats(value))
    if after is not None:
        c.q(after)
    return c


def padded_then_convolved(value: float, before: Range, after: Range) -> Chain:
    c = padded(value, before, after)
    c.op("Conv", inputs=[c.last, c.weight(WEIGHT)])
    c.q((-8, 8))
    return c


def joined(left: Range, right: Range, after: Range) -> Chain:
    c = Chain((1, 2, 4, 4))
    a = c.q(left)
    b = c.q(right, c.op("Neg", inputs=[a]))
    c.op("Concat", inputs=[a, b], axis=1)
    c.q(after)
    return c


def moved(kind: str, before: Range, after: Range, **attrs: object) -> Chain:
    c = Chain((1, 2, 4, 4))
    c.q(before)
    c.op(kind, *([pads(1, 4, 8)] if kind == "Reshape" else []), **attrs)
    c.q(after)
    return c


def pooled(kind: str, before: Range, after: Range, dtype: type = np.int8, **attrs: object) -> Chain:
    c = Chain((1, 2, 4, 4), dtype)
    c.q(before)
    c.op(kind, kernel_shape=[3, 3], pads=[1, 1, 1, 1], **attrs)
    c.q(after)
    return c


def convolved(middle: Range, kind: str, *constants: Array, after: Range) -> Chain:
    """A convolution, its own scale, an elementwise operator and the scale behind that."""
    c = Chain((1, 2, 4, 4))
    c.q((-2, 2))
    c.op("Conv", inputs=[c.last, c.weight(WEIGHT)])
    c.q(middle)
    c.op(kind, *constants)
    c.q(after)
    return c


def float_layer(middle: Range, kind: str, constant: Array, after: Range, *, before: bool = False) -> Chain:
    """A convolution that nobody quantized and an affine operator behind or before it, each with its own scale."""
    c = Chain((1, 2, 4, 4))
    c.q((-2, 2))
    weight = (WEIGHT / 64).astype(np.float32)
    first, second = ((kind, constant), ("Conv", weight))[:: 1 if before else -1]
    c.op(first[0], first[1])
    c.q(middle)
    c.op(second[0], second[1])
    c.q(after)
    return c


def combined(kind: str, constant: Array, before: Range, after: Range) -> Chain:
    c = Chain((1, 2, 4, 4))
    c.q(before)
    c.op(kind, constant)
    c.q(after)
    return c


def read_twice(first: Range, second: Range, *, convolve: bool) -> Chain:
    """One tensor in two scales, each read by another operator; the results are joined."""
    c = Chain((1, 2, 4, 4))
    source = "x"
    if convolve:
        c.q((-2, 2))
        source = c.op("Conv", inputs=[c.last, c.weight(WEIGHT)], pads=[1, 1, 1, 1])
    a = c.q((-4, 4), c.op("Neg", inputs=[c.q(first, source)]))
    b = c.q((-4, 4), c.op("Abs", inputs=[c.q(second, source)]))
    c.op("Concat", inputs=[a, b], axis=1)
    c.q((-4, 4))
    return c


def functions(after: Range, *kinds: str) -> Chain:
    c = Chain((1, 2, 4, 4))
    c.q((-3, 3))
    for kind in kinds:
        c.op(kind)
    c.q(after)
    return c


def requantized(*spans: Range) -> Chain:
    c = Chain((1, 2, 4, 4))
    for span in spans:
        c.q(span)
    return c


CASES = {
    "pad above the range of the input": lambda: padded(1.0, (0, 0.5), (0, 2)),
    "pad below the range of the input": lambda: padded(-1.0, (0, 1), (-1, 1)),
    "pad above the range of both": lambda: padded(3.0, (0, 1), (0, 2)),
    "pad with unsigned codes": lambda: padded(-1.0, (0, 1), (-1, 1), np.uint8),
    "pad into a narrower scale": lambda: padded(0.25, (-2, 2), (-0.5, 0.5)),
    "pad before a convolution": lambda: padded_then_convolved(-1.5, (0, 1), (-1.5, 1)),
    "zeros before a convolution, in a scale of their own": lambda: padded_then_convolved(0.0, (-2, 2), (-0.5, 0.5)),
    "zeros before a convolution, in the scale of the input": lambda: padded_then_convolved(0.0, (-2, 2), (-2, 2)),
    "concat into a wider scale": lambda: joined((0, 1), (-2, 0), (-2, 1)),
    "concat into a narrower scale": lambda: joined((-2, 2), (-1, 1), (-0.5, 0.5)),
    "reshape into a wider scale": lambda: moved("Reshape", (-1, 1), (-3, 3)),
    "transpose into a wider scale": lambda: moved("Transpose", (-1, 1), (-3, 3), perm=[0, 2, 3, 1]),
    "transpose into a narrower scale": lambda: moved("Transpose", (-2, 2), (-0.5, 1), perm=[0, 3, 1, 2]),
    "flatten into another scale": lambda: moved("Flatten", (-0.5, 0.5), (-1, 1)),
    "maximum of padded negative numbers": lambda: pooled("MaxPool", (-2, -0.1), (-3, 1)),
    "maximum of unsigned codes": lambda: pooled("MaxPool", (-1, 2), (-0.5, 0.5), np.uint8),
    "average that counts padding": lambda: pooled("AveragePool", (0.5, 2), (-1, 2), count_include_pad=1),
    "average that counts padding, unsigned": lambda: pooled(
        "AveragePool", (-2, 1), (-1, 1), np.uint8, count_include_pad=1
    ),
    "average without padding": lambda: pooled("AveragePool", (-2, 1), (-1, 1)),
    "average with ceil": lambda: pooled("AveragePool", (-2, 1), (-1, 1), strides=[2, 2], ceil_mode=1),
    "clip inside a wider scale": lambda: convolved((-8, 8), "Clip", floats(0), floats(1), after=(0, 1)),
    "clip outside a narrower scale": lambda: convolved((-1, 1), "Clip", floats(-5), floats(5), after=(-5, 5)),
    "clip between two scales alike": lambda: convolved((-2, 2), "Clip", floats(-1), floats(9), after=(-3, 3)),
    "relu behind a symmetric scale": lambda: convolved((-8, 8), "Relu", after=(0, 2)),
    "relu behind a narrower scale": lambda: convolved((-0.5, 0.5), "Relu", after=(0, 4)),
    "scalar sum beyond the range": lambda: combined("Add", floats(3), (-1, 1), (1, 4)),
    "scalar product beyond the range": lambda: combined("Mul", floats(-8), (-1, 1), (-8, 8)),
    "vector sum beyond the range": lambda: combined("Add", floats(FACTORS[:, 1:]), (-1, 1), (-4, 5)),
    "scale folded behind a layer": lambda: float_layer((-0.5, 0.5), "Mul", floats(FACTORS), (-4, 4)),
    "offset folded behind a layer": lambda: float_layer((-0.5, 0.5), "Add", floats(FACTORS), (-4, 5)),
    "scale folded before a layer": lambda: float_layer(
        (-0.5, 0.5), "Mul", floats(FACTORS[:, :2]), (-4, 4), before=True
    ),
    "a function whose negative side its scale cuts off": lambda: functions((0, 1), "Tanh"),
    "two functions, the first without a scale": lambda: functions((-0.2, 0.2), "Neg", "Tanh"),
    "a function that ends in codes from zero on": lambda: functions((0, 3), "HardSwish"),
    "a function in finer steps behind a pool": lambda: functions((-0.2, 0.2), "Tanh", "GlobalMaxPool"),
    "the input in two scales": lambda: read_twice((-0.5, 0.5), (-2, 2), convolve=False),
    "the input in two scales that do not contain each other": lambda: read_twice((-2, 0.5), (-0.5, 2), convolve=False),
    "a layer in two scales, narrower first": lambda: read_twice((-0.5, 0.5), (-4, 4), convolve=True),
    "a layer in two scales, wider first": lambda: read_twice((-4, 4), (-0.5, 0.5), convolve=True),
    "one tensor requantized": lambda: requantized((-1, 1), (-3, 3)),
    "one tensor requantized twice": lambda: requantized((-2, 2), (-0.5, 0.5), (-4, 4)),
}  # fmt: skip
# Every value is rounded once more where one tensor has two scales, neither of which contains the other.
STEPS = {"the input in two scales that do not contain each other": 2}


def compiled(chain: Chain) -> tuple[onnx.ModelProto, Quantized]:
    proto = model(chain.nodes, {"x": chain.shape}, [chain.last], chain.constants, opset=19)
    return proto, quantize(run_passes(read(proto)), None)


@pytest.mark.parametrize("case", CASES)
def test_it_gives_the_codes_of_onnxruntime(case: str) -> None:
    chain = CASES[case]()
    proto, result = compiled(chain)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    x = np.random.default_rng(2).uniform(-2.5, 2.5, (40, *chain.shape)).astype(np.float32)
    want = np.concatenate([session.run(None, {"x": row})[0] for row in x])
    (got,) = predict(result.graph, [x.reshape(40, *result.graph.inputs[0].shape)])
    quant = result.graph.types[result.graph.outputs[0].value].quant
    assert quant is not None
    steps = np.rint(np.abs(got.reshape(want.shape) - want) / quant.scale)
    # What lies half way between two codes may go either way, in averages of four often; nothing is off by more.
    assert steps.max() <= STEPS.get(case, 1)
    assert np.mean(steps == 0) > 0.7


def test_padding_is_a_code_of_the_scale_behind_it_and_the_table_stands_before_it() -> None:
    _, result = compiled(padded(-1.0, (0, 1), (-1, 1)))
    lut, pad = result.graph.ops
    assert isinstance(lut, LutI8)
    assert isinstance(pad, PadI8)
    quant = result.graph.types[pad.output].quant
    assert quant is not None
    assert pad.value == quant.quantize(np.array(-1.0))


def test_zeros_in_the_scale_of_the_input_are_still_part_of_the_convolution() -> None:
    _, result = compiled(padded_then_convolved(0.0, (-2, 2), (-2, 2)))
    assert [type(op) for op in result.graph.ops] == [ConvI8]


def test_a_scale_that_nobody_reads_changes_nothing() -> None:
    chain = Chain((1, 2, 4, 4))
    chain.q((-2, 2))
    layer = chain.op("Conv", inputs=[chain.last, chain.weight(WEIGHT)])
    chain.q((-50, 90), layer)
    chain.q((-4, 4), layer)
    _, result = compiled(chain)
    assert [type(op) for op in result.graph.ops] == [ConvI8]
