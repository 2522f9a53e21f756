"""Channels in another order: the same network; and one matrix that serves exits whose channels agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.exits.heads import within
from freeml.data import Dataset
from freeml.exits.align import aligned, in_orders, reordered
from freeml.exits.branch import Branched, Pooling, branch, untrained
from freeml.exits.driver import make_exits
from freeml.exits.heads import Heads
from freeml.exits.options import HeadOptions, Request
from freeml.exits.placement import Point, points
from freeml.exits.train import Features, train_heads, train_tied
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret
from freeml.ir.ops import Conv, Window
from freeml.ir.types import Array, Const
from freeml.passes.pipeline import run_passes
from tests.exits.nets import NETS, samples

N_CLASSES = 4
CLAMP = (0.0, float("inf"))


def separable(seed: int = 0, blocks: int = 3, channels: int = 6) -> Graph:
    """Convolutions of each channel alone, then of all: what a keyword spotter is made of."""
    builder, rng = GraphBuilder("separable"), np.random.default_rng(seed)

    def conv(x: View, wide: int, window: Window, groups: int, name: str) -> View:
        shape = (wide, x.shape[1] // groups, *window.kernel)
        weight = Weight(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])))
        bias = rng.normal(size=wide) * 0.1
        x = builder.conv(x, weight, bias, window=window, groups=groups, loc=f"net:/{name}")
        return builder.unary(x, "clamp", CLAMP, loc=f"net:/{name}/relu")

    one, three = Window(kernel=(1, 1)), Window(kernel=(3, 3), pad=(1, 1, 1, 1))
    x: View = builder.input("x", (1, 2, 8, 8), channels_first=True, dtype="float32")
    x = conv(x, channels, three, 1, "first")
    for k in range(blocks):
        x = conv(x, channels, three, channels, f"each{k}")
        x = conv(x, channels, one, 1, f"all{k}")
    x = builder.pool(x, "avg", window=Window(kernel=(4, 4), stride=(4, 4)), include_pad=False, loc="net:/pool")
    x = builder.reshape(x, (1, channels * 4))
    weight = Weight(rng.normal(size=(N_CLASSES, channels * 4)))
    builder.output(builder.dense(x, weight, np.zeros(N_CLASSES), loc="net:/fc"), "y", dtype="float32")
    return run_passes(builder.finish())


def maps(graph: Graph) -> list[Point]:
    return [point for point in points(graph) if len(graph.types[point.value].shape) == 3]


def run(graph: Graph, names: list[str]) -> dict[str, Array]:
    return interpret(graph, encode_inputs(graph, samples(graph)), names)


@pytest.mark.parametrize("net", ["separable", "image", "signal", "two_inputs"])
def test_channels_in_another_order_are_the_same_network(net: str) -> None:
    graph = separable() if net == "separable" else NETS[net]()
    rng, n_free = np.random.default_rng(3), 0
    for point in maps(graph):
        order = rng.permutation(graph.types[point.value].shape[-1])
        made = reordered(graph, point.value, order)
        if made is None:
            assert net == "two_inputs"
            continue
        n_free += 1
        end = graph.outputs[0].value
        before, after = (run(one, [point.value, end]) for one in (graph, made))
        np.testing.assert_allclose(after[end], before[end], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(after[point.value], before[point.value][..., order], rtol=1e-5, atol=1e-6)
    assert n_free


def test_codes_that_the_model_fixed_move_with_their_channels() -> None:
    graph, order = separable(), np.array([2, 0, 1, 5, 4, 3])
    consts = {}
    for op in graph.ops_of(Conv):
        array = graph.consts[op.inputs[1]].array
        consts[op.inputs[1]] = Const(array, tuple(np.abs(array).reshape(len(array), -1).max(axis=1) / 127))
    graph = replace(graph, consts={**graph.consts, **consts})
    made = reordered(graph, maps(graph)[1].value, order)
    assert made is not None
    for name, const in consts.items():
        assert const.code_scales is not None
        now = made.consts[name]
        moved = now.array.shape[0] == 6 and not np.array_equal(now.array.max((1, 2, 3)), const.array.max((1, 2, 3)))
        scales = np.array(const.code_scales)
        np.testing.assert_allclose(now.code_scales, scales[order] if moved else scales)


def test_channels_that_another_exit_reads_or_that_are_joined_stay() -> None:
    graph = NETS["residual"]()
    values = [point.value for point in maps(graph)]
    order = np.arange(6)[::-1]
    assert reordered(graph, values[0], order, keeping=values[1:]) is None
    both = NETS["two_inputs"]()
    joined = next(op.inputs[0] for op in both.ops if type(op).__name__ == "Concat")
    assert reordered(both, joined, np.arange(4)[::-1]) is None
    assert reordered(graph, graph.inputs[0].value, np.arange(2)[::-1]) is None


def exits_of(graph: Graph) -> Branched:
    places = [point for point in maps(graph) if "/all" in point.loc]
    return branch(graph, places, [Pooling("avg", (8, 8))] * len(places))


def test_a_shuffled_map_is_put_in_order_again() -> None:
    of = exits_of(separable())
    rng = np.random.default_rng(5)
    order = rng.permutation(6)
    matrix = rng.normal(size=(N_CLASSES, of.sizes[0]))
    shuffled = matrix.reshape(N_CLASSES, -1, 6)[..., order].reshape(N_CLASSES, -1)
    alone = replace(untrained(of, "separate", N_CLASSES), matrices=(Const(matrix), Const(shuffled)))
    found = aligned(of, alone, {name: np.ones(size) for name, size in zip(of.features, of.sizes, strict=True)})
    back = np.argsort(order)
    assert found.orders[0] is None
    assert np.array_equal(found.orders[1], back)
    values, now = run(of.graph, list(of.features)), run(found.branched.graph, list(of.features))
    for name, wanted in found.features(values).items():
        np.testing.assert_allclose(now[name], wanted, rtol=1e-5, atol=1e-6)
    again = in_orders(of.graph, [point.value for point in of.points], found.orders)
    assert all(np.array_equal(again.consts[k].array, c.array) for k, c in found.branched.graph.consts.items())


def learnable(n: int, seed: int) -> tuple[Branched, Features]:
    """Two exits whose features say the label alike, the second's channels shuffled."""
    of, rng = exits_of(separable()), np.random.default_rng(seed)
    labels = rng.integers(0, N_CLASSES, n)
    of_class = np.random.default_rng(0).normal(size=(N_CLASSES, of.sizes[0]))
    x = of_class[labels] + 0.8 * rng.normal(size=(n, of.sizes[0]))
    shuffled = x.reshape(n, -1, 6)[..., [3, 5, 0, 1, 4, 2]].reshape(n, -1)
    values = {name: v.astype(np.float32) for name, v in zip(of.features, (x, shuffled), strict=True)}
    return of, Features(values, np.eye(N_CLASSES)[labels].astype(np.float32) * 4, labels)


