"""The text form of a graph, one op per line in execution order, and its parser.

    graph tiny : quantized
    input %x "image" (1, 16, 16) order (0, 1, 2) float32
    const @c1.w i8[8,3,3,1] 1f0c...
    value %x i8[16,16,1] q(0.0078, -1)
    %c1 = ConvI8(%x, @c1.w, @c1.b, @c1.m, @c1.s) groups=1 ... : i8[16,16,8] q(0.02, -128) ; "/conv1/Conv"
    output %c1 "logits" (8, 16, 16) order (1, 2, 0) float32
    slices %c1 2
    exit scores %e1 0 0.0 >> 9
    decide scores %c1 0 0.0

Constants are printed by digest, so equal text means equal function; `parse` takes their arrays from outside.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields

from freeml.errors import BadModel
from freeml.ir import int_ops, ops
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import Op, Window
from freeml.ir.types import Const, Decision, DType, Port, Quant, TensorType

_OP_CLASSES: dict[str, type[Op]] = {
    name: value
    for module in (ops, int_ops)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Op) and value is not Op
}
_LINE = re.compile(r"^%(\S+) = (\w+)\(([^)]*)\)(.*) : (\S.*?) ; (\".*\"|'.*')$")
_PLAIN = re.compile(r"^[A-Za-z0-9_.-]+\Z")
_TYPE = re.compile(r"^(\w+)\[([\d,]*)\](?: q\((\S+), (-?\d+)\))?$")
_PORT = re.compile(r"^(input|output) %(\S+) (\".*\"|'.*') (\(.*?\)) order (\(.*?\)) (\w+)$")

_DECIDE = re.compile(
    r"^(?:decide|exit) (scores|threshold|index) %(\S+) (\d+) (-?\d\S*)(?: >> (\d+))?(?: softness (\d+) (\d+))?$"
)


def to_text(graph: Graph) -> str:
    """The graph as text; ends with a newline."""
    name = graph.name if _PLAIN.match(graph.name) else repr(graph.name)
    lines = [f"graph {name} : {graph.stage.value}"]
    lines += [_port_text("input", port) for port in graph.inputs]
    lines += [f"const @{name} {TensorType(c.shape, c.dtype)} {c.digest}" for name, c in sorted(graph.consts.items())]
    lines += [f"value %{port.value} {graph.types[port.value]}" for port in graph.inputs]
    lines += [_op_text(graph, op) for op in graph.ops]
    lines += [_port_text("output", port) for port in graph.outputs]
    lines += [f"slices %{value} {rows}" for value, rows in sorted(graph.slices.items())]
    lines += [f"exit {_decision_text(made)}" for made in graph.exits]
    if graph.decision is not None:
        lines.append(f"decide {_decision_text(graph.decision)}")
    return "\n".join(lines) + "\n"


def digest(graph: Graph) -> str:
    """SHA-256 of the text form: two graphs with the same digest compute the same function."""
    return hashlib.sha256(to_text(graph).encode()).hexdigest()


def _port_text(direction: str, port: Port) -> str:
    return f"{direction} %{port.value} {port.name!r} {port.shape} order {port.order} {port.dtype}"


def _decision_text(made: Decision) -> str:
    shift = f" >> {made.shift}" if made.shift else ""
    shift += " softness {} {}".format(*made.softness) if made.softness else ""
    return f"{made.kind} %{made.value} {made.output} {made.threshold!r}{shift}"


def _op_text(graph: Graph, op: Op) -> str:
    args = ", ".join(("%" if name in graph.types else "@") + name for name in op.inputs)
    attrs = "".join(f" {f.name}={_attr_text(getattr(op, f.name))}" for f in fields(op) if f.name not in _BASE_FIELDS)
    return f"%{op.output} = {type(op).__name__}({args}){attrs} : {graph.types[op.output]} ; {op.loc!r}"


_WINDOWS = frozenset({"window", "pool"})  # fields that hold a Window
_BASE_FIELDS = frozenset(f.name for f in fields(Op))


def _attr_text(value: object) -> str:
    if isinstance(value, Window):
        value = (value.kernel, value.stride, value.dilation, value.pad)
    return repr(value).replace(" ", "").replace("inf", "1e999")


def parse(text: str, consts: Mapping[str, Const]) -> Graph:
    """The graph that `to_text` printed. Raises BadModel with the line number where text and constants disagree."""
    name, stage = "graph", Stage.FLOAT
    ports: dict[str, list[Port]] = {"input": [], "output": []}
    types: dict[str, TensorType] = {}
    parsed: list[Op] = []
    decisions: dict[str, list[Decision]] = {"exit": [], "decide": []}
    slices: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            head = line.split(" ", 1)[0]
            if head == "graph":
                name_text, stage_name = line.removeprefix("graph ").rsplit(" : ", 1)
                name = name_text if _PLAIN.match(name_text) else str(ast.literal_eval(name_text))
                stage = Stage(stage_name)
            elif head in ports:
                ports[head].append(_parse_port(line))
            elif head == "const":
                _, const_name, _, content = line.split(" ")
                if consts[const_name[1:]].digest != content:
                    raise ValueError(f"constant {const_name} has another content")
            elif head == "value":
                _, value, type_text = line.split(" ", 2)
                types[value[1:]] = _parse_type(type_text)
            elif head == "slices":
                _, value, rows = line.split(" ")
                slices[value[1:]] = int(rows)
            elif head in decisions:
                decisions[head].append(_parse_decision(line))
            elif line.strip():
                op, type_ = _parse_op(line)
                parsed.append(op)
                types[op.output] = type_
        except (ValueError, KeyError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise BadModel(f"not the text of a graph: {error}", where=f"line {number}: {line[:80]}") from error
    decision, exits = next(iter(decisions["decide"]), None), tuple(decisions["exit"])
    ins, outs = tuple(ports["input"]), tuple(ports["output"])
    return Graph(name, ins, outs, tuple(parsed), types, consts, stage, decision, exits, slices)


def _parse_decision(line: str) -> Decision:
    match = _DECIDE.match(line)
    if match is None:
        raise ValueError("malformed decision")
    kind, value, output, threshold, shift, *soft = match.groups()
    softness = (int(soft[0]), int(soft[1])) if soft[0] else None
    return Decision(kind, value, int(output), float(threshold), int(shift or 0), softness)  # type: ignore[arg-type]


def _parse_port(line: str) -> Port:
    match = _PORT.match(line)
    if match is None:
        raise ValueError("malformed port")
    _, value, name, shape, order, dtype = match.groups()
    return Port(ast.literal_eval(name), value, ast.literal_eval(shape), ast.literal_eval(order), dtype)


def _parse_type(text: str) -> TensorType:
    match = _TYPE.match(text)
    if match is None:
        raise ValueError(f"malformed type {text!r}")
    dtype, shape, scale, zero_point = match.groups()
    quant = Quant(float(scale), int(zero_point)) if scale else None
    return TensorType(tuple(int(n) for n in shape.split(",") if n), DType(dtype), quant)


def _parse_op(line: str) -> tuple[Op, TensorType]:
    match = _LINE.match(line)
    if match is None:
        raise ValueError("malformed op")
    output, class_name, args, attr_text, type_text, loc = match.groups()
    attrs = {key: ast.literal_eval(value) for key, value in (item.split("=", 1) for item in attr_text.split())}
    for key in _WINDOWS & attrs.keys():
        kernel, stride, dilation, pad = attrs[key]
        attrs[key] = Window(kernel=kernel, stride=stride, dilation=dilation, pad=pad)
    inputs = tuple(arg.strip()[1:] for arg in args.split(",") if arg.strip())
    cls = _OP_CLASSES[class_name]
    return cls(output=output, inputs=inputs, loc=ast.literal_eval(loc), **attrs), _parse_type(type_text)
