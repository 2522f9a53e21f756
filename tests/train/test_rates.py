"""The learning rate of each weight: a scale that a model folded into its first weights does not undo them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Const
from freeml.train.loop import Options, evaluate, fit
from freeml.train.network import Network
from freeml.train.rates import share_of_rate

from .tasks import convolutional, stripes

DATA, HELD = stripes(300, 1), stripes(100, 2)
SCALE = 2000.0  # by which samples are larger, and weights smaller, than usual


def folded(graph: Graph) -> Graph:
    """The graph for samples so much larger."""
    name = next(graph.ops_of(Conv)).inputs[1]
    array = graph.consts[name].array
    return graph.with_ops(graph.ops, consts={name: Const((array / SCALE).astype(array.dtype))})


def test_usual_weights_have_the_whole_rate_and_tiny_ones_less() -> None:
    graph = convolutional(3)
    for op in graph.ops:
        if isinstance(op, Conv | Dense):
            weight, bias = (graph.consts[name].array for name in op.inputs[1:])
            assert share_of_rate(weight) == 1.0
            assert share_of_rate(bias) == 1.0
            assert share_of_rate(weight / 1000) < 0.01
    pruned = np.zeros((4, 100), np.float32)
    assert share_of_rate(pruned) == 1.0
    pruned[0, 0] = 0.1
    assert share_of_rate(pruned) == 1.0


def test_a_network_with_its_inputs_scale_in_the_first_weights_stays_right_while_it_trains() -> None:
    network = Network(convolutional(7, channels=8))
    fit(network, DATA, Options(epochs=8, batch=64, learning_rate=0.01), validation=HELD)
    large = [replace(data, inputs=(data.inputs[0] * np.float32(SCALE),)) for data in (DATA, HELD)]
    again = Network(folded(network.to_graph()))
    loss, accuracy = evaluate(again, None, large[1], Options())
    assert accuracy is not None
    assert accuracy > 0.95
    fit(again, large[0], Options(epochs=1, batch=64, learning_rate=0.01))
    after, accuracy = evaluate(again, None, large[1], Options())
    assert accuracy is not None
    assert accuracy > 0.9
    assert after < loss + 0.2
