"""A network trained together with its shared exits: python -m benchmarks.exits.joint NAME --work DIR

Goes on from the heads that `benchmarks.exits.heads` found on the frozen network; samples go through the changes of
networks.py. Writes models/NAME_joint.onnx, weights in int8 codes. Test data is not read; what is kept is the epoch of
least loss on calibration samples.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.exits.heads import stored
from benchmarks.exits.networks import NETWORKS, Network, dense, in_codes
from freeml.data import Dataset, load
from freeml.exits.align import in_orders
from freeml.exits.branch import branch
from freeml.exits.options import HeadOptions
from freeml.exits.outputs import with_outputs
from freeml.exits.train import train_jointly
from freeml.frontend.onnx.write import to_onnx
from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.train.loop import Augment, Progress
from freeml.train.prefix import frozen_values

_EPOCHS, _BATCH, _LEARNING_RATE = 30, 128, 1e-3
_ANSWER_WEIGHT = 3.0  # of so many exits: what is best for these alone costs the network's own answer


def labels_behind(changes: Augment) -> Augment:
    """The same for samples whose last array is what is expected."""

    def changed(samples: tuple[Array, ...], rng: np.random.Generator) -> tuple[Array, ...]:
        return (*changes(samples[:-1], rng), samples[-1])

    changed.__qualname__ = f"labels behind {changes!r}"
    return changed


def accuracies(graph: Graph, data: Dataset) -> str:
    """Of every depth, in floating point."""
    names = [port.value for port in graph.outputs]
    values = frozen_values(graph, data, names)
    right = [values[name].reshape(len(data), -1).argmax(axis=1) == data.labels for name in names]
    return " ".join(f"{100 * float(one.mean()):.2f}" for one in right)


def train(network: Network, work: Path) -> Graph:
    """The network with its exits as outputs."""
    ready, heads = stored(network)
    of = ready.of["chosen"]
    alone = branch(in_orders(dense(network), [p.value for p in of.points], ready.orders), of.points, of.poolings)
    assert alone.features == of.features
    assert network.changes is not None, f"{network.name} has no changes to train on"
    told = [time.monotonic()]

    def tell(news: Progress) -> None:
        if time.monotonic() - told[0] > 30:
            told[0] = time.monotonic()
            print(f"epoch {news.epoch} of {news.epochs}, loss {news.loss:.3f}", flush=True)

    made, found = train_jointly(
        alone,
        heads["shared"],
        load(network.data, "train"),
        load(network.data, "calibration"),
        HeadOptions(epochs=_EPOCHS, batch=_BATCH, learning_rate=_LEARNING_RATE),
        answer_weight=_ANSWER_WEIGHT,
        augment=labels_behind(network.changes),
        checkpoint=work / f"{network.name}-joint.npz",
        on_progress=tell,
    )
    return with_outputs(in_codes(made.graph), found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(name for name, one in NETWORKS.items() if one.changes is not None))
    parser.add_argument("--work", type=Path, required=True, help="where training keeps what it goes on from")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    network = NETWORKS[options.name]
    graph = train(network, options.work)
    network.joint.write_bytes(to_onnx(graph))
    print(f"calibration samples {accuracies(graph, load(network.data, 'calibration'))}")
    print(f"the same, each changed once {accuracies(graph, network.calibration())}")


if __name__ == "__main__":
    main()
