"""Random networks as onnxruntime quantizes them: quantize_static in its variants, over what QDQ graphs consist of."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnxruntime import quantization
from onnxruntime.quantization.calibrate import CalibrationMethod

from benchmarks.differential.onnx_nets import Net
from freeml.ir.types import Array

_INT8, _UINT8 = quantization.QuantType.QInt8, quantization.QuantType.QUInt8
# Activations and weights: onnxruntime has no other pairs of eight bits.
TYPES = ((_INT8, _INT8), (_UINT8, _INT8), (_UINT8, _UINT8))
OPSETS = (13, 15, 17, 19, 20)


class QdqNet(Net):
    """A chain with branches; `x` is the newest tensor, `kept` are older ones to join with."""

    def __init__(self, rng: np.random.Generator, opset: int) -> None:
        super().__init__(rng, opset)
        self.x = "x"
        self.kept: list[str] = []

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shapes[self.x]

    def go(self, op: str, *constants: str, **attrs: object) -> bool:
        """Put an operator behind the newest tensor; False, and nothing changed, where it does not fit."""
        name = self.add(op, [self.x, *constants], **attrs)
        self.x = name or self.x
        return name is not None

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def number(self, low: float, high: float) -> str:
        return self.const(np.array(self.rng.uniform(low, high), np.float32))


def random_net(rng: np.random.Generator) -> onnx.ModelProto:
    """A float network with named nodes: images, signals or vectors; layers, then maybe a head of dense layers."""
    net = QdqNet(rng, int(rng.choice(OPSETS)))
    rank = int(rng.choice((2, 3, 4, 4, 4)))
    n_channels = int(rng.integers(1, 5))
    shape = {2: (1, int(rng.integers(4, 17))), 3: (1, n_channels, int(rng.integers(6, 17)))}.get(
        rank, (1, n_channels, int(rng.integers(4, 10)), int(rng.integers(4, 10)))
    )
    net.inputs["x"] = net.shapes["x"] = shape
    for _ in range(int(rng.integers(2, 7))):
        net.kept.append(net.x)
        steps = _VECTOR if len(net.shape) == 2 else _IMAGE
        steps[int(rng.integers(len(steps)))](net)
    if len(net.shape) > 2 and net.chance(0.7):
        _flat(net)
        for _ in range(int(rng.integers(0, 3))):
            _VECTOR[int(rng.integers(len(_VECTOR)))](net)
    if len(net.shape) == 2 and net.chance(0.25):
        net.go("Softmax", axis=-1)
    if net.x == "x":
        net.go("Relu")
    return net.model([net.x])


def _conv(net: QdqNet) -> None:
    c, axes = net.shape[1], len(net.shape) - 2
    groups = int(net.rng.choice([1, 1, c]))
    n_out = groups * int(net.rng.integers(1, 3)) if groups > 1 else int(net.rng.integers(1, 7))
    kernel = net.pick(1, 3, axes)
    weight = net.const(net.rng.standard_normal((n_out, c // groups, *kernel)) / np.sqrt(c * np.prod(kernel)))
    bias = [net.floats(n_out)] if net.chance(0.7) else []
    attrs: dict[str, Any] = {"pads": net.pick(0, 2, 2 * axes), "dilations": net.pick(1, 2, axes)}
    if net.chance(0.2):
        attrs = {"auto_pad": str(net.rng.choice(("SAME_UPPER", "SAME_LOWER")))}
    net.go("Conv", weight, *bias, group=groups, strides=net.pick(1, 2, axes), **attrs)
    if net.chance(0.4):
        _norm(net)
    if net.chance(0.7):
        _activation(net)


def _norm(net: QdqNet) -> None:
    c = net.shape[1]
    net.go("BatchNormalization", net.floats(c), net.floats(c), net.floats(c), net.floats(c, positive=True))


def _activation(net: QdqNet) -> None:
    kind = str(
        net.rng.choice(("Relu", "Relu", "Relu6", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "LeakyRelu", "Tanh"))
    )
    match kind:
        case "Relu6":
            net.go("Clip", net.const(np.float32(0)), net.const(np.float32(6)))
        case "Clip":
            net.go("Clip", net.number(-2, 0), net.number(0, 3))
        case "HardSwish" if net.opset < 14:
            net.go("Relu")
        case "LeakyRelu":
            net.go(kind, alpha=float(net.rng.uniform(0.01, 0.5)))
        case "HardSigmoid":
            net.go(kind, alpha=float(net.rng.uniform(0.1, 0.4)), beta=float(net.rng.uniform(0.2, 0.7)))
        case _:
            net.go(kind)


def _pool(net: QdqNet) -> None:
    axes = len(net.shape) - 2
    kernel = net.pick(1, 3, axes)
    pads = [int(net.rng.integers(0, k)) for k in (*kernel, *kernel)]
    window = {"kernel_shape": kernel, "pads": pads, "strides": net.pick(1, 2, axes), "ceil_mode": int(net.chance(0.2))}
    if net.chance(0.5):
        net.go("MaxPool", **window)
    else:
        net.go("AveragePool", count_include_pad=int(net.chance(0.5)), **window)


def _pad(net: QdqNet) -> None:
    pads = [0, 0, *net.pick(0, 2, len(net.shape) - 2)]
    pads += [0, 0, *net.pick(0, 2, len(net.shape) - 2)]
    value = 0.0 if net.chance(0.4) else float(net.rng.uniform(-3, 3))
    net.go("Pad", net.const(np.array(pads)), net.const(np.array(value, np.float32)))
    if len(net.shape) > 2 and net.chance(0.5):
        _conv(net)


def _residual(net: QdqNet) -> None:
    alike = [name for name in net.kept if net.shapes[name] == net.shape and name != net.x]
    if not alike:
        _conv(net) if len(net.shape) > 2 else _dense(net)
        return
    name = net.add(str(net.rng.choice(("Add", "Add", "Mul"))), [net.x, str(net.rng.choice(alike))])
    net.x = name or net.x
    if net.chance(0.5):
        _activation(net)


def _concat(net: QdqNet) -> None:
    alike = [n for n in net.kept if len(net.shapes[n]) == len(net.shape) and net.shapes[n][2:] == net.shape[2:]]
    others = [name for name in alike if name != net.x]
    if others:
        net.x = net.add("Concat", [net.x, str(net.rng.choice(others))], axis=1) or net.x


def _gate(net: QdqNet) -> None:
    """Squeeze and excite."""
    source, c = net.x, net.shape[1]
    if net.go("GlobalAveragePool"):
        net.go("Conv", net.floats(c, c, *(1,) * (len(net.shape) - 2)), net.floats(c))
        net.go(str(net.rng.choice(("Sigmoid", "HardSigmoid"))))
        net.x = net.add("Mul", [source, net.x]) or source


def _constant(net: QdqNet) -> None:
    wide = tuple(net.shape[1] if k == 1 else 1 for k in range(len(net.shape)))
    shape: tuple[int, ...] = wide if net.chance(0.5) else ()
    net.go(str(net.rng.choice(("Add", "Mul", "Sub"))), net.const(net.rng.standard_normal(shape).astype(np.float32) * 2))


def _moved(net: QdqNet) -> None:
    shape = net.shape
    order = [0, *(int(k) for k in 1 + net.rng.permutation(len(shape) - 1))]
    if net.chance(0.5):
        net.go("Transpose", perm=order)
    else:
        net.go("Reshape", net.const(np.array([1, *(shape[k] for k in order[1:])])))


def _flat(net: QdqNet) -> None:
    axes = list(range(2, len(net.shape)))
    match int(net.rng.integers(5)):
        case 0:
            net.go("Flatten")
        case 1:
            net.go("Reshape", net.const(np.array([1, -1])))
        case 2 if net.opset < 18:
            net.go("ReduceMean", axes=axes, keepdims=0)
        case 2:
            net.go("ReduceMean", net.const(np.array(axes)), keepdims=0)
        case 3:
            net.go("GlobalMaxPool")
            net.go("Squeeze", net.const(np.array(axes)))
        case _:
            net.go("GlobalAveragePool")
            net.go("Flatten")


def _dense(net: QdqNet) -> None:
    k, n = net.shape[-1], int(net.rng.integers(2, 9))
    weight = net.rng.standard_normal((n, k)) / np.sqrt(k)
    if net.chance(0.5):
        net.go("Gemm", net.const(weight), net.floats(n), transB=1)
    else:
        net.go("MatMul", net.const(weight.T))
        if net.chance(0.6):
            net.go("Add", net.floats(n))
    if net.chance(0.6):
        _activation(net)


Step = Callable[[QdqNet], None]
_IMAGE: tuple[Step, ...] = (_conv, _conv, _conv, _pool, _pad, _residual, _concat, _gate, _constant, _moved, _activation)
_VECTOR: tuple[Step, ...] = (_dense, _dense, _dense, _residual, _concat, _constant, _activation)


# ---- quantization ----------------------------------------------------------------------------------------------------


class _Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: Array) -> None:
        self._rows: Iterator[Array] = iter(samples)

    def get_next(self) -> dict[str, Array] | None:
        row = next(self._rows, None)
        return None if row is None else {"x": row}


def quantized(net: onnx.ModelProto, rng: np.random.Generator, calibration: Array) -> onnx.ModelProto:
    """quantize_static in a random variant of types, symmetry, channels, calibration and order."""
    activations, weights = TYPES[int(rng.integers(len(TYPES)))]
    options: dict[str, object] = {
        "ActivationSymmetric": bool(rng.random() < 0.25),
        "WeightSymmetric": bool(weights == _INT8 or rng.random() < 0.6),
        "AddQDQPairToWeight": bool(rng.random() < 0.15),
        "DedicatedQDQPair": bool(rng.random() < 0.15),
        "QuantizeBias": bool(rng.random() < 0.85),
        "ForceQuantizeNoInputCheck": bool(rng.random() < 0.3),
    }
    if rng.random() < 0.15:
        options["MinimumRealRange"] = 1e-4
    methods = (
        CalibrationMethod.MinMax,
        CalibrationMethod.MinMax,
        CalibrationMethod.Percentile,
        CalibrationMethod.Entropy,
    )
    kinds = sorted({node.op_type for node in net.graph.node})
    some = [kind for kind in kinds if rng.random() < 0.8] if rng.random() < 0.1 else None
    method, per_channel = methods[int(rng.integers(4))], bool(rng.random() < 0.5)
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        # Some calibrators print what they do.
        with tempfile.TemporaryDirectory(prefix="freeml-qdq-") as folder, contextlib.redirect_stdout(None):
            source, target = Path(folder, "float.onnx"), Path(folder, "qdq.onnx")
            onnx.save(net, source)
            quantization.quantize_static(
                source,
                target,
                _Rows(calibration),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=activations,
                weight_type=weights,
                per_channel=per_channel,
                calibrate_method=method,
                op_types_to_quantize=some or None,
                extra_options=options,
            )
            made: onnx.ModelProto = onnx.load(target)
    finally:
        logging.disable(level)
    variant = f"{activations.name}/{weights.name} per_channel={per_channel} {method.name} {options} {some or 'all'}"
    helper.set_model_props(made, {"variant": variant})
    return made
