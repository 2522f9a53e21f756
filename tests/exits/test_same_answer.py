"""Exits leave the network's own answer what it is without them: integers, ranges and how these were chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeml import pipeline
from freeml.board.board import Board
from freeml.data import Dataset
from freeml.exits import driver
from freeml.exits.deploy import ExitOptions
from freeml.exits.options import Exits, Request
from freeml.exits.tune import Choice
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret
from freeml.output.folder import read_output
from freeml.pipeline import CompileOptions, compile_model
from freeml.plan.planner import Planned
from tests.train.tasks import stripes


def test_at_its_end_a_network_with_exits_says_what_it_says_without(model: Path, tmp_path: Path) -> None:
    data = replace(stripes(300, 1), name="stripes")
    found = []
    for name, exits in (("without", None), ("with", ExitOptions("auto", "shared", "fixed:2", epochs=1))):
        compile_model(model, tmp_path / name, data=data, options=CompileOptions(exits=exits))
        found.append(read_output(tmp_path / name))
    bare, whole = found
    assert whole.graph.exits
    assert whole.manifest.quantization == bare.manifest.quantization
    new = stripes(100, 3).real_inputs()
    said = [
        interpret(one.graph, encode_inputs(one.graph, new), {one.graph.outputs[0].value})[one.graph.outputs[0].value]
        for one in found
    ]
    assert np.array_equal(*said)


@pytest.mark.parametrize("labelled", [True, False])
def test_thresholds_come_of_samples_of_every_class_that_heads_did_not_learn(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: bool
) -> None:
    data = stripes(200, 1)
    assert data.labels is not None
    data = data.select(np.argsort(data.labels, kind="stable"))  # a file in the order of its classes
    labels, seen = data.labels, dict[str, Dataset]()
    assert labels is not None
    if not labelled:
        data = replace(data, labels=None, class_names=())
    make, judge = driver.make_exits, pipeline.decided

    def making(graph: Graph, request: Request, train: Dataset, held: Dataset, **more: Any) -> Exits:
        seen.update(train=train, held=held)
        return make(graph, request, train, held, **more)

    def deciding(planned: Planned, board: Board, choice: Choice, dataset: Dataset | None) -> Planned:
        assert dataset is not None
        seen.update(judged=dataset)
        return judge(planned, board, choice, dataset)

    monkeypatch.setattr(driver, "make_exits", making)
    monkeypatch.setattr(pipeline, "decided", deciding)
    compile_model(model, tmp_path / "out", data=data, options=CompileOptions(exits=ExitOptions(epochs=1)))
    rows = {name: {sample.tobytes() for sample in one.inputs[0]} for name, one in seen.items()}
    assert rows["judged"] == rows["held"]
    assert not rows["judged"] & rows["train"]
    assert len(rows["held"] | rows["train"]) == 200
    of = {sample.tobytes(): int(label) for sample, label in zip(data.inputs[0], labels, strict=True)}
    assert {of[one] for one in rows["held"]} == {of[one] for one in rows["train"]} == {0, 1, 2}
