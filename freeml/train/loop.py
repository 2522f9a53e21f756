"""The training loop: Adam, the same bytes for the same seed, also where a run was killed and goes on.

Whatever is drawn is a function of seed, epoch and step, so that a checkpoint holds weights and moments and nothing of a
generator. The number of threads is fixed: sums in another order are other sums.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from freeml.data.dataset import Dataset
from freeml.errors import BadData
from freeml.ir.types import Array
from freeml.train import checkpoint as files
from freeml.train.arithmetic import fixed_arithmetic
from freeml.train.average import Average
from freeml.train.identity import function_id
from freeml.train.network import Network
from freeml.train.objective import Loss, OwnLoss, Scores, loss_of
from freeml.train.rates import share_of_rate

# (samples of a batch, one array per input; a generator) -> the samples to train on
Augment = Callable[[tuple[Array, ...], np.random.Generator], tuple[Array, ...]]
# Changes the weights in place, by name, such as a projection; the number is the share of all steps that are done.
AfterStep = Callable[[Mapping[str, Array], float], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to train.

    schedule     of the learning rate: "constant", or "cosine" down to 0
    distill      share of the teacher in the loss where there are labels or targets, too
    temperature  of the classes that teacher and student are compared by
    average      epochs over which weights are averaged for what is judged and kept; 0: they are as steps leave them
    precision    of products in the forward pass: "float32", or "bfloat16", which is faster where a processor knows it
    threads      of torch; part of the result, as sums depend on it
    """

    epochs: int = 10
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    distill: float = 0.5
    temperature: float = 4.0
    seed: int = 0
    average: float = 0.0
    precision: str = "float32"
    threads: int = 1

    def __post_init__(self) -> None:
        assert self.schedule in ("constant", "cosine"), self.schedule
        assert self.precision in ("float32", "bfloat16"), self.precision
        if self.epochs < 0 or self.batch < 1 or not self.learning_rate > 0 or not 0 <= self.distill <= 1:
            raise BadData(
                f"training with {self.epochs} epochs, batches of {self.batch}, learning rate {self.learning_rate} and "
                f"{self.distill} as the teacher's share",
                hint="epochs from 0, batches from 1, a learning rate above 0, a share of the teacher from 0 to 1",
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """After each step.

    loss, accuracy            of this epoch so far; agreement with the teacher without labels, None of a regression
    held_loss, held_accuracy  of the validation samples after the last whole epoch
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float | None
    held_loss: float | None
    held_accuracy: float | None
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The end of a run, whose weights are in the network. epoch: whole epochs before the weights that were kept."""

    epoch: int
    loss: float
    accuracy: float | None


def fit(
    network: Network,
    data: Dataset,
    options: Options,
    *,
    teacher: Network | None = None,
    taught: Mapping[str, Array] | None = None,
    validation: Dataset | None = None,
    after_step: AfterStep = lambda *_: None,
    augment: Augment | None = None,
    loss: OwnLoss | None = None,
    checkpoint: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    every_s: float = 30.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Fitted:
    """Train a network in place. With validation samples the weights of the epoch with the least loss on them are kept.

    taught      the teacher's values (N, *shape) for each training sample before it is augmented, by name: what
                teacher.py gives; without them the teacher sees every batch as it is trained on
    after_step  is called at the start and after each step
    loss        the user's own, in place of that of labels or targets
    checkpoint  a file that is written every `every_s` seconds and after each epoch, and gone on with where it exists
    identity    what the caller adds to what a run that goes on must have in common with the one before
    Raises BadData or BadModel: nothing to train towards, labels out of range, a loss that is no number, a checkpoint of
    another run.
    """
    with fixed_arithmetic(options.threads):
        run = _Run(network, teacher, data, validation, options, after_step, augment, loss, taught)
        known = {**run.identity(), **(identity or {})} if checkpoint else {}
        if checkpoint is not None and checkpoint.exists():
            run.restore(*files.load(checkpoint, known))
        else:
            after_step(network.arrays(), 0.0)
        saved = time.monotonic()
        for progress, epoch_done in run.steps():
            if checkpoint is not None and (epoch_done or time.monotonic() - saved >= every_s):
                files.save(checkpoint, known, *run.state())
                saved = time.monotonic()
            on_progress(progress)
        return run.finish()


def evaluate(network: Network, teacher: Network | None, data: Dataset, options: Options) -> tuple[float, float | None]:
    """Loss and accuracy of a network on a data set, as `fit` means them."""
    with fixed_arithmetic(options.threads):
        return _Course(network, teacher, data, options).evaluate(options.batch)


def needed_of(scores: Scores) -> set[str]:
    """Values of a teacher that a loss reads."""
    return {*scores.names, *filter(None, [scores.deciding])}


class _Course:
    """Samples, what is expected of them, and the loss of any of them."""

    def __init__(
        self,
        network: Network,
        teacher: Network | None,
        data: Dataset,
        options: Options,
        own: OwnLoss | None = None,
    ) -> None:
        self.network, self.teacher, self.data = network, teacher, data
        self.taught: dict[str, Tensor] | None = None
        self.loss: Loss
        self.loss, self.expected = loss_of(
            network.source,
            None if teacher is None else teacher.source,
            data,
            distill=options.distill,
            temperature=options.temperature,
            own=own,
        )

    def batch(
        self, rows: Array, augment: Callable[[tuple[Array, ...]], tuple[Array, ...]], precision: str = "float32"
    ) -> tuple[Tensor, Tensor | None]:
        """Loss, and which samples are right."""
        samples = augment(self.data.select(rows).real_inputs())  # images stay bytes until they are needed
        at = torch.from_numpy(rows)
        expected = None if self.expected is None else self.expected[at]
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            found = self.network(self.network.encode(samples), self.loss.wanted)
        found = {name: value.float() if value.dtype == torch.bfloat16 else value for name, value in found.items()}
        wanted = None
        if self.taught is not None:
            wanted = {name: values[at] for name, values in self.taught.items()}
        elif self.teacher is not None and self.loss.teacher is not None:
            with torch.no_grad():
                wanted = self.teacher(self.teacher.encode(samples), needed_of(self.loss.teacher))
        return self.loss(found, wanted, expected), self.loss.right(found, wanted, expected)

    def evaluate(self, batch: int) -> tuple[float, float | None]:
        total, n_right, counted = 0.0, 0, True
        with torch.no_grad():
            for start in range(0, len(self.data), batch):
                rows = np.arange(start, min(start + batch, len(self.data)))
                loss, right = self.batch(rows, lambda samples: samples)
                total += float(loss) * len(rows)
                counted = right is not None
                n_right += 0 if right is None else int(right.sum())
        if not math.isfinite(total):
            raise BadData(
                f"the network's loss on these samples is {total / len(self.data)}: some of its scores are infinite or "
                "undefined",
                where=self.data.name,
                hint="check the samples' scaling and the weights; of a network in training, lower the learning rate",
            )
        return total / len(self.data), n_right / len(self.data) if counted else None


class _Run:
    """One run of `fit`: what changes from step to step, and how it is written down."""

    def __init__(
        self,
        network: Network,
        teacher: Network | None,
        data: Dataset,
        validation: Dataset | None,
        options: Options,
        after_step: AfterStep,
        augment: Augment | None,
        own: OwnLoss | None,
        taught: Mapping[str, Array] | None,
    ) -> None:
        self.network, self.options, self.after_step, self.augment = network, options, after_step, augment
        self.course = _Course(network, teacher, data, options, own)
        if taught is not None:
            self.course.taught = {name: torch.from_numpy(array) for name, array in taught.items()}
        self.held = None if validation is None else _Course(network, teacher, validation, options, own)
        shares = {name: share_of_rate(array) for name, array in network.arrays().items()}
        groups = [{"params": [weight], "share": shares[name]} for name, weight in network.params().items()]
        self.adam = torch.optim.Adam(groups, lr=options.learning_rate, weight_decay=options.weight_decay, foreach=False)
        self.epoch, self.step, self.n_steps = 0, 0, -(-len(data) // options.batch)
        self.average = Average(network.arrays(), options.average * self.n_steps)
        self.sums = [0.0, 0.0, 0.0]  # loss, right, samples of this epoch
        self.last: tuple[float | None, float | None] = (None, None)
        self.best = (0, math.inf, None)  # type: tuple[int, float, float | None]
        self.best_arrays: dict[str, Array] = {}

    def identity(self) -> dict[str, Any]:
        held, teacher = self.held, self.course.teacher
        return {
            **asdict(self.options),
            "network": self.network.digest(),
            "teacher": None if teacher is None else teacher.digest(),
            "training samples": data_digest(self.course.data),
            "validation samples": None if held is None else data_digest(held.data),
            "loss": function_id(self.course.loss.own),
            "augmentation": function_id(self.augment),
            "teacher's answers": "once" if self.course.taught is not None else "each batch",
            "torch": torch.__version__,
        }

    def steps(self) -> Iterator[tuple[Progress, bool]]:
        """Train on; after each step what is known, and whether an epoch ended with it."""
        begun, first = time.monotonic(), self.epoch * self.n_steps + self.step
        total = self.options.epochs * self.n_steps
        while self.epoch < self.options.epochs:
            order = np.random.default_rng([self.options.seed, self.epoch]).permutation(len(self.course.data))
            while self.step < self.n_steps:
                self._one(order[self.step * self.options.batch :][: self.options.batch])
                done = self.epoch * self.n_steps + self.step
                seconds_left = (time.monotonic() - begun) / (done - first) * (total - done)
                if self.step < self.n_steps:
                    yield self._progress(seconds_left), False
            if self.held is not None:
                self._judge(self.held)
            progress = self._progress(seconds_left)
            self.epoch, self.step, self.sums = self.epoch + 1, 0, [0.0, 0.0, 0.0]
            yield progress, True

    def _one(self, rows: Array) -> None:
        rng = np.random.default_rng([self.options.seed, self.epoch, self.step, 1])
        augment = self.augment
        loss, right = self.course.batch(
            rows, lambda s: s if augment is None else augment(s, rng), self.options.precision
        )
        value = float(loss.detach())
        if not math.isfinite(value):
            raise BadData(
                f"the loss became {value} in epoch {self.epoch + 1}, step {self.step + 1} of {self.n_steps}",
                hint=f"a lower learning rate than {self.options.learning_rate:g} may help",
            )
        for group in self.adam.param_groups:
            group["lr"] = group["share"] * self._learning_rate()
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.after_step(self.network.arrays(), self._done(1))
        self.sums[0] += value * len(rows)
        self.sums[1] += math.nan if right is None else int(right.sum())
        self.sums[2] += len(rows)
        self.step += 1
        self.average.step(self.epoch * self.n_steps + self.step)

    def _done(self, ahead: int) -> float:
        """Share of all steps that are done, with so many ahead."""
        return (self.epoch * self.n_steps + self.step + ahead) / (self.options.epochs * self.n_steps)

    def _learning_rate(self) -> float:
        falling = 0.5 * (1 + math.cos(math.pi * self._done(0))) if self.options.schedule == "cosine" else 1.0
        return self.options.learning_rate * falling

    def _judge(self, held: _Course) -> None:
        with self.average.in_place():
            loss, accuracy = held.evaluate(self.options.batch)
            self.last = loss, accuracy
            if loss < self.best[1]:
                self.best = self.epoch + 1, loss, accuracy
                self.best_arrays = {name: array.copy() for name, array in self.network.arrays().items()}

    def _progress(self, seconds_left: float) -> Progress:
        loss, right, n = self.sums
        accuracy = None if math.isnan(right) else right / n
        shown = (self.epoch + 1, self.options.epochs, self.step, self.n_steps)
        return Progress(*shown, loss / n, accuracy, *self.last, seconds_left)

    def finish(self) -> Fitted:
        """With the best weights in the network, or the last ones where nothing was held back."""
        if self.held is None:
            self.average.put()
            return Fitted(self.epoch, *self.course.evaluate(self.options.batch))
        for name, array in self.network.arrays().items():
            if self.best_arrays:
                array[...] = self.best_arrays[name]
        if not self.best_arrays:
            return Fitted(0, *self.held.evaluate(self.options.batch))
        return Fitted(*self.best)

    # ---- on disk ----------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """All that `restore` needs to go on to the same bytes."""
        state = {"epoch": self.epoch, "step": self.step, "sums": self.sums, "last": self.last, "best": self.best}
        arrays = {f"weight/{name}": array for name, array in self.network.arrays().items()}
        arrays |= {f"best/{name}": array for name, array in self.best_arrays.items()}
        arrays |= {f"mean/{name}": array for name, array in self.average.means.items()}
        for name, parameter in self.network.params().items():
            for key, value in self.adam.state.get(parameter, {}).items():
                arrays[f"adam.{key}/{name}"] = value.numpy()
        return state, arrays

    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Go on from where `state` was taken."""
        self.epoch, self.step, self.sums = state["epoch"], state["step"], list(state["sums"])
        self.last, self.best = tuple(state["last"]), tuple(state["best"])
        weights = self.network.arrays()
        for key, array in arrays.items():
            kind, name = key.split("/", 1)
            if kind == "weight":
                weights[name][...] = array
            elif kind == "best":
                self.best_arrays[name] = array
            elif kind == "mean":
                self.average.means[name][...] = array
            else:
                parameter = self.network.params()[name]
                self.adam.state[parameter][kind.removeprefix("adam.")] = torch.from_numpy(array.copy())


def data_digest(data: Dataset) -> str:
    """Of samples and of what is expected of them."""
    found = hashlib.sha256(repr(data.quant).encode())
    for array in [*data.inputs, *(known for known in (data.labels, data.targets) if known is not None)]:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:12]
