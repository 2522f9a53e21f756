"""Labelled samples that events show, and what the network answers to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.data import Dataset, fit_inputs
from freeml.ir.decision import lasting, published
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.sim.answers import codes_of
from freeml.sim.life.engine import RIGHT, UNKNOWN, WRONG


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


def samples_of(graph: Graph, dataset: Dataset, seed: int) -> Samples:
    """All samples of a data set, shuffled by seed."""
    fitted = fit_inputs(dataset, [port.shape for port in graph.inputs])
    codes = codes_of(graph, encode_inputs(graph, fitted.real_inputs()))
    order = np.random.default_rng(seed).permutation(len(codes)).astype(np.int32)
    return Samples(codes, dataset.labels, order)


def answers_at_exits(graph: Graph, dataset: Dataset) -> npt.NDArray[np.int8]:
    """(n, depths) WRONG, RIGHT or UNKNOWN: what the interpreter, and so every device, answers at each exit."""
    if dataset.labels is None:
        return np.full((len(dataset), 1), UNKNOWN, np.int8)
    fitted = fit_inputs(dataset, [port.shape for port in graph.inputs])
    encoded = encode_inputs(graph, fitted.real_inputs())
    found = np.zeros(len(dataset), np.int64)
    for start, stop in chunks(graph, len(dataset)):
        part = {name: array[start:stop] for name, array in encoded.items()}
        found[start:stop] = published(graph, interpret(graph, part, lasting(graph)))[0]
    return np.where(found == dataset.labels, RIGHT, WRONG).astype(np.int8)[:, None]
