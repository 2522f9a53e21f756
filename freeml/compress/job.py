"""One compression as its drivers see it: what is given, what is told, and the result put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from freeml.board.board import Board
from freeml.compress.cost import cost_of
from freeml.compress.judge import Judge
from freeml.compress.linked import asked
from freeml.compress.samples import Samples
from freeml.compress.storing import stored
from freeml.compress.types import Accuracies, Bounds, Compressed, Cost, LayerChange, Method, Point, Progress
from freeml.firmware.build import Toolchain
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.train.int8 import Int8Network
from freeml.train.loop import Augment
from freeml.train.objective import OwnLoss


@dataclass(slots=True)
class Job:
    """What a driver works with. dense_int8: accuracy of the given network in int8, and its cost."""

    graph: Graph
    samples: Samples
    board: Board
    bounds: Bounds
    judge: Judge
    dense_float: float
    dense_int8: float
    dense_cost: Cost
    dense_quantized: Graph
    seed: int
    workspace: Path | None
    loss: OwnLoss | None
    augment: Augment | None
    precision: str
    effort: float
    toolchain: Toolchain
    on_progress: Callable[[Progress], None]
    begun: float = field(default_factory=time.monotonic)
    judged: list[Point] = field(default_factory=list)
    seeds: dict[str, int] = field(default_factory=dict)
    accuracy: float | None = None
    stored: int | None = None

    def tell(self, stage: str, done: float, seconds_left: float | None = None) -> None:
        """News, with what was judged last."""
        self.on_progress(Progress(stage, done, self.accuracy, self.stored, seconds_left))

    def note(self, cost: Cost, accuracy: float) -> None:
        """A network was judged."""
        self.accuracy, self.stored = accuracy, cost.stored_bytes
        self.judged.append(Point(cost.stored_bytes, accuracy, cost.arena_bytes, cost.cycles, cost.energy_uj))

    def file(self, name: str) -> Path | None:
        """Of the workspace."""
        return None if self.workspace is None else self.workspace / name

    def result(
        self, method: Method, network: Int8Network, encodings: Mapping[str, str] = MappingProxyType({})
    ) -> Compressed:
        """The end of it: the network as it is now, weights stored so, by what their layer computes."""
        quantized = stored(network.lowered().integer, encodings)
        cost = cost_of(quantized, self.board, self.toolchain if asked(self.bounds) else None)
        accuracy = self.judge(network)
        self.note(cost, accuracy)
        return Compressed(
            graph=stored(network.fixed(), encodings),
            quantized=quantized,
            dense_quantized=self.dense_quantized,
            method=method,
            bounds=self.bounds,
            board=self.board.name,
            dense_bytes=4 * n_parameters(self.graph),
            cost=cost,
            dense_cost=self.dense_cost,
            layers=changes(self.graph, quantized),
            frontier=frontier(self.judged),
            accuracy=Accuracies(self.dense_float, self.dense_int8, accuracy),
            kind=self.judge.kind,
            seeds=dict(self.seeds),
            seconds=time.monotonic() - self.begun,
            samples=self.samples,
        )


def n_parameters(graph: Graph) -> int:
    """Weights and biases of a float graph whose batch norms are folded; biases that were not given count, too."""
    names = dict.fromkeys(name for op in graph.ops if isinstance(op, Conv | Dense) for name in op.inputs[1:])
    return sum(int(graph.consts[name].array.size) for name in names)


def frontier(judged: Sequence[Point]) -> tuple[Point, ...]:
    """Those than which none is smaller and at least as accurate, by size."""
    best: list[Point] = []
    for point in sorted(judged, key=lambda p: (p.stored_bytes, -p.accuracy)):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return tuple(best)


def changes(dense: Graph, small: Graph) -> tuple[LayerChange, ...]:
    """Each layer of the small integer graph beside the one of the dense float graph that it comes from.

    Pieces of a separated layer come from the same one; a layer that is gone has no shape after.
    """
    weights = {op.loc: op for op in dense.ops if isinstance(op, Conv | Dense)}
    found, seen = [], set()
    for op in small.ops:
        if len(op.inputs) < 5 or op.inputs[1] not in small.consts:
            continue
        const = small.consts[op.inputs[1]]
        source = weights.get(op.loc)
        first = source is not None and op.loc not in seen
        seen.add(op.loc)
        before = dense.consts[source.inputs[1]].shape if source is not None and first else ()
        n_before = _parameters(dense, source) if source is not None and first else 0
        found.append(
            LayerChange(
                name=op.loc,
                kind="convolution" if const.array.ndim == 4 else "dense",
                shape_before=before,
                shape_after=const.shape,
                bytes_before=4 * n_before,
                bytes_after=sum(small.consts[name].size_bytes for name in op.inputs[1:]),
                encoding=encoding(small, op.inputs[1]),
                nonzero=int(np.count_nonzero(const.array)),
            )
        )
    for loc, op in weights.items():
        if loc not in seen:
            shape = dense.consts[op.inputs[1]].shape
            kind = "convolution" if isinstance(op, Conv) else "dense"
            found.append(LayerChange(loc, kind, shape, (), 4 * _parameters(dense, op), 0, "joined with the next", 0))
    return tuple(found)


def encoding(graph: Graph, const: str) -> str:
    """How a constant is stored."""
    return graph.consts[const].encoding or graph.consts[const].stored_as


def _parameters(graph: Graph, op: Conv | Dense) -> int:
    return sum(int(graph.consts[name].array.size) for name in op.inputs[1:])
