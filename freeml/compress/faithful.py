"""The published method from end to end: separate, then lose weights and retrain until the stored size is reached.

Adam with a learning rate of 1e-3, ten epochs a step, projected on L0 balls; the weights of the epoch with the least
loss go into the next step. That loss, and the accuracy that steers the controller, are those of samples held back for
it: the published code measured them on the test samples. Layers before the first that lost weights are not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from freeml.compress.controller import Rules, Step, begin, sparsify
from freeml.compress.l0 import L0Balls, measured, trained
from freeml.compress.separate import LEAST_BYTES, Separated, check_float, separate
from freeml.compress.stored import layers_of, total_bytes
from freeml.data.dataset import Dataset
from freeml.errors import BadModel
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense, Op
from freeml.train.loop import Fitted, Options, Progress, evaluate, fit
from freeml.train.network import Network
from freeml.train.objective import OwnLoss


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be chosen.

    kinds     of layers that are separated
    training  of one step; the teacher's share is 0, as published, but without labels
    """

    kinds: Collection[type[Op]] = (Conv, Dense)
    separate_from_bytes: int = LEAST_BYTES
    rules: Rules = field(default_factory=Rules)
    training: Options = field(default_factory=lambda: Options(epochs=10, distill=0.0))


@dataclass(frozen=True, slots=True)
class Result:
    """A smaller float graph, weights that are zero in place, and how it came about.

    accuracy: of the validation samples, 0 to 1: before anything, after separation, at the end; 1 less the loss of a
    regression.
    """

    graph: Graph
    separated: list[Separated]
    steps: list[Step]
    accuracy: tuple[float, float, float]


def compress(
    graph: Graph,
    train: Dataset,
    validation: Dataset,
    target_bytes: float,
    *,
    settings: Settings | None = None,
    folder: Path | None = None,
    loss: OwnLoss | None = None,
    on_progress: Callable[[int, str, float, Progress], None] = lambda *_: None,
) -> Result:
    """Make a float graph (passes done) so small that its stored size, as stored.py counts it, is within the target.

    folder       holds the state of each step; a killed run that is called again goes on to the same result
    loss         the user's own, in place of cross-entropy
    on_progress  number of the step, its layer, the stored bytes that it will have, and what training says
    Raises BadModel for an int8 network and one without layers, DoesNotFit for a target that cannot be reached, and what
    training raises.
    """
    settings = settings or Settings()
    check_float(graph)
    if not layers_of(graph):
        raise BadModel(
            "there is nothing to compress: no convolution and no dense layer", hint="compile the network as it is"
        )
    teacher = Network(graph)
    teaches = teacher if train.labels is None or settings.training.distill else None
    before = _worth(*evaluate(teacher, teaches, validation, settings.training))
    now, separated = separate(graph, kinds=settings.kinds, least_bytes=settings.separate_from_bytes)
    after = _worth(*evaluate(Network(now), teaches, validation, settings.training))
    layers = layers_of(now)
    steps: list[Step] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def retrain(density: Mapping[str, float]) -> float:
        nonlocal now
        network = Network(now, trained(layers, density))
        number = len(steps) + 1
        size = total_bytes(layers, density)
        taken = next(n for n in density if density[n] != known[n])
        known.update(density)
        fitted: Fitted = fit(
            network,
            train,
            settings.training,
            teacher=teaches,
            validation=validation,
            loss=loss,
            after_step=L0Balls({layer.weight: density[layer.name] for layer in layers}),
            checkpoint=None if folder is None else folder / f"step_{number:02}.run",
            identity={"density": dict(density)},
            on_progress=lambda progress: on_progress(number, taken, size, progress),
        )
        now = network.to_graph()
        return _worth(fitted.loss, fitted.accuracy)

    state = begin(layers, measured(now, layers), after)
    known = dict(state.density)
    for step in sparsify(layers, state, target_bytes, retrain, settings.rules):
        steps.append(step)
    return Result(now, separated, steps, (before, after, steps[-1].state.accuracy if steps else after))


def _worth(loss: float, accuracy: float | None) -> float:
    return 1 - loss if accuracy is None else accuracy
