"""How each exit pools: the features of most worth that a number of bytes buys, over all exits together.

Every exit may keep few places or many, by their maximum or their mean. What a choice is worth is the accuracy of a
least-squares classifier on its features (fit on training samples, judged on others: no iteration, seconds for all
choices); what it costs is a byte for each weight. The best sum of accuracies within the bytes is found exactly:
choices that cost more than others and are worth less fall out, the rest are joined exit by exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeml.data.dataset import Dataset
from freeml.errors import BadModel
from freeml.exits.branch import Pooling, branch
from freeml.exits.placement import Point
from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.train.prefix import frozen_values

_GRIDS = (1, 2, 3, 4, 6, 8)
_MOST_FEATURES = 1024
_RIDGE = 3e-3


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to pool one exit: bytes of its weights, and accuracy of a least-squares classifier behind it."""

    pooling: Pooling
    n_bytes: int
    accuracy: float


def candidates(shape: tuple[int, ...]) -> tuple[Pooling, ...]:
    """Ways to pool a map (H, W, C): grids that leave at most 1,024 numbers; of a vector itself."""
    if len(shape) < 3:
        return (Pooling("none"),)
    found: dict[Pooling, None] = {}
    for grid in _GRIDS:
        h, w = min(grid, shape[0]), min(grid, shape[1])
        for kind in ("avg", "max"):
            pooling = Pooling.to_grid(kind, shape, (h, w))
            one = Pooling("none") if pooling.window == (1, 1) else pooling
            # What a grid that does not divide the map leaves unread at its edge is less than a window.
            covers = all(p * k > n - k for p, k, n in zip(one.places(shape), one.window, shape, strict=False))
            if one.n_features(shape) <= _MOST_FEATURES and covers:
                found[one] = None
    return tuple(found) or (Pooling.to_grid("avg", shape, (1, 1)),)


def choices(
    graph: Graph, points: Sequence[Point], train: Dataset, held: Dataset, n_classes: int, *, precision: str = "float32"
) -> tuple[tuple[Choice, ...], ...]:
    """What each way to pool each exit is worth. train, held: a few thousand samples with labels."""
    assert train.labels is not None
    assert held.labels is not None
    every = [(k, one) for k, point in enumerate(points) for one in candidates(graph.types[point.value].shape)]
    of = branch(graph, [points[k] for k, _ in every], [one for _, one in every])
    fitted = frozen_values(of.graph, train, of.features, precision=precision)
    judged = frozen_values(of.graph, held, of.features, precision=precision)
    found: list[list[Choice]] = [[] for _ in points]
    for (k, pooling), name in zip(every, of.features, strict=True):
        x, y = fitted[name].reshape(len(train), -1), judged[name].reshape(len(held), -1)
        accuracy = least_squares(x, train.labels, y, held.labels, n_classes)
        found[k].append(Choice(pooling, x.shape[1] * n_classes, accuracy))
    return tuple(tuple(one) for one in found)


def least_squares(x: Array, labels: Array, held: Array, held_labels: Array, n_classes: int) -> float:
    """Accuracy on `held` of a ridge regression of one-hot labels, features normalised."""
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    a = ((x - mean) / deviation).astype(np.float64)
    wanted = np.eye(n_classes)[labels] - 1 / n_classes
    gram = a.T @ a + _RIDGE * len(a) * np.eye(a.shape[1])
    weights = np.linalg.solve(gram, a.T @ wanted)
    scores = ((held - mean) / deviation) @ weights
    bias = wanted.mean(axis=0)
    return float(np.mean((scores + bias).argmax(axis=1) == held_labels))


def choose(of: Sequence[Sequence[Choice]], budget_bytes: int, where: str = "") -> tuple[Choice, ...]:
    """The choice for each exit with the largest sum of accuracies within the bytes; of equals the smaller.

    Raises BadModel where even the smallest features of every exit take more.
    """
    partial: list[tuple[int, float, tuple[Choice, ...]]] = [(0, 0.0, ())]
    for one in of:
        joined = [
            (cost + c.n_bytes, worth + c.accuracy, (*chosen, c))
            for cost, worth, chosen in partial
            for c in one
            if cost + c.n_bytes <= budget_bytes
        ]
        partial = _undominated(joined)
    if not partial:
        least = sum(min(c.n_bytes for c in one) for one in of)
        raise BadModel(
            f"{len(of)} exits need at least {least:,} bytes of weights, {budget_bytes:,} are allowed",
            where=where,
            hint="allow more, or choose fewer exits",
        )
    return max(partial, key=lambda one: (one[1], -one[0]))[2]


def _undominated(
    found: list[tuple[int, float, tuple[Choice, ...]]],
) -> list[tuple[int, float, tuple[Choice, ...]]]:
    kept: list[tuple[int, float, tuple[Choice, ...]]] = []
    for one in sorted(found, key=lambda one: (one[0], -one[1])):
        if not kept or one[1] > kept[-1][1]:
            kept.append(one)
    return kept
