"""A QDQ model cut at its scales: every piece between two quantized tensors, fed with onnxruntime's own values.

The values of a dequantized tensor are codes times a scale, so quantizing them again gives the same codes: each piece
starts from exactly what onnxruntime had there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.differential import judge
from freeml.errors import FreemlError
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.types import Array
from freeml.quantize.scales import missing
from freeml.quantize.search import quantize

# Functions whose results freeml keeps in levels of their own, where the model gives them no scale.
_LEVELS = {"Softmax": 1 / 256, "Sigmoid": 1 / 256, "Tanh": 1 / 128}


@dataclass(frozen=True)
class Piece:
    """Nodes that compute the codes of one tensor from those of others."""

    nodes: tuple[onnx.NodeProto, ...]
    sources: tuple[str, ...]  # tensors before their QuantizeLinear, or inputs of the model
    read_as: tuple[str, ...]  # of each, the tensor behind its DequantizeLinear; itself where it is read in two scales
    result: str  # a dequantized tensor

    def proto(self, whole: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
        """The piece as a model of its own."""
        read = {name for node in self.nodes for name in node.input}
        inputs = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, shapes[n]) for n in self.sources]
        outputs = [helper.make_tensor_value_info(self.result, onnx.TensorProto.FLOAT, None)]
        constants = [tensor for tensor in whole.graph.initializer if tensor.name in read]
        graph = helper.make_graph(list(self.nodes), "piece", inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=list(whole.opset_import), ir_version=whole.ir_version)


def pieces(proto: onnx.ModelProto) -> Iterator[Piece]:
    """One for each tensor that is quantized, inputs of the model apart."""
    made_by = {name: node for node in proto.graph.node for name in node.output}
    for quantized in proto.graph.node:
        producer = made_by.get(quantized.input[0]) if quantized.op_type == "QuantizeLinear" else None
        behind = [node for node in proto.graph.node if quantized.output[0] in node.input]
        if producer is None or not behind or behind[0].op_type != "DequantizeLinear":
            continue
        taken, sources = _upstream(proto, made_by, quantized.input[0])
        taken |= {id(quantized), id(behind[0])}
        nodes = tuple(node for node in proto.graph.node if id(node) in taken)
        if sources:
            read_as = tuple(_as_read(nodes, name, quantized.output[0]) for name in sources)
            yield Piece(nodes, tuple(sources), read_as, behind[0].output[0])


def _as_read(nodes: Sequence[onnx.NodeProto], source: str, result: str) -> str:
    codes = [
        n.output[0] for n in nodes if n.op_type == "QuantizeLinear" and n.input[0] == source and n.output[0] != result
    ]
    behind = [n.output[0] for n in nodes if n.op_type == "DequantizeLinear" and n.input[0] in codes]
    return (
        behind[0]
        if len(behind) == 1 and not any(source in n.input for n in nodes if n.output[0] not in codes)
        else source
    )


def _upstream(proto: onnx.ModelProto, made_by: dict[str, onnx.NodeProto], wanted: str) -> tuple[set[int], list[str]]:
    """Nodes that make a tensor, back to QuantizeLinear and inputs, and what those read."""
    inputs = {value.name for value in proto.graph.input}
    taken: set[int] = set()
    sources: list[str] = []
    names = [wanted]
    while names:
        name = names.pop()
        node = made_by.get(name)
        if name in inputs and name not in sources:
            sources.append(name)
        if node is None or id(node) in taken:
            continue
        taken.add(id(node))
        if node.op_type == "QuantizeLinear" and made_by.get(node.input[0]) is not None:
            if node.input[0] not in sources:
                sources.append(node.input[0])
        else:
            names += [n for n in node.input if n]
    return taken, sources


@dataclass(frozen=True)
class Layers:
    """What the pieces of a net gave.

    verdict     of the first piece that is off by more than its tolerance; "right" where none is
    steps       the largest tolerance of any piece, in steps of its result
    chained     results of the pieces by name when each is fed with those of freeml's pieces before it; None where a
                piece has a value without a scale
    """

    verdict: judge.Verdict
    steps: float = float(judge.LAYER_STEPS)
    chained: dict[str, Array] | None = None


def judge_layers(proto: onnx.ModelProto, samples: Sequence[Array]) -> Layers:
    """Every piece on onnxruntime's values, and all of them one behind the other."""
    values = _recorded(proto, samples)
    inputs = dict(zip((port.name for port in proto.graph.input), samples, strict=True))
    chained: dict[str, Array] | None = {}
    widest = float(judge.LAYER_STEPS)
    for piece in pieces(proto):
        own = [values[name] for name in piece.read_as]
        model = piece.proto(proto, {name: values[name].shape[1:] for name in piece.sources})
        try:
            graph = judge.read_onnx(model)
            if missing(graph):
                chained = None
                continue  # a value in between has no scale: only the whole net says what it should be
            graph = quantize(graph, None).graph
        except FreemlError as error:
            return Layers(judge.Verdict("wrong", f"{piece.nodes[-3].op_type} alone is refused: {error.what}"), widest)
        theirs = values[piece.result]
        quant = graph.types[graph.outputs[0].value].quant
        assert quant is not None
        steps = float(np.abs(_run(graph, own, theirs) - theirs).max()) / quant.scale
        limit = _tolerance(proto, piece, own, quant.scale)
        widest = max(widest, limit)
        limit += _third_scale(proto, piece, own) / quant.scale
        if steps > limit + 0.01:
            kinds = ", ".join(node.op_type for node in piece.nodes if "Linear" not in node.op_type)
            told = f"{steps:.1f} steps in one layer ({kinds}), {limit:.1f} allowed"
            return Layers(judge.Verdict("wrong", told, steps), limit)
        before = None if chained is None else _before(piece, chained, inputs)
        if chained is None or before is None:
            chained = None
        else:
            chained[piece.result] = _run(graph, before, theirs)
    return Layers(judge.Verdict("right"), widest, chained)


