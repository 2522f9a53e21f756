"""What a network decides: which value gives its class, and how. The one rule for host, device and reports.

Kinds

    scores     one value for each class: the class is the first of the largest. Confidence: the largest code less the
               runner-up's; of int32 scores, that lead shifted right, at most 255, or the largest share of softmax
               in 1/255 (confidence.py).
    threshold  one score: class 1 if it is above the threshold, else class 0, also where it is equal. Confidence:
               how many codes it is from the threshold's code.
    index      what ArgMax gives. Confidence 255.

Softmax, and functions that keep the order of all scores, say nothing about the class that their input does not say, but
int8 squashes them: over many classes most codes of a Softmax are 0. So the class is read from the value before them.
A single score is compared with what its last function makes of even odds: 0.5 behind Sigmoid and what else ends in
0..1, otherwise 0; that too is read from the value before.

Of several outputs, the first decides that ends in ArgMax, Softmax or Sigmoid; where none does, the first with one axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from freeml.ir.confidence import Softness, confidence
from freeml.ir.graph import Graph, Stage
from freeml.ir.int_ops import SoftmaxI8
from freeml.ir.ops import ArgMax, Binary, Conv, Dense, Op, Reshape, Softmax, Unary
from freeml.ir.types import Array, Decision, DType

MOST_CLASSES = 65_535
_CERTAIN = 255  # confidence of an index

# Threshold before a function that rises strictly, from parameters and the threshold behind it.
_INVERSE: dict[str, Callable[[tuple[float, ...], float], float]] = {
    "identity": lambda _, t: t,
    "sigmoid": lambda _, t: math.log(t / (1 - t)) if 0 < t < 1 else math.nan,
    "tanh": lambda _, t: math.atanh(t) if -1 < t < 1 else math.nan,
    "softsign": lambda _, t: t / (1 - abs(t)) if -1 < t < 1 else math.nan,
    "erf": lambda _, t: 0.0 if t == 0 else math.nan,
    "leaky_relu": lambda p, t: (t if t >= 0 else t / p[0]) if p[0] > 0 else math.nan,
    "elu": lambda p, t: t if t >= 0 and p[0] > 0 else math.nan,
    "selu": lambda p, t: 0.0 if t == 0 and p[0] > 0 and p[1] > 0 else math.nan,
}
# Functions that rise strictly: they keep the order of scores. Those that saturate within their domain do not.
_RISING = (*_INVERSE, "softplus", "softplus_linear", "exp")


def decide(graph: Graph) -> Decision | None:
    """The decision of a float graph, or of an integer graph as it was made with; None where no output is one.

    An integer graph without one, as tests make them, is read as it stands: its single score has the threshold 0.
    """
    if graph.decision is not None:
        return graph.decision
    found = [(rank, k, made) for k in range(len(graph.outputs)) for rank, made in _of_output(graph, k)]
    return min(found, key=lambda one: one[:2])[2] if found else None


def lasting(graph: Graph) -> tuple[str, ...]:
    """Values that are read when all ops are done: outputs, in order, and what an integer graph's class is read from."""
    values = [port.value for port in graph.outputs]
    if graph.stage is Stage.QUANTIZED and (made := decide(graph)) is not None and made.value not in values:
        values.append(made.value)
    return tuple(values)


def depths(graph: Graph) -> tuple[Decision | None, ...]:
    """What an integer graph's device may publish: at each exit, then of the whole network."""
    return *graph.exits, decide(graph)


def published_values(graph: Graph) -> tuple[str, ...]:
    """The values that say what an integer graph's device gives and publishes, whatever it decides on the way."""
    return *lasting(graph), *(made.value for made in graph.exits)


def is_of_sums(graph: Graph, made: Decision | None) -> bool:
    """Whether scores are int32: a decision reads them, a publication does not."""
    return made is not None and made.kind == "scores" and graph.types[made.value].dtype is DType.I32


def needed_for(graph: Graph, value: str) -> frozenset[str]:
    """The outputs of the ops that a value is made by, its own op's included."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        op = graph.producers.get(waiting.pop())
        if op is not None and op.output not in found:
            found.add(op.output)
            waiting += op.inputs
    return frozenset(found)


def segments(graph: Graph) -> list[int]:
    """Of each op, in order, the first exit that needs it, from 0; those that none needs come behind the last one.

    On the way to an exit nothing is computed that it does not need: so run all ops of one segment before the next.
    """
    first: dict[str, int] = {}
    for k, made in enumerate(graph.exits):
        for output in needed_for(graph, made.value):
            first.setdefault(output, k)
    return [first.get(op.output, len(graph.exits)) for op in graph.ops]


def n_classes(graph: Graph, decision: Decision) -> int | None:
    """How many classes there are; None for an index from elsewhere than ArgMax."""
    if decision.kind == "threshold":
        return 2
    if decision.kind == "scores":
        return graph.types[decision.value].n_elems
    op = graph.producers.get(decision.value)
    while isinstance(op, Reshape):
        op = graph.producers.get(op.inputs[0])
    return graph.types[op.inputs[0]].shape[-1] if isinstance(op, ArgMax) else None


def threshold_code(graph: Graph, decision: Decision) -> int:
    """The code that a score must be above for class 1, -129..127: the largest that is not above the threshold."""
    quant = graph.types[decision.value].quant
    assert quant is not None
    exact = decision.threshold / quant.scale + quant.zero_point
    # A hair is forgiven: 0.5 is a code of scale 1/256 whatever the division makes of it.
    return max(-129, min(127, math.floor(exact + 1e-6)))


def classes(graph: Graph, decision: Decision, values: Mapping[str, Array]) -> npt.NDArray[np.int64]:
    """Classes (B,) from values (B, *shape) by name, as the interpreter gives them: codes, or real numbers."""
    flat = values[decision.value].reshape(len(values[decision.value]), -1)
    if decision.kind == "scores":
        return np.asarray(flat.argmax(axis=1), dtype=np.int64)
    if decision.kind == "index":
        return np.asarray(flat[:, 0], dtype=np.int64)
    limit = threshold_code(graph, decision) if flat.dtype == np.int8 else decision.threshold
    return np.asarray(flat[:, 0] > limit, dtype=np.int64)


def published(
    graph: Graph, values: Mapping[str, Array], depth: int | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Classes and confidences (B,) that an integer graph's device publishes at a depth, from 1 on, of the whole network
    where None; zeros where there is no decision."""
    decision = decide(graph) if depth is None else depths(graph)[depth - 1]
    if decision is None:
        nothing = np.zeros(len(next(iter(values.values()))), dtype=np.int64)
        return nothing, nothing
    codes = values[decision.value].reshape(len(values[decision.value]), -1).astype(np.int64)
    found = classes(graph, decision, values)
    if decision.kind == "index":
        return found & 0xFFFF, np.full(len(codes), _CERTAIN, dtype=np.int64)
    if decision.kind == "threshold":
        away = np.abs(codes[:, 0] - threshold_code(graph, decision))
        return found, np.minimum(away, 255)
    if decision.softness is not None:
        return found, confidence(codes, Softness(*decision.softness)).published
    falling = -np.sort(-codes, axis=1)
    return found, np.minimum((falling[:, 0] - falling[:, 1]) >> decision.shift, 255)


