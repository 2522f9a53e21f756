"""What the device publishes is what decision.py says, for every way a network ends, on both kinds of NVM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from host import check, load

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.decision import decide, lasting, published
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.ir.types import Quant
from freeml.passes.pipeline import run_passes
from freeml.quantize.lower import lower
from freeml.quantize.search import quantize

X = np.random.default_rng(3).normal(size=(60, 6)).astype(np.float32)


def head(b: GraphBuilder, n: int) -> View:
    rng = np.random.default_rng(n)
    y = b.dense(b.input("x", (6,)), Weight(rng.normal(size=(8, 6))), None, loc="hidden")
    y = b.unary(y, "clamp", (0.0, float("inf")), loc="relu")
    return b.dense(y, Weight(rng.normal(size=(n, 8))), rng.normal(size=n), loc="scores")


def scores(last: str) -> Graph:
    b = GraphBuilder("scores")
    y = head(b, 5)
    b.output(b.softmax(y, 0, loc="soft") if last == "softmax" else b.unary(y, last, (), loc=last), "y")
    return b.finish()


def single(last: str) -> Graph:
    b = GraphBuilder("single")
    y = head(b, 1)
    params = (0.2, 0.45) if last == "hard_sigmoid" else ()
    b.output(b.unary(y, last, params, loc=last) if last else y, "y")
    return b.finish()


def index() -> Graph:
    b = GraphBuilder("index")
    b.output(b.argmax(head(b, 5), 0, keepdims=False, loc="argmax"), "y", dtype="int64")
    return b.finish()


def two_outputs() -> Graph:
    """Scores that a later layer outlives: the bytes they are published from must last, too."""
    b = GraphBuilder("two")
    y = head(b, 5)
    wide = b.dense(b.softmax(y, 0, loc="soft"), Weight(np.random.default_rng(0).normal(size=(40, 5))), None, loc="wide")
    b.output(b.softmax(y, 0, loc="soft2"), "share")
    b.output(b.unary(wide, "tanh", (), loc="tanh"), "other")
    return b.finish()


ENDS = {
    "softmax": (lambda: scores("softmax"), "scores"),
    "sigmoids": (lambda: scores("sigmoid"), "scores"),
    "logit": (lambda: single(""), "threshold"),
    "sigmoid": (lambda: single("sigmoid"), "threshold"),
    "tanh": (lambda: single("tanh"), "threshold"),
    "hard sigmoid": (lambda: single("hard_sigmoid"), "threshold"),
    "argmax": (index, "index"),
    "two outputs": (two_outputs, "scores"),
}


@pytest.mark.parametrize("is_staged", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_class_and_confidence_are_those_of_the_host_rule(end: str, is_staged: bool, tmp_path: Path) -> None:
    make, kind = ENDS[end]
    graph = quantize(run_passes(make()), [X]).graph
    made = decide(graph)
    assert made is not None
    assert made.kind == kind
    check(graph, tmp_path, n_samples=40, is_staged=is_staged)


def test_every_code_of_one_score_is_published_on_its_side_of_the_threshold(tmp_path: Path) -> None:
    """A network that passes its input on: all 256 codes, the threshold's own among them."""
    b = GraphBuilder("pass")
    b.output(b.unary(b.dense(b.input("x", (1,)), Weight(np.ones((1, 1))), None, loc="pass"), "sigmoid", loc="s"), "y")
    float_graph = run_passes(b.finish())
    for zero_point, folder in ((-128, "a"), (-7, "b"), (127, "c")):
        quants = dict.fromkeys(float_graph.types, Quant(0.05, zero_point))
        graph = lower(float_graph, {**quants, float_graph.outputs[0].value: Quant(1 / 256, -128)})
        codes = {graph.inputs[0].value: np.arange(-128, 128, dtype=np.int8).reshape(-1, 1)}
        (tmp_path / folder).mkdir()
        model = load(graph, tmp_path / folder)
        model.run(codes)
        expected_class, confidence = published(graph, interpret(graph, codes, lasting(graph)))
        assert [r.class_index for r in model.published] == expected_class.tolist()
        assert [r.confidence for r in model.published] == confidence.tolist()
        assert expected_class.sum() == 127 - zero_point


def test_over_many_classes_the_logits_tell_what_the_softmax_cannot(tmp_path: Path) -> None:
    """40 classes of nearly equal scores: most codes of their softmax are equal."""
    rng = np.random.default_rng(1)
    b = GraphBuilder("many")
    y = b.dense(b.input("x", (6,)), Weight(rng.normal(size=(400, 6)) / 4), None, loc="scores")
    b.output(b.softmax(y, 0, loc="soft"), "y")
    float_graph = run_passes(b.finish())
    made = quantize(float_graph, [X]).graph
    x = rng.normal(size=(200, 6)).astype(np.float32)
    quant = made.types[made.inputs[0].value].quant
    assert quant is not None
    codes = {made.inputs[0].value: quant.quantize(x)}
    model = load(made, tmp_path)
    outputs = model.run(codes)
    exact = interpret(float_graph, {float_graph.inputs[0].value: x})[float_graph.outputs[0].value].argmax(axis=1)
    from_softmax = np.mean(outputs[made.outputs[0].value].argmax(axis=1) == exact)
    from_logits = np.mean([r.class_index for r in model.published] == exact)
    assert from_logits > from_softmax + 0.1
    assert from_logits > 0.8


@pytest.mark.parametrize(("last", "kind", "n"), [("sigmoid", "threshold", 1), ("softmax", "scores", 4)])
def test_a_model_that_came_quantized_publishes_from_its_own_scores(
    last: str, kind: str, n: int, tmp_path: Path
) -> None:
    """As TFLite's LOGISTIC and SOFTMAX: scores in a scale of their own, shares in 1/256."""
    rng = np.random.default_rng(2)
    b = GraphBuilder("own")
    x = b.annotate(b.input("x", (6,)), Quant(0.03, 5), "x")
    weights = Weight(np.rint(rng.normal(size=(n, 6)) * 30) * 0.02, code_scales=(0.02,))
    y = b.annotate(b.dense(x, weights, None, loc="scores"), Quant(0.11, -9), "y")
    y = b.softmax(y, 0, loc="soft") if last == "softmax" else b.unary(y, last, (), loc=last)
    b.output(b.annotate(y, Quant(1 / 256, -128), "share"), "y")
    made = quantize(run_passes(b.finish()), None).graph
    decision = decide(made)
    assert decision is not None
    assert decision.kind == kind
    assert made.types[decision.value].quant == Quant(0.11, -9)
    check(made, tmp_path, n_samples=40)
