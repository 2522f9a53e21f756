"""What each depth of a network with exits is worth on labelled samples, as the device says it."""

from __future__ import annotations

from dataclasses import dataclass

from freeml.data.dataset import Dataset
from freeml.exits.answers import by_depth, softness_of
from freeml.exits.calibrate import auroc, calibration_error
from freeml.ir.graph import Graph


@dataclass(frozen=True, slots=True)
class DepthFigures:
    """accuracy of a depth; of an exit also its expected calibration error, 0..1, and how well low confidence tells
    where this exit is wrong and the whole network right (None where that is never or always so)."""

    depth: int
    accuracy: float
    ece: float | None
    auroc: float | None


def figures(graph: Graph, dataset: Dataset) -> tuple[DepthFigures, ...]:
    """Of each depth, the whole network last; empty without labels, or with one that is no class of the network.

    dataset: in the shapes that the graph reads.
    """
    if dataset.labels is None or int(dataset.labels.max()) >= graph.types[graph.exits[0].value].n_elems:
        return ()
    known = by_depth(graph, dataset)
    found, right = [], known.right
    for k, one in enumerate(known.confidences(softness_of(graph))):
        event = ~right[:, k] & right[:, -1]
        found.append(
            DepthFigures(
                k + 1,
                float(right[:, k].mean()),
                calibration_error(one.real, right[:, k]),
                auroc(-one.real, event),
            )
        )
    return (*found, DepthFigures(len(found) + 1, float(right[:, -1].mean()), None, None))
