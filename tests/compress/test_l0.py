"""Projection on L0 balls: which weights stay, and which constants are trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeml.compress.l0 import L0Balls, measured, n_kept, project, trained
from freeml.compress.stored import Layer, layers_of
from freeml.train.loop import Options, fit
from freeml.train.network import Network

from ..train.tasks import convolutional, stripes

LAYERS = tuple(Layer(name, 10, 2, 0, f"{name}.w", f"{name}.b") for name in "abcd")


@given(st.integers(1, 60), st.floats(0.003, 0.997), st.integers(0, 99))
def test_weights_below_the_quantile_of_their_size_are_zero_and_the_others_untouched(
    n: int, density: float, seed: int
) -> None:
    """As published: numpy's percentile with the next higher weight as the limit."""
    weights = np.random.default_rng(seed).normal(size=(n, 3))
    limit = np.percentile(np.abs(weights), 100 * (1 - density), method="higher")
    found = weights.copy()
    project(found, density)
    expected = np.where(np.abs(weights) < limit, 0, weights)
    assert np.array_equal(found, expected) or abs(np.count_nonzero(found) - np.count_nonzero(expected)) == 1
    assert np.count_nonzero(found) == n_kept(3 * n, density)
    assert np.array_equal(found[found != 0], weights[found != 0])


def test_all_weights_stay_at_density_one_and_none_at_zero() -> None:
    weights = np.arange(1.0, 7).reshape(2, 3)
    for density, kept in ((1.0, 6), (0.0, 0), (1e-9, 1)):
        found = weights.copy()
        project(found, density)
        assert np.count_nonzero(found) == kept


def test_among_equal_weights_no_more_are_left_than_the_ball_holds() -> None:
    """The published code kept all that equal the limit: of weights that are all alike, every one."""
    weights = np.ones((10, 10))
    project(weights, 0.2)
    assert np.count_nonzero(weights) == n_kept(100, 0.2) == 20


def test_layers_before_the_first_that_lost_weights_are_not_trained() -> None:
    density = {"a": 1.0, "b": 0.2, "c": 1.0, "d": 0.0}
    assert trained(LAYERS, density) == ["b.w", "b.b", "c.w", "c.b"]
    assert trained(LAYERS, dict.fromkeys("abcd", 1.0)) == []


def test_a_bias_of_zeros_is_none() -> None:
    layers = (replace(LAYERS[0], bias="", n_biases=0),)
    assert trained(layers, {"a": 0.5}) == ["a.w"]


def test_balls_shrink_from_the_first_density_to_the_last_and_then_stay() -> None:
    balls = L0Balls({"w": 0.1}, begin={"w": 1.0}, until=0.5)
    seen = []
    for done in (0.0, 0.125, 0.25, 0.5, 1.0):
        weights = {"w": np.arange(1.0, 1001), "other": np.ones(3)}
        balls(weights, done)
        seen.append(np.count_nonzero(weights["w"]))
        assert weights["other"].all()
    assert seen == [n_kept(1000, 0.1 + 0.9 * left**3) for left in (1, 0.75, 0.5, 0, 0)]
    assert seen[0] == 1000
    assert seen == sorted(seen, reverse=True)


def test_adam_on_the_balls_ends_on_them_and_learns_which_weights_to_keep() -> None:
    data = stripes(300, 1)
    network = Network(convolutional(3))
    first = network.to_graph()
    layers = layers_of(first)
    balls = L0Balls({layer.weight: 0.2 for layer in layers})
    at_once = network.to_graph()
    arrays = {name: const.array.copy() for name, const in at_once.consts.items()}
    balls(arrays)
    fitted = fit(network, data, Options(epochs=6, batch=64, learning_rate=0.01), after_step=balls)
    found = network.to_graph()
    assert fitted.accuracy is not None
    assert fitted.accuracy > 0.9
    for layer in layers:
        assert np.count_nonzero(found.consts[layer.weight].array) == n_kept(layer.n_weights, 0.2)
    kept, begun = (values[layers[1].weight] != 0 for values in ({n: c.array for n, c in found.consts.items()}, arrays))
    assert (kept != begun).any(), "a weight that was zero has come back"
    assert measured(found, layers)[layers[1].name] == pytest.approx(0.2, abs=0.01)
