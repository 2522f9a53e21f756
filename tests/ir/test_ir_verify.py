"""The verifier names every kind of fault, and lets sound graphs pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from float_graphs import Network, networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_graphs import Builder, int8_graphs

from freeml.ir import int_ops as q
from freeml.ir import ops as f
from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph, Stage
from freeml.ir.interpret import interpret, predict
from freeml.ir.ops import Op, Window
from freeml.ir.types import Const, DType, Quant, TensorType
from freeml.ir.verify import InvalidGraphError, verify_graph

SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Fault = Callable[[Graph], Graph]


@SOME
@given(networks())
def test_what_the_builder_makes_is_sound(network: Network) -> None:
    assert verify_graph(network.graph) is network.graph


def everything() -> Graph:
    """One of each integer op, by value name v0, v1 ..: conv pool add mul lut softmax pad concat average .."""
    b = Builder()
    x = b.input(6, 6, 2)
    conv = b.conv(x, 4)  # v0
    pool = b.pool2(conv)  # v1
    added = b.add(pool, pool)  # v2
    product = b.mul(added, pool)  # v3
    table = b.lut(product)  # v4
    padded = b.pad(table, (1, 0, 0), (0, 1, 0))  # v5
    joined = b.concat(2, padded, padded)  # v6
    mean = b.global_average(joined)  # v7
    soft = b.softmax(mean)  # v8
    flat = b.flatten(soft)  # v9
    dense = b.dense(flat, 3)  # v10
    moved = b.transpose(b.reshape(dense, 1, 3), 1, 0)  # v11, v12
    return b.graph(moved, b.argmax(dense))  # v13


def change(value: str, **fields: Any) -> Fault:
    """Other fields of the op that defines a value."""

    def fault(graph: Graph) -> Graph:
        ops = [replace(op, **fields) if op.output == value else op for op in graph.ops]
        return replace(graph, ops=tuple(ops))

    return fault


def inputs_of(value: str, make: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Fault:
    return lambda g: change(value, inputs=make(g.producers[value].inputs))(g)


def const_of(value: str, which: int, make: Callable[[np.ndarray], np.ndarray]) -> Fault:
    def fault(graph: Graph) -> Graph:
        name = graph.producers[value].inputs[which]
        return replace(graph, consts={**graph.consts, name: Const(make(graph.consts[name].array.copy()))})

    return fault


def typed(value: str, **fields: Any) -> Fault:
    return lambda g: replace(g, types={**g.types, value: replace(g.types[value], **fields)})


def without_type(value: str) -> Fault:
    return lambda g: replace(g, types={k: v for k, v in g.types.items() if k != value})


def port(which: str, **fields: Any) -> Fault:
    return lambda g: replace(g, **{which: (replace(getattr(g, which)[0], **fields), *getattr(g, which)[1:])})


def reordered(graph: Graph) -> Graph:
    return replace(graph, ops=(graph.ops[1], graph.ops[0], *graph.ops[2:]))


def twice(graph: Graph) -> Graph:
    return replace(graph, ops=(graph.ops[0], *graph.ops))


WINDOW2 = Window(kernel=(2, 2), stride=(2, 2))
FAULTS: dict[str, tuple[Fault, str]] = {
    "ops out of order": (reordered, "nothing before it defines"),
    "a value defined twice": (twice, "defined twice"),
    "a float op in an integer graph": (lambda g: replace(g, stage=Stage.FLOAT), ""),
    "an unknown input": (inputs_of("v1", lambda _: ("nobody",)), "nothing before it defines"),
    "no inputs": (inputs_of("v1", lambda _: ()), "inputs"),
    "an input too many": (inputs_of("v1", lambda i: (*i, *i)), "inputs"),
    "an input too few": (inputs_of("v0", lambda i: i[:4]), "inputs"),
    "a value where a constant belongs": (inputs_of("v4", lambda i: (i[0], i[0])), "constant"),
    "a constant where a value belongs": (inputs_of("v8", lambda i: (i[1], i[1])), ""),
    "a value without type": (without_type("v2"), "type"),
    "an input without type": (without_type("in0"), "type"),
    "an output that nothing defines": (port("outputs", value="nobody"), "nobody"),
    "a port with a wrong order": (port("inputs", order=(0, 0, 1)), "not an order"),
    "a port with another size": (port("inputs", shape=(6, 6, 3)), "does not hold"),
    "an index read by an op": (inputs_of("v12", lambda _: ("v13",)), ""),
    "another element type": (typed("v1", dtype=DType.I16), "i16"),
    "a float input of an integer graph": (typed("in0", dtype=DType.F32), ""),
    "no scale": (typed("v1", quant=None), "scale"),
    "an input without scale": (typed("in0", quant=None), "scale"),
    "another shape": (typed("v0", shape=(6, 6, 5)), "shape"),
    "an empty shape": (typed("v9", shape=(0,)), "empty"),
    "a negative size": (typed("v9", shape=(-8, -1)), ""),
    "pooling that changes the scale": (typed("v1", quant=Quant(0.5, 0)), "scale"),
    "a reshape that changes the scale": (typed("v9", quant=Quant(0.5, 0)), "scale"),
    "a concat of two scales": (typed("v5", quant=Quant(0.5, 0)), "scale"),
    "a kernel unlike its weight": (change("v0", window=Window(kernel=(1, 1), pad=(0, 0, 0, 0))), ""),
    "no stride": (change("v1", window=Window(kernel=(2, 2), stride=(0, 2))), "stride"),
    "negative padding": (change("v0", window=Window(kernel=(3, 3), pad=(-1, 1, 3, 1))), "pad"),
    "no dilation": (change("v1", window=Window(kernel=(2, 2), stride=(2, 2), dilation=(0, 1))), "dilation"),
    "groups that do not divide": (change("v0", groups=3), "groups"),
    "no groups": (change("v0", groups=0), "groups"),
    "a window in the padding only": (
        change("v1", window=Window(kernel=(2, 2), stride=(2, 2), pad=(2, 0, 0, 0))),
        "padding",
    ),
    "a window past the input": (typed("v1", shape=(5, 3, 4)), "outside"),
    "concat along no axis": (change("v6", axis=3), "axis"),
    "concat of unlike shapes": (inputs_of("v6", lambda i: (i[0], "v1")), ""),
    "pad of another rank": (change("v5", before=(1, 0)), ""),
    "negative pad": (change("v5", before=(2, 0, 0), after=(-1, 1, 0)), "negative"),
    "a transpose of an axis twice": (change("v12", order=(1, 1)), "order"),
    "a transpose of another rank": (change("v12", order=(0, 1, 2)), "order"),
    "a reshape that loses elements": (typed("v11", shape=(1, 2)), ""),
    "a zero point beyond int8": (change("v0", x_zp=128), "x_zp"),
    "bounds beyond int8": (change("v0", hi=128), "hi"),
    "bounds the wrong way round": (change("v0", lo=5, hi=4), "lo"),
    "a signed multiplier": (const_of("v0", 3, lambda m: m.astype(np.int16)), "i16"),
    "a shift of 0": (const_of("v0", 4, lambda s: 0 * s), "shift"),
    "a shift of 47": (const_of("v0", 4, lambda s: 0 * s + 47), "shift"),
    "a multiplier for too few channels": (const_of("v0", 3, lambda m: m[:1]), "shape"),
    "a weight of 16 bits": (const_of("v0", 1, lambda w: w.astype(np.int16)), "i16"),
    "a bias of 16 bits": (const_of("v0", 2, lambda b: b.astype(np.int16)), "i16"),
    "an accumulator that can overflow": (
        const_of("v0", 2, lambda b: (b.astype(np.int64) * 0 + 2**31 - 100).astype(np.int32)),
        "overflow",
    ),
    "a dense accumulator that can overflow": (
        const_of("v10", 2, lambda b: (b.astype(np.int64) * 0 - 2**31).astype(np.int32)),
        "overflow",
    ),
    "a dense layer of another width": (const_of("v10", 1, lambda w: w[:, :-1]), "fit"),
    "an add that can overflow": (change("v2", offset=2**31 - 100), "overflow"),
    "an add with a 21-bit multiplier": (change("v2", mult_a=2**20), "20 bits"),
    "an add shifted by 40": (change("v2", shift=40), "shift"),
    "a product with a negative multiplier": (change("v3", mult=-1), "mult"),
    "a product with a 17-bit multiplier": (change("v3", mult=70_000), "mult"),
    "a product with shift 0": (change("v3", shift=0), "shift"),
    "a table of 255 codes": (const_of("v4", 1, lambda t: t[:255]), "shape"),
    "a softmax table of bytes": (const_of("v8", 1, lambda t: t.astype(np.int8)), "i8"),
    "a softmax that divides by zero": (const_of("v8", 1, lambda t: 0 * t), "zero"),
    "two entries for four divisors": (const_of("v7", 1, lambda m: np.repeat(m, 2)), "divisor"),
}


def test_a_sound_graph_with_every_op_passes() -> None:
    graph = everything()
    assert verify_graph(graph) is graph
    assert {type(op) for op in graph.ops} >= {q.ConvI8, q.DenseI8, q.AddI8, q.MulI8, q.LutI8, q.SoftmaxI8, q.PadI8}


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_seeded_fault_is_found(kind: str) -> None:
    fault, words = FAULTS[kind]
    broken = fault(everything())
    with pytest.raises(InvalidGraphError) as caught:
        verify_graph(broken)
    assert words in str(caught.value)


def floats() -> Graph:
    window = Window(kernel=(3, 3))
    ops: list[Op] = [
        f.Conv(output="c", inputs=("x", "w", "b"), loc="/conv", window=window),
        f.Unary(output="u", inputs=("c",), loc="/relu", fn="clamp", params=(0.0, 6.0)),
        f.Binary(output="s", inputs=("u", "k"), loc="/add", kind="add"),
    ]
    shape = TensorType((2, 2, 3))
    consts = {"w": Const(np.ones((3, 3, 3, 2))), "b": Const(np.zeros(3)), "k": Const(np.ones((1, 1, 3)))}
    types = {"x": TensorType((4, 4, 2)), "c": shape, "u": shape, "s": shape}
    ports = (f_port("x", (4, 4, 2)),), (f_port("s", (2, 2, 3)),)
    return verify_graph(Graph("m", *ports, tuple(ops), types, consts))


def f_port(name: str, shape: tuple[int, ...]) -> Any:
    from freeml.ir.types import Port

    return Port(name, name, shape, tuple(range(len(shape))))


FLOAT_FAULTS: dict[str, tuple[Fault, str]] = {
    "no such function": (change("u", fn="cube"), "function"),
    "a parameter missing": (change("u", params=(0.0,)), "function"),
    "no such operator": (change("s", kind="div"), "binary"),
    "operands of unequal rank": (const_of("s", 1, lambda k: k.reshape(3)), "rank"),
    "operands that do not broadcast": (const_of("s", 1, lambda _: np.ones((1, 1, 2))), ""),
    "a weight of three axes": (const_of("c", 1, lambda w: w[0]), ""),
    "a bias for another number of channels": (const_of("c", 2, lambda _: np.ones(2)), "bias"),
    "a clamp the wrong way round": (change("c", clamp=(1.0, 0.0)), "clamp"),
    "a float graph that claims to be quantized": (lambda g: replace(g, stage=Stage.QUANTIZED), "stage quantized"),
    "an int8 value": (typed("u", dtype=DType.I8), "i8"),
}


@pytest.mark.parametrize("kind", sorted(FLOAT_FAULTS))
def test_a_seeded_fault_of_a_float_graph_is_found(kind: str) -> None:
    fault, words = FLOAT_FAULTS[kind]
    with pytest.raises(InvalidGraphError) as caught:
        verify_graph(fault(floats()))
    assert words in str(caught.value)


def test_a_violation_names_the_value_the_op_and_the_models_node() -> None:
    with pytest.raises(InvalidGraphError, match=r"%u \(Unary, /relu\)"):
        verify_graph(change("u", fn="cube")(floats()))


@SOME
@given(int8_graphs(), st.integers(1, 7))
def test_predictions_do_not_depend_on_how_samples_are_chunked(graph: Graph, step: int) -> None:
    import freeml.ir.interpret as module

    rng = np.random.default_rng(0)
    samples = [rng.normal(scale=8, size=(9, *p.shape)).astype(np.float32) for p in graph.inputs]
    whole = predict(graph, samples)
    real = module.chunks
    module.chunks = lambda _, n: ((k, min(k + step, n)) for k in range(0, n, step))  # type: ignore[assignment]
    try:
        parts = predict(graph, samples)
    finally:
        module.chunks = real
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


@SOME
@given(networks())
def test_float_predictions_do_not_depend_on_chunking_beyond_rounding(network: Network) -> None:
    whole = predict(network.graph, network.samples)
    single = [predict(network.graph, [a[k : k + 1] for a in network.samples]) for k in range(2)]
    for k, y in enumerate(whole):
        np.testing.assert_allclose(np.concatenate([s[k] for s in single]), y, rtol=1e-12, atol=1e-12)


def test_a_million_samples_come_in_slices_that_cover_each_once() -> None:
    from freeml.ir.interpret import chunks

    slices = list(chunks(everything(), 1_000_000))
    assert [a for a, _ in slices] == [0, *(b for _, b in slices[:-1])]
    assert slices[-1][1] == 1_000_000
    assert max(b - a for a, b in slices) <= 1024


@SOME
@given(networks())
def test_asking_for_every_value_changes_none_of_them(network: Network) -> None:
    from freeml.ir.interpret import encode_inputs

    inputs = encode_inputs(network.graph, network.samples)
    every = interpret(network.graph, inputs, list(network.graph.types))
    assert every.keys() == network.graph.types.keys()
    for name, y in interpret(network.graph, inputs).items():
        np.testing.assert_array_equal(y, every[name])


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_real_weights_whose_codes_are_to_be_stored_so_take_what_real_numbers_take(encoding: str) -> None:
    """Exits are placed in the float graph of a network that came compressed; there are no codes yet to store."""
    const = Const(np.linspace(-1, 1, 64, dtype=np.float32).reshape(4, 16), (1 / 127,), encoding)
    assert const.size_bytes == 4 * 64