def softmax_of_one(graph: Graph) -> list[str]:
    """Nodes of softmaxes over a single score at an output: they are 1 for every input."""
    found = []
    for port in graph.outputs:
        op = _behind_reshapes(graph, port.value)
        if isinstance(op, Softmax) and graph.types[op.output].shape[-1:] in ((1,), ()):
            found.append(op.loc)
    return found


def _behind_reshapes(graph: Graph, value: str) -> Op | None:
    op = graph.producers.get(value)
    while isinstance(op, Reshape):
        op = graph.producers.get(op.inputs[0])
    return op


def _of_output(graph: Graph, k: int) -> list[tuple[int, Decision]]:
    """The decision of output k with its rank, 0 for one that ends as classifiers do; empty where it is none."""
    value = graph.outputs[k].value
    type_, last = graph.types[value], _behind_reshapes(graph, value)
    if isinstance(last, ArgMax):
        return [(0, Decision("index", value, k))] if type_.n_elems == 1 else []
    if type_.dtype is DType.I32:
        return []  # numbers of no scale
    if sum(n > 1 for n in type_.shape) > 1 or type_.n_elems > MOST_CLASSES:
        return []
    ends = isinstance(last, Softmax) or (isinstance(last, Unary) and last.fn in ("sigmoid", "hard_sigmoid"))
    rank = 0 if ends or isinstance(last, SoftmaxI8) else 1
    if type_.n_elems > 1:
        return [(rank, Decision("scores", _before_rising(graph, value), k))]
    if isinstance(last, Softmax | SoftmaxI8):
        return []  # it is always 1
    return [(rank, _single(graph, value, k))]


def _before_rising(graph: Graph, value: str) -> str:
    """The earliest value that has the same order of scores."""
    while (op := graph.producers.get(value)) is not None:
        n = graph.types[value].n_elems
        keeps = (
            isinstance(op, Reshape)
            or (type(op).__name__ in ("Softmax", "SoftmaxI8") and graph.types[value].shape[-1] == n)
            or (
                isinstance(op, Unary) and op.fn in _RISING and not math.isnan(_INVERSE.get(op.fn, _any)(op.params, 0.5))
            )
            or (isinstance(op, Binary) and _scalar_before(graph, op, 0.0) is not None)
        )
        if not keeps:
            break
        value = op.inputs[0]
    return value


def _any(_: tuple[float, ...], t: float) -> float:
    return t


def _single(graph: Graph, value: str, k: int) -> Decision:
    """The decision of a single score, read before the functions whose threshold is known before them."""
    threshold = 0.5 if _is_share(_behind_reshapes(graph, value)) else 0.0
    while (op := graph.producers.get(value)) is not None:
        before: float | None = None
        if isinstance(op, Reshape):
            before = threshold
        elif isinstance(op, Unary) and op.fn == "hard_sigmoid" and 0 < threshold < 1 and op.params[0] > 0:
            before = (threshold - op.params[1]) / op.params[0]
        elif isinstance(op, Unary) and op.fn in _INVERSE:
            before = _INVERSE[op.fn](op.params, threshold)
        elif isinstance(op, Binary):
            before = _scalar_before(graph, op, threshold)
        if before is None or not math.isfinite(before):
            break
        value, threshold = op.inputs[0], before
    return Decision("threshold", value, k, threshold)


def _is_share(op: Op | None) -> bool:
    """Whether an op's values end in 0..1, so that even odds are 0.5."""
    if isinstance(op, Unary):
        return op.fn in ("sigmoid", "hard_sigmoid") or (op.fn == "clamp" and op.params == (0.0, 1.0))
    return isinstance(op, Conv | Dense | Binary) and op.clamp == (0.0, 1.0)


def _scalar_before(graph: Graph, op: Binary, threshold: float) -> float | None:
    """The threshold before an op with a constant of one element that keeps the order; None where it does not."""
    const = graph.consts.get(op.inputs[1])
    if const is None or const.array.size != 1 or op.clamp is not None or op.inputs[0] in graph.consts:
        return None
    scalar = float(const.array.reshape(()))
    if op.kind == "mul":
        return threshold / scalar if scalar > 0 else None
    return threshold - scalar if op.kind == "add" else threshold + scalar
