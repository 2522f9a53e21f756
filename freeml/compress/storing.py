"""How weights are stored where bytes bind: each layer in the form that is best for the whole network.

Bytes are not all: of two forms of nearly a size one may decode in a fraction of the cycles. So a form is taken by its
share of all stored bytes and by its share of all cycles of an inference, as the planner prices them on the board; and
where a size leaves room, cycles count for more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from freeml.board.board import Board
from freeml.compress.cost import stored_of
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Const
from freeml.plan.encode import as_it_is, encoded, smaller_ways
from freeml.plan.fuse import fusible
from freeml.plan.ways import Way

_WEIGHT = 1  # position among an op's inputs
# What a share of an inference's cycles is worth in shares of the stored bytes while channels are chosen: where bytes
# alone are asked for, and where time or energy is, too. A finished network takes the first of all that its size allows.
USUAL_WORTH, TIMED_WORTH = 0.1, 0.6
_WORTHS = (10.0, 3.0, 1.6, 1.0, TIMED_WORTH, 0.4, 0.2, USUAL_WORTH, 0.05, 0.0)
_MOST_TURNS = 8  # shares depend on the forms, and forms on the shares: a few turns settle that
_KEPT_WAYS = 4096
_CODE_WORTH = 0.25  # of a byte of a decoder's code, in stored bytes
# A convolution of at most that share of the bytes stays dense before a pool: joined (plan/fuse.py), its output, often
# the largest value of all, never exists.
_JOINED_SHARE = 1 / 8


@dataclass(slots=True)
class Forms:
    """The forms of layers on one board; a layer that is asked for again is not planned again."""

    board: Board
    _known: dict[tuple[object, ...], Sequence[Way]] = field(default_factory=dict)

    def best(self, graph: Graph, worth: float) -> dict[str, str]:
        """The encoding of each layer's weights, by what the layer computes; none where dense codes do.

        graph: integer. worth: of a share of the cycles, in shares of the bytes; 0: the fewest bytes, however slow.
        """
        layers = {op.output: self._ways(graph, op) for op in graph.ops if isinstance(op, ConvI8 | DenseI8)}
        least = sum(min(way.n_bytes for way in ways) for ways in layers.values())
        for conv, _ in fusible(as_it_is(graph)) if worth else ():
            dense = layers[conv.output][0]
            if dense.n_bytes <= _JOINED_SHARE * least:
                layers[conv.output] = (dense,)
        now = {name: min(ways, key=lambda way: way.n_bytes) for name, ways in layers.items()}
        for _ in range(_MOST_TURNS if worth else 0):
            found = _with_few_decoders(layers, _Rate.of(now, worth))
            if found == now:
                break
            now = found
        return {name: way.encoding for name, way in now.items() if way.encoding is not None}

    def within(self, graph: Graph, limit_bytes: float | None) -> dict[str, str]:
        """The quickest forms that keep to so many stored bytes; without a limit those of the usual worth, and the
        smallest ones where none keep to it."""
        if limit_bytes is None:
            return self.best(graph, USUAL_WORTH)
        last: dict[str, str] | None = None
        for worth in _WORTHS:
            found = self.best(graph, worth)
            if found != last and self.stored_bytes(graph, found) <= limit_bytes:
                break
            last = found
        return self.quicker(graph, found, limit_bytes)

    def quicker(self, graph: Graph, encodings: Mapping[str, str], limit_bytes: float) -> dict[str, str]:
        """These forms without those of layers that are quicker as they are, as far as so many stored bytes allow: the
        layers first that take the fewest bytes more."""
        more: dict[str, int] = {}
        for op in graph.ops:
            if isinstance(op, ConvI8 | DenseI8) and op.output in encodings:
                dense, *ways = self._ways(graph, op)
                own = next(way for way in ways if way.encoding == encodings[op.output])
                if dense.cycles <= own.cycles:
                    more[op.output] = dense.n_bytes - own.n_bytes
        found = dict(encodings)
        for value in sorted(more, key=lambda value: (more[value], value)):
            fewer = {name: form for name, form in found.items() if name != value}
            if self.stored_bytes(graph, fewer) <= limit_bytes:
                found = fewer
        return found

    def stored_bytes(self, graph: Graph, encodings: Mapping[str, str]) -> int:
        """Of an integer graph whose layers are stored so, other constants as the board's plan has them."""
        return stored_of(encoded(stored(graph, encodings), self.board))

    def _ways(self, graph: Graph, op: ConvI8 | DenseI8) -> Sequence[Way]:
        const = replace(graph.consts[op.inputs[_WEIGHT]], encoding=None)
        window = op.window if isinstance(op, ConvI8) else None
        key = (const, window, graph.types[op.inputs[0]].shape, graph.types[op.output].shape)
        if key not in self._known:
            if len(self._known) >= _KEPT_WAYS:
                self._known.clear()
            self._known[key] = smaller_ways(graph, op, self.board)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class _Rate:
    """What a way of a layer takes of all, in bytes: its cycles count as the bytes that they are worth."""

    a_cycle_bytes: float

    @classmethod
    def of(cls, ways: Mapping[str, Way], worth: float) -> _Rate:
        """From the ways of all layers."""
        n_bytes, cycles = (sum(figure) for figure in zip(*((w.n_bytes, w.cycles) for w in ways.values()), strict=True))
        return cls(worth * n_bytes / max(1.0, cycles))

    def __call__(self, way: Way) -> tuple[float, int]:
        """The less the better; of equals the smaller."""
        return way.n_bytes + self.a_cycle_bytes * way.cycles, way.n_bytes


def _with_few_decoders(layers: Mapping[str, Sequence[Way]], rate: _Rate) -> dict[str, Way]:
    """The best way of each layer, without decoders that are hardly used: their code takes flash, too."""
    left = {way.kernel for ways in layers.values() for way in ways}
    while True:
        now = {name: _best(ways, left, rate) for name, ways in layers.items()}
        gains = {}
        for kernel in {way.kernel for way in now.values() if way.code_bytes}:
            own = [name for name, way in now.items() if way.kernel == kernel]
            lost = sum(rate(_best(layers[name], left - {kernel}, rate))[0] - rate(now[name])[0] for name in own)
            gains[kernel] = _CODE_WORTH * now[own[0]].code_bytes - lost
        worst = max(gains, key=lambda kernel: (gains[kernel], kernel), default=None)
        if worst is None or gains[worst] <= 0:
            return now
        left = left - {worst}


def _best(ways: Sequence[Way], kernels: Set[str], rate: _Rate) -> Way:
    """Of a layer's ways, the dense one first, by these kernels."""
    return min((way for way in ways if way is ways[0] or way.kernel in kernels), key=rate)


def stored(graph: Graph, encodings: Mapping[str, str]) -> Graph:
    """A float or an integer graph whose layers' weights are stored so. Layers that share weights keep dense ones."""
    consts: dict[str, Const] = {}
    for op in graph.ops:
        weighted = isinstance(op, Conv | Dense | ConvI8 | DenseI8) and op.output in encodings
        if weighted and graph.uses[op.inputs[_WEIGHT]] == 1:
            name = op.inputs[_WEIGHT]
            consts[name] = replace(graph.consts[name], encoding=encodings[op.output])
    return graph.with_ops(graph.ops, consts=consts)
