"""What is trained, as a graph: scores of every depth as rows, the answer to learn from and the label behind them.

    rows (1, R, K) = mix (D x D) @ parts, answer, label          part_k = Dense(features_k)

`mix` is a 1x1 convolution over depths, so that it is a weight like any other; after each step it is made legal again:
nothing of later exits, nothing negative. Two axes keep rows from being taken for classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from freeml.exits.heads import Heads
from freeml.exits.outputs import answer_of
from freeml.ir.graph import Graph
from freeml.ir.ops import Concat, Conv, Dense, Op, Reshape, Transpose, Window
from freeml.ir.types import Array, Const, Port, TensorType

MIX, _NO_BIAS = "exits.mix", "exits.no_bias"
_LEAST_OWN = 0.05


@dataclass(frozen=True, slots=True)
class Course:
    """The graph, and the names of what is trained in it, from the shallowest exit."""

    graph: Graph
    matrices: tuple[str, ...]
    biases: tuple[str, ...]
    n_mixed: int

    def trained(self, *, mixes: bool, biases: bool) -> tuple[str, ...]:
        """Names for Network. biases: of all exits, else of the first alone."""
        return (*self.matrices, *(self.biases if biases else self.biases[:1]), *((MIX,) if mixes else ()))

    def array(self, name: str, arrays: Mapping[str, Array]) -> Array:
        """As trained, or as it was."""
        return arrays[name] if name in arrays else self.graph.consts[name].array

    def mix(self, arrays: Mapping[str, Array]) -> Array:
        """(D, D), lower triangle: what of each exit (columns) counts at each depth (rows)."""
        whole = self.array(MIX, arrays)
        return np.asarray(whole.reshape(whole.shape[0], whole.shape[-1])[: self.n_mixed, : self.n_mixed])

    def legal(self, *, tied: bool) -> Callable[[Mapping[str, Array], float], None]:
        """Makes mix legal in place. tied: an exit's own factor is trained; else it is 1, and its matrix has it."""

        def after_step(arrays: Mapping[str, Array], _: float) -> None:
            if MIX not in arrays:
                return
            mix = arrays[MIX].reshape(arrays[MIX].shape[0], -1)
            mix[...] = np.maximum(np.tril(mix), 0)
            own = np.maximum(np.diag(mix), _LEAST_OWN) if tied else np.ones(len(mix))
            np.fill_diagonal(mix, own)

        return after_step


class _Builder:
    """A graph as it grows."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self.consts: dict[str, Const] = {}

    def add(self, op: Op, *shape: int) -> str:
        self.ops.append(op)
        self.types[op.output] = TensorType(shape)
        return op.output

    def port(self, name: str, n: int) -> Port:
        self.types[name] = TensorType((n,))
        return Port(name, name, (n,), (0,))

    def rows(self, heads: Heads, features: Sequence[str]) -> str:
        """Scores of every depth (1, D, K), from features (F,)."""
        depths, k, loc = len(heads.exits), heads.n_classes, "exits"
        for number, matrix in enumerate(heads.matrices):
            self.consts[f"exits.matrix{number}"] = matrix
        parts = []
        for depth, (exit_, value) in enumerate(zip(heads.exits, features, strict=True)):
            bias = heads.biases[depth].array / exit_.slices[0].gain
            self.consts[f"exits.bias{depth}"] = Const(bias)
            read = (value, f"exits.matrix{exit_.slices[0].matrix}", f"exits.bias{depth}")
            parts.append(self.add(Dense(output=f"exits.part{depth}", inputs=read, loc=loc), k))
        gains = np.array([exit_.slices[0].gain for exit_ in heads.exits])
        mix = np.diag(gains)
        for depth, exit_ in enumerate(heads.exits):
            mix[depth, :depth] = np.array(exit_.mix) * gains[:depth]
        self.consts[MIX] = Const(mix.reshape(depths, 1, 1, depths))
        self.consts[_NO_BIAS] = Const(np.zeros(depths))
        one = self.add(Concat(output="exits.parts", inputs=tuple(parts), loc=loc, axis=0), depths * k)
        one = self.add(Reshape(output="exits.by_depth", inputs=(one,), loc=loc), 1, depths, k)
        one = self.add(Transpose(output="exits.by_class", inputs=(one,), loc=loc, order=(0, 2, 1)), 1, k, depths)
        conv = Conv(output="exits.mixed", inputs=(one, MIX, _NO_BIAS), loc=loc, window=Window(kernel=(1, 1)))
        one = self.add(conv, 1, k, depths)
        return self.add(Transpose(output="exits.scores", inputs=(one,), loc=loc, order=(0, 2, 1)), 1, depths, k)

    def joined(self, values: Sequence[str], k: int) -> Port:
        """Rows of values (R * K,) or (1, R, K) as the one output."""
        maps, n = [], 0
        for number, value in enumerate(values):
            rows = self.types[value].n_elems // k
            maps.append(self.add(Reshape(output=f"exits.rows{number}", inputs=(value,), loc="exits"), 1, rows, k))
            n += rows
        self.add(Concat(output="exits.all", inputs=tuple(maps), loc="exits", axis=1), 1, n, k)
        return Port("rows", "exits.all", (1, n, k), (0, 1, 2))

    def course(self, graph_name: str, inputs: Sequence[Port], output: Port, heads: Heads) -> Course:
        graph = Graph(graph_name, tuple(inputs), (output,), tuple(self.ops), self.types, self.consts)
        matrices = tuple(f"exits.matrix{number}" for number in range(len(heads.matrices)))
        biases = tuple(f"exits.bias{depth}" for depth in range(len(heads.exits)))
        return Course(graph, matrices, biases, len(heads.exits))


def head_course(heads: Heads, sizes: Sequence[int], seed: int) -> Course:
    """Heads alone: inputs are the features of each exit, and the rows to learn from (2 * K,). They start small."""
    builder = _Builder()
    rng = np.random.default_rng([seed, 7])
    begun = [Const(rng.normal(size=m.shape) * 0.1 / np.sqrt(m.shape[1])) for m in heads.matrices]
    inputs = [builder.port(f"features{depth}", size) for depth, size in enumerate(sizes)]
    expected = builder.port("expected", 2 * heads.n_classes)
    fresh = Heads(heads.kind, heads.exits, tuple(begun), heads.biases)
    rows = builder.rows(fresh, [port.value for port in inputs])
    output = builder.joined([rows, expected.value], heads.n_classes)
    return builder.course("heads", [*inputs, expected], output, heads)


def joint_course(graph: Graph, heads: Heads) -> Course:
    """Network and heads: inputs are the network's and the label (K,), one-hot.

    The network's own answer is the last depth, and the row that exits learn from.
    """
    builder = _Builder()
    builder.ops.extend(graph.ops)
    builder.types.update(graph.types)
    builder.consts.update(graph.consts)
    label = builder.port("exits.label", heads.n_classes)
    answer = answer_of(graph)
    rows = builder.rows(heads, [exit_.slices[0].features for exit_ in heads.exits])
    output = builder.joined([rows, answer, answer, label.value], heads.n_classes)
    return builder.course(graph.name, [*graph.inputs, label], output, heads)
