"""The published controller: its trajectory on CIFAR-10 S to all digits, and what it does not do as published."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest

from freeml.compress.controller import Rules, State, begin, choose, judge, sparsify, squeeze
from freeml.compress.separate import separate
from freeml.compress.stored import Layer, layers_of, least_bytes, total_bytes
from freeml.errors import DoesNotFit
from freeml.frontend.load import load_model
from freeml.ir.ops import Dense
from freeml.passes.pipeline import run_passes

WHOLE = (
    Layer("conv1", 64 * 27, 64, 64),
    Layer("conv2", 128 * 576, 128, 128),
    Layer("conv3", 64 * 1152, 64, 64),
    Layer("fc1", 256 * 256, 256, 257),
    Layer("fc2", 64 * 256, 64, 257),
    Layer("fc3", 640, 10, 65),
)
FC1 = (Layer("fc1.a", 25 * 256, 0, 257), Layer("fc1.b", 256 * 25, 256, 26))
SPLIT = (*WHOLE[:3], *FC1, *WHOLE[4:])
TRAJECTORY_KB = [452.187, 185.742, 127.503, 101.543, 75.832, 51.942, 29.819]
TAKEN = ["conv2", "conv3", "fc2", "conv2", "conv3", "fc1.b", "fc1.a"]


def dense_state(layers: tuple[Layer, ...], accuracy: float = 0.8) -> State:
    return begin(layers, {layer.name: 1.0 for layer in layers}, accuracy)


def same_accuracy(_: Mapping[str, float]) -> float:
    return 0.8


def test_the_published_trajectory_is_met_to_all_its_digits() -> None:
    """718.376 kB after the split of fc1; the logs print three of these, names of checkpoints the rest, rounded."""
    assert total_bytes(WHOLE, dict.fromkeys((n.name for n in WHOLE), 1.0)) == 929_320
    assert total_bytes(SPLIT, dict.fromkeys((n.name for n in SPLIT), 1.0)) == 718_376
    steps = list(sparsify(SPLIT, dense_state(SPLIT), 30_000, same_accuracy))
    assert [step.layer for step in steps] == TAKEN
    assert [round(step.stored_bytes / 1000, 3) for step in steps] == TRAJECTORY_KB
    assert [round(step.stored_bytes / 1000) for step in steps[3:]] == [102, 76, 52, 30]
    assert round(steps[0].density, 7) == 0.0478297


def test_the_network_of_that_trajectory_has_these_layers(data_dir: Path) -> None:
    """From the file: fc1 alone is split where convolutions are left whole, as the published code left them."""
    path = data_dir / "models" / "dense" / "cifar10_s.onnx"
    small, report = separate(run_passes(load_model(path).graph), kinds=(Dense,))
    assert [told.ranks for told in report] == [(25, 25)]
    layers = layers_of(small)
    assert [(n.n_weights, n.n_biases, n.pointers) for n in layers] == [
        (n.n_weights, n.n_biases, n.pointers) for n in SPLIT
    ]
    steps = list(sparsify(layers, dense_state(layers), 30_000, same_accuracy))
    assert [round(step.stored_bytes / 1000, 3) for step in steps] == TRAJECTORY_KB


def test_one_step_makes_a_layer_about_ten_times_smaller_and_stops_after_31_ratios() -> None:
    layer, rules = SPLIT[1], Rules()
    density = squeeze(layer, 1.0, rules)
    assert density == pytest.approx(0.1 * 0.9**7)
    before, after = layer.stored_bytes(1.0, pointers=False), layer.stored_bytes(density, pointers=False)
    assert after <= 0.1 * before < layer.stored_bytes(density / 0.9, pointers=False)
    biased = Layer("biased", 100, 100, 1)
    assert squeeze(biased, 1.0, rules) == pytest.approx(0.1 * 0.9**30), "biases alone are above a tenth"


def test_value_and_index_cost_at_most_what_the_dense_layer_does() -> None:
    layer = Layer("one", 1000, 10, 7)
    assert layer.stored_bytes(1.0) == layer.stored_bytes(0.51) == 4040
    assert layer.stored_bytes(0.5) == 4040 + 28
    assert layer.stored_bytes(0.1) == 4 * (200 + 10 + 7)


def test_a_layer_whose_step_costs_five_points_is_spared_until_all_are() -> None:
    layers = (Layer("large", 10_000, 0, 0), Layer("small", 5_000, 0, 0))
    accuracy = chain([0.75, 0.71, 0.70], repeat(0.65))
    steps = list(sparsify(layers, dense_state(layers), 200, lambda _: next(accuracy)))
    # 5 points for the first, then 4, 1 and 5 for the second, so that nothing is spared any more.
    assert [step.layer for step in steps[:4]] == ["large", "small", "small", "small"]
    assert [step.state.fragile for step in steps[:4]] == [{"large"}] * 3 + [{"large", "small"}]
    assert [step.state.forced for step in steps[:5]] == [False] * 4 + [True]
    assert steps[4].layer == "large"


def test_a_drop_is_measured_from_the_step_before_and_not_from_the_start() -> None:
    state, layer, rules = dense_state(SPLIT), SPLIT[1], Rules()
    state = judge(state, layer, 0.76, rules)
    state = judge(state, layer, 0.72, rules)
    assert state.fragile == frozenset()
    assert judge(state, layer, 0.67, rules).fragile == {"conv2"}
    assert judge(state, layer, 0.90, rules).fragile == frozenset()


def test_when_all_layers_are_fragile_the_largest_is_taken_for_good() -> None:
    state = State({n.name: 1.0 for n in SPLIT}, 0.8, frozenset(n.name for n in SPLIT))
    layer, state = choose(SPLIT, state)
    assert layer is not None
    assert (layer.name, state.forced) == ("conv2", True)


def test_layers_that_are_half_empty_already_count_as_they_are() -> None:
    state = begin(SPLIT[:2], {"conv1": 0.3, "conv2": 0.6}, 0.5)
    assert state.density == {"conv1": 0.3, "conv2": 1.0}


def test_the_fast_mode_trains_once_where_the_target_is_reached() -> None:
    trained = []

    def retrain(density: Mapping[str, float]) -> float:
        trained.append(dict(density))
        return 0.8

    steps = list(sparsify(SPLIT, dense_state(SPLIT), 130_000, retrain, Rules(fast=True)))
    assert [step.retrained for step in steps] == [False, False, True]
    assert trained == [steps[-1].state.density]


def test_nothing_is_done_where_the_target_is_met() -> None:
    assert list(sparsify(SPLIT, dense_state(SPLIT), 800_000, same_accuracy)) == []
    empty = (Layer("bias only", 0, 10, 0),)
    assert list(sparsify(empty, dense_state(empty), 40, same_accuracy)) == []


# ---- defects of the published code that are not repeated -------------------------------------------------------------


def test_the_first_density_is_an_argument() -> None:
    """There, 0.1 overwrote it."""
    assert squeeze(SPLIT[1], 1.0, Rules(first=0.04)) == 0.04


def test_a_target_below_the_biases_is_refused_before_anything_is_trained() -> None:
    """There, the loop never ended."""

    def never(_: Mapping[str, float]) -> float:
        raise AssertionError("trained")

    least = least_bytes(SPLIT)
    with pytest.raises(
        DoesNotFit, match=r"2 kB cannot be reached: biases and pointers alone take \d\.\d{3} kB"
    ) as caught:
        list(sparsify(SPLIT, dense_state(SPLIT), 2_000, never))
    assert caught.value.needed == int(least) + 1


def test_a_target_just_above_the_least_ends_too() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        layers = tuple(Layer(str(k), *(int(n) for n in rng.integers(1, (3000, 40, 40)))) for k in range(4))
        target = least_bytes(layers) * 1.02
        try:
            steps = list(sparsify(layers, dense_state(layers), target, lambda _: float(rng.random())))
            assert steps[-1].stored_bytes <= target
        except DoesNotFit as error:
            assert "with the last weight gone" in error.what  # noqa: PT017 - either end is right