def test_one_matrix_serves_two_depths_better_once_their_channels_agree() -> None:
    (of, train), (_, held) = learnable(600, 1), learnable(300, 2)
    options = HeadOptions(epochs=20, batch=64, learning_rate=1e-2)
    plain = train_heads(of, train, held, replace(options, tied=True))
    found, heads = train_tied(of, train, held, options)
    assert len(heads.matrices) == 1

    def right(heads: Heads, values: dict[str, Array]) -> float:
        return float(np.mean([s.argmax(axis=1) == held.labels for s in heads.scores(values)]))

    before, after = right(plain, dict(held.values)), right(heads, found.features(held.values))
    assert after > before + 0.05


def test_places_that_were_named_share_a_matrix_where_their_own_are_too_many_bytes() -> None:
    graph, rng = separable(channels=16), np.random.default_rng(0)
    inputs = (rng.normal(size=(60, 2, 8, 8)).astype(np.float32),)
    data = Dataset(inputs, np.arange(60) % N_CLASSES, ("a", "b", "c", "d"), "noise", "train")
    names = tuple(point.loc for point in maps(graph) if "/all" in point.loc)
    request = Request(names, HeadOptions(epochs=1))
    made = make_exits(graph, request, data, data)
    assert len(made.heads.exits) == 2
    assert len(made.heads.matrices) == 1
    own = make_exits(graph, replace(request, budget_bytes=10_000), data, data)
    assert len(own.heads.matrices) == 2
    end = graph.outputs[0].value
    np.testing.assert_allclose(run(made.graph, [end])[end], run(graph, [end])[end], rtol=1e-5, atol=1e-5)


def test_separate_heads_of_fewer_bytes_read_some_channels_and_nothing_of_the_others() -> None:
    (of, train), (_, held) = learnable(600, 1), learnable(300, 2)
    options = HeadOptions(kind="separate", epochs=10, batch=64, learning_rate=1e-2)
    heads = within(2 * 3 * N_CLASSES, of, train, held, options)
    for matrix in heads.matrices:
        assert int(matrix.array.any(axis=0).sum()) == 3
    right = np.mean([s.argmax(axis=1) == held.labels for s in heads.scores(held.values)])
    assert right > 0.6
