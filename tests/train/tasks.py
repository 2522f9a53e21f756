"""Small networks and samples that can be learned in a second."""

from __future__ import annotations

import numpy as np

from freeml.data.dataset import Dataset
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import View, Weight
from freeml.ir.graph import Graph
from freeml.ir.ops import Window
from freeml.passes.pipeline import run_passes
from freeml.train.loop import Options, fit
from freeml.train.network import Network

CLASSES = ("left", "right", "none")


def stripes(n: int, seed: int, *, labelled: bool = True) -> Dataset:
    """Images (1, 8, 8) with a bright half, or none."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    images = rng.normal(scale=0.7, size=(n, 1, 8, 8)).astype(np.float32)
    images[labels == 0, :, :, :4] += 0.8
    images[labels == 1, :, :, 4:] += 0.8
    return Dataset((images,), labels if labelled else None, CLASSES if labelled else (), "stripes", "train")


def convolutional(seed: int, *, channels: int = 4, ending: str = "none") -> Graph:
    """Conv, Relu, pool, dense, and how it ends: in scores, a softmax, an index."""
    rng = np.random.default_rng(seed)
    builder = GraphBuilder("small")

    def weight(*shape: int) -> Weight:
        return Weight(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])))

    x: View = builder.input("x", (1, 1, 8, 8), channels_first=True, dtype="float32")
    window = Window(kernel=(3, 3), pad=(1, 1, 1, 1))
    x = builder.conv(x, weight(channels, 1, 3, 3), np.zeros(channels), window=window, groups=1, loc="net:/conv")
    x = builder.unary(x, "clamp", (0.0, float("inf")), loc="net:/relu")
    pool = Window(kernel=(2, 2), stride=(2, 2))
    x = builder.pool(x, "max", window=pool, include_pad=False, loc="net:/pool")
    x = builder.reshape(x, (1, channels * 16))
    x = builder.dense(x, weight(3, channels * 16), np.zeros(3), loc="net:/fc")
    if ending == "softmax":
        x = builder.softmax(x, 1, loc="net:/softmax")
    builder.output(x, "y", dtype="float32")
    return run_passes(builder.finish(), ()) if ending == "softmax" else run_passes(builder.finish())


def learned(train: Dataset, held: Dataset, *, channels: int) -> Graph:
    """The convolutional network, trained to tell stripes."""
    network = Network(convolutional(7, channels=channels))
    fit(network, train, Options(epochs=6, batch=64, learning_rate=0.01), validation=held)
    return network.to_graph()
