"""A few wrong calibration samples cost nobody accuracy and are named; large values that are real are kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from freeml.errors import UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import Weight
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.passes.pipeline import run_passes
from freeml.quantize.judge import bounded_error
from freeml.quantize.lower import lower
from freeml.quantize.observe import observe
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales
from freeml.quantize.search import Quantized, quantize

N_FEATURES = 16
FLOAT_MAX = float(np.finfo(np.float32).max)


def mlp(seed: int = 0, scale: np.ndarray | float = 1.0) -> Graph:
    """16 features -> 24 -> 5 scores, random weights for features of this scale."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder("mlp")
    x = b.input("x", (N_FEATURES,))
    hidden = b.dense(x, Weight(rng.normal(size=(24, N_FEATURES)) / scale), rng.normal(size=24), loc="hidden")
    hidden = b.unary(hidden, "clamp", (0.0, float("inf")), loc="relu")
    b.output(b.dense(hidden, Weight(rng.normal(size=(5, 24))), rng.normal(size=5), loc="scores"), "y")
    return run_passes(b.finish())


GRAPH = mlp()


def usual(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES)).astype(np.float32)


FRESH = usual(1000, seed=9)


def agreement(made: Quantized | Graph, x: np.ndarray = FRESH, graph: Graph = GRAPH) -> float:
    """Share of fresh samples to which int8 gives the float network's class."""
    int8 = made if isinstance(made, Graph) else made.graph
    exact, coded = (predict(g, [x])[0].reshape(len(x), -1).argmax(axis=1) for g in (graph, int8))
    return float(np.mean(exact == coded))


CLEAN = agreement(quantize(GRAPH, [usual(200)]))


@pytest.mark.parametrize("value", [10.0, 100.0, -100.0, 1e5, -1e5, 1e30, FLOAT_MAX])
@pytest.mark.parametrize("row", [0, 1, 199])
def test_one_wrong_value_among_200_samples_costs_less_than_a_point(row: int, value: float) -> None:
    x = usual(200)
    x[row, 5] = value
    made = quantize(GRAPH, [x], place="row {}".format)
    assert agreement(made) > CLEAN - 0.01
    if abs(value) >= 100:
        assert len(made.warnings) == 1
        assert made.warnings[0].startswith(f"row {row}: {value:g} at [5] of input 'x' is far outside")


def test_several_wrong_values_cost_less_than_a_point_and_each_is_named() -> None:
    x = usual(200)
    for row, value in ((3, 1e5), (50, -300.0), (77, 2000.0), (120, 1e7)):
        x[row, row % N_FEATURES] = value
    made = quantize(GRAPH, [x], place="row {}".format)
    assert agreement(made) > CLEAN - 0.01
    assert {text.split(":")[0] for text in made.warnings} == {"row 3", "row 50", "row 77", "row 120"}


def test_a_wholly_wrong_sample_costs_less_than_a_point_and_is_named() -> None:
    x = usual(200)
    x[42] *= 1000
    made = quantize(GRAPH, [x], place="row {}".format)
    assert agreement(made) > CLEAN - 0.01
    assert made.warnings[0].startswith("row 42: ")
    assert "more of its values" in made.warnings[0]


