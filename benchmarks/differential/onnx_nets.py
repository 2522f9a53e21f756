"""Random ONNX graphs over most operators of the front end: small shapes, many axes of length 1, shared values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

Shape = tuple[int, ...]
UNARY = ("Relu", "Tanh", "Sigmoid", "HardSwish", "LeakyRelu", "Elu", "Softplus", "Neg", "Abs", "Identity")


class Net:
    """A graph that grows by one node at a time; `shapes` has every value so far."""

    def __init__(self, rng: np.random.Generator, opset: int = 20) -> None:
        self.rng = rng
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self.inputs: dict[str, Shape] = {}
        self.shapes: dict[str, Shape] = {}

    def pick(self, low: int, high: int, n: int) -> list[int]:
        return [int(v) for v in self.rng.integers(low, high + 1, n)]

    def const(self, array: np.ndarray) -> str:
        """A constant; float64 becomes float32."""
        name = f"c{len(self.constants)}"
        array = np.asarray(array, np.float32) if array.dtype == np.float64 else np.asarray(array)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def floats(self, *shape: int, positive: bool = False) -> str:
        values = self.rng.standard_normal(shape).astype(np.float32)
        return self.const(np.abs(values) + np.float32(0.5) if positive else values)

    def add(self, op: str, inputs: list[str], **attrs: Any) -> str | None:
        """The new tensor; None, and nothing added, where ONNX says that the node does not fit."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}{len(self.nodes)}", **attrs))
        try:
            typed = shape_inference.infer_shapes(self.model([name]), strict_mode=True)
            shape = tuple(dim.dim_value for dim in typed.graph.output[0].type.tensor_type.shape.dim)
        except shape_inference.InferenceError:
            shape = ()
        if shape and min(shape) > 0 and int(np.prod(shape)) < 5000:
            self.shapes[name] = shape
            return name
        self.nodes.pop()
        return None

    def model(self, outputs: list[str]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in self.inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=9)


def random_model(rng: np.random.Generator) -> onnx.ModelProto:
    """One to eight nodes over one or two inputs; everything nobody reads is an output."""
    net = Net(rng)
    for i in range(int(rng.integers(1, 3))):
        shape = tuple(int(n) for n in rng.choice((1, 1, 2, 3, 4, 5), rng.integers(1, 6)))
        net.inputs[f"x{i}"] = net.shapes[f"x{i}"] = shape
    grow = [_unary, _unary, _binary, _binary, _by_constant, _by_constant, _shaped, _shaped, _transpose]
    grow += [_conv, _conv, _pool, _pool, _product, _product, _reduce, _softmax, _concat, _pad, _norm, _prelu]
    wanted = int(rng.integers(1, 9))
    for _ in range(100):
        if len(net.nodes) >= wanted:
            break
        names = list(net.shapes)
        step: Callable[[Net, str], None] = grow[int(rng.integers(len(grow)))]
        step(net, names[int(rng.integers(len(names)))])
    read = {name for node in net.nodes for name in node.input}
    return net.model([node.output[0] for node in net.nodes if node.output[0] not in read])


def _unary(net: Net, x: str) -> None:
    net.add(str(net.rng.choice(UNARY)), [x])


def _binary(net: Net, x: str) -> None:
    other = list(net.shapes)[int(net.rng.integers(len(net.shapes)))]
    net.add(str(net.rng.choice(("Add", "Sub", "Mul"))), [x, other])


def _by_constant(net: Net, x: str) -> None:
    shape = net.shapes[x]
    rank = int(net.rng.integers(0, len(shape) + 2))
    padded = ((1,) * (rank - len(shape)) + shape)[-rank:] if rank else ()
    kept = [1 if net.rng.random() < 0.4 else 3 if n == 1 and net.rng.random() < 0.2 else n for n in padded]
    op = str(net.rng.choice(("Add", "Sub", "Mul", "Div")))
    operands = [x, net.floats(*kept, positive=True)]
    net.add(op, operands if op == "Div" or net.rng.random() < 0.6 else operands[::-1])


def _shaped(net: Net, x: str) -> None:
    shape = net.shapes[x]
    match int(net.rng.integers(4)):
        case 0:
            net.add("Flatten", [x], axis=int(net.rng.integers(0, len(shape) + 1)))
        case 1:
            net.add("Unsqueeze", [x, net.const(np.array([int(net.rng.integers(0, len(shape) + 1))]))])
        case 2 if 1 in shape and len(shape) > 1:
            net.add("Squeeze", [x, net.const(np.array([shape.index(1)]))])
        case _:
            factors = [int(f) for f in net.rng.permutation([n for n in shape if n > 1] or [1])]
            net.add("Reshape", [x, net.const(np.array([*factors[:-2], int(np.prod(factors[-2:]))]))])


