"""What a network's answers are worth: accuracy by class, error of a regression, agreement of two networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.data.dataset import Dataset
from freeml.ir.decision import classes, decide, n_classes
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, decode_outputs, encode_inputs, interpret
from freeml.ir.types import Array

Classes = npt.NDArray[np.int64]

_DOUBTFUL = 0.5  # share of right classes below which labels without a class 0 are said to have none


@dataclass(frozen=True, slots=True)
class Answers:
    """What a network says to samples: each output (B, *port.shape), real; classes (B,), None without decision."""

    outputs: tuple[Array, ...]
    classes: Classes | None


class Said:
    """What one network said so far, chunk by chunk."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.decision = decide(graph)
        self.wanted = {*graph.output_values, *([self.decision.value] if self.decision else [])}
        self._outputs: list[tuple[Array, ...]] = []
        self._classes: list[Classes] = []

    def add(self, values: Mapping[str, Array], published: Classes | None = None) -> tuple[Array, ...]:
        """Take the values `wanted`, (B, *shape) by name; returns the outputs, real. published: classes (B,) that a
        device said, which may have stopped at an exit."""
        self._outputs.append(decode_outputs(self.graph, values))
        if self.decision:
            said = classes(self.graph, self.decision, values) if published is None else published
            self._classes.append(said)
        return self._outputs[-1]

    @property
    def answers(self) -> Answers:
        """All of it."""
        columns = tuple(np.concatenate(column) for column in zip(*self._outputs, strict=True))
        return Answers(columns, np.concatenate(self._classes) if self._classes else None)


def answers(graph: Graph, samples: Sequence[Array]) -> Answers:
    """Of a float or an integer graph, for samples as the author gives them."""
    said = Said(graph)
    for start, stop in chunks(graph, len(samples[0])):
        inputs = encode_inputs(graph, [array[start:stop] for array in samples])
        said.add(interpret(graph, inputs, said.wanted))
    return said.answers


@dataclass(frozen=True, slots=True)
class Score:
    """accuracy: share of samples whose class is the label. mae, r2: of a regression. None where there is none of it.

    mae is the mean absolute error, in the units of the targets; r2 the share of their variance that is explained, the
    mean over the columns that vary.
    """

    accuracy: float | None = None
    mae: float | None = None
    r2: float | None = None


def score(graph: Graph, given: Answers, dataset: Dataset) -> tuple[Score, list[str]]:
    """How good answers are for the data's labels or targets, and what stands against it, in words."""
    if dataset.targets is not None:
        return _regression(given, dataset.targets)
    if dataset.labels is None:
        return Score(), []
    decision = decide(graph)
    if decision is None or given.classes is None:
        return Score(), ["the model's outputs are no scores of classes: no accuracy was measured"]
    n, labels = n_classes(graph, decision), dataset.labels
    found = label_findings(dataset, n, given.classes, is_single=decision.kind == "threshold")
    if n is not None and int(labels.max()) >= n:
        return Score(), found
    return Score(accuracy=float(np.mean(given.classes == labels))), found


def label_findings(dataset: Dataset, n: int | None, predicted: Classes, *, is_single: bool = False) -> list[str]:
    """Labels beyond the classes of a model, of which there are n if that is known; or that seem to count from 1."""
    labels = dataset.labels
    assert labels is not None
    low, high = int(labels.min()), int(labels.max())
    if n is not None and high >= n:
        row = dataset.place(int(labels.argmax()))
        cause = "number them from 0" if low >= 1 and high == n else "whole numbers are taken as classes"
        has = "its one score tells classes 0 and 1 apart" if is_single else f"its {n} scores are classes 0 to {n - 1}"
        text = f"label {high} of {row} is no class of this model, {has}; labels are {low} to {high}: {cause}"
        return [f"{text}; no accuracy was measured"]
    if low >= 1:
        text = f"class 0 never occurs among {len(labels)} labels, {low} to {high}"
        right, shifted = float(np.mean(predicted == labels)), float(np.mean(predicted == labels - 1))
        if shifted > right:
            return [f"{text}; {100 * shifted:.1f} % would be right if they counted from 1: number classes from 0"]
        return [text] if right < _DOUBTFUL else []
    return []


def _regression(given: Answers, targets: npt.NDArray[np.float64]) -> tuple[Score, list[str]]:
    flat = [output.reshape(len(output), -1) for output in given.outputs]
    fitting = [output for output in flat if output.shape[1] == targets.shape[1]]
    if not fitting:
        sizes = ", ".join(str(output.shape[1]) for output in flat)
        n = targets.shape[1]
        return Score(), [f"targets have {n} value{'s' * (n > 1)} a sample, outputs {sizes}: no error was measured"]
    difference = fitting[0].astype(np.float64) - targets
    spread = np.sum((targets - targets.mean(axis=0)) ** 2, axis=0)
    varies = spread > 0
    explained = 1 - np.sum(difference**2, axis=0)[varies] / spread[varies]
    return Score(mae=float(np.abs(difference).mean()), r2=float(explained.mean()) if varies.any() else None), []


def agreement(a: Classes | None, b: Classes | None) -> float | None:
    """Share of samples to which two networks give the same class; None where they decide nothing."""
    return None if a is None or b is None else float(np.mean(a == b))


def rating(float_score: Score, int8_score: Score, dataset: Dataset, notes: Sequence[str]) -> dict[str, Any]:
    """The manifest's entry: how good both networks are, on what, and why there is no figure where there is none."""
    found: dict[str, Any] = {
        "kind": "regression" if dataset.targets is not None else "classes",
        "float": float_score.accuracy,
        "int8": int8_score.accuracy,
    }
    if dataset.targets is not None:
        found["mae"] = {"float": float_score.mae, "int8": int8_score.mae}
        found["r2"] = {"float": float_score.r2, "int8": int8_score.r2}
    # Of a path only its end: the same input gives the same bytes.
    name = dataset.name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    found |= {"samples": len(dataset), "split": dataset.split, "data": name, "rule": dataset.rule}
    return found | {"note": "; ".join(notes) or None}
