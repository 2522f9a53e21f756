"""Exits from what a user asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml.errors import BadData, BadModel
from freeml.exits.driver import Exits, Request, make_exits
from freeml.exits.heads import Kind
from freeml.exits.outputs import with_outputs
from freeml.exits.train import HeadOptions
from freeml.ir.interpret import encode_inputs, interpret, predict
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


def test_training_without_samples_and_one_score_are_refused() -> None:
    with pytest.raises(BadData, match="samples are needed"):
        make_exits(image(), Request())
