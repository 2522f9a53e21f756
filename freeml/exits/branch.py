"""A network with the features that its exits read, and the heads over them: the three kinds.

*gnet*      the published design: every map is max-pooled to one size, and one matrix reads all of them, zeros for
            what does not exist yet. As a sum of slices it needs K numbers in memory and no map that is gone.
*shared*    slices are added up, too, but each depth says how much those before count and has a bias of its own;
            pooling is chosen for each exit; exits with as many features may use one matrix, each with its own gain.
*separate*  normalisation, ReLU, pooling and a classifier at each exit (as in ERDE, arXiv 2510.04856), or the same
            poolings and a classifier alone, with which the others are compared.

Features are ordinary float ops behind the network's values, so that everything that compiles a network compiles them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from freeml.errors import BadModel
from freeml.exits.heads import Exit, Heads, Slice
from freeml.exits.names import HEADS, Kind
from freeml.exits.placement import Point
from freeml.ir.graph import Graph
from freeml.ir.ops import AvgPool, Conv, MaxPool, Op, Reshape, Window
from freeml.ir.types import Array, Const, TensorType


@dataclass(frozen=True, slots=True)
class Pooling:
    """How a map becomes an exit's features: kind, and the window (h, w), which moves by its own size; "none" keeps
    all."""

    kind: Literal["max", "avg", "none"]
    window: tuple[int, int] = (1, 1)

    @classmethod
    def to_grid(cls, kind: Literal["max", "avg"], shape: tuple[int, ...], grid: tuple[int, int]) -> Pooling:
        """The largest window that leaves `grid` places of a map (H, W, C); rows and columns left over are not read."""
        return cls(kind, (max(1, shape[0] // grid[0]), max(1, shape[1] // grid[1])))

    def places(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(h, w) of what is left of a map of this shape."""
        if self.kind == "none" or len(shape) < 3:
            return (shape[0], shape[1]) if len(shape) > 1 else (1, 1)
        return shape[0] // self.window[0], shape[1] // self.window[1]

    def n_features(self, shape: tuple[int, ...]) -> int:
        """Numbers that are left."""
        return math.prod(self.places(shape)) * shape[-1]


@dataclass(frozen=True, slots=True)
class Branched:
    """A network whose ops compute the features of its exits, too. features, points: from the shallowest."""

    graph: Graph
    points: tuple[Point, ...]
    poolings: tuple[Pooling, ...]
    features: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Features of each exit."""
        return tuple(self.graph.types[name].n_elems for name in self.features)


def branch(
    graph: Graph,
    points: Sequence[Point],
    poolings: Sequence[Pooling],
    norms: Sequence[tuple[Array, Array]] | None = None,
) -> Branched:
    """Add features to a float graph.

    norms  mean and standard deviation (C,) of each point's channels: their normalisation and a ReLU come before the
    pooling
    Raises BadModel where a pooling leaves nothing of a map.
    """
    ops, types, consts, features = list(graph.ops), dict(graph.types), dict(graph.consts), []
    for number, (point, pooling) in enumerate(zip(points, poolings, strict=True), start=1):
        shape, value, made = graph.types[point.value].shape, point.value, []  # type: tuple[int, ...], str, list[Op]
        if math.prod(pooling.places(shape)) == 0:
            raise BadModel(
                f"a window of {pooling.window[0]}x{pooling.window[1]} leaves nothing of a map of {shape[0]}x{shape[1]}",
                where=point.loc,
                hint="choose a smaller window for this exit",
            )
        names = [graph.fresh(f"exit{number}.{what}") for what in ("norm", "pool", "features")]
        if norms is not None:
            mean, deviation = norms[number - 1]
            value, shape = _as_map(value, shape, graph.fresh(f"exit{number}.map"), point.loc, made, types)
            consts[f"{names[0]}.weight"] = Const((1 / deviation).reshape(-1, 1, 1, 1))
            consts[f"{names[0]}.bias"] = Const(-mean / deviation)
            read = (value, f"{names[0]}.weight", f"{names[0]}.bias")
            one = Window(kernel=(1, 1))
            made.append(
                Conv(output=names[0], inputs=read, loc=point.loc, window=one, groups=shape[-1], clamp=(0.0, math.inf))
            )
            value, types[names[0]] = names[0], TensorType(shape)
        if pooling.kind != "none" and len(shape) == 3 and pooling.window != (1, 1):
            window = Window(kernel=pooling.window, stride=pooling.window)
            kind = MaxPool if pooling.kind == "max" else AvgPool
            made.append(kind(output=names[1], inputs=(value,), loc=point.loc, window=window))
            value, types[names[1]] = names[1], TensorType((*pooling.places(shape), shape[-1]))
        made.append(Reshape(output=names[2], inputs=(value,), loc=point.loc))
        types[names[2]] = TensorType((types[value].n_elems,))
        features.append(names[2])
        behind = next(i for i, op in enumerate(ops) if op.output == point.value)
        ops[behind + 1 : behind + 1] = made
    branched = graph.with_ops(ops, types=types, consts=consts)
    return Branched(branched, tuple(points), tuple(poolings), tuple(features))


def _as_map(
    value: str, shape: tuple[int, ...], name: str, loc: str, made: list[Op], types: dict[str, TensorType]
) -> tuple[str, tuple[int, ...]]:
    """A vector (N,) as a map (1, 1, N); a map as it is."""
    if len(shape) == 3:
        return value, shape
    made.append(Reshape(output=name, inputs=(value,), loc=loc))
    types[name] = TensorType((1, 1, math.prod(shape)))
    return name, types[name].shape


def common_size(graph: Graph, points: Sequence[Point], grid: tuple[int, int] | None = None) -> tuple[Pooling, ...]:
    """gNet's: each map max-pooled to one size, that of the smallest where none is given; vectors stay as they are."""
    shapes = [graph.types[point.value].shape for point in points]
    maps = [shape for shape in shapes if len(shape) == 3]
    least = (min((s[0] for s in maps), default=1), min((s[1] for s in maps), default=1))
    size = least if grid is None else (min(grid[0], least[0]), min(grid[1], least[1]))
    return tuple(Pooling.to_grid("max", s, size) if len(s) == 3 else Pooling("none") for s in shapes)


def untrained(branched: Branched, kind: Kind, n_classes: int, *, tied: bool = False) -> Heads:
    """Heads of zeros. tied: exits of as many features use one matrix."""
    matrix_of: dict[int, int] = {}
    exits: list[Exit] = []
    sizes: list[int] = []
    for depth, (point, features, size) in enumerate(
        zip(branched.points, branched.features, branched.sizes, strict=True)
    ):
        if not tied or size not in matrix_of:
            matrix_of[size] = len(sizes)
            sizes.append(size)
        mix = tuple(HEADS[kind] ** (depth - before) for before in range(depth))
        exits.append(Exit(point.value, point.loc, (Slice(features, matrix_of[size]),), mix))
    return Heads(
        kind,
        tuple(exits),
        tuple(Const(np.zeros((n_classes, size))) for size in sizes),
        tuple(Const(np.zeros(n_classes)) for _ in exits),
    )
