"""How exits pool is chosen by what it is worth, within bytes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from freeml.errors import BadModel
from freeml.exits.branch import Pooling
from freeml.exits.placement import automatic
from freeml.exits.poolings import Choice, candidates, choices, choose
from tests.train.tasks import convolutional, stripes


def made(seed: int, n_exits: int) -> list[list[Choice]]:
    rng = np.random.default_rng(seed)
    return [
        [Choice(Pooling("avg", (k + 1, 1)), int(rng.integers(1, 40)), float(rng.random())) for k in range(5)]
        for _ in range(n_exits)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_best_sum_of_accuracies_within_the_bytes_is_found(seed: int) -> None:
    of = made(seed, 3)
    budget = 3 * 20
    fitting = [one for one in product(*of) if sum(c.n_bytes for c in one) <= budget]
    best = max(sum(c.accuracy for c in one) for one in fitting)
    chosen = choose(of, budget)
    assert sum(c.accuracy for c in chosen) == pytest.approx(best)
    assert sum(c.n_bytes for c in chosen) <= budget


def test_too_few_bytes_for_every_exit_say_how_many_are_needed() -> None:
    of = [[Choice(Pooling("none"), 120, 0.5)], [Choice(Pooling("none"), 80, 0.5)]]
    with pytest.raises(BadModel, match="at least 200 bytes of weights, 150 are allowed"):
        choose(of, 150)


def test_candidates_keep_at_most_1024_numbers_and_leave_less_than_a_window_unread() -> None:
    for shape in ((32, 32, 32), (25, 5, 64), (1, 64, 64), (7, 3, 5), (64,)):
        for pooling in candidates(shape):
            assert pooling.n_features(shape) <= 1024
            left = [n - p * k for n, p, k in zip(shape, pooling.places(shape), pooling.window, strict=False)]
            assert pooling.kind == "none" or all(one < k for one, k in zip(left, pooling.window, strict=False))
    assert {p.kind for p in candidates((8, 8, 4))} == {"avg", "max", "none"}


def test_places_are_worth_something_where_the_place_is_the_class() -> None:
    graph = convolutional(0)
    point = automatic(graph)[0]
    value = graph.producers[point.value].inputs[0] if len(graph.types[point.value].shape) < 3 else point.value
    assert value == point.value
    (found,) = choices(graph, [point], stripes(400, 1), stripes(200, 2), 3)
    of = {one.pooling.places(graph.types[point.value].shape): one for one in found if one.pooling.kind != "max"}
    assert of[(2, 2)].accuracy > of[(1, 1)].accuracy + 0.1
    assert of[(2, 2)].n_bytes == 4 * of[(1, 1)].n_bytes
