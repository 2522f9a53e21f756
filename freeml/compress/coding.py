"""Which codes the weights of a network get: as many values as its bytes allow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from freeml.analysis import placeholder_int8
from freeml.compress.codebook import Codebook, OneScale, Ternary
from freeml.compress.entropy import EntropyCodebook
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Const
from freeml.train.int8 import Coding

# Values that a weight may have; 256: those of int8, one scale for each output channel.
LADDER = (256, 16, 8, 4, 3)
# Of entropy a weight: with fewer, a network of fewer channels is the better bargain.
FEWEST_BITS = 1.4
_TIMES_BITS = (1.5, 1.0)
# Of all weights, below which a layer's are not worth fewer bits: first and last layers, which miss them most.
_SMALL_SHARE = 0.05
# Below so many stored bytes fewer values and more weights are the better bargain.
_FOUR_LEVELS_BYTES = 1500
_EIGHT_LEVELS_BYTES = 3000


@dataclass(frozen=True, slots=True)
class Levels:
    """How many values weights may have, and of which layers.

    keep   nodes of layers that stay int8, as the user said; one scale for each channel
    bits   of entropy a weight at most, of layers that hold a share of all weights that counts
    whole  nodes of layers that stay int8, as few values cost them much; one scale
    """

    values: int = 256
    keep: frozenset[str] = frozenset()
    bits: float | None = None
    whole: frozenset[str] = frozenset()

    def of(self, graph: Graph) -> dict[str, Coding]:
        """The coding of each weight, by constant. One scale a layer, and so one multiplier."""
        if self.values == 256:
            return {}
        small = small_layers(graph)
        layers = [op for op in graph.ops if isinstance(op, Conv | Dense) and op.loc not in self.keep]
        return {op.inputs[1]: self._coding(op.loc, is_small=op.inputs[1] in small) for op in layers}

    def _coding(self, loc: str, *, is_small: bool) -> Coding:
        if loc in self.whole:
            return OneScale()
        if self.values == 3:
            return Ternary(per_channel=False)
        if self.bits is None or is_small:
            return Codebook(self.values, per_channel=False)
        return EntropyCodebook(self.values, self.bits)

    def coded(self, graph: Graph) -> Graph:
        """The float graph with weights that have such codes."""
        consts: dict[str, Const] = {name: code(graph.consts[name].array) for name, code in self.of(graph).items()}
        return graph.with_ops(graph.ops, consts=consts)

    def real(self, graph: Graph) -> Graph:
        """The float graph with the weights that such codes stand for, as real ones."""
        coded = self.coded(graph)
        return coded.with_ops(coded.ops, consts={name: Const(coded.consts[name].array) for name in self.of(graph)})

    def integers(self, graph: Graph) -> Graph:
        """An integer graph of the right shapes and weight codes; scales of activations mean nothing."""
        return placeholder_int8(self.coded(graph))


def small_layers(graph: Graph) -> Mapping[str, str]:
    """Nodes of layers that hold a small share of all weights, by the constant of these."""
    layers = [op for op in graph.ops if isinstance(op, Conv | Dense)]
    counted = _SMALL_SHARE * sum(graph.consts[op.inputs[1]].array.size for op in layers)
    return {op.inputs[1]: op.loc for op in layers if graph.consts[op.inputs[1]].array.size < counted}


def levels_for(target_bytes: float | None, keep: Collection[str], *, is_timed: bool = False) -> Levels:
    """A first choice for a size: the fewest bits that a weight is worth keeping for. Without a size, int8; where
    time counts, too, no bits that only an entropy coder gives."""
    kept = frozenset(keep)
    if target_bytes is None:
        return Levels(256, kept)
    if target_bytes < _EIGHT_LEVELS_BYTES:
        return Levels(4 if target_bytes < _FOUR_LEVELS_BYTES else 8, kept)
    return Levels(16, kept, None if is_timed else FEWEST_BITS)


def gradual(levels: Levels) -> list[Levels]:
    """From many values to few: each step of the ladder down to these."""
    return [replace(levels, values=n) for n in LADDER if levels.values <= n < 256] or [levels]


def falling(levels: Levels) -> list[Levels]:
    """From many bits a weight to few; none where bits have no limit."""
    return [] if levels.bits is None else [replace(levels, bits=times * levels.bits) for times in _TIMES_BITS]
