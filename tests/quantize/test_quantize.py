"""int8: scales, integers, and the choice among ways to quantize. Bounds follow from the arithmetic, none is tuned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from float_graphs import Network, Twin, networks
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import freeml.pipeline
from freeml.data import Dataset
from freeml.errors import BadData, BadModel, UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import Weight
from freeml.ir import ops as f
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8, PadI8
from freeml.ir.interpret import encode_inputs, interpret, predict
from freeml.ir.interpret_float import run_op
from freeml.ir.ops import Window
from freeml.ir.text import digest, parse
from freeml.ir.types import Const, Quant
from freeml.passes.pipeline import run_passes
from freeml.quantize.bias_correction import correct_biases
from freeml.quantize.equalize import equalize, pairs
from freeml.quantize.errors import layer_errors
from freeml.quantize.fixed_point import MAX_SHIFT, multiplier, quant_of_range
from freeml.quantize.lower import add_fields, lower
from freeml.quantize.observe import observe
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales
from freeml.quantize.search import quantize
from freeml.quantize.weights import quantize_weights

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALES = st.floats(1e-6, 1e3)
QUANTS = st.builds(Quant, SCALES, st.integers(-128, 127))


# ---- fixed point -----------------------------------------------------------------------------------------------------


@settings(max_examples=500)
@given(st.floats(2.0**-30, 2.0**15, exclude_max=True))
def test_a_factor_of_16_bits_is_right_to_one_in_65536(factor: float) -> None:
    assume(factor < 2**15 * (1 - 2**-17))
    m, s = multiplier(factor)
    assert 2**15 <= m < 2**16
    assert 1 <= s <= MAX_SHIFT
    assert abs(m / 2**s - factor) <= factor * 2**-16


@settings(max_examples=300)
@given(st.floats(0, 2.0**-30))
def test_a_tiny_factor_is_right_to_one_step_of_the_largest_shift(factor: float) -> None:
    m, s = multiplier(factor)
    assert 0 <= m < 2**16
    assert 1 <= s <= MAX_SHIFT
    assert abs(m / 2**s - factor) <= 2.0**-MAX_SHIFT


@pytest.mark.parametrize("factor", [-1.0, math.inf, math.nan, 2.0**15, 2.0**15 * (1 - 2**-18), 1e300])
def test_a_factor_that_no_16_bits_hold_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        multiplier(factor)


@settings(max_examples=500)
@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_zero_is_a_code_of_every_range_and_the_range_fits_but_for_half_a_step(a: float, b: float) -> None:
    lo, hi = min(a, b), max(a, b)
    quant = quant_of_range(lo, hi)
    assert quant.dequantize(np.array([quant.quantize(np.array(0.0))]))[0] == 0.0
    ends = (np.array([-128, 127]) - quant.zero_point) * quant.scale
    assert ends[0] <= min(lo, 0) + 0.51 * quant.scale
    assert ends[1] >= max(hi, 0) - 0.51 * quant.scale


@MANY
@given(QUANTS, st.floats(-1e4, 1e4))
def test_quantizing_is_right_to_half_a_step_inside_the_range(quant: Quant, real: float) -> None:
    low, high = ((code - quant.zero_point) * quant.scale for code in (-128, 127))
    code = quant.quantize(np.array(real))
    clipped = min(max(real, low), high)
    assert abs((int(code) - quant.zero_point) * quant.scale - clipped) <= quant.scale * 0.5000001


@settings(max_examples=400)
@given(QUANTS, QUANTS, QUANTS, st.sampled_from((1, -1)), st.integers(0, 999))
def test_an_integer_sum_is_within_a_step_of_the_real_one(a: Quant, b: Quant, y: Quant, sign: int, seed: int) -> None:
    assume(max(a.scale, b.scale) / y.scale < 64)
    fields = add_fields(a, b, y, sign)
    assert 1 <= fields["shift"] <= 30
    assert 128 * (abs(fields["mult_a"]) + abs(fields["mult_b"])) + abs(fields["offset"]) < 2**31
    left, right = np.random.default_rng(seed).integers(-128, 128, (2, 200))
    acc = (left * fields["mult_a"] + right * fields["mult_b"] + fields["offset"]) >> fields["shift"]
    real = ((left - a.zero_point) * a.scale + sign * (right - b.zero_point) * b.scale) / y.scale + y.zero_point
    # Each multiplier is off by at most half a unit, its operand by up to 255 codes; then one rounding.
    bound = 0.5 + 2 * 0.5 * 255 / 2 ** fields["shift"] + 1e-6
    assert np.abs(acc - real).max() <= bound
    assert bound <= 1.0 + 1e-3 or fields["shift"] < 9


# ---- lowering --------------------------------------------------------------------------------------------------------


def ranges(graph: Graph, samples: list[np.ndarray]) -> dict[str, Quant]:
    return assign_scales(graph, observe(graph, samples), RULES["min-max"])


def local_bound(graph: Graph, op: f.Op, scales: dict[str, Quant]) -> float:
    """Steps of the output by which integers may differ from real arithmetic on the same codes and weights."""
    y = scales[op.output]
    match op:
        case f.Conv() | f.Dense():
            codes = quantize_weights(graph.consts[op.inputs[1]], graph.consts[op.inputs[2]], scales[op.inputs[0]])
            # the bias is rounded to one product of codes; the factor to 2**-16, which is little over 255 steps
            unit = float((scales[op.inputs[0]].scale * codes.scales).max() / y.scale)
            return 0.5 + 0.5 * unit + 0.01
        case f.AvgPool():
            return 0.51
        case f.Binary() if op.inputs[1] in scales and op.kind != "mul":
            fields = add_fields(scales[op.inputs[0]], scales[op.inputs[1]], y, 1)
            return 0.51 + 255 / 2 ** fields["shift"]
        case f.Softmax():
            return 1.6  # half a step of rounding, the rounded table, and 255 in place of 256 as the largest code
    return 0.51 + 0.5 * (not isinstance(op, f.Unary | f.Binary))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks(batch=1))
def test_each_integer_op_computes_its_real_op_to_the_derived_number_of_steps(network: Network) -> None:
    graph = run_passes(network.graph)
    scales = ranges(graph, network.samples)
    lowered = lower(graph, scales)
    codes = interpret(lowered, encode_inputs(lowered, network.samples), list(lowered.types))
    inner: dict[str, np.ndarray] = {}  # values between two tables that became one: exact
    for op in graph.ops:
        if isinstance(op, f.ArgMax):
            continue
        args, weights = [], iter(())
        if isinstance(op, f.Conv | f.Dense):
            bias = graph.consts[op.inputs[2]].array
            made = quantize_weights(graph.consts[op.inputs[1]], graph.consts[op.inputs[2]], scales[op.inputs[0]])
            spread = made.scales.reshape(-1, *(1,) * (made.weight.ndim - 1))
            weights = iter((made.weight * spread, bias))
        for name in op.inputs:
            if name in graph.consts:
                const = graph.consts[name].array
                shared = graph.consts[name].code_scales
                if isinstance(op, f.Binary) and const.size > 1:
                    quant = (
                        quant_of_range(float(const.min()), float(const.max()))
                        if shared is None
                        else Quant(shared[0], 0)
                    )
                    const = quant.dequantize(quant.quantize(const)).astype(np.float64)
                args.append(next(weights, const))
            elif name in inner:
                args.append(inner[name])
            else:
                args.append((codes[name].astype(np.float64) - scales[name].zero_point) * scales[name].scale)
        if op.output not in codes:
            inner[op.output] = run_op(op, args, graph.types[op.output])
            continue
        y = scales[op.output]
        real = run_op(op, args, graph.types[op.output]) / y.scale + y.zero_point
        difference = np.abs(codes[op.output] - np.clip(real, -128, 127))
        assert difference.max() <= local_bound(graph, op, scales), op


@pytest.mark.parametrize(("bound", "code"), [(-1.25, -2), (-0.75, -2), (1.25, 2), (1.75, 4), (0.3, 1)])
def test_bounds_and_padding_have_the_code_of_a_table_also_half_way_between_two(bound: float, code: int) -> None:
    """One rule for a constant of the model, float32 and halves to even, whatever op it becomes part of."""
    lo, hi = min(bound, 0.0), max(bound, 0.0)
    source = parse(
        f"""graph m : float