def _before(piece: Piece, chained: dict[str, Array], inputs: dict[str, Array]) -> list[Array] | None:
    """What a piece reads in the chain; of inputs the samples, whose codes are freeml's. None without codes."""
    found = [inputs.get(source, chained.get(name)) for source, name in zip(piece.sources, piece.read_as, strict=True)]
    known = [x for x in found if x is not None]
    return known if len(known) == len(found) else None


def _run(graph: Graph, samples: Sequence[Array], like: Array) -> Array:
    (found,) = predict(graph, judge.as_freeml(graph, samples))
    return found.reshape(like.shape)


def rounds_alike(proto: onnx.ModelProto, graph: Graph) -> bool:
    """Whether freeml's graph rounds exactly where the model does, so that it is its pieces one behind the other.

    Not so where a value has a scale that freeml chose, where a clamp became part of the layer before it and took its
    scale along, or where a tensor is read in two ways, through two pairs or also without: freeml gives it one scale.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    alive = _alive(proto)
    readers = Counter(name for node in alive for name in dict.fromkeys(node.input))
    readers.update(port.name for port in proto.graph.output)
    scales = set()
    for node in alive:
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants:
            if readers[node.output[0]] != 1:
                return False
            scales.add(float(constants[node.input[1]].reshape(-1)[0]))
    coded = {node.output[0] for node in alive if node.op_type == "DequantizeLinear"}
    if any(n > 1 for name, n in readers.items() if name not in coded and name not in constants):
        return False
    return scales == {type_.quant.scale for type_ in graph.types.values() if type_.quant is not None}


def one_scale_each(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with all readers of a tensor behind the pair that some read it through: freeml's rule for such tensors.

    A tensor has one scale, so what lies beyond the range that the model gives it saturates for all who read it. One
    with pairs of several scales stays as it is: it gets one that spans them.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    pairs: dict[str, list[tuple[float, str]]] = {}
    for node in proto.graph.node:
        if node.op_type == "QuantizeLinear":
            scale = float(constants[node.input[1]].reshape(-1)[0])
            behind = (other.output[0] for other in proto.graph.node if node.output[0] in other.input)
            pairs.setdefault(node.input[0], []).extend((scale, name) for name in behind)
    read_as = {name: found[0][1] for name, found in pairs.items() if len({scale for scale, _ in found}) == 1}
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    for node in made.graph.node:
        if node.op_type != "QuantizeLinear":
            for k, name in enumerate(node.input):
                node.input[k] = read_as.get(name, name)
    return made


def _alive(proto: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes that an output hangs on, last first."""
    wanted = {port.name for port in proto.graph.output}
    found = []
    for node in reversed(proto.graph.node):
        if wanted.intersection(node.output):
            found.append(node)
            wanted.update(node.input)
    return found


def _recorded(proto: onnx.ModelProto, samples: Sequence[Array]) -> dict[str, Array]:
    """Values of the inputs, and of every quantized tensor before and behind its codes."""
    full = onnx.ModelProto()
    full.CopyFrom(proto)
    pairs = {}
    for node in proto.graph.node:
        if node.op_type == "DequantizeLinear":
            made = next((n for n in proto.graph.node if node.input[0] in n.output), None)
            if made is not None and made.op_type == "QuantizeLinear":
                pairs[node.output[0]] = made.input[0]
    kept = [value.name for value in proto.graph.output]
    inputs = {value.name for value in proto.graph.input}
    wanted = dict.fromkeys([*pairs, *(name for name in pairs.values() if name not in inputs)])
    full.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in kept)
    found = judge.session(full)
    names = [port.name for port in found.get_inputs()]
    outputs = [port.name for port in found.get_outputs()]
    columns = [found.run(outputs, dict(zip(names, row, strict=True))) for row in zip(*samples, strict=True)]
    values = dict(zip(names, samples, strict=True))
    for name, column in zip(outputs, zip(*columns, strict=True), strict=True):
        values[name] = np.stack(column)
    return values