def _transpose(net: Net, x: str) -> None:
    net.add("Transpose", [x], perm=[int(k) for k in net.rng.permutation(len(net.shapes[x]))])


def _conv(net: Net, x: str) -> None:
    shape = net.shapes[x]
    axes = len(shape) - 2
    if not 1 <= axes <= 3:
        return
    groups = int(net.rng.choice([n for n in range(1, shape[1] + 1) if shape[1] % n == 0]))
    n_out = groups * int(net.rng.integers(1, 3))
    kernel = net.pick(1, 3, axes)
    inputs = [x, net.floats(n_out, shape[1] // groups, *kernel)]
    if net.rng.random() < 0.5:
        inputs.append(net.floats(n_out))
    if net.rng.random() < 0.2:
        attrs: dict[str, object] = {"auto_pad": str(net.rng.choice(("SAME_UPPER", "SAME_LOWER")))}
    else:
        attrs = {"pads": net.pick(0, 2, 2 * axes), "dilations": net.pick(1, 2, axes)}
    net.add("Conv", inputs, group=groups, strides=net.pick(1, 2, axes), **attrs)


def _pool(net: Net, x: str) -> None:
    axes = len(net.shapes[x]) - 2
    if not 1 <= axes <= 3:
        return
    kernel = net.pick(1, 3, axes)
    pads = [int(net.rng.integers(0, k)) for k in (*kernel, *kernel)]
    window = {"kernel_shape": kernel, "pads": pads, "strides": net.pick(1, 3, axes), "dilations": net.pick(1, 2, axes)}
    if net.rng.random() < 0.5:
        net.add("MaxPool", [x], **window)
    else:
        net.add("AveragePool", [x], count_include_pad=int(net.rng.integers(2)), **window)


def _product(net: Net, x: str) -> None:
    shape = net.shapes[x]
    n = int(net.rng.integers(1, 4))
    if len(shape) == 2 and net.rng.random() < 0.5:
        trans_a, trans_b = net.pick(0, 1, 2)
        k, rows = (shape[0], shape[1]) if trans_a else (shape[1], shape[0])
        c = ((n,), (1, n), (rows, n), (rows, 1), (1,))[int(net.rng.integers(5))]
        b = net.floats(n, k) if trans_b else net.floats(k, n)
        net.add("Gemm", [x, b, net.floats(*c)], transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0)
    elif len(shape) > 1 and net.rng.random() < 0.3:
        net.add("MatMul", [net.floats(n, shape[-2]), x])
    else:
        batch = shape[:-2] if net.rng.random() < 0.3 else ()
        net.add("MatMul", [x, net.floats(*batch, shape[-1], n)])


def _reduce(net: Net, x: str) -> None:
    axes = np.flatnonzero(net.rng.random(len(net.shapes[x])) < 0.5)
    if axes.size:
        op = str(net.rng.choice(("ReduceMean", "ReduceMax", "ReduceSum")))
        net.add(op, [x, net.const(axes.astype(np.int64))], keepdims=int(net.rng.integers(2)))


def _softmax(net: Net, x: str) -> None:
    rank = len(net.shapes[x])
    net.add("Softmax", [x], axis=int(net.rng.integers(-rank, rank)))


def _concat(net: Net, x: str) -> None:
    names = [name for name, shape in net.shapes.items() if len(shape) == len(net.shapes[x])]
    net.add("Concat", [x, str(net.rng.choice(names))], axis=int(net.rng.integers(len(net.shapes[x]))))


def _pad(net: Net, x: str) -> None:
    pads = np.array(net.pick(0, 2, 2 * len(net.shapes[x])))
    net.add("Pad", [x, net.const(pads), net.const(np.array(0.5, np.float32))])


def _norm(net: Net, x: str) -> None:
    shape = net.shapes[x]
    if len(shape) > 1:
        c = shape[1]
        values = [net.floats(c), net.floats(c), net.floats(c), net.floats(c, positive=True)]
        net.add("BatchNormalization", [x, *values])


def _prelu(net: Net, x: str) -> None:
    shape = net.shapes[x]
    if len(shape) > 1:
        net.add("PRelu", [x, net.floats(shape[1], *(1,) * (len(shape) - 2))])


def inputs_of(proto: onnx.ModelProto) -> list[Shape]:
    """Shapes of the inputs."""
    dims = [value.type.tensor_type.shape.dim for value in proto.graph.input]
    return [tuple(dim.dim_value for dim in axes) for axes in dims]
