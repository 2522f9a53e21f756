"""What every depth of an integer network with exits says of samples: policies are judged on it, reports made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.data.dataset import Dataset
from freeml.errors import BadData, BadModel
from freeml.exits.calibrate import best_temperature, softness
from freeml.ir.confidence import Confidence, Softness, confidence
from freeml.ir.decision import classes, decide
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.types import Array

FEW = 20  # samples, below which a table is said to mean little
FEW_END = "policy's table: thresholds of so few mean little, a hundred or more are usual"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ByDepth:
    """Of N samples and D exits.

    scores   int32 (N, K) of each exit
    classes  (N, D + 1) of each depth, the whole network's last
    labels   (N,); where samples have none, the classes of the whole network
    """

    scores: tuple[Array, ...]
    classes: Ints
    labels: Ints

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """(N, D + 1) whether a depth's class is the label."""
        return np.asarray(self.classes == self.labels[:, None])

    def calibrated(self) -> tuple[Softness, ...]:
        """Of each exit the temperature that makes the labels likeliest, as its multiplier."""
        found = []
        for scores in self.scores:
            unit = 1.0 / max(float(np.std(scores)), 1.0)  # so that temperatures are of a size that is looked for
            found.append(softness(unit, best_temperature(scores * unit, self.labels)))
        return tuple(found)

    def confidences(self, soft: Sequence[Softness]) -> tuple[Confidence, ...]:
        """Of each exit, as the device computes it."""
        return tuple(confidence(scores, one) for scores, one in zip(self.scores, soft, strict=True))


def by_depth(graph: Graph, dataset: Dataset) -> ByDepth:
    """The interpreter's, and so every device's. dataset: in the shapes that the graph reads.

    Raises BadModel for a network without exits or without a class, BadData as check_samples does.
    """
    end = decide(graph)
    if not graph.exits or end is None:
        raise BadModel("the network has no exits", where=graph.name, hint="compile it with --exits auto")
    check_samples(dataset, graph.types[graph.exits[0].value].n_elems)
    wanted = [*(made.value for made in graph.exits), end.value]
    encoded = encode_inputs(graph, dataset.real_inputs())
    scores: list[list[Array]] = [[] for _ in graph.exits]
    found: list[list[Array]] = [[] for _ in wanted]
    for start, stop in chunks(graph, len(dataset)):
        values = interpret(graph, {name: array[start:stop] for name, array in encoded.items()}, wanted)
        for k, made in enumerate((*graph.exits, end)):
            found[k].append(classes(graph, made, values))
            if k < len(scores):
                scores[k].append(values[made.value])
    said = np.stack([np.concatenate(parts) for parts in found], axis=1)
    labels = said[:, -1] if dataset.labels is None else np.asarray(dataset.labels, dtype=np.int64)
    return ByDepth(tuple(np.concatenate(parts) for parts in scores), said, labels)


def check_samples(dataset: Dataset, n: int) -> None:
    """Raise BadData for samples that exits of so many classes learn nothing from: real targets, other labels."""
    if dataset.targets is not None:
        raise BadData(
            "the samples have real targets: exits answer with classes",
            where=dataset.name,
            hint="give class numbers as labels, or compile without exits (--exits none)",
        )
    dataset.check_classes(n)


def check_tells(dataset: Dataset, known: ByDepth) -> None:
    """Raise BadData for samples that no threshold is found on: all the same, or all of one class."""
    dataset.check_differ()
    if all(np.array_equal(array, np.broadcast_to(array[:1], array.shape)) for array in dataset.inputs):
        raise BadData(
            "all samples are the same: they say nothing of others",
            where=dataset.name,
            hint="give different samples, of every class",
        )
    if (known.labels == known.labels[0]).all():
        raise BadData(
            f"the network says {known.labels[0]} to all {len(dataset)} samples, which have no labels",
            where=dataset.name,
            hint="give samples of every class",
        )


def few_findings(n: int) -> list[str]:
    """What stands against a table that so many samples gave, in words."""
    samples = f"{n} sample{'s' * (n > 1)}"
    return [f"only {samples} gave the {FEW_END}"] if n < FEW else []


def softness_of(graph: Graph) -> tuple[Softness, ...]:
    """Of the exits of a graph, as their tables have it."""
    return tuple(Softness(*made.softness) for made in graph.exits if made.softness is not None)
