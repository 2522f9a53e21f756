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
from freeml.exits.align import Order, in_orders
from freeml.exits.branch import Branched, Pooling, branch, common_size
from freeml.exits.heads import Exit, Heads, Slice
from freeml.exits.names import Kind
from freeml.exits.options import HeadOptions
from freeml.exits.outputs import with_outputs
from freeml.exits.poolings import choices, choose
from freeml.exits.train import Features, features_of, train_heads, train_tied
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
# Of networks whose shared exits use one matrix: separate ones of no more bytes read some of the channels.
FEWER = "separate_equal"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A network with the features of all its variants, and which are whose.

    orders  of each exit that of its channels, None: as in the network's own file
    """

    all: Branched
    of: dict[str, Branched]
    orders: tuple[Order | None, ...]


def variants(network: Network) -> dict[str, tuple[Kind, str]]:
    """Columns of its table."""
    return {**VARIANTS, FEWER: ("separate", "chosen")} if network.tied else VARIANTS


def prepare(
    network: Network,
    say: Callable[[str], None],
    poolings: tuple[Pooling, ...] | None = None,
    orders: tuple[Order | None, ...] | None = None,
) -> Prepared:
    """Choose poolings, if they are not given, and add every variant's features to the network."""
    graph = backbone(network)
    places = points(network, graph)
    orders = (None,) * len(places) if orders is None else orders
    graph = in_orders(graph, [point.value for point in places], orders)
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
    return Prepared(Branched(whole, places, (), every), {k: replace(one, graph=whole) for k, one in of.items()}, orders)


def part(features: Features, of: Branched) -> Features:
    """Those of one variant."""
    return replace(features, values={name: features.values[name] for name in of.features})


def train_all(network: Network, work: Path, say: Callable[[str], None]) -> tuple[Prepared, dict[str, Heads]]:
    """Heads of every variant."""
    ready = prepare(network, say)
    splits = both_splits(network, ready, say)
    heads: dict[str, Heads] = {}
    if network.tied:
        of = ready.of["chosen"]
        train, held = part(splits["train"], of), part(splits["calibration"], of)
        options, file = HeadOptions(epochs=network.epochs), work / f"{network.name}-shared.npz"
        found, heads["shared"] = train_tied(of, train, held, options, checkpoint=file)
        ready = prepare(network, say, of.poolings, found.orders)
        splits = both_splits(network, ready, say)
    for name, (kind, which) in variants(network).items():
        begun = time.monotonic()
        of = ready.of[which]
        options = HeadOptions(kind=kind, epochs=network.epochs)
        train, held = part(splits["train"], of), part(splits["calibration"], of)
        file = work / f"{network.name}-{name}.npz"
        if name == FEWER:
            most = heads["shared"].stored_bytes - heads["shared"].n_classes * 7 * len(of.points)
            heads[name] = within(most, of, train, held, options)
        elif name not in heads:
            heads[name] = train_heads(of, train, held, options, checkpoint=file)
        right = [float(np.mean(s.argmax(axis=1) == held.labels)) for s in heads[name].scores(held.values)]
        shown = " ".join(f"{100 * one:.2f}" for one in right)
        say(f"{name:14} calibration {shown} | {heads[name].n_params} parameters, {time.monotonic() - begun:.0f} s")
    return ready, heads


def both_splits(network: Network, ready: Prepared, say: Callable[[str], None]) -> dict[str, Features]:
    """Features of the samples that train and of those that choose."""
    splits: dict[str, Features] = {}
    for split in ("train", "calibration"):
        data: Dataset = load(network.data, split)
        begun = time.monotonic()
        splits[split] = features_of(ready.all, data, precision=network.precision)
        say(f"features of {len(data)} {split} samples in {time.monotonic() - begun:.0f} s")
    return splits


def within(most_bytes: int, of: Branched, train: Features, held: Features, options: HeadOptions) -> Heads:
    """Separate heads whose matrices take so many bytes: at each exit the channels that count least are left out, an
    eighth at a time. Their columns are zeros here; on a device they would not be there."""
    kept = {name: np.ones(size) for name, size in zip(of.features, of.sizes, strict=True)}
    n_classes = train.answer.shape[1]
    each = most_bytes // (n_classes * len(of.features))
    while True:
        learned, judged = (
            replace(one, values={name: one.values[name] * mask for name, mask in kept.items()}) for one in (train, held)
        )
        heads = train_heads(of, learned, judged, options)
        # What was not read was not trained, either, and is still what training began with.
        masks = [kept[name] for name in of.features]
        matrices = tuple(Const(one.array * mask) for one, mask in zip(heads.matrices, masks, strict=True))
        heads = replace(heads, matrices=matrices)
        if all(mask.sum() <= each for mask in masks):
            return heads
        for name, matrix in zip(of.features, heads.matrices, strict=True):
            added = (matrix.array - matrix.array.mean(axis=0)) * train.values[name].std(axis=0)
            worth = np.linalg.norm(added, axis=0) * kept[name]
            n = max(min(each, len(worth)), int(kept[name].sum()) - max(1, len(worth) // 8))
            kept[name] = (np.argsort(np.argsort(-worth, kind="stable")) < n).astype(np.float64)


def store(network: Network, ready: Prepared, heads: dict[str, Heads]) -> None:
    """The two files."""
    shared = ready.of["chosen"]
    graph = in_orders(backbone(network), [point.value for point in shared.points], ready.orders)
    alone = branch(graph, shared.points, shared.poolings)
    assert alone.features == shared.features
    network.file.write_bytes(to_onnx(with_outputs(alone.graph, heads["shared"])))
    arrays: dict[str, np.ndarray] = {}
    for name, one in heads.items():
        for number, matrix in enumerate(one.matrices):
            arrays[f"{name}/matrix{number}"] = matrix.array.astype(np.float32)
        for number, bias in enumerate(one.biases):
            arrays[f"{name}/bias{number}"] = bias.array.astype(np.float32)
            arrays[f"{name}/mix{number}"] = np.asarray(one.exits[number].mix, dtype=np.float32)
        if len(one.matrices) < len(one.exits):
            arrays[f"{name}/matrix_of"] = np.array([exit_.slices[0].matrix for exit_ in one.exits], dtype=np.int32)
            arrays[f"{name}/gain"] = np.array([exit_.slices[0].gain for exit_ in one.exits], dtype=np.float32)
    for number, order in enumerate(ready.orders):
        if order is not None:
            arrays[f"order{number}"] = order.astype(np.int32)
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
    orders = tuple(arrays.get(f"order{number}") for number in range(len(poolings)))
    ready = prepare(network, lambda _: None, poolings, orders)
    heads = {}
    for name, (kind, which) in variants(network).items():
        of = ready.of[which]
        n = len(of.points)
        matrix_of = arrays.get(f"{name}/matrix_of", np.arange(n))
        gains = arrays.get(f"{name}/gain", np.ones(n))
        exits, biases = [], []
        for depth, (point, features) in enumerate(zip(of.points, of.features, strict=True)):
            mix = tuple(float(m) for m in arrays[f"{name}/mix{depth}"])
            one = Slice(features, int(matrix_of[depth]), float(gains[depth]))
            exits.append(Exit(point.value, point.loc, (one,), mix))
            biases.append(Const(arrays[f"{name}/bias{depth}"].astype(np.float64)))
        matrices = [Const(arrays[f"{name}/matrix{number}"].astype(np.float64)) for number in range(matrix_of.max() + 1)]
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
