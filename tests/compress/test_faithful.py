"""The published method from end to end on a small task: size, accuracy, resuming, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml.compress.controller import Rules
from freeml.compress.faithful import Result, Settings, compress
from freeml.compress.l0 import measured, n_kept
from freeml.compress.stored import layers_of, total_bytes
from freeml.data.accuracy import answers
from freeml.errors import BadModel, DoesNotFit
from freeml.frontend.builder import GraphBuilder
from freeml.ir.graph import Graph
from freeml.ir.text import digest
from freeml.passes.pipeline import run_passes
from freeml.train.loop import Options, Progress

from ..train.tasks import convolutional, learned, stripes

TRAIN, HELD = stripes(300, 1), stripes(100, 2)
TARGET = 1000.0
MILD = Rules(first=0.5, ratio=0.8, size_ratio=0.6)  # the published steps empty layers as small as these
SETTINGS = Settings(rules=MILD, training=Options(epochs=5, batch=64, learning_rate=0.01, distill=0.0))


class Killed(Exception):
    """In the middle of a step."""


@pytest.fixture(scope="module")
def dense() -> Graph:
    return learned(TRAIN, HELD, channels=8)


@pytest.fixture(scope="module")
def small(dense: Graph) -> Result:
    return compress(dense, TRAIN, HELD, TARGET, settings=SETTINGS)


def test_the_network_is_within_the_target_and_nearly_as_right(dense: Graph, small: Result) -> None:
    layers = layers_of(dense)
    assert total_bytes(layers, dict.fromkeys((n.name for n in layers), 1.0)) > 1.8 * TARGET
    last = small.steps[-1]
    assert last.stored_bytes <= TARGET < small.steps[-2].stored_bytes
    accuracy = float(np.mean(answers(small.graph, HELD.inputs).classes == HELD.labels))
    assert accuracy == small.accuracy[2]
    assert small.accuracy[2] > small.accuracy[0] - 0.05 > 0.8


def test_each_layer_has_the_weights_that_its_density_says(small: Result) -> None:
    layers = layers_of(small.graph)
    for layer in layers:
        density = small.steps[-1].state.density[layer.name]
        assert np.count_nonzero(small.graph.consts[layer.weight].array) <= n_kept(layer.n_weights, density)
    assert min(measured(small.graph, layers).values()) < 0.2


def test_a_killed_run_goes_on_to_the_same_bytes(dense: Graph, small: Result, tmp_path: Path) -> None:
    n = 0

    def kill(number: int, layer: str, stored_bytes: float, progress: Progress) -> None:
        nonlocal n
        n += number == 2
        if n == 7:
            raise Killed

    with pytest.raises(Killed):
        compress(dense, TRAIN, HELD, TARGET, settings=SETTINGS, folder=tmp_path, on_progress=kill)
    seen: list[tuple[int, str, float]] = []
    again = compress(
        dense, TRAIN, HELD, TARGET, settings=SETTINGS, folder=tmp_path, on_progress=lambda *a: seen.append(a[:3])
    )
    assert digest(again.graph) == digest(small.graph)
    assert [step.stored_bytes for step in again.steps] == [step.stored_bytes for step in small.steps]
    assert {number for number, _, _ in seen} == set(range(2, len(small.steps) + 1)), (
        "the first step is not trained anew"
    )
    assert {size for _, _, size in seen} == {step.stored_bytes for step in small.steps[1:]}


def test_without_labels_the_dense_network_teaches(dense: Graph) -> None:
    unlabelled = [replace(data, labels=None, class_names=()) for data in (TRAIN, HELD)]
    result = compress(dense, *unlabelled, 1400.0, settings=SETTINGS)
    assert result.accuracy[0] == 1.0, "agreement with itself"
    assert result.accuracy[2] > 0.9


def test_a_separated_network_is_made_sparse_piece_by_piece(dense: Graph) -> None:
    settings = replace(SETTINGS, separate_from_bytes=1000, rules=replace(MILD, fast=True))
    wide = convolutional(7, channels=40)
    result = compress(wide, TRAIN, HELD, 4_000.0, settings=settings)
    assert len(layers_of(result.graph)) > len(layers_of(wide)) or all(told.why_not for told in result.separated)
    assert result.steps[-1].stored_bytes <= 4_000


def test_a_target_below_the_biases_is_refused_at_once(dense: Graph) -> None:
    with pytest.raises(DoesNotFit, match="cannot be reached"):
        compress(dense, TRAIN, HELD, 40.0, settings=SETTINGS)


def test_a_network_without_layers_is_refused() -> None:
    builder = GraphBuilder("none")
    x = builder.input("x", (1, 64), channels_first=True, dtype="float32")
    builder.output(builder.unary(x, "tanh", (), loc="t"), "y", dtype="float32")
    with pytest.raises(BadModel, match="nothing to compress"):
        compress(run_passes(builder.finish()), TRAIN, HELD, 100.0)
