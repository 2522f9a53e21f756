"""Fewer channels: the bundles that the scores miss least for what they cost go first, a part of the network at a time.

How much a bundle is missed is measured on calibration samples without labels (sensitivity.py); what the channels that
go gave on average goes into biases. After a part is gone the others are worth something else, so that removal in
several rounds, each with its own measurement and training between them, loses less than all at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from freeml.compress.channels import Channels, channels, mixes, remove
from freeml.compress.sensitivity import of_channels, read_means
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Array


def by_bundle(known: Channels, figures: Iterable[tuple[str, float]]) -> dict[int, float]:
    """What goes with each free bundle alone, of figures (value, of one of its channels)."""
    saved: dict[int, float] = dict.fromkeys(sorted(known.free), 0)
    for value, each in figures:
        for bundle in known.of[value].tolist():
            if bundle in saved:
                saved[bundle] += each
    return saved


def weights_saved(graph: Graph, known: Channels) -> dict[int, float]:
    """Weights and biases that go with each free bundle alone."""

    def figures() -> Iterator[tuple[str, int]]:
        for op in graph.ops:
            if isinstance(op, Conv | Dense):
                weight = graph.consts[op.inputs[1]].array
                yield op.output, weight[0].size + 1
                yield op.inputs[0], weight[..., 0].size if mixes(op) else 0

    return by_bundle(known, figures())


def elements_saved(graph: Graph, known: Channels) -> dict[int, float]:
    """Elements of all values that go with each free bundle: bytes of activations in int8."""
    return by_bundle(known, ((value, elements_of(graph, known, value)) for value in known.of))


def elements_of(graph: Graph, known: Channels, value: str) -> int:
    """Elements of one channel of a value."""
    return graph.types[value].n_elems // len(known.of[value])


def weakest(
    known: Channels, missed: Mapping[int, float], saved: Mapping[int, float], amount: float, kept: Collection[int] = ()
) -> list[int]:
    """Bundles in order of what is missed for what is saved, until so much is saved or each value has one channel left.

    missed, saved: of each bundle; kept: bundles that stay. Savings are those of a bundle alone: of bundles that share
    weights they count twice what goes once.
    """
    left = {value: len(of) for value, of in known.of.items()}
    places: dict[int, list[tuple[str, int]]] = {}
    for value, of in known.of.items():
        for bundle, n in zip(*np.unique(of, return_counts=True), strict=True):
            places.setdefault(int(bundle), []).append((value, int(n)))
    taken: list[int] = []
    for bundle in sorted(known.free - set(kept), key=lambda b: (missed[b] / max(saved[b], 1), b)):
        if amount <= 0:
            break
        if all(left[value] > n for value, n in places[bundle]):
            taken.append(bundle)
            amount -= saved[bundle]
            for value, n in places[bundle]:
                left[value] -= n
    return taken


def shrink(
    graph: Graph, samples: Sequence[Array], share: float, *, keep: Collection[str] = (), activations: bool = False
) -> Graph:
    """A graph with about that share of its weights gone, 0 to 1, or of its activations.

    samples  calibration samples as the author gives them; keep: values whose channels stay, by name
    """
    known = channels(graph)
    saved = elements_saved(graph, known) if activations else weights_saved(graph, known)
    if activations:
        whole = sum(graph.types[value].n_elems for value in known.of)
    else:
        whole = sum(
            graph.consts[name].array.size for op in graph.ops if isinstance(op, Conv | Dense) for name in op.inputs[1:]
        )
    kept = {int(bundle) for value in keep for bundle in known.of[value]}
    taken = weakest(known, of_channels(graph, samples, known), saved, int(share * whole), kept)
    return remove(graph, taken, known=known, means=read_means(graph, samples)) if taken else graph
