"""What the heads of all exits compute: each exit makes K partial scores, and adds to them those of the exits before.

    part_k   = sum over slices of gain * matrix @ features + bias_k
    scores_k = part_k + sum over j < k of mix[k][j] * part_j

One formula has all kinds of heads. All of mix 1: gNet, whose classifier reads all maps concatenated, zeros for those
that do not exist yet (FreeML, EWSN 2024): W [x_1 .. x_k, 0 ..] + b is a sum of slices, and a device needs one
accumulator. All of it 0: separate exits, which know nothing of each other. One number for each (depth, slice) and a
bias for each depth: shared exits, whose matrices serve every depth behind them. One matrix may also be that of
several exits. No number of mix is negative: a device's multipliers have no sign.

A description, not a computation of any stage: training makes it, the graph of outputs and the integer heads are made
of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from freeml.exits.names import Kind
from freeml.ir.types import Array, Const

BIAS_BYTES, MULTIPLIER_BYTES = 4, 3  # int32; uint16 and its shift


@dataclass(frozen=True, slots=True)
class Slice:
    """What an exit reads: gain * matrix @ features.

    features  value of the graph, any shape of F elements, in memory order
    matrix    which of `Heads.matrices`, (K, F)
    """

    features: str
    matrix: int
    gain: float = 1.0


@dataclass(frozen=True, slots=True)
class Exit:
    """One exit.

    after  value of the network that it looks at; several values, if slices do: the deepest
    loc    the model's own node of that value
    mix    how much the partial scores of each exit before count, from 0
    """

    after: str
    loc: str
    slices: tuple[Slice, ...]
    mix: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Heads:
    """All exits but the network's own answer, from the shallowest; matrices (K, F) and a bias (K,) for each exit."""

    kind: Kind
    exits: tuple[Exit, ...]
    matrices: tuple[Const, ...]
    biases: tuple[Const, ...]

    def __post_init__(self) -> None:
        assert self.exits, "heads of no exit"
        assert [len(exit_.mix) for exit_ in self.exits] == list(range(len(self.exits)))
        assert all(number >= 0 for exit_ in self.exits for number in exit_.mix), "a multiplier has no sign"
        assert len(self.biases) == len(self.exits)
        assert {const.shape[0] for const in (*self.matrices, *self.biases)} == {self.n_classes}

    @property
    def n_classes(self) -> int:
        """K."""
        return self.biases[0].shape[0]

    @property
    def features(self) -> tuple[str, ...]:
        """Of each slice the value that it reads."""
        return tuple(part.features for exit_ in self.exits for part in exit_.slices)

    @property
    def is_chain(self) -> bool:
        """Whether the scores of each exit are those before and what it adds: K accumulators do."""
        return all(number == 1 for exit_ in self.exits for number in exit_.mix)

    @property
    def n_params(self) -> int:
        """Trained numbers: matrices once each, the bias of each depth, and what of mix is neither 0 nor 1."""
        biases = self.biases[:1] if self.kind == "gnet" else self.biases
        return sum(const.array.size for const in (*self.matrices, *biases)) + self.n_scalars

    @property
    def n_scalars(self) -> int:
        """Numbers of mix that cost a multiplier."""
        return sum(number not in (0.0, 1.0) for exit_ in self.exits for number in exit_.mix)

    @property
    def stored_bytes(self) -> int:
        """On the device: int8 matrices once each; of each slice int32 biases, 16-bit multipliers and their shifts."""
        n_slices = sum(len(exit_.slices) for exit_ in self.exits)
        per_slice = self.n_classes * (BIAS_BYTES + MULTIPLIER_BYTES)
        weights = sum(const.array.size for const in self.matrices)
        return weights + n_slices * per_slice + MULTIPLIER_BYTES * self.n_scalars

    def scores(self, features: Mapping[str, Array]) -> list[Array]:
        """Scores (B, K) of every exit, from features (B, ...) by name."""
        parts: list[Array] = []
        found: list[Array] = []
        for exit_, bias in zip(self.exits, self.biases, strict=True):
            part = bias.array
            for one in exit_.slices:
                x = features[one.features]
                part = part + one.gain * (x.reshape(len(x), -1) @ self.matrices[one.matrix].array.T)
            found.append(np.asarray(part + sum(m * p for m, p in zip(exit_.mix, parts, strict=True))))
            parts.append(part)
        return found
