"""What each sample gives at each exit: its scores there, and whether the answer would be right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

WRONG, RIGHT, UNKNOWN = range(3)


@dataclass(frozen=True)
class Outcomes:
    """Of n samples at D exits and the network's own answer.

    right   (n, D + 1) WRONG, RIGHT or UNKNOWN
    scores  (n, D, classes) int32, as the device has them at each exit
    order   (n,) event number k shows sample order[k modulo n]
    """

    right: npt.NDArray[np.int8]
    scores: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        assert len(self.right) == len(self.scores) == len(self.order)

    @property
    def has_labels(self) -> bool:
        """Whether anybody knows what is right."""
        return bool((self.right != UNKNOWN).all())

    def shuffled(self, seed: int) -> Outcomes:
        """The same in another order."""
        return replace(self, order=order_of(len(self.order), seed))


def order_of(n: int, seed: int) -> npt.NDArray[np.int32]:
    """The order (n,) in which events show samples, whatever engine lives on them."""
    return np.random.default_rng(seed).permutation(n).astype(np.int32)
