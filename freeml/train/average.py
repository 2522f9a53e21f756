"""Weights averaged over the last steps of training: they sit in the middle of where the steps go about.

An exponential average, as of Polyak and Juditsky ("Acceleration of Stochastic Approximation by Averaging", 1992), whose
horizon is short at first, so that it does not remember how training began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from freeml.ir.types import Array

_BEGIN = 10  # steps, over which the horizon grows from one step on


class Average:
    """Of arrays that change in place, by name. horizon: steps; 0: the arrays themselves, nothing is averaged."""

    def __init__(self, arrays: Mapping[str, Array], horizon: float) -> None:
        self.arrays, self.horizon = arrays, horizon
        self.means = {name: array.copy() for name, array in arrays.items()} if horizon else {}

    def step(self, n: int) -> None:
        """After the n-th step, from 1."""
        if not self.horizon:
            return
        share = max(1 / self.horizon, _BEGIN / (_BEGIN + n))
        for name, mean in self.means.items():
            np.add(mean, np.float32(min(1.0, share)) * (self.arrays[name] - mean), out=mean)

    def put(self) -> None:
        """The averages into the arrays."""
        for name, mean in self.means.items():
            self.arrays[name][...] = mean

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages in the arrays, for as long as this lasts."""
        kept = {name: self.arrays[name].copy() for name in self.means}
        try:
            self.put()
            yield
        finally:
            for name, array in kept.items():
                self.arrays[name][...] = array
