"""How long and in which stages a network is trained while it is made small, and one stage of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from freeml.compress.coding import Levels, falling, gradual
from freeml.compress.job import Job
from freeml.ir.types import Array
from freeml.train import checkpoint
from freeml.train.coded import CodedNetwork
from freeml.train.int8 import Int8Network
from freeml.train.loop import Fitted, Options, Progress, fit
from freeml.train.network import Network
from freeml.train.teacher import VIEWS, teacher_values

# Samples seen in all stages together, and the epochs that this makes at least and at most.
_SEEN = 1_500_000
_EPOCHS = (24, 100)
# Shares of all epochs: while channels go, after them, with few codes.
_ROUNDS, _TUNED, _CODED = 0.4, 0.25, 0.35
# The same where bits are few: while channels go, while bits do, in integers.
_BITS_ROUNDS, _FALLING, _BITS_CODED = 0.25, 0.5, 0.25
# Steps in integers take so much longer than those in floating point, about.
_CODED_COST = 1.6
_FORWARD_SHARE = 1 / 3  # of a step, without its gradient
_AVERAGED = 1.0  # epochs over which weights are averaged: what is kept is no lucky step
_FEW_SAMPLES = 4000  # below, batches are half as large, so that there are steps enough


@dataclass(frozen=True, slots=True)
class Schedule:
    """Epochs of each stage, and samples of a batch. bits_epochs: of a stage with a limit of bits."""

    round_epochs: int
    tune_epochs: int
    code_epochs: int
    batch: int
    bits_epochs: int = 0

    def total(self, rounds: int, levels: Levels) -> float:
        """Of a whole run, in epochs of floating point."""
        tuned = self.tune_epochs if rounds else 0
        in_floats = rounds * self.round_epochs + tuned + len(falling(levels)) * self.bits_epochs
        return in_floats + _CODED_COST * len(gradual(levels)) * self.code_epochs


def schedule_for(job: Job, rounds: int, levels: Levels) -> Schedule:
    """From the number of samples; with a bound on time, fitted into it by the measured time of a few steps.

    What was decided is kept in the workspace: a run that goes on trains as long as it was begun.
    """
    path = job.file("schedule")
    if path is not None and path.exists():
        state, _ = checkpoint.load(path, {})
        return Schedule(**state)
    codings, fewer = len(gradual(levels)), len(falling(levels))
    n = len(job.samples.train)
    epochs = job.effort * min(max(_SEEN / n, _EPOCHS[0]), _EPOCHS[1])
    batch = 64 if n < _FEW_SAMPLES else 128

    def of(epochs: float) -> Schedule:
        shares = (_BITS_ROUNDS, 0.0, _FALLING, _BITS_CODED) if fewer else (_ROUNDS, _TUNED, 0.0, _CODED)
        while_rounds, tuned, while_bits, coded = shares
        return Schedule(
            round_epochs=max(1, round(while_rounds * epochs / max(1, rounds))),
            tune_epochs=max(1, round(tuned * epochs)) if tuned else 0,
            code_epochs=max(1, round(coded * epochs / max(1, codings))),
            batch=batch,
            bits_epochs=max(1, round((while_bits if rounds else while_bits + while_rounds) * epochs / fewer))
            if fewer
            else 0,
        )

    found = of(epochs)
    if job.bounds.time_s is not None:
        left = 0.85 * job.bounds.time_s - (time.monotonic() - job.begun)
        an_epoch_s = _seconds_an_epoch(job, batch, levels)
        needed = found.total(rounds, levels) * an_epoch_s
        left -= _FORWARD_SHARE * an_epoch_s * (1 if job.augment is None else VIEWS)  # the teacher's answers
        found = of(min(1.0, max(0.0, left) / needed) * epochs)
    if path is not None:
        checkpoint.save(path, {}, {name: getattr(found, name) for name in Schedule.__slots__}, {})
    return found


def _seconds_an_epoch(job: Job, batch: int, levels: Levels) -> float:
    """Of the dense network: an upper bound of what smaller ones take. Finding few bits takes its time at each step."""
    few = job.samples.train.take(4 * batch)
    network = Network(job.graph) if levels.bits is None else CodedNetwork(job.graph, levels.of(job.graph))
    begun = time.monotonic()
    fit(network, few, Options(epochs=1, batch=batch, distill=0.0), teacher=job.judge.dense, loss=job.loss)
    return (time.monotonic() - begun) / len(few) * len(job.samples.train)


@dataclass(slots=True)
class Trainer:
    """Trains networks one after the other towards the labels and the dense network's answers.

    planned: what `Schedule.total` gives; done counts towards it
    """

    job: Job
    schedule: Schedule
    planned: float
    done: float = 0.0
    taught: dict[str, Array] | None = field(default=None)

    def train(self, network: Network, stage: str, epochs: int, learning_rate: float, stored_bytes: int) -> Fitted:
        """One stage, with its own file in the workspace. The weights that are best on the calibration split stay."""
        job = self.job
        if self.taught is None:
            self.taught = self._teach()
        in_integers = isinstance(network, Int8Network)
        weight = epochs * (_CODED_COST if in_integers else 1.0)
        job.seeds[stage] = job.seed
        job.stored = stored_bytes
        labelled = job.samples.train.labels is not None or job.samples.train.targets is not None
        options = Options(
            epochs=epochs,
            batch=self.schedule.batch,
            learning_rate=learning_rate,
            schedule="cosine",
            distill=0.7 if labelled or job.loss is not None else 1.0,
            seed=job.seed,
            average=_AVERAGED,
            precision="float32" if in_integers else job.precision,
        )
        fitted = fit(
            network,
            job.samples.train,
            options,
            teacher=job.judge.dense,
            taught=self.taught,
            validation=job.samples.calibration,
            augment=job.augment,
            loss=job.loss,
            checkpoint=job.file(f"{stage.replace(' ', '_')}.run"),
            on_progress=self._teller(stage, weight),
        )
        self.done += weight
        return fitted

    def _teach(self) -> dict[str, Array]:
        """The dense network's answers to the training samples, and to changes of them; kept in the workspace."""
        path = self.job.file("taught")
        if path is not None and path.exists():
            return checkpoint.load(path, {})[1]
        self.job.tell("ask the dense network", self.done / self.planned)
        job = self.job
        found = teacher_values(job.judge.dense, job.samples.train, augment=job.augment, seed=job.seed)
        if path is not None:
            checkpoint.save(path, {}, {}, found)
        return found

    def _teller(self, stage: str, weight: float) -> Callable[[Progress], None]:
        job = self.job
        begun, first = time.monotonic(), self.done

        def told(news: Progress) -> None:
            if news.held_accuracy is not None:
                job.accuracy = news.held_accuracy
            share = (news.epoch - 1 + news.step / news.steps) / news.epochs
            done = first + weight * share
            seconds = time.monotonic() - begun
            left = seconds / max(weight * share, 1e-9) * (self.planned - done) if share > 0 else None
            job.tell(f"{stage}, epoch {news.epoch} of {news.epochs}", min(1.0, done / self.planned), left)

        return told