@pytest.mark.parametrize("n", [5, 10, 20, 50])
def test_a_wrong_value_among_few_samples_costs_little_more_than_their_number(n: int) -> None:
    clean = agreement(quantize(GRAPH, [usual(n)]))
    x = usual(n)
    x[n // 2, 1] = 1e5
    made = quantize(GRAPH, [x], place="row {}".format)
    assert agreement(made) > clean - 0.03
    assert made.warnings[0].startswith(f"row {n // 2}: 100000 at [1]")


def test_a_value_wrong_for_its_feature_alone_is_found_by_what_it_does() -> None:
    """Feature 0 is a twentieth of the others and weighs as much more: its wrong value is within the input's range."""
    scale = np.ones(N_FEATURES)
    scale[0] = 0.05
    graph = mlp(scale=scale)
    x = (usual(200) * scale).astype(np.float32)
    fresh = (FRESH * scale).astype(np.float32)
    clean = agreement(quantize(graph, [x]), fresh, graph)
    x[7, 0] = 3.0
    made = quantize(graph, [x], place="row {}".format)
    assert made.warnings[0].startswith("row 7: 3 at [0] of input 'x'")
    assert agreement(made, fresh, graph) > clean - 0.01


def test_clean_samples_are_not_called_odd() -> None:
    for seed in range(10):
        for n in (10, 50, 200):
            assert quantize(GRAPH, [usual(n, seed)]).warnings == ()


def test_spikes_in_many_samples_are_what_the_data_are_like() -> None:
    def spiked(n: int, seed: int) -> np.ndarray:
        x = usual(n, seed)
        x[::8, 2] = 60.0
        return x

    made = quantize(GRAPH, [spiked(200, 1)])
    assert made.warnings == ()
    fresh = spiked(1000, 5)
    assert agreement(made, fresh[::8]) > 0.97


def heavy(n: int, seed: int) -> np.ndarray:
    x = usual(n, seed)
    x[:, 4] = np.random.default_rng(seed + 100).standard_t(2, size=n)
    return x


def rare_spikes(n: int, seed: int) -> np.ndarray:
    x = usual(n, seed)
    x[np.random.default_rng(seed + 7).random(n) < 0.02, 2] = 60.0
    return x


@pytest.mark.parametrize("draw", [heavy, rare_spikes])
def test_large_values_that_are_real_cost_no_more_than_keeping_them_all(draw: Callable[[int, int], np.ndarray]) -> None:
    lost = []
    for seed in range(4):
        x, fresh = draw(200, seed), draw(1000, 50 + seed)
        kept = lower(GRAPH, assign_scales(GRAPH, observe(GRAPH, [x]), RULES["min-max"]))
        lost.append(agreement(kept, fresh) - agreement(quantize(GRAPH, [x]), fresh))
    assert np.mean(lost) < 0.005


def test_no_single_sample_decides_the_error() -> None:
    reference = np.random.default_rng(0).normal(size=(100, 4))
    got = reference.copy()
    got[0] += 1e6
    assert bounded_error(got, reference, np.ones(100, bool)) == pytest.approx(0.01)


def wild(magnitudes: np.ndarray) -> tuple[Graph, np.ndarray]:
    """Channels of these magnitudes, undone by the last layer: no one scale holds them all."""
    rng = np.random.default_rng(0)
    n = len(magnitudes)
    b = GraphBuilder("wild")
    x = b.input("x", (8,))
    hidden = b.dense(
        x, Weight(rng.normal(size=(n, 8)) * magnitudes[:, None]), rng.normal(size=n) * magnitudes, loc="hidden"
    )
    hidden = b.unary(hidden, "clamp", (0.0, float("inf")), loc="relu")
    b.output(b.dense(hidden, Weight(rng.normal(size=(5, n)) / magnitudes), np.zeros(5), loc="last"), "y")
    return run_passes(b.finish()), rng.normal(size=(60, 8)).astype(np.float32)


def test_a_candidate_that_cannot_be_coded_is_passed_over() -> None:
    graph, x = wild(10.0 ** np.linspace(-4.4, 3, 8))
    made = quantize(graph, [x])
    assert made.refused
    assert "equalisation" in made.method
    exact, coded = (predict(g, [x])[0].reshape(60, -1).argmax(axis=1) for g in (graph, made.graph))
    assert np.mean(exact == coded) > 0.7


def test_where_no_candidate_can_be_coded_the_node_is_named() -> None:
    b = GraphBuilder("none")
    x = b.input("x", (4,))
    y = b.dense(x, Weight(np.eye(4) * 1e-25), None, loc="tiny")
    y = b.unary(y, "sqrt", (), loc="impossible")
    b.output(y, "y")
    with pytest.raises(UnsupportedOp, match="undefined") as caught:
        quantize(run_passes(b.finish()), [np.abs(usual(20)[:, :4])])
    assert caught.value.where.startswith("impossible")
