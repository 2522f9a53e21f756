"""How good a network is on the calibration split, always by the same measure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from freeml.compress.samples import Samples
from freeml.data import Dataset
from freeml.errors import BadData
from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.quantize.search import Quantized, quantize
from freeml.train.int8 import Int8Network
from freeml.train.loop import Options, evaluate
from freeml.train.measure import score_names, values
from freeml.train.network import Network
from freeml.train.objective import Scores

# Scores of the first output (N, K), and labels (N,), targets (N, K) or None -> a number, the better the larger; from
# 0 to 1 where bounds on the drop are to mean points.
Metric = Callable[[Array, "Array | None"], float]

_RANGE_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class Judge:
    """Accuracy of labels; agreement with the dense network where there are none; 1 less the loss of a regression; or
    the user's own metric."""

    dense: Network
    samples: Samples
    metric: Metric | None = None

    @property
    def kind(self) -> str:
        """What the numbers are."""
        data = self.samples.calibration
        if self.metric is not None:
            return "metric"
        if data.targets is not None:
            return "1 - loss"
        return "accuracy" if data.labels is not None else "agreement"

    def __call__(self, network: Network) -> float:
        """Of the calibration samples. Raises BadData where the metric gives no number."""
        data = self.samples.calibration
        if self.metric is None:
            teacher = self.dense if data.labels is None and data.targets is None else None
            loss, accuracy = evaluate(network, teacher, data, Options())
            return 1 - loss if accuracy is None else accuracy
        name = score_names(network)[0]
        scores = values(network, data.real_inputs(), [name])[name]
        return measured(self.metric, scores.reshape(len(scores), -1), data)


def measured(metric: Metric, scores: Array, data: Dataset) -> float:
    """What the user's metric gives. Raises BadData where that is no number."""
    given: object = metric(scores, data.labels if data.targets is None else data.targets)
    try:
        # A string of digits is none either, though float() reads it.
        found = math.nan if isinstance(given, str | bytes) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch has the last for more numbers than one
        found = math.nan
    if not math.isfinite(found):
        raise BadData(
            f"the metric gave {given!r:.60}", hint="it must give a number for every network, the better the larger"
        )
    return found


def judged_alone(graph: Graph, data: Dataset, metric: Metric | None) -> str | None:
    """What is said of a float graph with outputs that accuracy says nothing of; None where there are none."""
    ports, scores = graph.outputs, Scores.of(graph)
    if len(set(scores.names)) < 2:
        return None
    if metric is not None:
        judged = 0
    elif data.targets is not None:
        n = data.targets.shape[1]
        judged = next(k for k, name in enumerate(scores.names) if graph.types[name].n_elems == n)
    elif scores.decision is not None:
        judged = scores.decision.output
    else:
        return None  # all of them are compared with what the dense network gives
    others = ", ".join(repr(port.name) for k, port in enumerate(ports) if k != judged)
    return (
        f"the network has {len(ports)} outputs and is judged by {ports[judged].name!r} alone: what it lost says "
        f"nothing of {others}"
    )


def in_int8(graph: Graph, samples: Samples, *, equalise: bool = True) -> tuple[Int8Network, Quantized]:
    """A float graph with scales as `freeml compile` chooses them, as a network that computes and trains in int8.

    equalise: whether channels may be rescaled for it
    """
    found = quantize(graph, samples.calibration.take(_RANGE_SAMPLES).real_inputs(), equalise=equalise)
    scales = {name: type_.quant for name, type_ in found.graph.types.items() if type_.quant is not None}
    return Int8Network(
        found.reference, {name: quant for name, quant in scales.items() if name in found.reference.types}
    ), found
