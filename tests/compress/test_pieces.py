"""Separation in the project's own method: where rank is low and something binds, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from freeml.analysis import placeholder_int8
from freeml.compress.pieces import separated_where_it_helps
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import Weight
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Window
from freeml.passes.pipeline import run_passes

SAMPLES = [np.random.default_rng(1).normal(size=(64, 8, 10, 10)).astype(np.float32)]


def network(rank: int | None) -> Graph:
    """A 3x3 convolution of 48 channels behind another; its unfoldings have this rank and a little noise, or are noise
    alone."""
    rng = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))

    builder = GraphBuilder("ranks")
    x = builder.input("x", (1, 8, 10, 10), channels_first=True, dtype="float32")
    pad = Window(kernel=(3, 3), pad=(1, 1, 1, 1))
    core = weight(48, 48, 3, 3)
    if rank is not None:
        core = np.einsum("or,rskl,si->oikl", weight(48, rank), rng.normal(size=(rank, rank, 3, 3)), weight(rank, 48))
    core = core / np.sqrt((core**2).mean()) / 20 + 1e-3 * rng.normal(size=core.shape)
    for k, (w, window) in enumerate([(weight(48, 8, 1, 1), Window(kernel=(1, 1))), (core, pad)]):
        x = builder.conv(x, Weight(w), np.zeros(48), window=window, groups=1, loc=f"net:/conv{k}")
        x = builder.unary(x, "clamp", (0.0, float("inf")), loc=f"net:/relu{k}")
    x = builder.pool(x, "average", window=Window(kernel=(10, 10)), include_pad=False, loc="net:/pool")
    x = builder.reshape(x, (1, 48))
    builder.output(builder.dense(x, Weight(weight(5, 48)), np.zeros(5), loc="net:/fc"), "y", dtype="float32")
    return run_passes(builder.finish())


def stored_bytes(graph: Graph) -> int:
    return sum(const.size_bytes for const in graph.consts.values())


def bytes_over(target: float):  # type: ignore[no-untyped-def]
    """How many times a graph exceeds so many stored bytes."""

    def excess(graph: Graph) -> Mapping[str, float]:
        return {"target_bytes": stored_bytes(placeholder_int8(graph)) / target}

    return excess


def kernels(graph: Graph) -> list[tuple[int, ...]]:
    return [graph.consts[op.inputs[1]].shape for op in graph.ops_of(Conv)]


def test_a_convolution_of_low_rank_is_separated_where_bytes_bind() -> None:
    graph = network(6)
    found = separated_where_it_helps(graph, SAMPLES, bytes_over(4000))
    assert kernels(found)[1:] == [(6, 1, 1, 48), (6, 3, 3, 6), (48, 1, 1, 6)]
    assert stored_bytes(placeholder_int8(found)) < stored_bytes(placeholder_int8(graph)) / 5


def test_one_of_full_rank_and_one_that_is_to_be_kept_stay() -> None:
    full, low = network(None), network(6)
    assert kernels(separated_where_it_helps(full, SAMPLES, bytes_over(4000))) == kernels(full)
    assert kernels(separated_where_it_helps(low, SAMPLES, bytes_over(4000), ["net:/conv1"])) == kernels(low)


def test_pieces_that_save_nothing_of_what_binds_are_not_made() -> None:
    graph = network(6)

    def activations(graph: Graph) -> Mapping[str, float]:
        return {"sram_bytes": max(type_.n_elems for type_ in graph.types.values()) / 1000}

    assert kernels(separated_where_it_helps(graph, SAMPLES, activations)) == kernels(graph)
