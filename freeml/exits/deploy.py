"""Exits from model to device: made, quantized with the network, their table tuned to its plan. What `compile` calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from freeml.board.board import Board
from freeml.data import Dataset, fit_inputs, load
from freeml.data.splits import dealt
from freeml.errors import BadData
from freeml.exits.bytes import separate_bytes, separate_same_pooling_bytes
from freeml.exits.names import Kind
from freeml.exits.options import Exits, HeadOptions, Request, Where
from freeml.exits.outputs import exits_of_outputs, trainable
from freeml.exits.placement import MOST_EXITS, automatic, listed
from freeml.exits.tune import Choice
from freeml.ir.graph import Graph, Stage

_WORDS: Mapping[str, Where] = {"auto": "auto", "outputs": "outputs"}
_FEWEST = 10  # samples, of which the fewer choose


@dataclass(frozen=True, slots=True)
class ExitOptions:
    """What a user may choose.

    exits   "auto", "outputs", or names of nodes
    head    kind of heads that are trained
    policy  as tune.py reads it
    epochs  of training
    budget_bytes  of weights of all heads; None: 3 % of the network's
    seed    of training
    """

    exits: Where = "auto"
    head: Kind = "shared"
    policy: str = "searched"
    epochs: int = 30
    budget_bytes: int | None = None
    seed: int = 0

    @staticmethod
    def parse(exits: str, head: Kind, policy: str, seed: int = 0) -> ExitOptions | None:
        """As the command line has it; None for "none"."""
        if exits == "none":
            return None
        where = _WORDS.get(exits) or tuple(name.strip() for name in exits.split(",") if name.strip())
        if not where:
            raise BadData("no exits are named", where="--exits", hint="auto, outputs, none, or names of nodes: a,b")
        return ExitOptions(where, head, policy, seed=seed)

    def choice(self, board: Board) -> Choice:
        """The policy. Raises BadData or BadBoard where it is none, or the board cannot have it."""
        found = Choice.parse(self.policy).on(board)
        if self.exits != "outputs":
            found.check_depth((MOST_EXITS if self.exits == "auto" else len(set(self.exits))) + 1)
        return found


@dataclass(frozen=True, slots=True)
class ExitBytes:
    """Of all heads: as stored, as separate ones of the published definition, as separate ones with the same pooling."""

    exit_bytes: int
    separate_exit_bytes: int
    separate_same_pooling_bytes: int


def exits_for(
    graph: Graph,
    options: ExitOptions,
    data: str | Dataset | None,
    progress: Callable[[str], None] = lambda _: None,
) -> Exits:
    """Exits of a float graph after all passes. Raises BadModel, BadData."""
    if options.exits == "outputs":
        return exits_of_outputs(graph)
    from freeml.exits.driver import make_exits  # torch: only who trains exits needs it

    how = HeadOptions(kind=options.head, epochs=options.epochs, seed=options.seed)
    request = Request(options.exits, how, options.budget_bytes)
    if data is None:
        return make_exits(graph, request, say=progress)
    train, held = _samples(graph, data)
    return make_exits(graph, request, train, held, say=progress)


def check_exits(graph: Graph, options: ExitOptions, data: str | Dataset | None) -> None:
    """Raise what `exits_for` would for places, names and samples that do not do, before the network is made small."""
    if graph.stage is not Stage.FLOAT:
        return  # nor is it made small
    if options.exits == "outputs":
        exits_of_outputs(graph)
        return
    trainable(graph, *((None, None) if data is None else _samples(graph, data)))
    _ = automatic(graph) if options.exits == "auto" else listed(graph, options.exits)


def _samples(graph: Graph, data: str | Dataset) -> tuple[Dataset, Dataset]:
    """To train on, and to choose by: the splits of that name, or parts of the only one. Raises BadData for too few."""
    shapes = [port.shape for port in graph.inputs]
    train, held = (fit_inputs(one, shapes) for one in _parts(data))
    if (n := len(train) + len(held)) < _FEWEST or not (len(train) and len(held)):
        few = f"{n} sample{' is' if n == 1 else 's are'} too few to train exits on and to choose them by"
        raise BadData(few, where=train.name, hint=f"give {_FEWEST} at least, a hundred or more are usual")
    return train, held


def _parts(data: str | Dataset) -> tuple[Dataset, Dataset]:
    if isinstance(data, str):
        held = load(data, "calibration")
        try:
            train = load(data, "train")
        except BadData as error:
            if not error.what.startswith("no split"):
                raise
            return _divided(held)
        return _divided(held) if _is_undivided(train, held) else (train, held)
    return _divided(data)


def _is_undivided(train: Dataset, held: Dataset) -> bool:
    """Whether both are the same samples: of few ones, data sets give the same for both."""
    pairs = zip(train.inputs, held.inputs, strict=True)
    return len(train) == len(held) and all(np.array_equal(a, b) for a, b in pairs)


def _divided(data: Dataset) -> tuple[Dataset, Dataset]:
    """Of each class four fifths and one fifth, however a file is sorted: a twelfth would be too few for thresholds."""
    if data.labels is None:
        back = np.arange(len(data)) % 5 == 4
        return data.select(np.flatnonzero(~back)), data.select(np.flatnonzero(back))
    parts = dealt(len(data), data.labels).parts
    held = parts["calibration"]
    return data.select(np.setdiff1d(np.arange(len(data)), held)), data.select(held)


def bytes_of(made: Exits) -> ExitBytes:
    """Of the heads that were made."""
    own = made.heads.stored_bytes
    return ExitBytes(own, separate_bytes(made.graph, made.heads), separate_same_pooling_bytes(made.graph, made.heads))
