"""Projection on L0 balls: of each layer the largest weights stay, the others are zero, after every step of training.

That is iterative hard thresholding with Adam in place of gradient descent; biases are not touched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from freeml.compress.stored import Layer
from freeml.ir.graph import Graph
from freeml.ir.types import Array


def n_kept(n_weights: int, density: float) -> int:
    """How many weights a density leaves: those from the (1 - density) quantile on, the next higher weight's."""
    if density <= 0:
        return 0
    return n_weights - math.ceil((1 - min(1.0, density)) * (n_weights - 1))


def project(weights: Array, density: float) -> None:
    """Set all but the largest weights to zero, in place; never are more left than `n_kept` says, also among equals."""
    n_dropped = weights.size - n_kept(weights.size, density)
    if n_dropped:
        flat = weights.reshape(-1)
        assert np.shares_memory(flat, weights), "a copy would be projected in vain"
        flat[np.argpartition(np.abs(flat), n_dropped - 1)[:n_dropped]] = 0


@dataclass(frozen=True, slots=True)
class L0Balls:
    """What a training loop does after each step: project every weight, by the name of its constant.

    density  at the end
    begin    at the start; where a weight has none there, its density is the last one from the start on
    until    share of training after which the density is the last one: the balls shrink fast at first, while there is
             much to lose and much time to mend it (Zhu and Gupta, "To Prune, or Not to Prune", 2017: a cubic)
    """

    density: Mapping[str, float]
    begin: Mapping[str, float] = field(default_factory=dict)
    until: float = 0.7

    def __call__(self, arrays: Mapping[str, Array], done: float = 1.0) -> None:
        """Arrays of weights by constant, after a share of training; those without a density stay as they are."""
        for name, density in self.density.items():
            if name in arrays:
                project(arrays[name], self.at(name, density, done))

    def at(self, name: str, density: float, done: float) -> float:
        """The density of a weight after a share of training."""
        left = max(0.0, 1 - done / self.until) if self.until > 0 else 0.0
        return density + (self.begin.get(name, density) - density) * left**3


def measured(graph: Graph, layers: Sequence[Layer]) -> dict[str, float]:
    """Share of the weights of each layer that are not zero, by layer."""
    return {layer.name: float(np.mean(graph.consts[layer.weight].array != 0)) for layer in layers}


def trained(layers: Sequence[Layer], density: Mapping[str, float]) -> list[str]:
    """Constants that are retrained: of layers that lost weights, and of all behind the first one that did.

    A layer without any weight left is not. Biases go with their weights; those of zeros are none.
    """
    names: list[str] = []
    behind = False
    for layer in layers:
        d = density[layer.name]
        behind |= d < 1
        if behind and d > 0:
            names += [layer.weight, *([layer.bias] if layer.bias else [])]
    return names
