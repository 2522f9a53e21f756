"""Which codes the weights of a network get: as many values as its bytes allow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from freeml.analysis import placeholder_int8
from freeml.compress.codebook import Codebook, Ternary
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Const
from freeml.train.int8 import Coding

# Values that a weight may have; 256: those of int8, one scale for each output channel.
LADDER = (256, 16, 8, 4, 3)
# Below so many stored bytes fewer values and more weights are the better bargain.
_FOUR_LEVELS_BYTES = 1500
_EIGHT_LEVELS_BYTES = 3000


@dataclass(frozen=True, slots=True)
class Levels:
    """How many values weights may have; keep: nodes of layers that stay int8."""

    values: int = 256
    keep: frozenset[str] = frozenset()

    def of(self, graph: Graph) -> dict[str, Coding]:
        """The coding of each weight, by constant. One scale a layer, and so one multiplier."""
        coding: dict[str, Coding] = {}
        for op in graph.ops:
            if isinstance(op, Conv | Dense) and op.loc not in self.keep and self.values < 256:
                ternary = self.values == 3
                coding[op.inputs[1]] = (
                    Ternary(per_channel=False) if ternary else Codebook(self.values, per_channel=False)
                )
        return coding

    def coded(self, graph: Graph) -> Graph:
        """The float graph with weights that have such codes."""
        consts: dict[str, Const] = {name: code(graph.consts[name].array) for name, code in self.of(graph).items()}
        return graph.with_ops(graph.ops, consts=consts)

    def integers(self, graph: Graph) -> Graph:
        """An integer graph of the right shapes and weight codes; scales of activations mean nothing."""
        return placeholder_int8(self.coded(graph))


def levels_for(target_bytes: float | None, keep: Collection[str]) -> Levels:
    """A first choice for a size; without one, int8."""
    kept = frozenset(keep)
    if target_bytes is None:
        return Levels(256, kept)
    return Levels(4 if target_bytes < _FOUR_LEVELS_BYTES else 8 if target_bytes < _EIGHT_LEVELS_BYTES else 16, kept)


def gradual(levels: Levels) -> list[Levels]:
    """From many values to few: each step of the ladder down to these."""
    return [replace(levels, values=n) for n in LADDER if levels.values <= n < 256] or [levels]
