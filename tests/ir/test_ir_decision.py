"""What a network decides is read before the functions that squash it, and by one rule for host and device."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.decision import classes, decide, published, threshold_code
from freeml.ir.graph import Graph
from freeml.ir.types import Decision, Quant
from freeml.quantize.lower import lower


def ending(n: int, *last: str | tuple[str, tuple[float, ...]]) -> Graph:
    """A dense layer of n scores and functions behind it."""
    b = GraphBuilder("net")
    y = b.dense(b.input("x", (3,)), Weight(np.ones((n, 3))), None, loc="dense")
    for k, fn in enumerate(last):
        y = _behind(b, y, fn, f"{k}")
    b.output(y, "y")
    return b.finish()


def _behind(b: GraphBuilder, y: View, fn: str | tuple[str, tuple[float, ...]], loc: str) -> View:
    if fn == "softmax":
        return b.softmax(y, 0, loc=loc)
    if fn == "reshape":
        return b.reshape(y, (1, *y.shape))
    name, params = (fn, ()) if isinstance(fn, str) else fn
    return b.unary(y, name, params, loc=loc)


def scores_of(graph: Graph) -> str:
    return next(op.output for op in graph.ops if op.loc == "dense")


@pytest.mark.parametrize(
    "last",
    [
        (),
        ("softmax",),
        ("sigmoid",),
        ("tanh",),
        ("reshape",),
        ("softmax", "reshape"),
        (("leaky_relu", (0.1,)), "softmax"),
    ],
)
def test_the_class_is_read_before_what_keeps_the_order_of_scores(last: tuple[str, ...]) -> None:
    graph = ending(4, *last)
    assert decide(graph) == Decision("scores", scores_of(graph), 0)


@pytest.mark.parametrize("last", [("abs",), (("clamp", (0.0, 1.0)),), ("neg",)])
def test_the_class_is_not_read_before_what_changes_the_order(last: tuple[str, ...]) -> None:
    graph = ending(4, *last)
    assert decide(graph) == Decision("scores", graph.outputs[0].value, 0)


@pytest.mark.parametrize(
    ("last", "threshold"),
    [
        ((), 0.0),
        (("sigmoid",), 0.0),
        (("tanh",), 0.0),
        (("sigmoid", "reshape"), 0.0),
        (("reshape", "sigmoid"), 0.0),
        ((("hard_sigmoid", (0.2, 0.5)),), 0.0),
        ((("hard_sigmoid", (0.2, 0.3)),), 1.0),
        ((("leaky_relu", (0.1,)),), 0.0),
    ],
)
def test_one_score_has_its_threshold_before_its_last_function(last: tuple[str, ...], threshold: float) -> None:
    graph = ending(1, *last)
    made = decide(graph)
    assert made is not None
    assert (made.kind, made.value) == ("threshold", scores_of(graph))
    assert made.threshold == pytest.approx(threshold)


def test_a_function_whose_threshold_is_not_known_before_it_is_compared_behind_it() -> None:
    graph = ending(1, ("clamp", (0.0, 1.0)))
    assert decide(graph) == Decision("threshold", graph.outputs[0].value, 0, 0.5)


def test_a_softmax_over_one_score_decides_nothing() -> None:
    assert decide(ending(1, "softmax")) is None


def test_of_several_outputs_the_first_that_ends_as_a_classifier_decides() -> None:
    b = GraphBuilder("two")
    x = b.input("x", (3,))
    box = b.dense(x, Weight(np.ones((4, 3))), None, loc="box")
    logits = b.dense(x, Weight(np.ones((5, 3))), None, loc="logits")
    b.output(box, "box")
    b.output(b.softmax(logits, 0, loc="soft"), "share")
    graph = b.finish()
    made = decide(graph)
    assert made is not None
    assert (made.output, graph.producers[made.value].loc) == (1, "logits")


@pytest.mark.parametrize(
    ("quant", "threshold", "code"),
    [
        (Quant(1 / 256, -128), 0.5, 0),
        (Quant(1 / 128, 0), 0.0, 0),
        (Quant(0.1, 7), 0.0, 7),
        (Quant(0.1, 7), 0.14, 8),
        (Quant(0.1, 7), -0.14, 5),
        (Quant(0.01, 100), 5.0, 127),
        (Quant(0.01, 0), -9.0, -129),
    ],
)
def test_a_code_is_class_one_exactly_if_its_value_is_above_the_threshold(
    quant: Quant, threshold: float, code: int
) -> None:
    graph = ending(1)
    int8 = lower(graph, {**dict.fromkeys(graph.types, Quant(1.0, 0)), scores_of(graph): quant})
    made = Decision("threshold", scores_of(graph), 0, threshold)
    assert threshold_code(int8, made) == code
    codes = np.arange(-128, 128, dtype=np.int8).reshape(-1, 1)
    above = (codes.astype(np.float64) - quant.zero_point) * quant.scale > threshold + 1e-9
    assert (classes(int8, made, {made.value: codes}) == above.ravel()).all()


def test_what_is_published_of_scores_is_the_first_maximum_and_its_lead() -> None:
    graph = ending(3, "softmax")
    int8 = lower(graph, dict.fromkeys(graph.types, Quant(1 / 256, -128)))
    codes = np.array([[1, 5, 5], [7, -128, 127], [-128, -128, -128], [-5, -3, -4]], dtype=np.int8)
    found, confidence = published(int8, {scores_of(graph): codes})
    assert found.tolist() == [1, 2, 0, 1]
    assert confidence.tolist() == [0, 120, 0, 1]


def test_what_is_published_of_one_score_is_its_side_and_its_distance_in_codes() -> None:
    graph = ending(1, "sigmoid")
    int8 = lower(graph, {**dict.fromkeys(graph.types, Quant(1 / 256, -128)), scores_of(graph): Quant(0.1, 3)})
    codes = np.array([[3], [4], [2], [127], [-128]], dtype=np.int8)
    found, confidence = published(int8, {scores_of(graph): codes})
    assert found.tolist() == [0, 1, 0, 1, 0]
    assert confidence.tolist() == [0, 1, 1, 124, 131]
