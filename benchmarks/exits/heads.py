"""Heads of every kind for a network, on features computed once: python -m benchmarks.exits.heads NAME --work DIR

Writes models/NAME.onnx, the network with shared exits, and models/NAME.npz, heads of the other kinds. Test data is not
read. Poolings are chosen on training samples, judged on calibration samples.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.exits.networks import NETWORKS, Network, backbone, points
from freeml.data import Dataset, load
from freeml.exits.branch import Branched, Pooling, branch, common_size
from freeml.exits.heads import Exit, Heads, Slice
from freeml.exits.names import Kind
from freeml.exits.options import HeadOptions
from freeml.exits.outputs import with_outputs
from freeml.exits.poolings import choices, choose
from freeml.exits.train import Features, features_of, train_heads
from freeml.frontend.onnx.write import to_onnx
from freeml.ir.types import Const
from freeml.train.prefix import moments

SAMPLES = 6_000  # that poolings are chosen on
# Columns of the table: kind of heads, and which features they read.
VARIANTS: dict[str, tuple[Kind, str]] = {
    "shared": ("shared", "chosen"),
    "separate_same": ("separate", "chosen"),
    "separate": ("separate", "normed"),
    "gnet": ("gnet", "common"),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A network with the features of all its variants, and which are whose."""

    all: Branched
    of: dict[str, Branched]


def prepare(network: Network, say: Callable[[str], None], poolings: tuple[Pooling, ...] | None = None) -> Prepared:
    """Choose poolings, if they are not given, and add every variant's features to the network."""
    graph = backbone(network)
    places = points(network, graph)
    train = load(network.data, "train")
    n_classes = len(train.class_names)
    if poolings is None:
        held = load(network.data, "calibration").take(SAMPLES)
        found = choices(graph, places, train.take(SAMPLES), held, n_classes, precision=network.precision)
        chosen = choose(found, network.budget_bytes, network.name)
        poolings = tuple(one.pooling for one in chosen)
        say("poolings " + ", ".join(f"{p.kind} {p.window[0]}x{p.window[1]}" for p in poolings))
    values = [point.value for point in places]
    measured = moments(graph, train.take(1_000).real_inputs(), values)
    norms = [measured[value] for value in values]
    of: dict[str, Branched] = {}
    whole = graph
    for name, pools, normed in (
        ("chosen", poolings, None),
        ("normed", poolings, norms),
        ("common", common_size(graph, places, network.grid), None),
    ):
        made = branch(whole, places, pools, normed)
        whole, of[name] = made.graph, made
    every = tuple(name for one in of.values() for name in one.features)
    return Prepared(Branched(whole, places, (), every), {k: replace(one, graph=whole) for k, one in of.items()})


def part(features: Features, of: Branched) -> Features:
    """Those of one variant."""
    return replace(features, values={name: features.values[name] for name in of.features})


def train_all(network: Network, work: Path, say: Callable[[str], None]) -> tuple[Prepared, dict[str, Heads]]:
    """Heads of every variant."""
    ready = prepare(network, say)
    splits: dict[str, Features] = {}
    for split in ("train", "calibration"):
        data: Dataset = load(network.data, split)
        begun = time.monotonic()
        splits[split] = features_of(ready.all, data, precision=network.precision)
        say(f"features of {len(data)} {split} samples in {time.monotonic() - begun:.0f} s")
    heads: dict[str, Heads] = {}
    for name, (kind, which) in VARIANTS.items():
        begun = time.monotonic()
        of = ready.of[which]
        options = HeadOptions(kind=kind, epochs=network.epochs)
        train, held = part(splits["train"], of), part(splits["calibration"], of)
        file = work / f"{network.name}-{name}.npz"
        heads[name] = train_heads(of, train, held, options, checkpoint=file)
        right = [float(np.mean(s.argmax(axis=1) == held.labels)) for s in heads[name].scores(held.values)]
        shown = " ".join(f"{100 * one:.2f}" for one in right)
        say(f"{name:14} calibration {shown} | {heads[name].n_params} parameters, {time.monotonic() - begun:.0f} s")
    return ready, heads


def store(network: Network, ready: Prepared, heads: dict[str, Heads]) -> None:
    """The two files."""
    shared = ready.of["chosen"]
    alone = branch(backbone(network), shared.points, shared.poolings)
    assert alone.features == shared.features
    network.file.write_bytes(to_onnx(with_outputs(alone.graph, heads["shared"])))
    arrays: dict[str, np.ndarray] = {}
    for name, one in heads.items():
        for number, matrix in enumerate(one.matrices):
            arrays[f"{name}/matrix{number}"] = matrix.array.astype(np.float32)
        for number, bias in enumerate(one.biases):
            arrays[f"{name}/bias{number}"] = bias.array.astype(np.float32)
            arrays[f"{name}/mix{number}"] = np.asarray(one.exits[number].mix, dtype=np.float32)
    windows = [(p.kind == "max", p.kind == "none", *p.window) for p in shared.poolings]
    arrays["poolings"] = np.array(windows, dtype=np.int32)
    np.savez_compressed(network.file.with_suffix(".npz"), allow_pickle=False, **arrays)


def stored(network: Network) -> tuple[Prepared, dict[str, Heads]]:
    """What `store` wrote, over the network's own backbone."""
    with np.load(network.file.with_suffix(".npz"), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    poolings = tuple(
        Pooling("none" if none else "max" if most else "avg", (int(h), int(w)))
        for most, none, h, w in arrays["poolings"]
    )
    ready = prepare(network, lambda _: None, poolings)
    heads = {}
    for name, (kind, which) in VARIANTS.items():
        of = ready.of[which]
        exits, matrices, biases = [], [], []
        for depth, (point, features) in enumerate(zip(of.points, of.features, strict=True)):
            mix = tuple(float(m) for m in arrays[f"{name}/mix{depth}"])
            exits.append(Exit(point.value, point.loc, (Slice(features, depth),), mix))
            matrices.append(Const(arrays[f"{name}/matrix{depth}"].astype(np.float64)))
            biases.append(Const(arrays[f"{name}/bias{depth}"].astype(np.float64)))
        heads[name] = Heads(kind, tuple(exits), tuple(matrices), tuple(biases))
    return ready, heads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(NETWORKS))
    parser.add_argument("--work", type=Path, required=True, help="where training keeps what it goes on from")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    network = NETWORKS[options.name]

    def say(line: str) -> None:
        print(f"{network.name}: {line}", flush=True)

    store(network, *train_all(network, options.work, say))


if __name__ == "__main__":
    main()
