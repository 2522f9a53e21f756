"""Graphs as short texts, and what a pass must keep of them: one helper for the tests of all passes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.text import parse, to_text
from freeml.ir.types import Const
from freeml.ir.verify import verify_graph
from freeml.passes.pipeline import Pass

RNG = np.random.default_rng(0)
CONSTS = {
    "w": Const(RNG.normal(size=(3, 3, 3, 2))),  # convolution, (4, 4, 2) -> (2, 2, 3)
    "b": Const(RNG.normal(size=3)),
    "pw": Const(RNG.normal(size=(3, 1, 1, 2))),  # pointwise, 2 -> 3 channels
    "dw": Const(RNG.normal(size=(3, 1, 1, 1))),  # depthwise 1x1 over 3 channels: a BatchNormalization
    "db": Const(RNG.normal(size=3)),
    "dw2": Const(RNG.normal(size=(2, 1, 1, 1))),
    "db2": Const(RNG.normal(size=2)),
    "dw2zero": Const(np.zeros(2)),
    "k": Const(RNG.normal(size=(1, 1, 3))),
    "fw": Const(RNG.normal(size=(4, 12))),
    "fb": Const(RNG.normal(size=4)),
    "fk": Const(RNG.normal(size=4)),
    "qw": Const(np.round(RNG.normal(size=(3, 3, 3, 2)) * 20) * 0.5, (0.5,)),
}
CONV = "window=((3,3),(1,1),(1,1),(0,0,0,0)) groups=1"
CONV_PAD = "window=((3,3),(1,1),(1,1),(1,1,1,1)) groups=1"
POINT = "window=((1,1),(1,1),(1,1),(0,0,0,0)) groups="
POOL = "window=((2,2),(2,2),(1,1),(0,0,0,0))"


def graph(text: str, consts: Mapping[str, Const] = CONSTS) -> Graph:
    """Short text -> graph. `x f32[2]` declares an input; `-> y` or `-> y:name` an output port of the value's shape."""
    lines, ports, body = ["graph m : float"], [], []
    types = dict(re.findall(r"(?m)^\s*%(\S+) = .* : ([fi]32\[[\d,]*\])", text))
    for line in map(str.strip, text.strip().splitlines()):
        if line.startswith("->"):
            for value, _, name in (item.partition(":") for item in line[2:].split()):
                ports.append(_port("output", value, name or value, types[value]))
        elif line.startswith("%"):
            body.append(line if " ; " in line else f"{line} ; 'n'")
        else:
            name, type_ = line.split(" ", 1)
            types[name] = type_.split()[0]
            lines += [_port("input", name, name, types[name]), f"value %{name} {type_}"]
    text = "\n".join([*lines, *body, *ports])
    used = set(re.findall(r"@([\w.]+)", text))
    return verify_graph(parse(text, {name: const for name, const in consts.items() if name in used}))


def _port(direction: str, value: str, name: str, type_: str) -> str:
    shape = tuple(int(n) for n in re.findall(r"\d+", type_[3:]))
    return f"{direction} %{value} {name!r} {shape} order {tuple(range(len(shape)))} float64"


def outline(g: Graph) -> str:
    """The text without constants: what they hold is checked by running the graph."""
    return "\n".join(line for line in to_text(g).splitlines() if not line.startswith(("const", "graph")))


def same_function(before: Graph, after: Graph) -> None:
    rng = np.random.default_rng(1)
    samples = [rng.normal(size=(4, *port.shape)) for port in before.inputs]
    for a, b in zip(predict(before, samples), predict(after, samples), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)


def check(before: str, step: Pass, after: str) -> Graph:
    """`step` turns `before` into `after`; a second time changes nothing; `before` itself stays as it is."""
    source = graph(before)
    text = to_text(source)
    result = verify_graph(step(source))
    assert outline(result) == outline(graph(after, result.consts))
    same_function(source, result)
    assert to_text(source) == text
    assert to_text(step(result)) == to_text(result)
    return result


def unchanged(text: str, step: Pass) -> None:
    source = graph(text)
    assert to_text(step(source)) == to_text(source)
