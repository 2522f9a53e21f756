"""Training of exits: on cached features of a frozen network, and together with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml.errors import BadData
from freeml.exits.branch import Branched, Pooling, branch
from freeml.exits.heads import Heads
from freeml.exits.names import Kind
from freeml.exits.options import HeadOptions
from freeml.exits.placement import points
from freeml.exits.train import Features, features_of, random_prefix, train_heads, train_jointly
from freeml.train.loop import Progress
from tests.train.tasks import convolutional, stripes

OPTIONS = HeadOptions(epochs=6, batch=64, learning_rate=1e-2)


def task(seed: int = 0) -> tuple[Branched, Features, Features]:
    """A network that was never trained, with exits behind its convolution and its pooling."""
    graph = convolutional(seed)
    places = [point for point in points(graph) if len(graph.types[point.value].shape) == 3]
    value = graph.producers[places[-1].value].inputs[0]
    both = [replace(places[-1], value=value), places[-1]]
    of = branch(graph, both, [Pooling("avg", (4, 4)), Pooling("max", (2, 2))])
    return of, features_of(of, stripes(400, 1)), features_of(of, stripes(150, 2))


def accuracies(heads: Heads, features: Features) -> list[float]:
    return [float(np.mean(scores.argmax(axis=1) == features.labels)) for scores in heads.scores(features.values)]


def same(one: Heads, other: Heads) -> bool:
    return one == other and all(
        np.array_equal(a.array, b.array)
        for a, b in zip((*one.matrices, *one.biases), (*other.matrices, *other.biases), strict=True)
    )


@pytest.mark.parametrize("kind", ["gnet", "shared", "separate"])
def test_every_kind_of_head_learns_on_a_frozen_network(kind: Kind) -> None:
    of, train, held = task()
    heads = train_heads(of, train, held, replace(OPTIONS, kind=kind))
    assert min(accuracies(heads, held)) > 0.75
    assert heads.is_chain == (kind == "gnet")
    assert (kind == "shared") == (heads.n_scalars == 1)


def test_without_labels_exits_learn_the_networks_own_answer() -> None:
    of, train, held = task()
    heads = train_heads(of, replace(train, labels=None), replace(held, labels=None), OPTIONS)
    agrees = np.mean(heads.scores(held.values)[-1].argmax(axis=1) == held.answer.argmax(axis=1))
    assert agrees > 0.8


def test_tied_exits_learn_one_matrix_with_a_gain_each() -> None:
    of, _, _ = task()
    alike = branch(of.graph, of.points, [Pooling("avg", (4, 4)), Pooling("max", (2, 2))])
    heads = train_heads(alike, *_features(alike), replace(OPTIONS, tied=True))
    assert len(heads.matrices) == 1
    assert heads.exits[0].slices[0].gain != heads.exits[1].slices[0].gain
    assert min(accuracies(heads, _features(alike)[1])) > 0.7


def _features(of: Branched) -> tuple[Features, Features]:
    return features_of(of, stripes(400, 1)), features_of(of, stripes(150, 2))


def test_the_same_seed_gives_the_same_heads_and_another_one_others() -> None:
    of, train, held = task()
    one = train_heads(of, train, held, OPTIONS)
    assert same(one, train_heads(of, train, held, OPTIONS))
    assert not same(one, train_heads(of, train, held, replace(OPTIONS, seed=1)))


@pytest.mark.parametrize("kind", ["gnet", "shared"])
def test_a_killed_run_goes_on_to_the_same_heads(kind: Kind, tmp_path: Path) -> None:
    of, train, held = task()
    options = replace(OPTIONS, kind=kind)

    def kill(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (3, 4):
            raise KeyboardInterrupt

    file = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        train_heads(of, train, held, options, checkpoint=file, on_progress=kill)
    assert same(train_heads(of, train, held, options, checkpoint=file), train_heads(of, train, held, options))
    with pytest.raises(BadData, match="the run that was begun had exits"):
        train_heads(of, train, held, replace(options, distill=0.25), checkpoint=file)


def test_cached_features_are_those_of_the_network_and_of_no_other(tmp_path: Path) -> None:
    file = tmp_path / "features.npz"
    of, train, _ = task()
    data = stripes(400, 1)
    features_of(of, data, cache=file)
    again = features_of(of, data, cache=file)
    assert all(np.array_equal(again.values[name], train.values[name]) for name in of.features)
    with pytest.raises(BadData, match="network"):
        features_of(task(seed=1)[0], data, cache=file)
    with pytest.raises(BadData, match="samples"):
        features_of(of, stripes(400, 3), cache=file)


def test_gnet_sees_one_random_depth_in_a_batch_and_zeros_behind_it() -> None:
    rng = np.random.default_rng(0)
    given = (np.ones((4, 3)), np.ones((4, 2)), np.ones((4, 5)), np.full((4, 8), 7.0))
    depths = set()
    for _ in range(40):
        *maps, expected = random_prefix(given, rng)
        known = [bool(x.any()) for x in maps]
        assert known == sorted(known, reverse=True)
        assert (expected == 7).all()
        depths.add(sum(known))
    assert depths == {1, 2, 3}


def test_network_and_exits_get_better_together() -> None:
    of, train, held = task()
    heads = train_heads(of, train, held, OPTIONS)
    before = (*accuracies(heads, held), float(np.mean(held.answer.argmax(axis=1) == held.labels)))
    options = replace(OPTIONS, epochs=8, distill=0.0)
    both, again = train_jointly(of, heads, stripes(400, 1), stripes(150, 2), options)
    now = features_of(both, stripes(150, 2))
    after = (*accuracies(again, now), float(np.mean(now.answer.argmax(axis=1) == now.labels)))
    assert after[-1] > max(before[-1], 0.8)  # it had never been trained
    assert min(after) > 0.8


def test_joint_training_begins_where_the_heads_were() -> None:
    of, train, held = task()
    heads = train_heads(of, train, held, replace(OPTIONS, tied=True))
    nothing = replace(OPTIONS, epochs=0)
    both, again = train_jointly(of, heads, stripes(400, 1), stripes(150, 2), nothing)
    now = features_of(both, stripes(150, 2))
    for one, other in zip(heads.scores(held.values), again.scores(now.values), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_labels_beyond_the_networks_classes_are_named() -> None:
    of, train, held = task()
    assert train.labels is not None
    with pytest.raises(BadData, match="label 9 is no class of this network, which has 3"):
        train_heads(of, replace(train, labels=train.labels * 0 + 9), held, OPTIONS)
    heads, none = train_heads(of, train, held, replace(OPTIONS, epochs=0)), stripes(40, 1, labelled=False)
    with pytest.raises(BadData, match="needs labels"):
        train_jointly(of, heads, none, none, OPTIONS)
