"""Averages of weights: in the middle of where training goes about, and out of the way of what is trained."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.train.average import Average
from freeml.train.loop import Options, evaluate, fit
from freeml.train.network import Network

from .tasks import convolutional, stripes


def test_the_mean_follows_and_is_far_less_restless() -> None:
    weight, rng = np.full(1, 9.0, np.float32), np.random.default_rng(0)
    average, seen = Average({"w": weight}, 50), []
    for n in range(1, 601):
        weight[...] = 2 + rng.normal()
        average.step(n)
        seen.append(float(average.means["w"][0]))
    assert np.mean(seen[100:]) == pytest.approx(2, abs=0.1)
    assert np.std(seen[100:]) < 0.25


def test_it_stands_in_for_the_weights_only_while_asked() -> None:
    weight = np.arange(3, dtype=np.float32)
    average = Average({"w": weight}, 5)
    weight += 6
    average.step(100)
    with average.in_place():
        assert (weight < np.arange(3) + 6).all()
    np.testing.assert_array_equal(weight, np.arange(3) + 6)
    average = Average({"w": weight}, 0)
    with average.in_place():
        np.testing.assert_array_equal(weight, np.arange(3) + 6)


def test_what_is_kept_is_what_was_judged() -> None:
    train, held = stripes(300, 1), stripes(100, 2)
    ends = []
    for average in (0.0, 1.0):
        network = Network(convolutional(3))
        options = Options(epochs=2, batch=64, learning_rate=0.01, average=average)
        fitted = fit(network, train, options, validation=held)
        assert evaluate(network, None, held, options) == (fitted.loss, fitted.accuracy)
        ends.append(fitted.loss)
    assert ends[0] != ends[1]
