"""What a change of one part does to a network's scores on calibration samples; labels are not needed.

Changes are judged one at a time by the error of the scores, as ranges of int8 are (quantize/judge.py); channels, of
which there are many, by a first-order estimate of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from freeml.compress.channels import Channels, channels, mixes
from freeml.compress.l0 import project
from freeml.compress.stored import layers_of
from freeml.ir.graph import Graph
from freeml.ir.types import Array, Const
from freeml.quantize.judge import Distance, distance
from freeml.train.int8 import Coding
from freeml.train.measure import importance, means, score_names, values
from freeml.train.network import Network

KeyT = TypeVar("KeyT", bound=Hashable)


def of_variants(graph: Graph, samples: Sequence[Array], variants: Iterable[tuple[KeyT, Graph]]) -> dict[KeyT, Distance]:
    """Error and agreement of each variant's scores with the graph's own. Variants have the graph's outputs."""
    whole = Network(graph)
    reference = values(whole, samples, score_names(whole))
    calm = np.ones(len(samples[0]), dtype=bool)
    found = {}
    for key, variant in variants:
        network = Network(variant)
        theirs = values(network, samples, score_names(network))
        paired = dict(zip(reference, theirs.values(), strict=True))
        found[key] = distance(paired, reference, calm)
    return found


def of_densities(
    graph: Graph, samples: Sequence[Array], densities: Sequence[float]
) -> dict[tuple[str, float], Distance]:
    """Of each layer alone with so many of its largest weights left, by layer and density; nothing is retrained."""

    def variants() -> Iterable[tuple[tuple[str, float], Graph]]:
        for layer in layers_of(graph):
            for density in densities:
                weights = graph.consts[layer.weight].array.copy()
                project(weights, density)
                yield (layer.name, density), graph.with_ops(graph.ops, consts={layer.weight: Const(weights)})

    return of_variants(graph, samples, variants())


def of_codes(graph: Graph, samples: Sequence[Array], coding: Mapping[str, Coding]) -> dict[str, Distance]:
    """Of each of these weights alone with the values that its codes stand for, by constant; nothing is retrained."""
    variants = (
        (name, graph.with_ops(graph.ops, consts={name: Const(code(graph.consts[name].array).array)}))
        for name, code in coding.items()
    )
    return of_variants(graph, samples, variants)


def of_channels(graph: Graph, samples: Sequence[Array], known: Channels | None = None) -> dict[int, float]:
    """Of each bundle that may be taken out, how far the scores move without it, to first order."""
    known = known or channels(graph)
    read = {op.inputs[0]: known.of[op.inputs[0]] for op in graph.ops if mixes(op)}
    found = importance(Network(graph), samples, read)
    return {bundle: found.get(bundle, 0.0) for bundle in sorted(known.free)}


def read_means(graph: Graph, samples: Sequence[Array]) -> Mapping[str, Array]:
    """Mean of each value that is read by an op that mixes channels: what `channels.remove` puts into biases."""
    return means(Network(graph), samples, tuple(dict.fromkeys(op.inputs[0] for op in graph.ops if mixes(op))))
