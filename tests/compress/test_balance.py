"""Factors of channels behind a layer go into it, and the network computes what it did."""

from __future__ import annotations

import numpy as np

from freeml.compress.balance import balanced
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.ops import Conv, Window
from freeml.ir.types import Array
from freeml.passes.pipeline import run_passes


def normed(factors: Array, activation: str = "clamp", *, pooled: bool = False) -> Graph:
    """Conv, an activation, a batch norm behind it, and a convolution with padding that it cannot be folded into."""
    rng = np.random.default_rng(2)
    builder = GraphBuilder("normed")
    x: View = builder.input("x", (1, 2, 6, 6), channels_first=True, dtype="float32")
    window = Window(kernel=(3, 3), pad=(1, 1, 1, 1))
    n = len(factors)
    weight = Weight(rng.normal(size=(n, 2, 3, 3)) / 100)
    x = builder.conv(x, weight, rng.normal(size=n) / 100, window=window, groups=1, loc="net:/conv")
    x = builder.unary(x, activation, (0.0, float("inf")) if activation == "clamp" else (), loc="net:/relu")
    x = builder.affine(x, factors, rng.normal(size=n), loc="net:/norm")
    if pooled:
        x = builder.pool(x, "max", window=Window(kernel=(2, 2), stride=(2, 2)), include_pad=False, loc="net:/pool")
    last = Weight(rng.normal(size=(3, n, 3, 3)))
    x = builder.conv(x, last, np.zeros(3), window=window, groups=1, loc="net:/last")
    builder.output(x, "y", dtype="float32")
    return run_passes(builder.finish())


def weights(graph: Graph) -> list[Array]:
    return [graph.consts[op.inputs[1]].array for op in graph.ops_of(Conv)]


def answer(graph: Graph) -> Array:
    return predict(graph, [np.random.default_rng(1).normal(size=(4, 2, 6, 6)).astype(np.float32)])[0]


def test_factors_of_either_sign_go_into_the_layer_before() -> None:
    factors = np.array([300.0, -200.0, 150.0, 90.0])
    graph = normed(factors)
    made = balanced(graph)
    np.testing.assert_allclose(answer(made), answer(graph), rtol=1e-4, atol=1e-5)
    assert [len(each) for each in weights(made)] == [4, 4, 3]
    np.testing.assert_array_equal(weights(made)[1].ravel(), [1, -1, 1, 1])
    np.testing.assert_allclose(weights(made)[0], weights(graph)[0] * np.abs(factors).reshape(-1, 1, 1, 1), rtol=1e-5)


def test_a_factor_behind_another_function_stays() -> None:
    graph = normed(np.array([300.0, 200.0]), "tanh")
    assert balanced(graph) is graph


def test_a_channel_without_factor_keeps_all_where_they_are() -> None:
    graph = normed(np.array([300.0, 0.0]))
    assert balanced(graph) is graph


def test_a_pool_goes_before_factors_none_of_which_is_below_zero() -> None:
    graph = normed(np.array([300.0, 200.0, 5.0]), pooled=True)
    made = balanced(graph)
    np.testing.assert_allclose(answer(made), answer(graph), rtol=1e-4, atol=1e-5)
    kinds = [type(op).__name__ for op in made.ops if type(op).__name__ != "Reshape"]
    assert kinds == ["Conv", "MaxPool", "Conv", "Conv"]
    assert max(made.types[op.output].n_elems for op in made.ops[2:-1]) == 3 * 9


def test_a_pool_stays_behind_a_factor_below_zero() -> None:
    graph = normed(np.array([300.0, -200.0]), pooled=True)
    made = balanced(graph)
    np.testing.assert_allclose(answer(made), answer(graph), rtol=1e-4, atol=1e-5)
    assert [type(op).__name__ for op in made.ops if type(op).__name__ != "Reshape"] == [
        "Conv",
        "Conv",
        "MaxPool",
        "Conv",
    ]
