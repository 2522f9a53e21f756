"""What exits take of memory, by three definitions."""

from __future__ import annotations

from math import prod

from freeml.exits.heads import BIAS_BYTES, MULTIPLIER_BYTES, Heads
from freeml.ir.graph import Graph

_PER_CLASS = BIAS_BYTES + MULTIPLIER_BYTES


def separate_bytes(graph: Graph, heads: Heads) -> int:
    """Separate exits as the published comparison (FreeML, EWSN 2024) has them: each map max-pooled by 2, a classifier
    on all of it."""
    total = 0
    for exit_ in heads.exits:
        shape = graph.types[exit_.after].shape
        total += heads.n_classes * (prod(max(1, n // 2) for n in shape[:-1]) * shape[-1] + _PER_CLASS)
    return total


def separate_same_pooling_bytes(graph: Graph, heads: Heads) -> int:
    """A classifier for each exit on the features that it has."""
    return sum(heads.n_classes * (graph.types[name].n_elems + _PER_CLASS) for name in heads.features)
