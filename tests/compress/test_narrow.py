"""Channels go until a bound is met, those of layers that are to be kept do not."""

from __future__ import annotations

import numpy as np

from freeml.analysis import placeholder_int8
from freeml.compress.coding import Levels, levels_for
from freeml.compress.narrow import narrowed
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense

from .test_pieces import SAMPLES, network, stored_bytes


def bytes_of(graph: Graph) -> int:
    return stored_bytes(placeholder_int8(graph))


def shapes(graph: Graph) -> list[tuple[int, ...]]:
    return [graph.consts[op.inputs[1]].shape for op in graph.ops if isinstance(op, Conv | Dense)]


def test_no_more_channels_go_than_the_bound_asks() -> None:
    graph = network(None)
    target = bytes_of(graph) // 3
    found, fits = narrowed(graph, SAMPLES, {"target_bytes": 3.0}, lambda g: bytes_of(g) <= target)
    assert fits
    assert 0.9 * target < bytes_of(found) <= target
    assert all(
        a <= b for one, other in zip(shapes(found), shapes(graph), strict=True) for a, b in zip(one, other, strict=True)
    )


def test_a_layer_that_is_kept_keeps_its_channels_and_its_codes() -> None:
    graph = network(None)
    found, fits = narrowed(graph, SAMPLES, {}, lambda g: bytes_of(g) <= 9000, keep=["net:/conv0"])
    assert fits
    assert shapes(found)[0] == shapes(graph)[0] == (48, 1, 1, 8)
    assert shapes(found)[1][0] < 48
    names = {op.loc: op.inputs[1] for op in graph.ops if isinstance(op, Conv | Dense)}
    coding = Levels(16, frozenset(["net:/conv0"])).of(graph)
    assert coding.keys() == {names["net:/conv1"], names["net:/fc"]}
    coded = coding[names["net:/conv1"]](graph.consts[names["net:/conv1"]].array)
    assert len(np.unique(coded.array)) <= 16


def test_a_plan_that_needs_more_for_fewer_channels_does_not_cost_the_rest_of_them() -> None:
    graph = network(None)
    whole = bytes_of(graph)

    def fits(made: Graph) -> bool:
        share = bytes_of(made) / whole
        return share <= 0.8 and not 0.2 < share < 0.6

    found, fit = narrowed(graph, SAMPLES, {"target_bytes": 3.0}, fits)
    assert fit
    assert bytes_of(found) >= 0.6 * whole


def test_what_cannot_fit_comes_back_as_small_as_it_gets() -> None:
    found, fits = narrowed(network(None), SAMPLES, {}, lambda _: False)
    assert not fits
    assert shapes(found) == [(1, 1, 1, 8), (1, 3, 3, 1), (5, 1)]


def test_smaller_sizes_get_fewer_values() -> None:
    assert [levels_for(size, ()).values for size in (None, 20_000, 2_000, 1_000)] == [256, 16, 8, 4]
