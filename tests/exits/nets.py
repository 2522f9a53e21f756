"""Small networks of each shape that exits must work on, and heads with weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from freeml.exits.branch import Branched, branch, common_size, untrained
from freeml.exits.heads import Heads
from freeml.exits.names import Kind
from freeml.exits.placement import automatic
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret
from freeml.ir.ops import Window
from freeml.ir.types import Array, Const
from freeml.passes.pipeline import run_passes

N_CLASSES = 4
_POOL = Window(kernel=(2, 2), stride=(2, 2))
_SAME = Window(kernel=(3, 3), pad=(1, 1, 1, 1))


class _Net:
    """A builder that makes weights."""

    def __init__(self, name: str, seed: int) -> None:
        self.builder, self.rng, self.n = GraphBuilder(name), np.random.default_rng(seed), 0

    def weight(self, *shape: int) -> Weight:
        return Weight(self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])))

    def conv(self, x: View, channels: int, window: Window = _SAME) -> View:
        self.n += 1
        weight = self.weight(channels, x.shape[1], *window.kernel)
        x = self.builder.conv(x, weight, np.zeros(channels), window=window, groups=1, loc=f"net:/conv{self.n}")
        return self.builder.unary(x, "clamp", (0.0, float("inf")), loc=f"net:/relu{self.n}")

    def pool(self, x: View, window: Window = _POOL) -> View:
        return self.builder.pool(x, "max", window=window, include_pad=False, loc=f"net:/pool{self.n}")

    def finish(self, x: View) -> Graph:
        n = int(np.prod(x.shape[1:]))
        x = self.builder.reshape(x, (1, n))
        x = self.builder.dense(x, self.weight(N_CLASSES, n), self.rng.normal(size=N_CLASSES), loc="net:/fc")
        self.builder.output(x, "y", dtype="float32")
        return run_passes(self.builder.finish())


def image(seed: int = 0) -> Graph:
    net = _Net("image", seed)
    x: View = net.builder.input("x", (1, 2, 12, 12), channels_first=True, dtype="float32")
    for channels in (4, 6, 8):
        x = net.pool(net.conv(x, channels)) if channels < 8 else net.conv(x, channels)
    return net.finish(x)


def signal(seed: int = 0) -> Graph:
    net = _Net("signal", seed)
    x: View = net.builder.input("x", (1, 3, 1, 24), channels_first=True, dtype="float32")
    for channels in (4, 6, 8):
        x = net.conv(x, channels, Window(kernel=(1, 3), pad=(0, 1, 0, 1)))
        x = net.pool(x, Window(kernel=(1, 2), stride=(1, 2)))
    return net.finish(x)


def residual(seed: int = 0) -> Graph:
    net = _Net("residual", seed)
    x: View = net.builder.input("x", (1, 2, 8, 8), channels_first=True, dtype="float32")
    x = net.conv(x, 6)
    for _ in range(2):
        x = net.builder.binary("add", net.conv(net.conv(x, 6), 6), x, loc=f"net:/add{net.n}")
    return net.finish(net.pool(x))


def two_inputs(seed: int = 0) -> Graph:
    net = _Net("two_inputs", seed)
    a: View = net.builder.input("a", (1, 2, 8, 8), channels_first=True, dtype="float32")
    b: View = net.builder.input("b", (1, 3, 8, 8), channels_first=True, dtype="float32")
    x = net.builder.concat([net.conv(a, 4), net.conv(b, 4)], 1, loc="net:/concat")
    return net.finish(net.pool(net.conv(net.pool(net.conv(x, 6)), 6)))


NETS = {"image": image, "signal": signal, "residual": residual, "two_inputs": two_inputs}


def samples(graph: Graph, n: int = 5, seed: int = 1) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, *port.shape)).astype(np.float32) for port in graph.inputs]


def branched(graph: Graph, *, normed: bool = False) -> Branched:
    points = automatic(graph)
    norms = None
    if normed:
        channels = [graph.types[point.value].shape[-1] for point in points]
        norms = [(np.full(n, 0.1), np.full(n, 0.7)) for n in channels]
    return branch(graph, points, common_size(graph, points), norms)


def with_weights(of: Branched, kind: Kind, seed: int = 2, *, tied: bool = False) -> Heads:
    """Heads of random numbers."""
    rng, heads = np.random.default_rng(seed), untrained(of, kind, N_CLASSES, tied=tied)
    matrices = tuple(Const(rng.normal(size=matrix.shape)) for matrix in heads.matrices)
    first = rng.normal(size=N_CLASSES)
    biases = [rng.normal(size=N_CLASSES) for _ in heads.biases]
    if kind == "gnet":
        biases = [first if number == 0 else np.zeros(N_CLASSES) for number in range(len(biases))]
    exits = tuple(
        replace(one, mix=tuple(rng.uniform(0.1, 2, len(one.mix)))) if kind == "shared" else one for one in heads.exits
    )
    return replace(heads, matrices=matrices, biases=tuple(Const(bias) for bias in biases), exits=exits)


def features(of: Branched, given: list[Array]) -> dict[str, Array]:
    """Real features (B, F) by name."""
    return interpret(of.graph, encode_inputs(of.graph, given), of.features)