input %x 'x' (1, 1, 2) order (0, 1, 2) float64
value %x f32[1,1,2]
%u = Unary(%x) fn='clamp' params=({lo},{hi}) : f32[1,1,2] ; 'n'
%c = Conv(%u, @w, @b) window=((1,1),(1,1),(1,1),(0,0,0,0)) groups=1 clamp=({lo},{hi}) : f32[1,1,2] ; 'n'
%p = Pad(%c) before=(0,0,0) after=(0,0,1) value={bound} : f32[1,1,3] ; 'n'
output %p 'p' (1, 1, 3) order (0, 1, 2) float64
""",
        {"w": Const(np.ones((2, 1, 1, 2))), "b": Const(np.zeros(2))},
    )
    lowered = lower(source, dict.fromkeys(source.types, Quant(0.5, 0)))
    table, conv, pad = lowered.ops
    codes = lowered.consts[table.inputs[1]].array
    assert code in (codes.min(), codes.max())
    assert isinstance(conv, ConvI8)
    assert code in (conv.lo, conv.hi)
    assert isinstance(pad, PadI8)
    assert pad.value == code


@MANY
@given(networks(batch=1, ops=("conv", "dense", "affine", "reshape", "unary")))
def test_no_weight_is_off_by_more_than_half_its_step(network: Network) -> None:
    graph = run_passes(network.graph)
    scales = ranges(graph, network.samples)
    for op in graph.ops:
        if isinstance(op, f.Conv | f.Dense):
            weight = graph.consts[op.inputs[1]]
            made = quantize_weights(weight, graph.consts[op.inputs[2]], scales[op.inputs[0]])
            spread = made.scales.reshape(-1, *(1,) * (made.weight.ndim - 1))
            assert (np.abs(made.weight * spread - weight.array) <= 0.5 * spread * (1 + 1e-9)).all()


def dense_net(weight: np.ndarray, bias: np.ndarray | None = None, scales: tuple[float, ...] | None = None) -> Graph:
    b = GraphBuilder("m")
    x = b.input("x", (1, weight.shape[1]))
    b.output(b.dense(x, Weight(weight, scales), bias, loc="net:/fc"), "y")
    return run_passes(b.finish())


def test_a_sum_that_could_leave_32_bits_is_refused_with_its_node() -> None:
    graph = dense_net(np.ones((1, 140_000)))
    with pytest.raises(BadModel, match="overflow") as caught:
        lower(graph, {p.value: Quant(0.1, 0) for p in (*graph.inputs, *graph.outputs)})
    assert caught.value.where == "net:/fc"


@pytest.mark.parametrize("weight", [0.0, 1e-30, 1.0])
@pytest.mark.parametrize("bias", [0.0, 1e6, -1e6])
def test_channels_without_weights_keep_their_bias(weight: float, bias: float) -> None:
    graph = dense_net(np.array([[weight, 0.0], [1.0, 1.0]]), np.array([bias, 0.0]))
    samples = [np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)]
    scales = ranges(graph, samples)
    lowered = lower(graph, scales)
    y = interpret(lowered, encode_inputs(lowered, samples))[graph.outputs[0].value]
    step = scales[graph.outputs[0].value]
    exact = interpret(graph, encode_inputs(graph, samples))[graph.outputs[0].value]
    assert np.abs(step.dequantize(y) - exact)[:, 0].max() <= 1.01 * step.scale + abs(weight) * 4 / 127


def test_the_models_own_codes_and_scales_are_kept_bit_for_bit() -> None:
    rng = np.random.default_rng(3)
    codes, scales = rng.integers(-128, 128, (4, 6)), tuple(rng.uniform(0.001, 0.1, 4))
    b = GraphBuilder("m")
    x = b.annotate(b.input("x", (1, 6)), Quant(0.037, 5), "net:/q")
    y = b.dense(x, Weight(codes * np.array(scales)[:, None], scales), None, loc="net:/fc")
    b.output(b.annotate(y, Quant(0.11, -3), "net:/dq"), "y")
    result = quantize(run_passes(b.finish()), None)
    assert result.method == "the model's own scales"
    (op,) = result.graph.ops_of(DenseI8)
    stored = result.graph.consts[op.inputs[1]].array
    columns = [stored[:, k].tolist() for k in range(6)]
    assert sorted(columns) == sorted(codes[:, k].tolist() for k in range(6))
    assert result.graph.types[op.inputs[0]].quant == Quant(0.037, 5)
    assert result.graph.types[op.output].quant == Quant(0.11, -3)


def test_an_index_in_the_middle_of_a_model_is_refused() -> None:
    b = GraphBuilder("m")
    index = b.argmax(b.input("x", (1, 4)), 1, keepdims=True, loc="net:/argmax")
    b.output(b.unary(index, "neg", loc="net:/neg"), "y")
    graph = b.finish()
    with pytest.raises(UnsupportedOp) as caught:
        lower(graph, {name: Quant(1.0, 0) for name in graph.types})
    assert caught.value.where == "net:/argmax"


def test_functions_that_follow_each_other_are_one_table_but_for_what_the_device_decides_by() -> None:
    def ops_of(*shape: int) -> list[str]:
        builder = GraphBuilder("m")
        x = builder.input("x", (1, *shape))
        bent = builder.unary(builder.unary(x, "abs", loc="a"), "clamp", (0.1, 0.6), loc="b")
        builder.output(builder.unary(bent, "sigmoid", loc="c"), "y")
        graph = builder.finish()
        samples = [np.linspace(-1, 1, 8 * math.prod(shape), dtype=np.float32).reshape(8, *shape)]
        lowered = lower(graph, ranges(graph, samples))
        (exact,) = predict(graph, samples)
        assert np.abs(predict(lowered, samples)[0] - exact).max() < 2 / 256
        return [op.loc for op in lowered.ops]

    assert ops_of(1) == ["b", "c"]  # a single score: the value before the sigmoid has a threshold of its own
    assert ops_of(3, 4) == ["c"]  # no classes


def test_a_function_outside_its_domain_is_refused_with_the_range() -> None:
    b = GraphBuilder("m")
    b.output(b.unary(b.input("x", (1, 4)), "sqrt", loc="net:/sqrt"), "y")
    graph = b.finish()
    with pytest.raises(UnsupportedOp, match=r"-12\.8 to 12\.7"):
        lower(graph, {name: Quant(0.1, 0) for name in graph.types})


# ---- refinements -----------------------------------------------------------------------------------------------------


def depthwise_net(spread: float) -> tuple[Graph, list[np.ndarray]]:
    """A convolution whose channels differ in range by `spread`, a depthwise reader that evens them out, and a sum."""
    rng = np.random.default_rng(7)
    twin = Twin(7)
    c = 8
    sizes = np.geomspace(1, spread, c)
    b = GraphBuilder("m")
    x = b.input("x", (1, 3, 8, 8), channels_first=True)
    first = rng.normal(size=(c, 3, 1, 1)) * sizes[:, None, None, None]
    bias = 0.5 * rng.normal(size=c) * sizes
    y = b.conv(x, Weight(first), bias, window=Window(kernel=(1, 1)), loc="net:/first")
    y = b.unary(y, "clamp", (0.0, math.inf), loc="net:/relu")
    second = rng.normal(size=(c, 1, 3, 3)) / sizes[:, None, None, None]
    y = b.conv(y, Weight(second), None, window=Window(kernel=(3, 3)), groups=c, loc="net:/depthwise")
    b.output(y, "y")
    return run_passes(b.finish()), [twin.rng.normal(size=(32, 3, 8, 8)).astype(np.float32)]


def peaks(graph: Graph, samples: list[np.ndarray]) -> dict[str, np.ndarray]:
    names = [op.output for op in graph.ops if isinstance(op, f.Conv | f.Dense)]
    values = interpret(graph, encode_inputs(graph, samples), names)
    return {
        name: np.abs(values[name]).reshape(-1, values[name].shape[-1]).max(axis=0).astype(np.float64) for name in names
    }


def run_float(graph: Graph, samples: list[np.ndarray]) -> np.ndarray:
    return interpret(graph, encode_inputs(graph, samples))[graph.outputs[0].value]


def int8_error(graph: Graph, exact: np.ndarray, samples: list[np.ndarray], corrected: Graph | None = None) -> float:
    scales = ranges(graph, samples)
    lowered = lower(corrected or graph, scales)
    y = interpret(lowered, encode_inputs(lowered, samples))[graph.outputs[0].value]
    return float(np.mean((scales[graph.outputs[0].value].dequantize(y) - exact) ** 2))


def test_equalisation_keeps_the_function_and_saves_a_depthwise_network() -> None:
    graph, samples = depthwise_net(spread=50.0)
    assert len(pairs(graph)) == 1
    equal = equalize(graph, peaks(graph, samples))
    exact = run_float(graph, samples)
    np.testing.assert_allclose(run_float(equal, samples), exact, rtol=1e-4, atol=1e-5)
    assert int8_error(equal, exact, samples) < int8_error(graph, exact, samples) / 20


@pytest.mark.parametrize("clamp", [(0.0, 6.0), (-1.0, 1.0)])
def test_an_activation_that_is_not_homogeneous_is_not_equalised(clamp: tuple[float, float]) -> None:
    b = GraphBuilder("m")
    y = b.dense(b.input("x", (1, 3)), Weight(np.ones((4, 3))), None, loc="a")
    y = b.unary(y, "clamp", clamp, loc="relu")
    b.output(b.dense(y, Weight(np.ones((2, 4))), None, loc="b"), "y")
    assert pairs(run_passes(b.finish())) == []


def test_equalisation_leaves_layers_alone_whose_codes_the_model_fixed() -> None:
    b = GraphBuilder("m")
    y = b.dense(b.input("x", (1, 3)), Weight(np.ones((4, 3)), (1.0,)), None, loc="a")
    b.output(b.dense(y, Weight(np.ones((2, 4))), None, loc="b"), "y")
    assert pairs(run_passes(b.finish())) == []


def test_bias_correction_removes_the_mean_error_that_rounding_the_weights_made() -> None:
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(6, 40))
    weight[:, 0] *= 40  # one large weight makes the step of its channel coarse
    graph = dense_net(weight, rng.normal(size=6))
    samples = [rng.uniform(0.5, 1.5, size=(256, 40)).astype(np.float32)]
    scales, exact = ranges(graph, samples), run_float(graph, samples)
    means = []
    for source in (graph, correct_biases(graph, scales, samples)):
        lowered = lower(source, scales)
        y = interpret(lowered, encode_inputs(lowered, samples))[graph.outputs[0].value]
        means.append(np.abs((scales[graph.outputs[0].value].dequantize(y) - exact).mean(axis=0)).max())
    assert means[1] < means[0] / 2
    assert means[1] < scales[graph.outputs[0].value].scale


def test_bias_correction_leaves_the_codes_of_the_model_alone() -> None:
    graph = dense_net(np.ones((2, 3)), np.ones(2), (1.0,))
    samples = [np.ones((8, 3), np.float32)]
    corrected = correct_biases(graph, ranges(graph, samples), samples)
    assert digest(corrected) == digest(graph)


# ---- the choice ------------------------------------------------------------------------------------------------------


def test_the_candidate_with_the_least_measured_error_is_taken_and_all_are_told() -> None:
    graph, samples = depthwise_net(spread=50.0)
    result = quantize(graph, samples)
    assert set(RULES) < set(result.errors)
    assert result.errors[result.method] == min(result.errors.values())
    assert "equalisation" in result.method
    assert any("bias correction" in name for name in result.errors)


def test_the_same_samples_give_the_same_integers() -> None:
    graph, samples = depthwise_net(spread=5.0)
    assert digest(quantize(graph, samples).graph) == digest(quantize(graph, samples).graph)


@pytest.mark.parametrize("samples", [None, [np.zeros((0, 6), np.float32)]])
def test_without_samples_the_user_is_told_what_to_give(samples: list[np.ndarray] | None) -> None:
    with pytest.raises(BadData, match="samples are needed") as caught:
        quantize(dense_net(np.ones((2, 6))), samples)
    assert "--data" in caught.value.hint


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_make_the_network_infinite_are_refused(bad: float) -> None:
    samples = np.ones((8, 6), np.float32)
    samples[3, 2] = bad
    with pytest.raises(BadModel, match="infinite or undefined"):
        quantize(dense_net(np.ones((2, 6))), [samples])


def test_calibration_asks_for_calibration_samples_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(spec: str, split: str, **options: object) -> Dataset:
        asked.append(split)
        rng = np.random.default_rng(len(asked))
        inputs = rng.normal(size=(16, 6)).astype(np.float32)
        return Dataset(name=spec, split=split, inputs=(inputs,), labels=np.zeros(16, np.int64), class_names=())

    monkeypatch.setattr(freeml.pipeline, "load", load)
    graph = dense_net(np.ones((2, 6)))
    freeml.pipeline.quantize_with(graph, "made-up", None, lambda _: None)
    assert asked == ["calibration"]


def test_the_table_of_errors_points_at_the_layer_that_loses() -> None:
    """Three equal layers; the activations of the second spread over too wide a range for 8 bits."""
    rng = np.random.default_rng(11)
    b = GraphBuilder("m")
    y = b.input("x", (1, 8))
    for k in range(3):
        weight = np.eye(8) + 0.01 * rng.normal(size=(8, 8))
        if k == 1:
            weight[0] *= 3000
        if k == 2:
            weight[:, 0] /= 3000
        y = b.unary(
            b.dense(y, Weight(weight), None, loc=f"net:/fc{k}"), "tanh" if k == 0 else "abs", loc=f"net:/act{k}"
        )
    b.output(y, "y")
    graph = run_passes(b.finish())
    samples = [rng.normal(size=(64, 8)).astype(np.float32)]
    scales = ranges(graph, samples)
    table = layer_errors(graph, lower(graph, scales), samples)
    assert [row.loc for row in table] == [op.loc for op in graph.ops]
    after = next(row for row in table if row.loc == "net:/fc2")
    before = next(row for row in table if row.loc == "net:/fc0")
    assert after.accumulated > 10 * before.accumulated


def test_a_range_that_calibration_never_saw_is_told_as_clipped() -> None:
    rng = np.random.default_rng(12)
    graph = dense_net(np.eye(6))
    narrow = ranges(graph, [0.1 * rng.normal(size=(64, 6)).astype(np.float32)])
    (row,) = layer_errors(graph, lower(graph, narrow), [rng.normal(size=(64, 6)).astype(np.float32)])
    assert row.clipped > 0.1 or row.accumulated > 0.3
    (fine,) = layer_errors(graph, lower(graph, narrow), [0.05 * rng.normal(size=(64, 6)).astype(np.float32)])
    assert fine.advice == ""
    assert fine.clipped == 0


def test_a_convolution_and_its_dense_twin_quantize_to_the_same_codes() -> None:
    rng = np.random.default_rng(13)
    weight = Const(rng.normal(size=(4, 9)))
    conv = quantize_weights(Const(weight.array.reshape(4, 3, 3, 1)), Const(np.ones(4)), Quant(0.1, 3))
    dense = quantize_weights(weight, Const(np.ones(4)), Quant(0.1, 3))
    assert np.array_equal(conv.weight.reshape(4, 9), dense.weight)
    assert np.array_equal(conv.bias, dense.bias)


def test_scores_have_room_beyond_what_calibration_saw() -> None:
    """Later samples go further than those of the calibration: a sixteenth of the range is kept on each side."""
    rng = np.random.default_rng(3)
    graph, samples = dense_net(rng.normal(size=(3, 6))), [rng.normal(size=(64, 6)).astype(np.float32)]
    result = quantize(graph, samples)
    (port,) = result.graph.outputs
    quant = result.graph.types[port.value].quant
    assert quant is not None
    scores = samples[0] @ graph.consts[graph.ops[0].inputs[1]].array.T
    room = (scores.max() - scores.min()) / 20
    lowest, highest = ((code - quant.zero_point) * quant.scale for code in (-128, 127))
    assert lowest < scores.min() - room
    assert highest > scores.max() + room


def test_values_of_different_scales_are_brought_to_one_where_they_are_joined() -> None:
    b = GraphBuilder("m")
    x = b.input("x", (1, 6))
    parts = [b.unary(x, "sigmoid", loc="net:/sigmoid"), b.unary(x, "tanh", loc="net:/tanh")]
    b.output(b.concat(parts, axis=1, loc="net:/join"), "y")
    graph = run_passes(b.finish())
    samples = [np.random.default_rng(2).normal(size=(32, 6)).astype(np.float32)]
    lowered = lower(graph, ranges(graph, samples))
    quant = lowered.types[lowered.outputs[0].value].quant
    assert quant is not None
    y = quant.dequantize(interpret(lowered, encode_inputs(lowered, samples))[lowered.outputs[0].value])
    np.testing.assert_allclose(y, run_float(graph, samples), atol=0.04)
