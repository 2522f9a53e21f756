"""Channels taken out until a bound is met: those that are missed least for what they save of the figure that binds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from freeml.compress.channels import Channels, channels, mixes, remove
from freeml.compress.sensitivity import of_channels, read_means
from freeml.compress.shrink import by_bundle, elements_of, weakest, weights_saved
from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Array

_STEPS = 12
_PEAKED = 4  # power of a sum of values over the largest one that their elements count by
# Shares of what counts, by the bound that is broken: weights, activations, products.
_COUNTS = {
    "target_bytes": (1.0, 0.1, 0.5),  # some of what else a device is short of, so that the small network is fast, too
    "flash_bytes": (1.0, 0.1, 0.5),
    "sram_bytes": (0.0, 1.0, 0.0),
    "nvm_bytes": (0.2, 1.0, 0.0),
    "energy_uj": (0.0, 0.1, 1.0),
    "ms": (0.0, 0.1, 1.0),
}


def products_saved(graph: Graph, known: Channels) -> dict[int, float]:
    """Products of an inference that go with each free bundle alone."""

    def figures() -> Iterator[tuple[str, int]]:
        for op in graph.ops:
            if isinstance(op, Conv | Dense):
                weight, shape = graph.consts[op.inputs[1]].array, graph.types[op.output].shape
                places = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
                yield op.output, weight[0].size * places
                yield op.inputs[0], weight[..., 0].size * places if mixes(op) else 0

    return by_bundle(known, figures())


def peak_saved(graph: Graph, known: Channels) -> dict[int, float]:
    """Elements of values that go with each free bundle alone, the more the nearer they are to the most at a time.

    What an op reads and gives is there together: of elements beside less than the largest such sum few are worth much.
    """
    beside: dict[str, int] = {}
    for op in graph.ops:
        values = [name for name in (*op.inputs, op.output) if name in known.of]
        together = sum(graph.types[name].n_elems for name in dict.fromkeys(values))
        for name in values:
            beside[name] = max(beside.get(name, 0), together)
    most = max(beside.values(), default=1)
    share = {value: (beside.get(value, 0) / most) ** _PEAKED for value in known.of}
    return by_bundle(known, ((value, elements_of(graph, known, value) * share[value]) for value in known.of))


def savings(graph: Graph, known: Channels, excess: Mapping[str, float]) -> dict[int, int]:
    """What a bundle saves of all that is too much, each figure by how far it is above its bound, in millionths.

    excess: of each bound, how many times it is broken; those of at most 1 do not count.
    """
    figures: list[Mapping[int, float]] = [f(graph, known) for f in (weights_saved, peak_saved, products_saved)]
    whole = [max(1.0, float(sum(figure.values()))) for figure in figures]
    share = np.zeros(3)
    for name, times in excess.items():
        if times > 1:
            share += np.log(times) * np.array(_COUNTS.get(name, (0.0, 0.0, 0.0)))
    if not share.any():
        share[0] = 1.0
    share /= share.sum()
    return {
        bundle: max(1, round(1e6 * sum(s * f[bundle] / w for s, f, w in zip(share, figures, whole, strict=True))))
        for bundle in sorted(known.free)
    }


def order_of(
    graph: Graph, samples: Sequence[Array], excess: Mapping[str, float], keep: Collection[str]
) -> tuple[Channels, list[int]]:
    """All bundles that may go, in the order in which they do; a channel of each value stays. keep: nodes."""
    known = channels(graph)
    kept_values = {name for op in graph.ops if op.loc in set(keep) for name in (op.inputs[0], op.output)}
    kept = {int(bundle) for value in kept_values for bundle in known.of[value]}
    missed = of_channels(graph, samples, known)
    return known, weakest(known, missed, savings(graph, known, excess), 10**12, kept)


def narrowed(
    graph: Graph,
    samples: Sequence[Array],
    excess: Mapping[str, float],
    fits: Callable[[Graph], bool],
    keep: Collection[str] = (),
) -> tuple[Graph, bool]:
    """The graph with as few channels gone as let it fit, and whether it does; with all gone that may, where none do.

    fits: whether a graph keeps to what is asked for
    """
    known, order = order_of(graph, samples, excess, keep)
    means = read_means(graph, samples)

    def without(n: int) -> Graph:
        return remove(graph, order[:n], known=known, means=means) if n else graph

    if not fits(without(len(order))):
        return without(len(order)), False
    # What a board needs does not always fall with its channels, as plans change: first in steps, then between two.
    steps = sorted({len(order) * k // _STEPS for k in range(_STEPS + 1)})
    high = next(n for n in steps if n == len(order) or fits(without(n)))
    low = max((n + 1 for n in steps if n < high), default=0)
    while low < high:
        middle = (low + high) // 2
        if fits(without(middle)):
            high = middle
        else:
            low = middle + 1
    return without(high), True
