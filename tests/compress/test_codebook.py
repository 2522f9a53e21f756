"""Codebooks: the levels of least error, zeros that stay, and training whose forward is the coded network's integers."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from freeml.compress.codebook import Codebook, Ternary, best_levels
from freeml.compress.l0 import L0Balls
from freeml.compress.stored import layers_of
from freeml.data.accuracy import answers
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.interpret import encode_inputs, interpret
from freeml.ir.text import digest
from freeml.quantize.observe import observe
from freeml.quantize.ranges import min_max
from freeml.quantize.scales import assign_scales
from freeml.quantize.search import quantize
from freeml.train.int8 import Coding, Int8Network
from freeml.train.loop import Options, fit

from ..train.tasks import convolutional, stripes

TRAIN, HELD = stripes(300, 1), stripes(100, 2)


def codes_of(coding: Coding, weights: np.ndarray) -> np.ndarray:
    const = coding(weights)
    assert const.code_scales is not None
    scales = np.array(const.code_scales).reshape(-1, *(1,) * (weights.ndim - 1))
    codes = const.array / scales
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-9)
    return np.rint(codes).astype(int)


@given(st.dictionaries(st.integers(-6, 6), st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 3), st.booleans())
def test_the_levels_have_the_least_error_of_all(seen: dict[int, int], k: int, zero: bool) -> None:
    """Against every choice of levels between the least and the largest code."""
    count = np.zeros(256)
    for code, n in seen.items():
        count[code + 128] = n
    table = best_levels(count, k, zero=zero)
    codes, n = np.array(list(seen)), np.array(list(seen.values()))
    used = table[codes + 128]
    assert len({*used.tolist(), *([0] if zero else [])}) <= k
    candidates = range(min(-6, *seen), max(6, *seen) + 1) if len(seen) > 1 else range(-6, 7)
    least = min(
        float((n * ((codes[:, None] - np.array(levels)) ** 2).min(axis=1)).sum())
        for levels in combinations_with_replacement(candidates, k)
        if not zero or 0 in levels
    )
    assert float((n * (codes - used) ** 2).sum()) == pytest.approx(least)
    assert not zero or table[128] == 0


@pytest.mark.parametrize("levels", [2, 4, 8, 16])
@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_have_so_many_values_and_come_closer_with_more(levels: int, per_channel: bool) -> None:
    weights = np.random.default_rng(0).normal(size=(6, 40)) * np.arange(1, 7)[:, None]
    coding = Codebook(levels, per_channel=per_channel)
    codes = codes_of(coding, weights)
    assert len(np.unique(codes)) <= levels
    assert len(set(coding(weights).code_scales or ())) == (6 if per_channel else 1)
    error = np.abs(coding(weights).array - weights).mean()
    assert error < np.abs(Codebook(levels // 2 or 1, per_channel=per_channel)(weights).array - weights).mean()


@pytest.mark.parametrize(
    "coding", [Codebook(4), Codebook(16, per_channel=False), Ternary(), Ternary(per_channel=False)]
)
def test_a_weight_that_is_zero_stays_zero(coding: Coding) -> None:
    weights = np.random.default_rng(0).normal(size=(5, 3, 3, 4)) + 2
    weights[np.random.default_rng(1).random(weights.shape) < 0.8] = 0
    assert not coding(weights).array[weights == 0].any()
    assert not coding(np.zeros((2, 3))).array.any()


def test_ternary_weights_are_minus_one_nothing_and_one_times_a_scale() -> None:
    weights = np.array([[1.0, -1.1, 0.1, 0], [4, 0.2, -4.4, 0.3]])
    assert codes_of(Ternary(), weights).tolist() == [[1, -1, 0, 0], [1, 0, -1, 0]]
    assert Ternary()(weights).code_scales == pytest.approx((1.05, 4.2))
    assert codes_of(Ternary(per_channel=False), weights).tolist() == [[0, 0, 0, 0], [1, 0, -1, 0]]


def coded_network(coding: Coding) -> Int8Network:
    graph = convolutional(3)
    scales = assign_scales(graph, observe(graph, list(TRAIN.inputs)), min_max)
    return Int8Network(graph, scales, coding={layer.weight: coding for layer in layers_of(graph)})


def accuracy(graph: Graph) -> float:
    return float(np.mean(answers(graph, HELD.inputs).classes == HELD.labels))


@pytest.mark.parametrize("coding", [Codebook(4), Ternary(per_channel=False)])
def test_what_is_trained_is_what_is_compiled_with_so_few_values(coding: Coding) -> None:
    network = coded_network(coding)
    fitted = fit(network, TRAIN, Options(epochs=8, batch=64, learning_rate=0.01), validation=HELD)
    integer = network.lowered().integer
    assert fitted.accuracy == accuracy(integer) > 0.9
    for op in integer.ops:
        if isinstance(op, ConvI8 | DenseI8):
            assert len(np.unique(integer.consts[op.inputs[1]].array)) <= 4
    assert digest(quantize(network.fixed(), None).graph) == digest(integer)
    values = [name for name, type_ in integer.types.items() if type_.quant is not None]
    with torch.no_grad():
        found = network.codes(network.encode(HELD.inputs), values, network.lowered())
    expected = interpret(integer, encode_inputs(integer, HELD.inputs), values)
    assert all(np.array_equal(found[name].numpy(), expected[name]) for name in values)


def test_weights_are_removed_and_coded_in_one_training() -> None:
    network = coded_network(Codebook(4))
    layers = layers_of(network.source)
    fit(
        network,
        TRAIN,
        Options(epochs=2, batch=64, learning_rate=0.01),
        after_step=L0Balls({layer.weight: 0.3 for layer in layers}),
    )
    integer = network.lowered().integer
    for op, layer in zip((op for op in integer.ops if isinstance(op, ConvI8 | DenseI8)), layers, strict=True):
        assert np.count_nonzero(integer.consts[op.inputs[1]].array) <= 0.3 * layer.n_weights + 1


def test_another_coding_is_another_run() -> None:
    assert coded_network(Codebook(4)).digest() != coded_network(Codebook(8)).digest()
