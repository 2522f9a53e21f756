"""Exits for a network, from what a user asked for: places, poolings within bytes, heads trained.

    exits  "auto": places found by themselves; names: these; "outputs": those that the model came with
    head   shared, gnet or separate
    bytes  that weights of heads may take: of nothing said, 3 % of the network's weights in int8; where that buys no
           features for all places, there are fewer exits, and one exit at least; where places were named, shared
           exits of as many features use one matrix instead

Without labels the network's own classes stand for them: exits then learn to say what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from freeml.data.dataset import Dataset
from freeml.errors import BadModel
from freeml.exits.branch import Branched, Pooling, branch, common_size
from freeml.exits.options import Exits, Request
from freeml.exits.outputs import answer_of, exits_of_outputs, trainable
from freeml.exits.placement import MOST_EXITS, Point, automatic, listed
from freeml.exits.poolings import Choice, choices, choose
from freeml.exits.train import features_of, train_heads, train_tied
from freeml.ir.graph import Graph
from freeml.plan.counts import count_ops
from freeml.train.loop import Progress
from freeml.train.prefix import frozen_values, moments

BUDGET = 0.03
_SAMPLES = 4_000  # that poolings are chosen on
_STATISTICS = 1_000  # that channels of separate exits are normalised on


def make_exits(
    graph: Graph,
    request: Request,
    train: Dataset | None = None,
    held: Dataset | None = None,
    *,
    work: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Exits:
    """Exits for a float graph (passes done).

    train, held: samples to train on, and to choose by; not needed for "outputs"
    work         a folder that keeps features and the run, so that a killed one goes on
    Raises BadModel or BadData: no place for an exit, a name that is none, no samples.
    """
    if request.exits == "outputs":
        return exits_of_outputs(graph)
    train, held, k = trainable(graph, train, held)
    places, poolings = _places(graph, request, _named(graph, train, k), _named(graph, held, k), k)
    say("exits behind " + ", ".join(point.loc for point in places))
    norms = None
    if request.options.kind == "separate":
        values = [point.value for point in places]
        found = moments(graph, train.take(_STATISTICS).real_inputs(), values)
        norms = [found[value] for value in values]
    of = branch(graph, places, poolings, norms)
    caches = [None if work is None else work / f"features-{name}.npz" for name in ("train", "held")]
    learned, judged = (
        features_of(of, data, precision=request.precision, cache=cache)
        for data, cache in zip((train, held), caches, strict=True)
    )
    say("training heads")
    run = None if work is None else work / "heads.npz"
    if _is_tied(of, request, k):
        tied, heads = train_tied(of, learned, judged, request.options, checkpoint=run, on_progress=on_progress)
        of = tied.branched
    else:
        heads = train_heads(of, learned, judged, request.options, checkpoint=run, on_progress=on_progress)
    trained = f"{len(places)} {request.options.kind} exit{'s' * (len(places) > 1)} trained on {len(train):,} samples"
    return Exits(of.graph, heads, trained, held)


def _is_tied(of: Branched, request: Request, k: int) -> bool:
    """Whether exits of as many features use one matrix: as asked for, or where places that were named need it."""
    if request.options.kind != "shared" or len(set(of.sizes)) == len(of.sizes):
        return request.options.tied
    is_over = request.budget_bytes is None and sum(of.sizes) * k > _budget(of.graph, request)
    return request.options.tied or is_over


def _named(graph: Graph, data: Dataset, k: int) -> Dataset:
    """A few thousand samples with labels: their own, or the network's classes."""
    some = data.take(_SAMPLES)
    if some.labels is not None:
        return some
    answer = answer_of(graph)
    scores = frozen_values(graph, some, [answer])[answer].reshape(len(some), k)
    return replace(some, labels=scores.argmax(axis=1).astype(np.int64))


def _places(
    graph: Graph, request: Request, train: Dataset, held: Dataset, k: int
) -> tuple[tuple[Point, ...], tuple[Pooling, ...]]:
    """Where exits lie and how they pool, within the bytes."""
    if request.options.kind == "gnet":
        return _of_one_size(graph, request, k)
    budget = _budget(graph, request)
    if request.exits != "auto":
        places = listed(graph, _names(request))
        found = choices(graph, places, train, held, k, precision=request.precision)
        least = sum(min(c.n_bytes for c in one) for one in found)
        allowed = budget if request.budget_bytes is not None else max(budget, least)
        return places, _poolings(choose(found, allowed, graph.name))
    every = automatic(graph, MOST_EXITS)
    found = choices(graph, every, train, held, k, precision=request.precision)
    worth = dict(zip((point.value for point in every), found, strict=True))
    for most in range(len(every), 0, -1):
        places = automatic(graph, most)
        of = [worth[point.value] for point in places]
        if sum(min(c.n_bytes for c in one) for one in of) <= budget:
            return places, _poolings(choose(of, budget, graph.name))
    least = min(c.n_bytes for c in of[0])
    if request.budget_bytes is None:
        return places, _poolings(choose(of, least, graph.name))
    raise BadModel(
        f"one exit needs at least {least:,} bytes of weights, {budget:,} are allowed",
        where=graph.name,
        hint="allow more, or compile without exits (--exits none)",
    )


def _of_one_size(graph: Graph, request: Request, k: int) -> tuple[tuple[Point, ...], tuple[Pooling, ...]]:
    """gNet's poolings: the largest common size within the bytes, one place at least."""
    places = automatic(graph) if request.exits == "auto" else listed(graph, _names(request))
    budget = _budget(graph, request)
    poolings = common_size(graph, places, (1, 1))
    for side in range(2, 17):
        larger = common_size(graph, places, (side, side))
        n = sum(p.n_features(graph.types[q.value].shape) for p, q in zip(larger, places, strict=True))
        if n * k > budget:
            break
        poolings = larger
    return places, poolings


def _names(request: Request) -> Sequence[str]:
    assert not isinstance(request.exits, str)
    return request.exits


def _poolings(chosen: Sequence[Choice]) -> tuple[Pooling, ...]:
    return tuple(one.pooling for one in chosen)


def _budget(graph: Graph, request: Request) -> int:
    return request.budget_bytes if request.budget_bytes is not None else round(BUDGET * count_ops(graph).params)