def _tolerance(proto: onnx.ModelProto, piece: Piece, sources: Sequence[Array], scale: float) -> float:
    """Steps that a piece may be off by: see the head of `judge`."""
    limit = float(judge.LAYER_STEPS)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    known = {**constants, **_without_int8_codes(piece, constants)}
    steps = {n.output[0]: constants[n.input[1]] for n in piece.nodes if n.op_type == "DequantizeLinear"}
    quantized = {node.input[0] for node in piece.nodes if node.op_type == "QuantizeLinear"}
    for node in piece.nodes:
        if node.op_type in _LEVELS and (node.op_type == "Softmax" or node.output[0] not in quantized):
            limit += _LEVELS[node.op_type] / scale
        if node.op_type in ("Conv", "Gemm", "MatMul", "Add", "Sub", "Mul"):
            for name in node.input[:2]:
                if name in known:
                    limit += _rounded_anew(node, known[name], sources) / scale
        if node.op_type in ("Conv", "Gemm") and len(node.input) > 2 and node.input[2] in constants:
            x, weight = (steps.get(name, np.zeros(1)) for name in node.input[:2])
            limit += 0.5 * float(x.max() * weight.max()) / scale
    return limit


def _third_scale(proto: onnx.ModelProto, piece: Piece, sources: Sequence[Array]) -> float:
    """The most that a result moves where a source is read in two scales: freeml gives it a third one that spans both.

    Rounded to that first, a value may land on the next code of one that it is read in.
    """
    twice = {source for source, name in zip(piece.sources, piece.read_as, strict=True) if source == name}
    codes = [node for node in piece.nodes if node.op_type == "QuantizeLinear" and node.input[0] in twice]
    if not codes:
        return 0.0
    gain = 1.0
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    real = {node.output[0]: _in_reals(node, constants) for node in piece.nodes if node.op_type == "DequantizeLinear"}
    for node in piece.nodes:
        if node.op_type == "Mul":
            gain *= max(1.0, *(float(np.abs(x).max()) for x in sources))
        weight = real.get(node.input[1]) if node.op_type in ("Conv", "Gemm", "MatMul") else None
        if weight is not None:
            rows = np.abs(weight).reshape(len(weight), -1)
            gain *= max(1.0, float(rows.sum(axis=1).max()), float(rows.sum(axis=0).max()))
    return gain * max(float(constants[node.input[1]].max()) for node in codes)


def _in_reals(node: onnx.NodeProto, constants: dict[str, Array]) -> Array | None:
    """What a DequantizeLinear makes of a constant; None of anything else."""
    if node.input[0] not in constants:
        return None
    codes, scale, *zero = (constants[name].astype(np.float64) for name in node.input)
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = [-1 if k == axis and scale.size > 1 else 1 for k in range(codes.ndim)]
    return np.asarray((codes - (zero[0].reshape(shape) if zero else 0.0)) * scale.reshape(shape))


def _without_int8_codes(piece: Piece, constants: dict[str, Array]) -> dict[str, Array]:
    """Dequantized constants whose codes do not fit int8 around zero, in real numbers."""
    codes = dict(constants)
    for node in piece.nodes:
        if node.op_type == "QuantizeLinear" and node.input[0] in constants:
            real, scale, zero = (constants[name] for name in node.input)
            if scale.size == 1:
                found = np.rint(real / scale.reshape(-1)[0]) + zero.reshape(-1)[0].astype(np.float64)
                info = np.iinfo(zero.dtype)
                codes[node.output[0]] = np.clip(found, info.min, info.max).astype(zero.dtype)
    result = {}
    for node in piece.nodes:
        if node.op_type == "DequantizeLinear" and node.input[0] in codes:
            stored, scale, *rest = (codes[name] for name in node.input)
            zero = rest[0].astype(np.int64) if rest else np.zeros(1, np.int64)
            if stored.dtype == np.uint8 and scale.size == 1:
                centred = stored.astype(np.int64) - zero.reshape(-1)[0]
                if centred.min() < -128 or centred.max() > 127:
                    result[node.output[0]] = centred * float(scale.reshape(-1)[0])
    return result


def _rounded_anew(node: onnx.NodeProto, real: Array, sources: Sequence[Array]) -> float:
    """The most that a result moves where freeml gives a constant codes of its own: half their step in each product."""
    largest = max(float(np.abs(x).max()) for x in sources)
    if node.op_type in ("Add", "Sub", "Mul"):
        step = (max(float(real.max()), 0.0) - min(float(real.min()), 0.0)) / 255 if real.size > 1 else 0.0
        return 0.5 * step * (largest if node.op_type == "Mul" else 1.0)
    if real.ndim < 2:
        return 0.0
    n_out = real.shape[0] if node.op_type == "Conv" else min(real.shape)
    n_products = real.size // n_out
    most = max(float(np.sort(np.abs(row).reshape(-1))[-n_products:].sum()) for x in sources for row in x)
    return 0.5 * float(np.abs(real).max()) / 127 * most
