"""Training: what it learns from, the same bytes for the same seed, also after a kill, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from freeml.data.accuracy import answers
from freeml.data.dataset import Dataset
from freeml.errors import BadData, BadModel
from freeml.ir.graph import Graph
from freeml.ir.text import digest
from freeml.ir.types import Array, Const
from freeml.train.loop import Options, Progress, evaluate, fit
from freeml.train.network import Network, weights_of
from freeml.train.teacher import teacher_values

from .tasks import CLASSES, convolutional, stripes

DATA, HELD = stripes(300, 1), stripes(100, 2)
SHORT = Options(epochs=2, batch=64, learning_rate=0.01)


class Killed(Exception):
    """In the middle of a step, as a signal would come."""


def trained(checkpoint: Path | None = None, kill_after: int | None = None, options: Options = SHORT) -> Graph:
    network, steps = Network(convolutional(3)), 0

    def on_progress(_: Progress) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_after:
            raise Killed

    fit(network, DATA, options, validation=HELD, checkpoint=checkpoint, every_s=0.0, on_progress=on_progress)
    return network.to_graph()


@pytest.fixture(scope="module")
def teacher() -> Network:
    network = Network(convolutional(7, channels=8))
    fitted = fit(network, DATA, replace(SHORT, epochs=8), validation=HELD)
    assert fitted.accuracy is not None
    assert fitted.accuracy > 0.95
    return network


def test_a_teacher_asked_over_changes_says_the_mean_of_what_it_says_of_each(teacher: Network) -> None:
    few = DATA.take(10)

    def moved(samples: tuple[Array, ...], rng: np.random.Generator) -> tuple[Array, ...]:
        return tuple(x + rng.normal(size=x.shape).astype(x.dtype) for x in samples)

    found = teacher_values(teacher, few, batch=4, augment=moved, views=3, seed=5)
    assert found.keys() == teacher_values(teacher, few).keys()
    for name, values in found.items():
        looks = []
        for view in range(3):
            parts = []
            for start in (0, 4, 8):
                samples = few.select(np.arange(start, min(start + 4, 10))).real_inputs()
                changed = moved(samples, np.random.default_rng([5, start, view]))
                parts.append(teacher(teacher.encode(changed), [name])[name].detach().numpy())
            looks.append(np.concatenate(parts))
        assert np.ptp(looks, axis=0).max() > 0.1, "the views differ"
        assert values == pytest.approx(np.mean(looks, axis=0), rel=1e-5, abs=1e-5)


def accuracy(graph: Graph, data: Dataset) -> float:
    return float(np.mean(answers(graph, data.inputs).classes == data.labels))


def test_labels_alone_teach_it_and_the_graph_knows_what_was_learned(teacher: Network) -> None:
    assert accuracy(convolutional(7, channels=8), HELD) < 0.7
    assert accuracy(teacher.to_graph(), HELD) > 0.95


def test_another_networks_scores_alone_teach_it_without_any_label(teacher: Network) -> None:
    network = Network(convolutional(3))
    seen: list[Progress] = []
    unlabelled = stripes(300, 1, labelled=False)
    fit(network, unlabelled, replace(SHORT, epochs=8), teacher=teacher, on_progress=seen.append)
    assert accuracy(network.to_graph(), HELD) > 0.95
    assert seen[-1].accuracy is not None
    assert seen[-1].accuracy > 0.9, "agreement with the teacher"


def test_labels_and_a_teacher_together_count_as_the_share_says(teacher: Network) -> None:
    network = Network(convolutional(3))

    def loss(distill: float) -> float:
        return evaluate(network, teacher, HELD, replace(SHORT, distill=distill))[0]

    hard = evaluate(network, None, HELD, SHORT)[0]
    assert loss(0.0) == pytest.approx(hard, rel=1e-6)
    assert loss(0.25) == pytest.approx(0.75 * hard + 0.25 * loss(1.0), rel=1e-6)
    assert evaluate(teacher, teacher, HELD, replace(SHORT, distill=1.0))[0] == pytest.approx(0, abs=1e-6)


def test_a_softmax_at_the_end_is_trained_on_the_scores_before_it() -> None:
    plain, squashed = (evaluate(Network(convolutional(3, ending=e)), None, HELD, SHORT) for e in ("none", "softmax"))
    assert plain == pytest.approx(squashed, rel=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    assert digest(trained()) == digest(trained())
    assert digest(trained()) != digest(trained(options=replace(SHORT, seed=1)))


@pytest.mark.parametrize(("kill_after", "average"), [(2, 0.0), (5, 1.0), (7, 1.0)])
def test_a_killed_run_goes_on_to_the_same_bytes(kill_after: int, average: float, tmp_path: Path) -> None:
    """In the middle of an epoch, at its end, and in the last one; killed twice."""
    path, options = tmp_path / "run", replace(SHORT, average=average)
    for _ in range(2):
        with pytest.raises(Killed):
            trained(path, kill_after=kill_after if not path.exists() else 1, options=options)
    whole = digest(trained(options=options))
    assert digest(trained(path, options=options)) == whole
    assert digest(trained(path, options=options)) == whole, "a finished run stays finished"


def test_a_kill_while_the_checkpoint_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    with pytest.raises(Killed):
        trained(path, kill_after=2)
    before = path.read_bytes()

    def killed(self: Path, target: Path) -> None:
        self.write_bytes(self.read_bytes()[:100])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            trained(path)
    assert path.read_bytes() == before
    assert digest(trained(path)) == digest(trained())


def test_a_checkpoint_of_other_options_is_refused_and_says_which(tmp_path: Path) -> None:
    path = tmp_path / "run"
    trained(path)
    with pytest.raises(BadData, match=r"learning_rate 0\.01, this one has 0\.02"):
        trained(path, options=replace(SHORT, learning_rate=0.02))
    with pytest.raises(BadData, match="training samples"):
        fit(Network(convolutional(3)), HELD, SHORT, validation=HELD, checkpoint=path)
    with pytest.raises(BadData, match="network"):
        fit(Network(convolutional(4)), DATA, SHORT, validation=HELD, checkpoint=path)


@pytest.mark.parametrize("kept", [0, 5, 3000])
def test_a_damaged_checkpoint_is_refused_with_its_path(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "run"
    trained(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadData, match="not a training run") as caught:
        trained(path)
    assert caught.value.where == str(path)


def test_the_epoch_with_the_least_loss_on_validation_samples_is_kept() -> None:
    """A learning rate that first helps and then destroys: what is kept is not what came last."""
    seen: list[Progress] = []
    network = Network(convolutional(3))
    options = replace(SHORT, epochs=6, learning_rate=0.3)
    fitted = fit(network, DATA, options, validation=HELD, on_progress=seen.append)
    losses = [p.held_loss for p in seen if p.step == p.steps]
    assert fitted.loss == min(losses)  # type: ignore[type-var]
    assert fitted.epoch == 1 + int(np.argmin(losses))  # type: ignore[arg-type]
    assert evaluate(network, None, HELD, options)[0] == fitted.loss


def test_progress_counts_every_step_and_says_what_is_left() -> None:
    seen: list[Progress] = []
    fit(Network(convolutional(3)), DATA, SHORT, on_progress=seen.append)
    assert [(p.epoch, p.step) for p in seen] == [(e, s) for e in (1, 2) for s in range(1, 6)]
    assert seen[-1].seconds_left == 0
    assert all(p.seconds_left > 0 for p in seen[:-1])
    assert all(0 <= p.accuracy <= 1 and p.loss > 0 for p in seen)  # type: ignore[operator]


def test_what_is_done_after_each_step_holds_at_the_end() -> None:
    network = Network(convolutional(3))
    name = weights_of(network.source)[0]

    seen = []

    def first_filter_off(weights: Mapping[str, np.ndarray], done: float) -> None:
        weights[name][0] = 0
        seen.append(done)

    before = network.arrays()[name].copy()
    fit(network, DATA, SHORT, after_step=first_filter_off)
    after = network.arrays()[name]
    assert not after[0].any()
    assert (after[1:] != before[1:]).any()
    assert seen == [k / 10 for k in range(11)], "two epochs of five steps"


def test_training_leaves_torch_as_it_was() -> None:
    torch.set_num_threads(2)
    fit(Network(convolutional(3)), DATA, replace(SHORT, epochs=0))
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()


def test_real_targets_are_learned_by_their_squared_error() -> None:
    images = DATA.inputs[0]
    means = np.stack([images[:, 0, :, :4].mean(axis=(1, 2)), images[:, 0, :, 4:].mean(axis=(1, 2))], axis=1)
    targets = np.concatenate([means, 100 * means[:, :1]], axis=1)
    data = Dataset(DATA.inputs, targets, (), "means", "train")
    network, seen = Network(convolutional(3)), []
    fit(network, data, replace(SHORT, epochs=20, learning_rate=0.02), on_progress=seen.append)
    assert seen[-1].accuracy is None
    assert seen[-1].loss < 0.3 * seen[0].loss


def labelled(labels: np.ndarray) -> Dataset:
    return Dataset(DATA.inputs, labels, (), "stripes", "train")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (labelled(np.arange(300) % 4), r"label 3 of row 3 .* classes 0 to 2"),
        (labelled(np.ones(300, int)), "all 300 samples have the label 1"),
        (stripes(300, 1, labelled=False), "nothing to train towards"),
        (labelled(np.linspace(0.1, 1, 300)), "targets have 1 value"),
    ],
)
def test_data_that_teach_nothing_are_refused(data: Dataset, match: str) -> None:
    with pytest.raises(BadData, match=match):
        fit(Network(convolutional(3)), data, SHORT)


def test_a_loss_that_is_no_number_ends_the_run_with_a_hint() -> None:
    with pytest.raises(BadData, match=r"loss became .* in epoch 1") as caught:
        fit(Network(convolutional(3)), DATA, replace(SHORT, learning_rate=1e30))
    assert "lower learning rate" in caught.value.hint


def test_weights_that_are_no_numbers_are_seen_before_any_training() -> None:
    graph = convolutional(3)
    name = weights_of(graph)[0]
    broken = graph.with_ops(graph.ops, consts={name: Const(graph.consts[name].array * np.nan)})
    with pytest.raises(BadData, match="infinite or undefined"):
        evaluate(Network(broken), None, HELD, SHORT)


def test_bytes_and_codes_are_trained_on_as_the_real_numbers_that_they_are() -> None:
    images = np.rint(np.clip(HELD.inputs[0] * 20 + 100, 0, 255)).astype(np.uint8)
    coded = Dataset((images,), HELD.labels, CLASSES, "stripes", "train", quant=((0.05, 100),))
    real = Dataset(coded.real_inputs(), HELD.labels, CLASSES, "stripes", "train")
    network = Network(convolutional(3))
    assert evaluate(network, None, coded, SHORT) == evaluate(network, None, real, SHORT)


def test_a_teacher_with_other_outputs_is_refused() -> None:
    rng = np.random.default_rng(0)
    from freeml.frontend.builder import GraphBuilder
    from freeml.frontend.views import Weight

    builder = GraphBuilder("two")
    x = builder.input("x", (1, 64), channels_first=True, dtype="float32")
    builder.output(builder.dense(x, Weight(rng.normal(size=(2, 64))), np.zeros(2), loc="fc"), "y", dtype="float32")
    with pytest.raises(BadModel, match=r"\[3\] values, those of the one it learns from \[2\]"):
        fit(Network(convolutional(3)), DATA, SHORT, teacher=Network(builder.finish()))
