"""Heads trained: in minutes on features of the frozen network, computed once; then, if wanted, together with it.

A graph of its own says what is trained (`_Course`): inputs are the features, rows of its output the scores of every
depth, the network's own answer and the label. All prefixes are in every batch; the answer teaches the exits. gNet is
trained as its authors did: one random depth a batch, maps behind it zero, labels alone. Features enter with mean 0 and
deviation 1, which the matrices take over afterwards; of gNet, whose zeros mean something, only the deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from freeml.data.dataset import Dataset
from freeml.errors import BadData, BadModel
from freeml.exits.align import Aligned, aligned
from freeml.exits.branch import Branched, untrained
from freeml.exits.course import Course, head_course, joint_course
from freeml.exits.heads import Exit, Heads, Slice
from freeml.exits.options import HeadOptions
from freeml.exits.outputs import answer_of
from freeml.ir.text import digest
from freeml.ir.types import Array, Const
from freeml.train import checkpoint as files
from freeml.train.loop import Options, Progress, data_digest, fit
from freeml.train.network import Network, weights_of
from freeml.train.prefix import PrefixLoss, frozen_values


@dataclass(frozen=True, slots=True)
class Features:
    """Of a data set: features (N, F) by name, the network's own scores (N, K), and labels (N,) or None."""

    values: Mapping[str, Array]
    answer: Array
    labels: Array | None


def features_of(
    branched: Branched,
    data: Dataset,
    *,
    precision: str = "float32",
    cache: Path | None = None,
    on_batch: Callable[[int, int], None] = lambda *_: None,
) -> Features:
    """Run the frozen network once.

    cache: a file that keeps them, refused where it is of another network or other samples.
    """
    answer = answer_of(branched.graph)
    identity = {
        "network": digest(branched.graph)[:12],
        "samples": data_digest(data),
        "features": [*branched.features, answer],
        "precision": precision,
    }
    if cache is not None and cache.exists():
        _, found = files.load(cache, identity)
        arrays = {name: found[f"value{number}"] for number, name in enumerate([*branched.features, answer])}
    else:
        wanted = [*branched.features, answer]
        arrays = frozen_values(branched.graph, data, wanted, precision=precision, on_batch=on_batch)
        if cache is not None:
            files.save(cache, identity, {}, {f"value{i}": arrays[name] for i, name in enumerate(wanted)})
    n = len(data)
    values = {name: arrays[name].reshape(n, -1) for name in branched.features}
    return Features(values, arrays[answer].reshape(n, -1), data.labels)


