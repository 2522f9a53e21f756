"""Codebooks of few bits: the entropy that was asked for, errors near the best there are, and training through them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from freeml.compress import coding
from freeml.compress.codebook import OneScale
from freeml.compress.coding import FEWEST_BITS, Levels, falling, levels_for, small_layers
from freeml.compress.entropy import EntropyCodebook
from freeml.compress.sensitivity import of_codes
from freeml.ir.ops import Conv, Dense
from freeml.ir.stored_ans import Ans
from freeml.train.coded import CodedNetwork
from freeml.train.loop import Options, evaluate, fit
from freeml.train.network import Network

from ..train.tasks import convolutional, learned, stripes

TRAIN, HELD = stripes(300, 1), stripes(100, 2)


def bits_of(codes: np.ndarray) -> float:
    """Entropy of each, in bits."""
    share = np.unique(codes, return_counts=True)[1] / codes.size
    return float(-(share * np.log2(share)).sum())


def drawn(kind: str, n: int = 60_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = {
        "normal": rng.normal(size=n),
        "peaked": rng.laplace(size=n),
        "outliers": rng.normal(size=n) * np.where(rng.random(n) < 1e-4, 30, 1),
        "pruned": rng.normal(size=n) * (rng.random(n) < 0.3),
    }
    return found[kind].reshape(60, -1)


@pytest.mark.parametrize("bits", [0.5, 1.0, 1.4, 2.0, 2.6])
@pytest.mark.parametrize("kind", ["normal", "peaked", "outliers", "pruned"])
def test_the_entropy_is_what_was_asked_for_and_not_much_less(kind: str, bits: float) -> None:
    weights = drawn(kind)
    found = EntropyCodebook(16, bits)(weights)
    most = bits_of(EntropyCodebook(16, 99.0)(weights).array)
    assert min(bits, most) - (0.5 if kind == "outliers" else 0.2) < bits_of(found.array) <= bits + 1e-9
    assert len(np.unique(found.array)) <= 16
    assert not found.array[weights == 0].any()


def test_fewer_bits_are_a_larger_error_and_that_of_a_normal_distribution_is_near_the_least_there_is() -> None:
    """Against uniform quantisers with levels in the middle of their cells' weights, which are within 0.1 dB of the best
    at a given entropy (Farvardin and Modestino, "Optimum quantizer performance", IEEE Trans. IT 30(3), 1984)."""
    weights = drawn("normal")
    error = [np.mean((EntropyCodebook(16, b)(weights).array - weights) ** 2) for b in (1.0, 1.5, 2.0, 2.5)]
    assert error == sorted(error, reverse=True)

    def uniform(step: float) -> tuple[float, float]:
        edges = (np.arange(-40, 41) - 0.5) * step
        share = np.diff(norm.cdf(edges))
        mean = -np.diff(norm.pdf(edges)) / np.maximum(share, 1e-300)
        used = share > 1e-9
        entropy = -(share[used] * np.log2(share[used])).sum()
        return float(entropy), float(1 - (share[used] * mean[used] ** 2).sum())

    for bits, ours in zip((1.0, 1.5, 2.0, 2.5), error, strict=True):
        step = minimize_scalar(lambda s, b=bits: (uniform(s)[0] - b) ** 2, bounds=(0.2, 4), method="bounded").x
        assert ours < 1.12 * uniform(step)[1]


def test_the_codes_are_those_of_int8_and_use_all_of_it() -> None:
    found = EntropyCodebook(16, 1.5)(drawn("outliers"))
    assert found.code_scales is not None
    codes = found.array / found.code_scales[0]
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-9)
    assert np.abs(codes).max() == pytest.approx(127)


@given(st.lists(st.sampled_from([0.0, 1.0, -1.0, 1e-30, 3e8]), min_size=1, max_size=12), st.floats(0.01, 4))
def test_whatever_the_weights_are_codes_come_of_it(weights: list[float], bits: float) -> None:
    array = np.array(weights).reshape(1, -1)
    found = EntropyCodebook(4, bits)(array)
    assert np.isfinite(found.array).all()
    assert bits_of(found.array) <= bits + 1e-9
    assert not found.array[array == 0].any()


def test_an_entropy_coder_stores_them_in_little_more() -> None:
    codes = EntropyCodebook(16, 1.4)(drawn("peaked"))
    assert codes.code_scales is not None
    array = np.rint(codes.array / codes.code_scales[0]).astype(np.int8)
    stored = sum(section.nbytes for section in Ans().encode(array).sections.values())
    assert 8 * stored / array.size < 1.03 * 1.4 + 0.05


def test_small_layers_and_kept_ones_have_no_limit() -> None:
    graph = convolutional(3)
    sizes = {op.inputs[1]: graph.consts[op.inputs[1]].array.size for op in graph.ops if isinstance(op, Conv | Dense)}
    found = Levels(16, bits=1.5).of(graph)
    assert {name for name, code in found.items() if isinstance(code, EntropyCodebook)} == {
        name for name, size in sizes.items() if size >= 0.05 * sum(sizes.values())
    }
    kept = next(op for op in graph.ops if isinstance(op, Conv | Dense))
    assert kept.inputs[1] not in Levels(16, frozenset([kept.loc]), 1.5).of(graph)


def test_a_small_layer_that_few_values_cost_much_may_stay_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "_SMALL_SHARE", 0.3)
    graph, samples = learned(TRAIN, HELD, channels=4), HELD.real_inputs()
    first, last = (op for op in graph.ops if isinstance(op, Conv | Dense))
    assert small_layers(graph) == {first.inputs[1]: first.loc}
    few = Levels(4, bits=1.5)
    whole = replace(few, whole=frozenset([first.loc]))
    hurt, spared = (
        of_codes(graph, samples, {first.inputs[1]: levels.of(graph)[first.inputs[1]]})[first.inputs[1]].error
        for levels in (few, whole)
    )
    assert hurt > 0.01 > 20 * spared
    assert isinstance(whole.of(graph)[first.inputs[1]], OneScale)
    assert isinstance(whole.of(graph)[last.inputs[1]], EntropyCodebook)


def test_int8_of_one_scale_is_the_nearest_code() -> None:
    weights = drawn("normal")
    found = OneScale()(weights)
    assert found.code_scales is not None
    assert len(set(found.code_scales)) == 1
    assert np.abs(found.array - weights).max() <= found.code_scales[0] / 2 + 1e-12


def test_bits_are_for_bytes_alone_and_fall_in_steps() -> None:
    assert levels_for(20_000, ()).bits == FEWEST_BITS
    assert levels_for(20_000, (), is_timed=True).bits is None
    assert levels_for(2_000, ()).bits is None
    assert levels_for(None, ()).bits is None
    bits = [levels.bits for levels in falling(Levels(16, bits=1.6))]
    assert bits == sorted(bits, key=lambda b: -(b or 0))
    assert len(bits) > 1
    assert bits[-1] == 1.6
    assert falling(Levels(16)) == []


def test_training_with_few_bits_learns_what_rounding_afterwards_loses() -> None:
    options = Options(epochs=15, learning_rate=2e-3, schedule="cosine", distill=0.0)
    graph = convolutional(3)
    real = Network(graph)
    fit(real, TRAIN, options)
    levels = Levels(16, bits=0.7)
    rounded = evaluate(Network(levels.real(real.to_graph())), None, HELD, options)[0]
    network = CodedNetwork(real.to_graph(), levels.of(graph))
    before = network.digest()
    assert before != CodedNetwork(real.to_graph(), Levels(16, bits=0.8).of(graph)).digest()
    fit(network, TRAIN, options)
    trained = evaluate(network, None, HELD, options)[0]
    assert trained < 0.9 * rounded
    assert trained == pytest.approx(
        evaluate(Network(levels.real(network.to_graph())), None, HELD, options)[0], rel=1e-5
    )


def test_gradients_go_straight_through() -> None:
    graph = convolutional(3)
    network = CodedNetwork(graph, Levels(4, bits=0.9).of(graph))
    name = next(iter(network.coding))
    used = network.in_use()[name]
    used.sum().backward()
    assert torch.equal(network.params()[name].grad, torch.ones_like(used))  # type: ignore[arg-type]
    assert not torch.equal(used, network.params()[name])
