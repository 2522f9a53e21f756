"""Training with the arithmetic of the device: forward is the emitted integer graph, backward goes straight through.

Before each batch the float graph with the weights of that moment, rounded to codes, is lowered by `quantize.lower` as
compiling does it, and that integer graph is run. So what is trained is what is emitted: folded biases, multipliers,
tables and changes of scale have no second implementation here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.interpret import encode_inputs
from freeml.ir.ops import Conv, Dense, Op
from freeml.ir.types import Array, Const, DType, Quant
from freeml.quantize.fixed_point import round_half_up
from freeml.quantize.lower import lower
from freeml.quantize.weights import WeightCodes, quantize_weights
from freeml.train.int_ops import coded as codes_with_gradient
from freeml.train.int_ops import run_op, run_weighted
from freeml.train.network import Network


@dataclass(frozen=True, slots=True)
class Lowered:
    """The float graph with the weights of one moment, and the integer graph that it becomes."""

    real: Graph
    integer: Graph

    def weight_codes(self, op: ConvI8 | DenseI8) -> WeightCodes:
        """Codes, folded bias and scales of a layer."""
        x = self.integer.types[op.inputs[0]].quant
        assert x is not None
        weight, bias = (self.real.consts[name] for name in self.real.producers[op.output].inputs[1:])
        return quantize_weights(weight, bias, x)


# Real weights (O, ...) -> the weights that fewer codes stand for, with the scales of these codes. A function of the
# weights alone, whose repr says which.
Coding = Callable[[Array], Const]


class Int8Network(Network):
    """A float graph (passes done) that computes in int8 with given activation scales, and is trained so.

    scales  of every value that has codes, as `quantize.scales.assign_scales` gives them, rounded to single precision;
            they stay while it is trained
    coding  of weights, by constant, that get other codes than a scale for each channel gives them
    Raises UnsupportedOp or BadModel where no integers exist for an op, here or once its weights have changed.
    """

    def __init__(
        self,
        graph: Graph,
        scales: Mapping[str, Quant],
        trained: Collection[str] | None = None,
        *,
        coding: Mapping[str, Coding] | None = None,
    ) -> None:
        super().__init__(graph, trained)
        self.scales = {name: Quant(float(np.float32(q.scale)), q.zero_point) for name, q in scales.items()}
        self.coding = dict(coding or {})
        self.lowered()

    def digest(self) -> str:
        """As for a float network, of scales and coding, too."""
        scales = sorted((name, quant.scale, quant.zero_point) for name, quant in self.scales.items())
        coding = sorted((name, repr(coding)) for name, coding in self.coding.items())
        return hashlib.sha256(f"{super().digest()} {scales} {coding}".encode()).hexdigest()[:12]

    def lowered(self) -> Lowered:
        """Both graphs of the weights as they are. Each layer has its codes as a constant of its own."""
        graph = self.to_graph()
        consts: dict[str, Const] = {}
        ops: list[Op] = []
        for op in graph.ops:
            if isinstance(op, Conv | Dense):
                names = (f"{op.output}.codes", f"{op.output}.offset")
                consts[names[0]] = weight = self._coded(graph, op)
                consts[names[1]] = _whole(graph.consts[op.inputs[2]], weight, self.scales[op.inputs[0]])
                ops.append(replace(op, inputs=(op.inputs[0], *names)))
            else:
                ops.append(op)
        real = graph.with_ops(ops, consts=consts)
        return Lowered(real, lower(real, self.scales))

    def _coded(self, graph: Graph, op: Conv | Dense) -> Const:
        """The weights that a layer's codes stand for. Scales are numbers of single precision, as model files hold them.

        A channel so weak that its bias is beyond 30 bits of its scale is a constant: its codes are 0.
        """
        x, name, bias = self.scales[op.inputs[0]], op.inputs[1], graph.consts[op.inputs[2]]
        weight = graph.consts[name].array.astype(np.float64)
        spread = (-1, *(1,) * (weight.ndim - 1))
        if name in self.coding:
            coded = self.coding[name](weight)
            assert coded.code_scales is not None
            scales = np.broadcast_to(np.array(coded.code_scales), len(weight))
            codes = np.rint(coded.array / scales.reshape(spread))
            scales = _not_below(scales)
        else:
            scales = _not_below(quantize_weights(graph.consts[name], bias, x).scales)
            codes = np.clip(round_half_up(weight / scales.reshape(spread)), -128, 127).astype(np.float64)
        needed = _not_below(np.abs(bias.array.astype(np.float64)) / (x.scale * 2**30))
        codes = np.where((scales < needed).reshape(spread), 0.0, codes)
        scales = np.maximum(scales, needed)
        return Const(codes * scales.reshape(spread), tuple(scales))

    def encode(self, samples: Sequence[Array]) -> dict[str, Tensor]:
        """Samples as the author gives them -> codes of the inputs, in memory order."""
        found = {}
        for name, array in encode_inputs(self.source, samples).items():
            codes = self.scales[name].quantize(array.astype(np.float64))
            found[name] = torch.from_numpy(np.ascontiguousarray(codes)).float()
        return found

    def forward(self, inputs: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
        """Real values (B, *shape) by name, which are values of the integer graph: multiples of their scale."""
        now = self.lowered()
        found = self.codes(inputs, wanted, now)
        for name, codes in found.items():
            if (quant := now.integer.types[name].quant) is not None:
                found[name] = (codes - quant.zero_point) * quant.scale
        return found

    def codes(self, inputs: Mapping[str, Tensor], wanted: Collection[str], now: Lowered) -> dict[str, Tensor]:
        """Codes (B, *shape) by name, from codes of the inputs; now: what `lowered` gives for the weights."""
        known: dict[str, Tensor] = dict(inputs)
        left = set(wanted) - known.keys()
        for op in now.integer.ops:
            if not left:
                break
            known[op.output] = self._run(now, op, known)
            left.discard(op.output)
        return {name: known[name] for name in wanted}

    def _run(self, now: Lowered, op: Op, known: Mapping[str, Tensor]) -> Tensor:
        graph = now.integer
        out, x = graph.types[op.output], graph.type_of(op.inputs[0])
        if isinstance(op, ConvI8 | DenseI8):
            assert x.quant is not None
            args = [known[op.inputs[0]], *self._weights(now, op, x.quant)]
            return run_weighted(op, args, x.quant.zero_point, out)
        args = [known[name] if name in known else _tensor(graph.consts[name].array) for name in op.inputs]
        return run_op(op, args, x, out)

    def _weights(self, now: Lowered, op: ConvI8 | DenseI8, x: Quant) -> list[Tensor]:
        """Weight codes, bias without zero point, mult and shift as integers, with the gradients of the float ones."""
        weight, bias, mult, shift = (now.integer.consts[name].array for name in op.inputs[1:])
        scales = now.weight_codes(op).scales
        unfolded = bias.astype(np.int64) + x.zero_point * weight.astype(np.int64).reshape(len(weight), -1).sum(axis=1)
        codes, offset = _tensor(weight), torch.from_numpy(unfolded).double()
        floats = self.params()
        real_weight, real_bias = self.source.producers[op.output].inputs[1:]
        if real_weight in floats:
            codes = codes_with_gradient(
                floats[real_weight], codes, _tensor(scales.reshape(-1, *(1,) * (weight.ndim - 1)))
            )
        if real_bias in floats:
            offset = codes_with_gradient(floats[real_bias], offset, _tensor(scales * x.scale))
        return [codes, offset, _tensor(mult), _tensor(shift)]

    def fixed(self) -> Graph:
        """A float graph whose scales and weight codes are fixed to these: it compiles to the very integer graph."""
        real = self.lowered().real
        types = {
            name: replace(type_, quant=self.scales[name])
            for name, type_ in real.types.items()
            if name in self.scales and type_.dtype is DType.F32
        }
        return real.with_ops(real.ops, types=types)


def _whole(bias: Const, weight: Const, x: Quant) -> Const:
    """A bias in whole steps, which are numbers of single precision."""
    assert weight.code_scales is not None
    exact = x.scale * np.broadcast_to(np.array(weight.code_scales), bias.shape)
    codes, steps = round_half_up(bias.array.astype(np.float64) / exact), exact.astype(np.float32).astype(np.float64)
    return Const(codes * steps, tuple(steps))


def _not_below(scales: Array) -> npt.NDArray[np.float64]:
    """The least numbers of single precision that are not below."""
    single = scales.astype(np.float32)
    return np.where(single < scales, np.nextafter(single, np.float32(np.inf)), single).astype(np.float64)


def _tensor(array: Array) -> Tensor:
    """A copy in float32, or in int64 where integers are larger than float32 holds exactly or are looked up by."""
    return torch.from_numpy(array.astype(np.float32 if array.dtype in (np.int8, np.float64) else np.int64))
