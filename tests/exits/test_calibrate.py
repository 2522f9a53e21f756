"""Temperatures, figures of calibration, and confidence in integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeml.errors import BadModel
from freeml.exits.calibrate import (
    auroc,
    best_temperature,
    bins,
    calibration_error,
    likelihood,
    quality,
    reliability_svg,
    shares,
    softness,
)
from freeml.ir.confidence import ONE, Confidence, confidence, share_bound


def drawn(n: int, seed: int, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels drawn from softmax(scores): a network that is calibrated at 1, its scores then times T."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=2, size=(n, 5))
    labels = np.array([rng.choice(5, p=p) for p in shares(scores)])
    return scores * temperature, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_made_scores_too_sure_is_found(temperature: float) -> None:
    scores, labels = drawn(4000, 0, temperature)
    found = best_temperature(scores, labels)
    assert found == pytest.approx(temperature, rel=0.08)
    assert likelihood(scores, labels, found) <= likelihood(scores, labels, temperature) + 1e-9


def test_a_calibrated_network_is_as_far_off_as_chance_makes_it_and_a_sure_one_much_further() -> None:
    scores, labels = drawn(1200, 1)
    good, sure = quality(scores, labels, labels), quality(scores * 4, labels, labels)
    assert good.ece < good.ece_perfect + 0.015
    assert sure.ece > sure.ece_perfect + 0.1
    assert good.ece_interval[0] < good.ece_interval[1]
    assert good.brier < sure.brier
    mended = quality(scores * 4, labels, labels, best_temperature(scores * 4, labels))
    assert mended.ece < mended.ece_perfect + 0.015


def test_bins_hold_equally_many_samples() -> None:
    found = bins(np.linspace(0, 1, 152), np.ones(152, dtype=bool))
    assert sorted({one.n for one in found}) == [10, 11]
    assert len(found) == 15
    assert calibration_error(np.array([0.5, 0.5]), np.array([True, False])) == 0.5  # two bins of one


def test_auroc_counts_pairs() -> None:
    score, event = np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert auroc(score, event) == (1 + 1 + 0.5 + 1) / 4
    assert auroc(score, np.zeros(4, dtype=bool)) is None


def test_failure_is_wrong_here_and_right_at_the_end() -> None:
    scores = np.array([[4.0, 0], [3.0, 0], [0.2, 0], [0.1, 0]])
    labels = np.array([0, 1, 1, 0])
    # The second sample is wrong here and at the end, so that stopping loses nothing; only the third one counts.
    found = quality(scores, labels, final=np.array([0, 0, 1, 0]))
    assert found.auroc == pytest.approx(2 / 3)
    assert quality(scores, labels, final=np.array([0, 0, 0, 0])).auroc is None


def test_the_plot_shows_each_bin_of_each_exit() -> None:
    scores, labels = drawn(300, 2)
    p = shares(scores)
    bars = bins(p.max(axis=1), p.argmax(axis=1) == labels)
    text = reliability_svg([("exit 1", bars), ("exit 2", bars)])
    assert text.startswith("<svg")
    assert text.count("<circle") == 30
    assert text.count("exit ") == 2


@st.composite
def accumulators(draw: st.DrawFn) -> tuple[np.ndarray, float, float]:
    """int32 scores, their scale, a temperature: shares from even to certain."""
    k = draw(st.integers(2, 40))
    seed, spread = draw(st.integers(0, 2**31)), draw(st.floats(0.01, 12))
    scale = 10.0 ** draw(st.integers(-8, -1))
    rng = np.random.default_rng(seed)
    real = np.clip(rng.normal(scale=spread, size=(50, k)), -(2**30) * scale, 2**30 * scale)
    return np.rint(real / scale).astype(np.int64).astype(np.int32), scale, draw(st.floats(0.2, 5))


@settings(max_examples=80)
@given(accumulators())
def test_device_confidence_lies_within_its_stated_bound(given_: tuple[np.ndarray, float, float]) -> None:
    scores, scale, temperature = given_
    found = confidence(scores, softness(scale, temperature))
    p = shares(scores.astype(np.float64) * scale, temperature)
    assert np.abs(found.real - p.max(axis=1)).max() <= share_bound(scores.shape[1])
    assert np.abs(found.published / 255 - p.max(axis=1)).max() <= share_bound(scores.shape[1]) + 1 / 510
    assert np.array_equal(found.classes, scores.argmax(axis=1))
    entropy = -(p * np.log2(np.maximum(p, 1e-300))).sum(axis=1)
    assert np.abs(found.entropies / 256 - entropy).max() <= 0.06


def test_a_share_is_whole_for_one_class_and_even_for_equal_scores() -> None:
    found: Confidence = confidence(np.full((1, 4), 7, dtype=np.int32), softness(1.0, 1.0))
    assert (found.shares[0], found.entropies[0]) == (ONE // 4, 2 * 256)
    alone = confidence(np.array([[2**30, -(2**30)]], dtype=np.int32), softness(1.0, 1.0))
    assert (alone.shares[0], alone.entropies[0], alone.published[0]) == (ONE, 0, 255)


def test_scores_of_huge_steps_have_no_confidence() -> None:
    with pytest.raises(BadModel, match="no confidence"):
        softness(1e4, 0.01)
