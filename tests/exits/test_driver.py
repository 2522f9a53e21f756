"""Exits from what a user asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeml.errors import BadData, BadModel
from freeml.exits.driver import make_exits
from freeml.exits.heads import Kind
from freeml.exits.options import Exits, HeadOptions, Request
from freeml.exits.outputs import with_outputs
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret, predict
from freeml.ir.ops import Window
from freeml.passes.pipeline import run_passes
from tests.exits.nets import NETS, image
from tests.train.tasks import convolutional, stripes

QUICK = HeadOptions(epochs=5, batch=64, learning_rate=1e-2)
TRAIN, HELD = stripes(400, 1), stripes(150, 2)


def accuracy(made: Exits) -> list[float]:
    names = [part.features for exit_ in made.heads.exits for part in exit_.slices]
    values = interpret(made.graph, encode_inputs(made.graph, HELD.real_inputs()), names)
    return [float(np.mean(scores.argmax(axis=1) == HELD.labels)) for scores in made.heads.scores(values)]


@pytest.mark.parametrize("kind", ["shared", "gnet", "separate"])
def test_any_kind_of_head_is_made_for_a_network_and_its_samples(kind: Kind) -> None:
    graph = convolutional(0)
    made = make_exits(graph, Request(options=replace(QUICK, kind=kind), budget_bytes=100), TRAIN, HELD)
    assert made.heads.kind == kind
    assert min(accuracy(made)) > 0.6
    assert sum(matrix.array.size for matrix in made.heads.matrices) <= 100
    np.testing.assert_allclose(predict(made.graph, TRAIN.real_inputs())[0], predict(graph, TRAIN.real_inputs())[0])


def test_where_bytes_buy_no_features_for_all_places_there_are_fewer_exits() -> None:
    graph, rng = NETS["residual"](), np.random.default_rng(0)
    data = replace(TRAIN, inputs=(rng.normal(size=(400, 2, 8, 8)).astype(np.float32),))
    many = make_exits(graph, Request(options=QUICK, budget_bytes=400), data, data)
    few = make_exits(graph, Request(options=QUICK, budget_bytes=40), data, data)
    assert len(few.heads.exits) < len(many.heads.exits)
    with pytest.raises(BadModel, match="at least 24 bytes of weights, 10 are allowed"):
        make_exits(graph, Request(options=QUICK, budget_bytes=10), data, data)


def test_exits_without_labels_say_what_the_network_says() -> None:
    graph = convolutional(0)
    train, held = stripes(300, 1, labelled=False), stripes(150, 2, labelled=False)
    made = make_exits(graph, Request(options=QUICK, budget_bytes=100), train, held)
    names = [part.features for exit_ in made.heads.exits for part in exit_.slices]
    values = interpret(made.graph, encode_inputs(made.graph, held.real_inputs()), names)
    said = predict(graph, held.real_inputs())[0].argmax(axis=1)
    assert np.mean(made.heads.scores(values)[-1].argmax(axis=1) == said) > 0.7


def test_exits_that_a_model_came_with_need_no_samples() -> None:
    of = make_exits(convolutional(0), Request(options=QUICK, budget_bytes=100), TRAIN, HELD)
    own = make_exits(run_passes(with_outputs(of.graph, of.heads)), Request(exits="outputs"))
    assert own.heads.kind == "outputs"
    assert accuracy(own) == pytest.approx(accuracy(of), abs=0.01)


def test_a_killed_run_finds_its_features_and_goes_on(tmp_path: Path) -> None:
    request = Request(options=QUICK, budget_bytes=100)
    one = make_exits(convolutional(0), request, TRAIN, HELD, work=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "features-held.npz",
        "features-train.npz",
        "heads.npz",
    ]
    again = make_exits(convolutional(0), request, TRAIN, HELD, work=tmp_path)
    assert accuracy(one) == accuracy(again)


def test_training_without_samples_and_a_model_without_classes_are_refused() -> None:
    with pytest.raises(BadData, match="samples are needed"):
        make_exits(image(), Request())
    with pytest.raises(BadModel, match="single score"):
        make_exits(several("score"), Request(), TRAIN, HELD)
    with pytest.raises(BadModel, match="no scores of classes"):
        make_exits(several("map"), Request(), TRAIN, HELD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None, "class_names": (), "targets": np.full((400, 1), 0.5)}, "real targets: exits answer with"),
        ({"labels": np.full(400, 5), "class_names": ()}, "label 5 of row 0 of split 'train' is no class"),
        ({"labels": np.zeros(400, np.int64)}, "all 400 samples have the label 0"),
    ],
)
def test_samples_that_exits_cannot_learn_from_are_refused_before_training(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadData, match=message):
        make_exits(image(), Request(), replace(TRAIN, **change), HELD)


def test_exits_learn_from_the_output_that_says_the_class_wherever_it_stands() -> None:
    made = make_exits(several("map", "softmax"), Request(options=QUICK, budget_bytes=100), TRAIN, HELD)
    assert made.heads.n_classes == 3
    assert min(accuracy(made)) > 0.6


def test_exits_are_not_trained_where_an_output_of_as_many_scores_lies_behind_the_answer() -> None:
    """It may be the answer, and the first of them an exit: a network is not asked to end before its own exit."""
    with pytest.raises(BadModel, match="'first', and 'second', of 3 scores too, lies deeper"):
        make_exits(several("first", "second"), Request(), TRAIN, HELD)


def several(*names: str) -> Graph:
    """A network of outputs by name: a map, a score, shares of classes, scores at once or behind another layer."""
    rng, builder = np.random.default_rng(0), GraphBuilder("several")
    x: View = builder.input("x", (1, 1, 8, 8), channels_first=True, dtype="float32")
    window = Window(kernel=(3, 3), pad=(1, 1, 1, 1), stride=(2, 2))
    for n_in, n in ((1, 4), (4, 4)):
        weight = Weight(rng.normal(size=(n, n_in, 3, 3)))
        x = builder.conv(x, weight, np.zeros(n), window=window, groups=1, loc=f"net:/conv{n_in}")
        x = builder.unary(x, "clamp", (0.0, float("inf")), loc=f"net:/relu{n_in}")
    for name in names:
        y = x
        if name != "map":
            y = builder.reshape(x, (1, 16))
            for n in {"score": (1,), "second": (8, 3)}.get(name, (3,)):
                weight = Weight(rng.normal(size=(n, y.shape[-1])))
                y = builder.dense(y, weight, np.zeros(n), loc=f"net:/{name}{n}")
            y = builder.softmax(y, 1, loc="net:/softmax") if name == "softmax" else y
        builder.output(y, name, dtype="float32")
    return run_passes(builder.finish())
