"""What is odd about samples and labels is said, with the row of the file; what is usual is not."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.data import Dataset
from freeml.data.accuracy import answers, score
from freeml.data.findings import calibration_findings, model_findings, range_findings
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import Weight
from freeml.ir.graph import Graph
from freeml.ir.types import Quant
from freeml.quantize.lower import lower

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)


def net(n_out: int = 4, last: str = "", shape: tuple[int, ...] = (6,)) -> Graph:
    b = GraphBuilder("net")
    y = b.dense(b.input("x", shape), Weight(np.random.default_rng(5).normal(size=(n_out, 6))), None, loc="dense")
    if last == "softmax":
        y = b.softmax(y, 0, loc="soft")
    elif last:
        y = b.unary(y, last, (), loc=last)
    b.output(y, "y")
    return b.finish()


def int8(scale: float, zero_point: int) -> Graph:
    graph = net()
    quants = dict.fromkeys(graph.types, Quant(1.0, 0))
    return lower(graph, {**quants, graph.inputs[0].value: Quant(scale, zero_point)})


def data(x: np.ndarray, y: object = None, **more: object) -> Dataset:
    return Dataset((x,), y, (), "made.npz", "test", **more)


def test_usual_samples_are_passed_in_silence() -> None:
    assert calibration_findings(data(X), net()) == []
    assert range_findings(data(X), int8(4 / 127, 0)) == []


def test_few_samples_are_said_to_be_few() -> None:
    assert "only 3 samples find" in calibration_findings(data(X[:3]), net())[0]
    assert "only 1 sample finds" in calibration_findings(data(X[:1]), net())[0]


def test_samples_that_are_all_the_same_are_said_to_be() -> None:
    assert calibration_findings(data(np.repeat(X[:1], 12, axis=0)), net()) == [
        "all 12 samples of input 'x' are the same: the ranges rest on one"
    ]


def test_a_feature_that_never_changes_is_named_with_its_value() -> None:
    x = X.copy()
    x[:, 3] = 0.5
    assert calibration_findings(data(x), net()) == ["input 'x': feature 3 is 0.5 in all 40 samples"]


def test_a_channel_that_never_changes_is_named() -> None:
    b = GraphBuilder("signal")
    b.output(b.unary(b.input("x", (1, 3, 8, 8), channels_first=True), "abs", (), loc="abs"), "y")
    graph = b.finish()
    x = RNG.normal(size=(20, *graph.inputs[0].shape)).astype(np.float32)
    x[:, 1] = -2.0
    assert calibration_findings(data(x), graph) == ["input 'x': channel 1 is -2 in all 20 samples"]


@pytest.mark.parametrize(
    ("scale", "zero_point", "cause"),
    [(1 / 255, -128, "divide bytes by 255"), (1 / 127.5, 0, "x / 127.5 - 1"), (1.0, 0, "subtract 128")],
)
def test_bytes_that_clip_at_the_inputs_range_are_said_to_with_the_likely_cause(
    scale: float, zero_point: int, cause: str
) -> None:
    x = RNG.integers(0, 256, (20, 6)).astype(np.uint8)
    (said,) = range_findings(data(x), int8(scale, zero_point))
    assert "% of the values of input 'x' are outside its range" in said
    assert cause in said


def test_samples_that_fill_almost_none_of_the_inputs_range_are_said_to() -> None:
    x = RNG.uniform(0, 1, (20, 6)).astype(np.float32)
    (said,) = range_findings(data(x), int8(1.0, -128))
    assert "become the same few codes" in said
    assert "multiply by 255" in said


def test_one_value_far_outside_the_range_is_named_with_its_row() -> None:
    x = X.copy()
    x[17, 2] = 1e5
    rows = np.arange(100, 140)
    (said,) = range_findings(data(x, rows=rows), int8(4 / 127, 0))
    assert said.startswith("row 117: 100000 at [2] of input 'x' is far outside its range")


# ---- labels and targets ----------------------------------------------------------------------------------------------


def rated(graph: Graph, y: np.ndarray) -> tuple[object, list[str]]:
    dataset = data(X, y)
    return score(graph, answers(graph, [X]), dataset)


def test_a_label_beyond_the_scores_is_named_with_its_row() -> None:
    y = np.arange(40) % 4
    y[23] = 7
    found, said = rated(net(), y)
    assert found.accuracy is None
    assert "label 7 of row 23" in said[0]
    assert "4 scores" in said[0]


def test_labels_that_count_from_one_are_said_to() -> None:
    graph = net()
    right = answers(graph, [X]).classes
    assert rated(graph, right)[0].accuracy == 1.0
    found, said = rated(graph, right + 1)
    assert found.accuracy is None
    assert "number them from 0" in said[0]
    low = np.where(right == 3, 0, right) + 1  # 1 to 3: they fit four scores
    found, said = rated(graph, low)
    assert found.accuracy < 0.5
    assert "class 0 never occurs" in said[0]
    assert "counted from 1" in said[0]


def test_labels_without_class_0_that_are_right_are_passed_in_silence() -> None:
    graph = net()
    right = answers(graph, [X]).classes
    chosen = data(X[right > 0], right[right > 0])
    assert score(graph, answers(graph, chosen.real_inputs()), chosen)[1] == []


@pytest.mark.parametrize("last", ["", "sigmoid", "tanh"])
def test_one_score_is_compared_with_what_its_activation_makes_of_even_odds(last: str) -> None:
    logit = answers(net(1), [X]).outputs[0].reshape(-1)
    for positive in (1, True):
        y = (logit > 0).astype(type(positive))
        assert rated(net(1, last), y)[0].accuracy == 1.0
    assert rated(net(1, last), np.where(logit > 0, 1, -1))[0].accuracy == 1.0


def test_a_third_class_does_not_fit_one_score() -> None:
    found, said = rated(net(1), np.arange(40) % 3)
    assert found.accuracy is None
    assert "one score tells classes 0 and 1" in said[0]


def test_a_softmax_over_one_score_says_nothing_and_that_is_said() -> None:
    graph = net(1, "softmax")
    assert "soft" in model_findings(graph)[0]
    found, said = rated(graph, np.arange(40) % 2)
    assert found.accuracy is None
    assert said


@pytest.mark.parametrize("n_out", [1, 4])
def test_real_targets_give_mean_absolute_error_and_r2(n_out: int) -> None:
    graph = net(n_out)
    exact = answers(graph, [X]).outputs[0].reshape(40, -1)
    shifted = exact + 0.25
    found, said = rated(graph, shifted if n_out > 1 else shifted[:, 0])
    assert said == []
    assert found.accuracy is None
    assert found.mae == pytest.approx(0.25, rel=1e-4)
    assert found.r2 == pytest.approx(np.mean(1 - 0.25**2 / exact.var(axis=0)), rel=1e-4)


def test_targets_that_fit_no_output_are_said_to() -> None:
    found, said = rated(net(4), X[:, 0])
    assert (found.mae, found.r2) == (None, None)
    assert said == ["targets have 1 value a sample, outputs 4: no error was measured"]
