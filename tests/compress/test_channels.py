"""Channels that go together, networks without them, and what they would have done to the scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from float_graphs import Network, Twin
from hypothesis import given, settings
from hypothesis import strategies as st

from freeml.compress.channels import Channels, channels, mixes, remove
from freeml.compress.sensitivity import of_channels, of_densities, of_variants, read_means
from freeml.compress.stored import layers_of
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.ops import Conv, Dense, Window
from freeml.ir.types import Const
from freeml.ir.verify import verify_graph
from freeml.passes.pipeline import run_passes

POINT, THREE = Window(kernel=(1, 1)), Window(kernel=(3, 3), pad=(1, 1, 1, 1))
PAIR = Window(kernel=(2, 2), stride=(1, 1))
KINDS = ("conv", "depthwise", "pool", "unary", "binary", "gate", "const", "concat", "pad", "scale")


def unread(graph: Graph, known: Channels, bundles: set[int]) -> Graph:
    """The graph with zeros for all weights that read these bundles: they no longer do anything."""
    consts = {}
    for op in graph.ops:
        if isinstance(op, Conv | Dense) and mixes(op):
            weight = graph.consts[op.inputs[1]].array.copy()
            weight[..., np.isin(known.of[op.inputs[0]], sorted(bundles))] = 0
            consts[op.inputs[1]] = Const(weight)
    return graph.with_ops(graph.ops, consts=consts)


def removable(known: Channels, wanted: list[int]) -> set[int]:
    """As many of these as leave each value a channel."""
    taken: set[int] = set()
    for bundle in wanted:
        if all((~np.isin(of, sorted(taken | {bundle}))).any() for of in known.of.values()):
            taken.add(bundle)
    return taken


@st.composite
def layered(draw: st.DrawFn) -> Network:
    """Images through convolutions, depthwise ones, pools, additions, joins and borders; then a dense layer."""
    twin = Twin(draw(st.integers(0, 999)))
    values = [twin.conv(twin.input((1, 2, 6, 6), channels_first=draw(st.booleans())), 3, THREE, 1)]
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6)):
        x = values[-1]
        mates = [v for v in values if v.shape[2:] == x.shape[2:]]
        mate, n = draw(st.sampled_from(mates)), x.shape[1]
        alike = mate if mate.shape == x.shape else x
        values.append(
            {
                "conv": lambda x=x: twin.conv(x, draw(st.integers(2, 4)), THREE, 1),
                "depthwise": lambda x=x, n=n: twin.conv(x, n * draw(st.integers(1, 2)), THREE, n),
                "pool": lambda x=x: twin.pool(x, draw(st.sampled_from(("max", "avg"))), PAIR, False),
                "unary": lambda x=x: twin.unary(x, draw(st.sampled_from(("clamp", "sigmoid")))),
                "binary": lambda x=x, a=alike: twin.binary(draw(st.sampled_from(("add", "mul"))), x, a),
                "gate": lambda x=x: twin.binary("mul", x, twin.reduce(x, "avg", (2, 3), True)),
                "const": lambda x=x, n=n: twin.binary_const("add", x, (1, n, 1, 1), first=False),
                "concat": lambda x=x, mate=mate: twin.concat([x, mate], 1),
                "pad": lambda x=x: twin.pad(x, (0, 1, 0, 1), (0, 0, 1, 0), 0.5),
                "scale": lambda x=x: twin.affine(x),
            }[kind]()
        )
    x = values[-1]
    flat = twin.reshape(x, (1, int(np.prod(x.shape))))
    twin.output(twin.dense(twin.dense(flat, 4), 3))
    return twin.network()


@settings(max_examples=60)
@given(layered(), st.data())
def test_channels_that_nobody_reads_can_go_from_any_network_without_a_trace(case: Network, data: st.DataObject) -> None:
    graph = run_passes(case.graph)
    known = channels(graph)
    wanted = data.draw(st.lists(st.sampled_from(sorted(known.free)), unique=True, min_size=1))
    taken = removable(known, wanted)
    before = unread(graph, known, taken)
    after = verify_graph(remove(before, taken, known=known))
    for found, expected in zip(predict(after, case.samples), predict(before, case.samples), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    n_taken = {name: int(np.isin(of, sorted(taken)).sum()) for name, of in known.of.items()}
    for name, n in n_taken.items():
        if n:
            assert after.types[name].shape[-1] == graph.types[name].shape[-1] - n


def residual() -> tuple[Graph, list[np.ndarray]]:
    """conv a, relu, depthwise d, conv b, added to a; mean, dense."""
    twin = Twin(0)
    x = twin.input((1, 3, 8, 8), channels_first=True)
    a = twin.unary(twin.conv(x, 6, THREE, 1), "clamp")
    d = twin.conv(a, 6, THREE, 6)
    total = twin.binary("add", a, twin.conv(d, 6, POINT, 1))
    mean = twin.reshape(twin.reduce(total, "avg", (2, 3), False), (1, 6))
    twin.output(twin.dense(mean, 4))
    network = twin.network()
    return run_passes(network.graph), network.samples


def test_an_addition_and_a_depthwise_convolution_bind_channels_and_a_convolution_does_not() -> None:
    graph, _ = residual()
    known = channels(graph)
    a, depthwise, b = graph.ops_of(Conv)
    assert known.made_by(a) == known.made_by(b) == tuple(known.of[depthwise.output])
    assert len(known.free) == 6
    (dense,) = graph.ops_of(Dense)
    assert known.made_by(dense) == (), "the outputs of the network stay"


def test_a_channel_of_a_flattened_image_takes_all_its_places_along() -> None:
    twin = Twin(1)
    x = twin.input((1, 2, 4, 4), channels_first=True)
    flat = twin.reshape(twin.conv(x, 5, THREE, 1), (1, 80))
    twin.output(twin.dense(flat, 3))
    graph = run_passes(twin.network().graph)
    known = channels(graph)
    (conv,) = graph.ops_of(Conv)
    small = remove(graph, known.made_by(conv)[1:3])
    (dense,) = small.ops_of(Dense)
    assert small.consts[dense.inputs[1]].shape == (3, 48)
    assert [layer.n_weights for layer in layers_of(small)] == [3 * 2 * 9, 3 * 48]


def test_two_layers_with_one_weight_keep_their_channels() -> None:
    graph, _ = residual()
    first, _, last = graph.ops_of(Conv)
    ops = [replace(op, inputs=(*op.inputs[:2], first.inputs[2])) if op is last else op for op in graph.ops]
    assert channels(graph.with_ops(ops)).free == frozenset()


def test_means_go_into_the_biases_of_those_that_read_what_is_gone() -> None:
    """A channel that gives the same to every sample can go with them without a trace."""
    twin = Twin(2)
    x = twin.input((1, 7), channels_first=True)
    hidden = twin.unary(twin.dense(x, 5), "tanh")
    twin.output(twin.dense(hidden, 3))
    network = twin.network()
    graph = run_passes(network.graph)
    first = next(iter(graph.ops_of(Dense)))
    weight = graph.consts[first.inputs[1]].array.copy()
    weight[2] = 0
    graph = graph.with_ops(graph.ops, consts={first.inputs[1]: Const(weight)})
    bundle = channels(graph).made_by(first)[2]
    exact = predict(graph, network.samples)[0]
    with_means = remove(graph, [bundle], means=read_means(graph, network.samples))
    np.testing.assert_allclose(predict(with_means, network.samples)[0], exact, atol=1e-6)
    assert np.abs(predict(remove(graph, [bundle]), network.samples)[0] - exact).max() > 0.01


def test_the_estimate_of_a_channel_orders_them_as_taking_them_out_does() -> None:
    graph, _ = residual()
    samples = [np.random.default_rng(3).normal(size=(60, 3, 8, 8))]
    known = channels(graph)
    estimated = of_channels(graph, samples, known)
    measured = of_variants(graph, samples, ((b, remove(graph, [b], known=known)) for b in sorted(known.free)))
    exact = [measured[b].error for b in estimated]
    order = np.corrcoef(np.argsort(np.argsort(list(estimated.values()))), np.argsort(np.argsort(exact)))[0, 1]
    assert order > 0.7
    weakest = min(estimated, key=estimated.__getitem__)
    silent = unread(graph, known, {weakest})
    assert of_channels(silent, samples)[weakest] == 0
    assert of_variants(silent, samples, [(0, remove(silent, [weakest]))])[0].error == pytest.approx(0, abs=1e-9)


def test_the_fewer_weights_a_layer_keeps_the_farther_the_scores_move() -> None:
    graph, _ = residual()
    samples = [np.random.default_rng(3).normal(size=(40, 3, 8, 8))]
    densities, names = (1.0, 0.5, 0.1), [layer.name for layer in layers_of(graph)]
    found = of_densities(graph, samples, densities)
    assert found.keys() == {(name, density) for name in names for density in densities}
    assert all(found[name, 1.0].error == pytest.approx(0, abs=1e-12) for name in names)
    assert all(found[name, 0.5].error > 0 for name in names)
    means = [np.mean([found[name, density].error for name in names]) for density in densities]
    assert means == sorted(means)
