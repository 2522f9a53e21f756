"""What "the same" means: a net of each kind run by freeml and by its framework.

Float nets agree to FLOAT_SHARE of the largest value that any tensor of the net takes: float32 sums in another order
differ by a few millionths of what was added, also where most of it cancels later.

Quantized nets are compared in steps of the output's scale, twice. Layer by layer, each fed with onnxruntime's own
codes: what lies half way between two codes may round either way, so one step, and nothing accumulates. Then end to end,
which sees what passes make of the whole graph. Single steps of earlier layers arrive there multiplied by the gain of
the later ones, which no constant bounds. So a graph that rounds where the model rounds is compared with its own layers,
one behind the other: nothing may lie between. Where freeml rounds elsewhere (layers.rounds_alike), END_STEPS and, for
most outputs, MOST_STEPS from onnxruntime's. Mistakes in what an operator means are tens of steps.
Three things of freeml's own come on top: softmax has 256 levels (int_ops.SoftmaxI8), weights whose uint8 codes do not
fit int8 around zero are rounded anew (Const.code_scales), which moves a layer by half their step for each product, and
a bias in float is rounded to one product of codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime

from freeml.errors import BadData, FreemlError, UnsupportedOp
from freeml.frontend.onnx.read import from_model_proto
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret, predict
from freeml.ir.interpret_float import run_op
from freeml.ir.types import Array, DType
from freeml.passes.pipeline import run_passes
from freeml.quantize.lower import lower
from freeml.quantize.observe import Observed
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales, missing
from freeml.quantize.search import quantize

FLOAT_SHARE = 2e-5
LAYER_STEPS = 1
END_STEPS = 6
MOST_STEPS = 2
# Of the values of a net, this share may be further off than MOST_STEPS, or this many of a small one.
_BEYOND, _BEYOND_UNEVEN, _FEW = 0.15, 0.25, 2


@dataclass(frozen=True)
class Verdict:
    """outcome: "right", "refused" (detail: freeml's reason) or "wrong" (detail: what differs, and by how much)."""

    outcome: str
    detail: str = ""
    worst: float = 0.0
    graph: Graph | None = None
    samples: tuple[Array, ...] = ()


def refused(error: FreemlError) -> Verdict:
    """A refusal; the reason without names and numbers, so that equal ones can be counted."""
    return Verdict("refused", error.what)


def session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """onnxruntime, operator by operator as the standard defines them: no optimisation of the graph."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    onnxruntime.set_default_logger_severity(4)
    options.intra_op_num_threads = 1
    options.enable_mem_reuse = False  # it relies on inferred shapes, which are wrong for some pools with ceil_mode
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(proto.SerializeToString(), options)


def run_onnx(proto: onnx.ModelProto, samples: Sequence[Array]) -> list[Array]:
    """Every output for samples (B, *shape with its batch axis): arrays with B in front."""
    found = session(proto)
    names = [port.name for port in found.get_inputs()]
    rows = [found.run(None, dict(zip(names, row, strict=True))) for row in zip(*samples, strict=True)]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def as_freeml(graph: Graph, samples: Sequence[Array]) -> list[Array]:
    """The same samples in the shapes of the graph's ports, whose leading batch axis of 1 is gone."""
    return [x.reshape(len(x), *port.shape) for x, port in zip(samples, graph.inputs, strict=True)]


def read_onnx(proto: onnx.ModelProto) -> Graph:
    """The float graph after all passes."""
    return run_passes(from_model_proto(proto, name="net", where="net"))


# ---- float ----------------------------------------------------------------------------------------------------------


def judge_float(graph: Graph, samples: Sequence[Array], theirs: Sequence[Array]) -> Verdict:
    """freeml's float interpreter against the outputs of the framework, both with B samples in front."""
    with np.errstate(all="ignore"):
        values = interpret(graph, encode_inputs(graph, as_freeml(graph, samples)), _float_values(graph))
        mine = predict(graph, as_freeml(graph, samples))
    largest = max([1.0, *(float(np.abs(v).max()) for v in values.values()), *(_largest(x) for x in theirs)])
    if len(mine) != len(theirs):
        return Verdict("wrong", f"{len(mine)} outputs, not {len(theirs)}")
    if not np.isfinite(largest):
        return Verdict("right", "not finite in float32")
    worst = 0.0
    for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if a.size != b.size:
            return Verdict("wrong", f"output {k} has the shape {a.shape}, not {b.shape}")
        worst = max(worst, float(np.abs(a.reshape(b.shape) - b.astype(np.float64)).max()) / largest)
    if worst > FLOAT_SHARE:
        return Verdict("wrong", f"off by {worst:.2g} of the largest value", worst)
    return Verdict("right", "", worst, graph, tuple(samples))


def _float_values(graph: Graph) -> list[str]:
    return [name for name, type_ in graph.types.items() if type_.dtype is DType.F32]


def _largest(array: Array) -> float:
    return float(np.abs(array).max()) if array.size else 0.0


def judge_onnx(proto: onnx.ModelProto, samples: Sequence[Array]) -> Verdict:
    """A float ONNX model against onnxruntime."""
    try:
        graph = read_onnx(proto)
    except UnsupportedOp as error:
        return refused(error)
    except FreemlError as error:
        return Verdict("wrong", f"a sound model is called bad: {error.what}")
    return judge_float(graph, samples, run_onnx(proto, samples))


# ---- quantized ------------------------------------------------------------------------------------------------------


def in_integers(graph: Graph, samples: Sequence[Array]) -> Graph:
    """The integer graph with the model's own scales; ranges that it lacks are those of these very samples.

    They are seen behind the scales that the model has: a value that saturates there is another one from there on.
    """
    if not missing(graph):
        return quantize(graph, None).graph
    values: dict[str, Array] = {}

    def keep(name: str, real: Array) -> None:
        quant = graph.types[name].quant
        values[name] = real if quant is None else quant.dequantize(quant.quantize(real))

    for name, array in encode_inputs(graph, as_freeml(graph, samples)).items():
        keep(name, array)
    for op in graph.ops:
        args = [values[name] if name in values else graph.consts[name].array for name in op.inputs]
        keep(op.output, run_op(op, args, graph.types[op.output]))
    seen = {name: Observed.between(float(v.min()), float(v.max())) for name, v in values.items()}
    return lower(graph, assign_scales(graph, seen, RULES["min-max"]))


def judge_qdq(proto: onnx.ModelProto, samples: Sequence[Array], *, uneven: bool = False) -> Verdict:
    """A QDQ model against onnxruntime, layer by layer and end to end.

    uneven: the scales of neighbours differ by more than a quantizer's do, so a step before may be many behind
    """
    from benchmarks.differential.layers import judge_layers, one_scale_each, rounds_alike

    try:
        float_graph = read_onnx(proto)
        needs = bool(missing(float_graph))
        graph = in_integers(float_graph, samples)
    except (UnsupportedOp, BadData) as error:
        return refused(error)
    except FreemlError as error:
        return Verdict("wrong", f"a sound model is called bad: {error.what}")
    layers = judge_layers(proto, samples)
    if layers.verdict.outcome == "wrong":
        return layers.verdict
    mine = predict(graph, as_freeml(graph, samples))
    if any(graph.types[port.value].quant is None for port in graph.outputs):
        return Verdict("wrong", "an output without codes")
    names = [port.name for port in proto.graph.output]
    if layers.chained is not None and layers.chained.keys() >= set(names) and rounds_alike(proto, graph):
        told = _apart_from_layers(graph, mine, [layers.chained[name] for name in names])
        worst = _furthest(graph, mine, run_onnx(proto, samples))
    else:
        loose, share = layers.steps, _BEYOND
        if needs:  # what has no scale in the model is rounded once more
            loose, share = 3 * loose, 1.0
        if uneven:
            scales = [type_.quant.scale for type_ in graph.types.values() if type_.quant]
            loose, share = loose * max(scales) / min(scales), max(share, _BEYOND_UNEVEN)
        theirs = run_onnx(one_scale_each(proto), samples)
        told, worst = _apart_from_theirs(graph, mine, theirs, layers.steps, loose, share)
    return Verdict("wrong", told, worst) if told else Verdict("right", "", worst, graph, tuple(samples))


def _steps(graph: Graph, mine: Sequence[Array], others: Sequence[Array]) -> Iterator[Array]:
    """Of each output, how far it is from another value of it, in steps of its scale."""
    for a, b, port in zip(mine, others, graph.outputs, strict=True):
        quant = graph.types[port.value].quant
        assert quant is not None
        yield np.abs(a.reshape(b.shape) - b) / quant.scale


def _furthest(graph: Graph, mine: Sequence[Array], others: Sequence[Array]) -> float:
    return max(float(steps.max()) for steps in _steps(graph, mine, others))


def _apart_from_layers(graph: Graph, mine: Sequence[Array], chained: Sequence[Array]) -> str:
    """What is wrong with outputs that should be those of the layers, one behind the other; "" where nothing is."""
    gap = _furthest(graph, mine, chained)
    return f"{gap:.1f} steps end to end from its own layers, one behind the other" if gap > 0.01 else ""


def _apart_from_theirs(
    graph: Graph, mine: Sequence[Array], theirs: Sequence[Array], layer: float, loose: float, share: float
) -> tuple[str, float]:
    """What is wrong with outputs by their distance from onnxruntime's ("" where nothing is), and the largest distance.

    layer: steps that one layer may be off by; loose: what END_STEPS are multiplied with; share: see _BEYOND
    """
    worst, beyond = 0.0, 0.0
    for steps in _steps(graph, mine, theirs):
        worst = max(worst, float(steps.max()))
        far = int(np.sum(steps > (MOST_STEPS + 0.01) * layer))
        beyond = max(beyond, far / steps.size if far > _FEW else 0.0)
    if worst > END_STEPS * loose + 0.01 or beyond > share:
        return f"{worst:.1f} steps end to end, {beyond:.3f} of the values beyond {MOST_STEPS}", worst
    return "", worst


__all__ = ["Verdict", "chunks", "judge_float", "judge_onnx", "judge_qdq", "refused", "run_onnx", "session"]
