"""Fewer channels: which go first, how many, and what stays."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.compress.channels import channels, remove
from freeml.compress.shrink import elements_saved, shrink, weakest, weights_saved
from freeml.compress.stored import layers_of
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv
from freeml.train.loop import Options, evaluate, fit
from freeml.train.network import Network

from ..train.tasks import convolutional, stripes

TRAIN, HELD = stripes(300, 1), stripes(100, 2)
OPTIONS = Options(epochs=6, batch=64, learning_rate=0.01)


@pytest.fixture(scope="module")
def dense() -> Graph:
    network = Network(convolutional(7, channels=12))
    fit(network, TRAIN, OPTIONS)
    return network.to_graph()


def size(graph: Graph) -> int:
    return sum(
        graph.consts[name].array.size for layer in layers_of(graph) for name in (layer.weight, layer.bias) if name
    )


def test_what_a_bundle_saves_is_what_is_gone_without_it(dense: Graph) -> None:
    known = channels(dense)
    saved, elements = weights_saved(dense, known), elements_saved(dense, known)
    for bundle in known.free:
        after = remove(dense, [bundle], known=known)
        assert size(dense) - size(after) == saved[bundle]
        gone = sum(dense.types[value].n_elems - after.types[value].n_elems for value in known.of)
        assert gone == elements[bundle]


@pytest.mark.parametrize("activations", [False, True])
def test_about_the_wanted_share_is_gone_and_the_network_hardly_minds(dense: Graph, activations: bool) -> None:
    small = shrink(dense, HELD.inputs, 0.5, activations=activations)
    (conv,) = small.ops_of(Conv)
    assert small.types[conv.output].shape[-1] in (5, 6)
    before = evaluate(Network(dense), None, HELD, OPTIONS)[1]
    network = Network(small)
    at_once = evaluate(network, None, HELD, OPTIONS)[1]
    fit(network, TRAIN, OPTIONS)
    after = evaluate(network, None, HELD, OPTIONS)[1]
    assert before is not None
    assert at_once is not None
    assert after is not None
    assert at_once > 0.6, "it knows most of it without training"
    assert after >= before - 0.03


def test_the_channels_that_are_missed_least_for_what_they_cost_go_first(dense: Graph) -> None:
    known = channels(dense)
    order = sorted(known.free)
    missed = {bundle: float(rank) for rank, bundle in enumerate(reversed(order))}
    saved = dict.fromkeys(order, 10)
    assert weakest(known, missed, saved, 25) == order[::-1][:3]
    saved[order[0]] = 10_000
    assert weakest(known, missed, saved, 25)[:2] == [order[-1], order[0]]
    assert weakest(known, missed, saved, 25, kept=[order[-1], order[0]])[0] == order[-2]


def test_each_value_keeps_a_channel_whatever_is_asked_for(dense: Graph) -> None:
    small = shrink(dense, HELD.inputs, 1.0)
    (conv,) = small.ops_of(Conv)
    assert small.types[conv.output].shape[-1] == 1


def test_a_value_that_is_to_be_kept_keeps_its_channels(dense: Graph) -> None:
    (conv,) = dense.ops_of(Conv)
    assert shrink(dense, HELD.inputs, 0.5, keep=[conv.output]) is dense


def test_the_same_samples_give_the_same_network(dense: Graph) -> None:
    first, again = (shrink(dense, HELD.inputs, 0.4) for _ in range(2))
    assert all(np.array_equal(first.consts[name].array, again.consts[name].array) for name in first.consts)
