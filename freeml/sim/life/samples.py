"""Labelled samples that events show, and what the network answers to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.data import Dataset, fit_inputs
from freeml.ir.decision import published, published_values
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.types import Array
from freeml.sim.answers import codes_of
from freeml.sim.life.outcomes import RIGHT, UNKNOWN, WRONG, Outcomes, order_of


@dataclass(frozen=True)
class Samples:
    """Event number k shows sample order[k modulo n].

    codes   (n,) what the sensors show; labels (n,) or None
    order   (n,) a permutation by seed
    """

    codes: list[bytes]
    labels: npt.NDArray[np.int64] | None
    order: npt.NDArray[np.int32]

    def shown(self, event: int) -> int:
        """The sample of an event."""
        return int(self.order[event % len(self.order)])

    def judge(self, sample: int, class_index: int) -> int:
        """WRONG, RIGHT, or UNKNOWN without labels."""
        if self.labels is None:
            return UNKNOWN
        return RIGHT if int(self.labels[sample]) == class_index else WRONG


def samples_of(graph: Graph, dataset: Dataset | None, seed: int) -> Samples:
    """All samples of a data set, shuffled by seed; one of random codes without."""
    codes = codes_of(graph, _inputs(graph, dataset))
    return Samples(codes, None if dataset is None else dataset.labels, order_of(len(codes), seed))


def outcomes_of(graph: Graph, dataset: Dataset | None, seed: int) -> Outcomes:
    """What the interpreter, and so every device, has at each exit of the same samples, in the same order."""
    n, labels = (1, None) if dataset is None else (len(dataset), dataset.labels)
    return _outcomes(graph, _inputs(graph, dataset), n, labels).shuffled(seed)


def _inputs(graph: Graph, dataset: Dataset | None) -> dict[str, Array]:
    """Codes (n, *shape) of each input."""
    if dataset is not None:
        return encode_inputs(graph, fit_inputs(dataset, [port.shape for port in graph.inputs]).real_inputs())
    from freeml.sim.profile import random_codes

    codes = np.frombuffer(random_codes(graph), np.int8)
    types = {port.value: graph.types[port.value] for port in graph.inputs}
    parts = np.split(codes, np.cumsum([one.n_elems for one in types.values()])[:-1])
    return {name: part.reshape(1, *types[name].shape) for name, part in zip(types, parts, strict=True)}


def _outcomes(graph: Graph, encoded: Mapping[str, Array], n: int, labels: npt.NDArray[np.int64] | None) -> Outcomes:
    n_depths = len(graph.exits) + 1
    found = np.zeros((n, n_depths), np.int64)
    n_scores = graph.types[graph.exits[0].value].n_elems if graph.exits else 0
    scores = np.zeros((n, n_depths - 1, n_scores), np.int32)
    for start, stop in chunks(graph, n):
        part = {name: array[start:stop] for name, array in encoded.items()}
        values = interpret(graph, part, published_values(graph))
        for k, made in enumerate(graph.exits):
            found[start:stop, k] = published(graph, values, k + 1)[0]
            scores[start:stop, k] = values[made.value].reshape(stop - start, -1)
        found[start:stop, -1] = published(graph, values)[0]
    right = np.full(found.shape, UNKNOWN, np.int8)
    if labels is not None:
        right = np.where(found == labels[:, None], RIGHT, WRONG).astype(np.int8)
    return Outcomes(right, scores, np.arange(n, dtype=np.int32))