def train_heads(
    branched: Branched,
    train: Features,
    validation: Features,
    options: HeadOptions,
    *,
    checkpoint: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Heads:
    """Heads on cached features: the epoch with the least loss on the validation samples, of gNet the last.

    Raises BadData for labels that the network has no class for, or where a run in `checkpoint` is another.
    """
    k = train.answer.shape[1]
    if train.labels is not None and int(train.labels.max()) >= k:
        raise BadData(f"label {int(train.labels.max())} is no class of this network, which has {k}")
    is_gnet = options.kind == "gnet"
    scale = _Normal.of(branched, train, centred=not is_gnet)
    heads = untrained(branched, options.kind, k, tied=options.tied)
    course = head_course(heads, branched.sizes, options.seed)
    distill = 1.0 if train.labels is None else 0.0 if is_gnet else options.distill
    # gNet: of the sums of all slices, where those behind the depth of this batch are zero.
    weights = (0.0,) * (len(heads.exits) - 1) + (1.0,) if is_gnet else (1.0,) * len(heads.exits)
    network = Network(course.graph, course.trained(mixes=options.kind == "shared", biases=not is_gnet))
    fit(
        network,
        scale.dataset(branched, train, "train"),
        _of_loop(options),
        validation=None if is_gnet else scale.dataset(branched, validation, "calibration"),
        augment=random_prefix if is_gnet else None,
        after_step=course.legal(tied=options.tied and options.kind == "shared"),
        loss=PrefixLoss(k, weights, distill, options.temperature),
        checkpoint=checkpoint,
        identity={"exits": repr(options)},
        on_progress=on_progress,
    )
    return _exported(heads, course, network.arrays(), scale)


def train_tied(
    branched: Branched,
    train: Features,
    validation: Features,
    options: HeadOptions,
    *,
    checkpoint: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[Aligned, Heads]:
    """Heads that share a matrix where exits have as many features, after channels were put in one order for it.

    The network is that of `Aligned`; the order comes of heads that were trained for each exit alone. checkpoint: of
    both runs, side by side.
    """
    files_of = [None if checkpoint is None else checkpoint.with_stem(checkpoint.stem + end) for end in ("-alone", "")]
    own = replace(options, kind="separate", tied=False)
    alone = train_heads(branched, train, validation, own, checkpoint=files_of[0], on_progress=on_progress)
    deviations = {name: train.values[name].std(axis=0) for name in branched.features}
    found = aligned(branched, alone, deviations)
    learned, judged = (replace(one, values=found.features(one.values)) for one in (train, validation))
    tied = replace(options, tied=True)
    heads = train_heads(found.branched, learned, judged, tied, checkpoint=files_of[1], on_progress=on_progress)
    return found, heads


def random_prefix(samples: tuple[Array, ...], rng: np.random.Generator) -> tuple[Array, ...]:
    """Features of a depth drawn for the whole batch, zeros behind it; the last array is what is expected."""
    *features, expected = samples
    depth = int(rng.integers(1, len(features) + 1))
    return (*(x if number < depth else np.zeros_like(x) for number, x in enumerate(features)), expected)


def train_jointly(
    branched: Branched,
    heads: Heads,
    data: Dataset,
    validation: Dataset,
    options: HeadOptions,
    *,
    answer_weight: float = 1.0,
    checkpoint: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    **more: Any,
) -> tuple[Branched, Heads]:
    """Network and heads together, from where they are.

    Exits learn from labels and the network's answer, the answer from labels alone, with the weight of so many exits.
    more: `augment` of train.loop.fit, for samples as the author gives them, with the label behind them.
    """
    if data.labels is None or validation.labels is None:
        raise BadData("training a network together with its exits needs labels", where=data.name)
    if any(len(exit_.slices) != 1 for exit_ in heads.exits):
        raise BadModel("exits that read several values are trained where they came from", where=branched.graph.name)
    course = joint_course(branched.graph, heads)
    names = [*weights_of(branched.graph), *course.trained(mixes=heads.kind == "shared", biases=True)]
    network = Network(course.graph, names)
    weights = (*(1.0,) * len(heads.exits), answer_weight)
    fit(
        network,
        _labelled(data, heads.n_classes),
        _of_loop(options),
        validation=_labelled(validation, heads.n_classes),
        after_step=course.legal(tied=any(exit_.slices[0].gain != 1 for exit_ in heads.exits)),
        loss=PrefixLoss(heads.n_classes, weights, options.distill, options.temperature),
        checkpoint=checkpoint,
        identity={"exits": repr((options, answer_weight))},
        on_progress=on_progress,
        **more,
    )
    arrays = network.arrays()
    consts = {name: Const(arrays[name]) for name in weights_of(branched.graph)}
    graph = branched.graph.with_ops(branched.graph.ops, consts=consts)
    return replace(branched, graph=graph), _exported(heads, course, arrays, _Normal.none(branched))


def _of_loop(options: HeadOptions) -> Options:
    return Options(
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        schedule="cosine",
        seed=options.seed,
    )


def _labelled(data: Dataset, k: int) -> Dataset:
    assert data.labels is not None
    rows = np.eye(k, dtype=np.float32)[data.labels]
    quant = (*data.quant, None)
    return replace(data, inputs=(*data.inputs, rows), labels=None, targets=None, quant=quant)


@dataclass(frozen=True, slots=True)
class _Normal:
    """Of each exit's features the mean (F,) and one deviation."""

    means: tuple[Array, ...]
    deviations: tuple[float, ...]

    @classmethod
    def of(cls, branched: Branched, train: Features, *, centred: bool) -> _Normal:
        arrays = [train.values[name].astype(np.float64) for name in branched.features]
        means = [x.mean(axis=0) if centred else np.zeros(x.shape[1]) for x in arrays]
        around = [np.sqrt(np.mean((x - m) ** 2)) for x, m in zip(arrays, means, strict=True)]
        return cls(tuple(means), tuple(max(float(d), 1e-6) for d in around))

    @classmethod
    def none(cls, branched: Branched) -> _Normal:
        return cls(tuple(np.zeros(size) for size in branched.sizes), (1.0,) * len(branched.sizes))

    def dataset(self, branched: Branched, features: Features, split: str) -> Dataset:
        """Features, and the rows to learn from: the network's answer, and the label, one-hot."""
        arrays = [
            ((features.values[name] - mean) / deviation).astype(np.float32)
            for name, mean, deviation in zip(branched.features, self.means, self.deviations, strict=True)
        ]
        k = features.answer.shape[1]
        label = np.zeros_like(features.answer) if features.labels is None else np.eye(k)[features.labels]
        expected = np.stack([features.answer, label], axis=1).astype(np.float32)
        return Dataset((*arrays, expected.reshape(len(expected), -1)), None, (), "features", split)


def _exported(heads: Heads, course: Course, arrays: Mapping[str, Array], scale: _Normal) -> Heads:
    """What was trained as a description: normalisation goes into matrices and biases, own factors into gains."""
    mix = course.mix(arrays).astype(np.float64)
    matrices = [np.asarray(course.array(name, arrays), dtype=np.float64) for name in course.matrices]
    is_tied = len(matrices) < len(heads.exits)
    exits: list[Exit] = []
    biases: list[Const] = []
    for depth, exit_ in enumerate(heads.exits):
        (part,) = exit_.slices
        own, deviation = float(mix[depth, depth]), scale.deviations[depth]
        bias = np.asarray(course.array(course.biases[depth], arrays), dtype=np.float64)
        biases.append(Const(own * (bias - matrices[part.matrix] @ scale.means[depth] / deviation)))
        factors = tuple(float(m) / float(mix[j, j]) if m > 1e-3 else 0.0 for j, m in enumerate(mix[depth, :depth]))
        gain = own / deviation if is_tied else 1.0
        exits.append(replace(exit_, slices=(Slice(part.features, part.matrix, gain),), mix=factors))
        if not is_tied:
            matrices[part.matrix] = matrices[part.matrix] * own / deviation
    return Heads(heads.kind, tuple(exits), tuple(Const(m) for m in matrices), tuple(biases))
