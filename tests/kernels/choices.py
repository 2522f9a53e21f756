"""Where random layers take their numbers from: hypothesis, or a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

T = TypeVar("T")
Codes = npt.NDArray[np.int8]


class Choices(Protocol):
    """Where a generator takes its numbers from."""

    def between(self, low: int, high: int) -> int: ...


class Seeded:
    """Choices from a seed, for cases that are recorded."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def between(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high, endpoint=True))


class Drawn:
    """Choices that hypothesis makes, and shrinks."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw

    def between(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))


def pick(c: Choices, options: Sequence[T]) -> T:
    return options[c.between(0, len(options) - 1)]


def splits(c: Choices, n_units: int) -> list[tuple[int, int]]:
    """(first, n) tiles that cover a layer, empty ones among them, in any order."""
    cuts = sorted(c.between(0, n_units) for _ in range(c.between(0, 4)))
    tiles = [(a, b - a) for a, b in zip([0, *cuts], [*cuts, n_units], strict=True)]
    return tiles if c.between(0, 1) else tiles[::-1]


def rng_of(c: Choices) -> np.random.Generator:
    return np.random.default_rng(c.between(0, 2**32 - 1))


def codes_of(c: Choices, *shape: int, low: int = -128) -> Codes:
    """int8 codes: any, or extreme ones only, which reach the largest sums."""
    rng = rng_of(c)
    if c.between(0, 3) == 0:
        return rng.choice(np.array([low, 127], np.int8), size=shape)
    return rng.integers(low, 127, size=shape, dtype=np.int8, endpoint=True)
