"""The networks of `python -m benchmarks.exits`: where they come from, their data, exits, and bytes for these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from freeml.data import Dataset, load
from freeml.data.folders import data_root
from freeml.exits.placement import Point, listed
from freeml.frontend.load import load_model
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Const
from freeml.passes.pipeline import run_passes
from freeml.train.augment import Turned
from freeml.train.loop import Augment

HERE = Path(__file__).resolve().parent
MODELS, ROOT = HERE / "models", HERE.parents[1]
MOST_CALIBRATION = 2_500  # samples that temperatures and thresholds come of


@dataclass(frozen=True, slots=True)
class Network:
    """One of them.

    source        file of the network without exits, in the folder of data, or in this project
    points        the model's nodes that exits lie behind
    budget_bytes  of the weights of all heads, each of its own
    grid          places of each map in gNet's common size
    precision     in which the frozen network runs for features; the accuracy that is quoted is that of integers
    epochs        of heads; small sets need more
    tied          shared exits use one matrix, channels in one order for it
    changes       what a sample goes through where the network is trained together with its exits (joint.py), and where
                  policies are tuned: people and days that come are as unlike those known as such copies are
    """

    name: str
    source: str
    data: str
    points: tuple[str, ...]
    budget_bytes: int
    grid: tuple[int, int]
    precision: str = "float32"
    epochs: int = 60
    changes: Augment | None = None
    tied: bool = False

    @property
    def file(self) -> Path:
        """The network with its exits."""
        return MODELS / f"{self.name}.onnx"

    @property
    def joint(self) -> Path:
        """The same, trained together with them."""
        return MODELS / f"{self.name}_joint.onnx"

    def calibration(self, most: int = MOST_CALIBRATION) -> Dataset:
        """Samples that temperatures and thresholds come of, each changed once where there are changes."""
        data = load(self.data, "calibration").take(most)
        if self.changes is None:
            return data
        inputs = self.changes(tuple(data.real_inputs()), np.random.default_rng(0))
        return replace(data, inputs=inputs, quant=(None,) * len(inputs))


_KWS = Network(
    "kws",
    "models/kws_ref_model_float32.tflite",
    "kws",
    ("functional_1/activation_2/Relu", "functional_1/activation_4/Relu"),
    1_600,
    (1, 1),
    epochs=150,
)
# Weights of heads: up to 3 % of what lies in NVM without them; of CIFAR-10 M as many parameters as gNet has.
NETWORKS = {
    one.name: one
    for one in (
        Network("digits", "examples/digits/digits.onnx", "digits", ("pool1",), 700, (2, 2), epochs=120),
        # Turned as much as its recipe turns what the dense network is trained on.
        Network(
            "har_cnn",
            "models/dense/har_cnn.onnx",
            "har",
            ("/3/MaxPool", "/7/MaxPool"),
            6_200,
            (1, 4),
            changes=Turned(12, 0.04),
        ),
        Network(
            "cifar10_m",
            "models/dense/cifar10_m.onnx",
            "cifar10-jpeg",
            ("/3/BatchNormalization", "/7/MaxPool", "/11/BatchNormalization", "/15/MaxPool", "/19/BatchNormalization"),
            15_340,
            (2, 2),
            precision="bfloat16",
            epochs=20,
        ),
        _KWS,
        # The same with one matrix: fewer bytes, and policies that save less.
        replace(_KWS, name="kws_tied", tied=True),
    )
}


def dense(network: Network) -> Graph:
    """The float network without exits."""
    path = ROOT / network.source
    if not path.exists():
        path = data_root() / network.source
    return run_passes(load_model(path).graph)


def backbone(network: Network) -> Graph:
    """The same, weights rounded to the int8 codes that its file stores and a device has."""
    return in_codes(dense(network))


def in_codes(graph: Graph) -> Graph:
    """A float graph whose weights are whole multiples of a scale for each output channel, 127 at most."""
    consts: dict[str, Const] = {}
    for op in graph.ops:
        if isinstance(op, Conv | Dense):
            array = graph.consts[op.inputs[1]].array
            rows = array.reshape(len(array), -1)
            # Of single precision, as files hold them.
            scales = np.maximum(np.abs(rows).max(axis=1) / 127, 1e-12).astype(np.float32).astype(np.float64)
            codes = np.clip(np.rint(rows / scales[:, None]), -127, 127)
            consts[op.inputs[1]] = Const((codes * scales[:, None]).reshape(array.shape), tuple(scales))
    return replace(graph, consts={**graph.consts, **consts})


def points(network: Network, graph: Graph) -> tuple[Point, ...]:
    """Its exits."""
    return listed(graph, network.points)
