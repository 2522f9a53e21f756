"""Trained heads become ops of the integer network: from there on exits are facts of the graph.

    exposed   the float network, its features outputs beside its own, so that quantization gives them scales
    attached  of the integer network that came of it: a head for each exit, its scores an exit of the graph

Each exit is an `ExitHead`, whose slices follow one another; what it takes over of exits before is carried into its last
slice, or added by an `ExitMix` where later exits need its own sum alone. Sums have no order, so the scores are those of
`IntHeads.run`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from freeml.errors import BadModel
from freeml.exits.calibrate import softness
from freeml.exits.heads import Heads
from freeml.exits.integer import IntExit, IntHeads, IntSlice, quantize_heads
from freeml.ir.confidence import MOST_CLASSES
from freeml.ir.decision import decide
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ExitHead, ExitMix
from freeml.ir.ops import Op
from freeml.ir.types import Array, Const, Decision, DType, Port, Quant, TensorType
from freeml.ir.verify import verify_graph

AS_IT_IS = (1, 0)


@dataclass(frozen=True, slots=True)
class Attached:
    """The integer network with its exits, and the integers of their heads; scale: of all scores."""

    graph: Graph
    heads: IntHeads

    @property
    def scale(self) -> float:
        """Real score of a step of the accumulators."""
        return self.heads.scale


def exposed(graph: Graph, heads: Heads) -> Graph:
    """A float network with the features that its heads read as outputs behind its own."""
    names = dict.fromkeys(heads.features)
    known = {port.value for port in graph.outputs}
    shapes = {name: graph.types[name].shape for name in names if name not in known}
    ports = tuple(Port(name, name, shape, tuple(range(len(shape)))) for name, shape in shapes.items())
    return replace(graph, outputs=(*graph.outputs, *ports))


def attached(whole: Graph, heads: Heads, own: Graph) -> Attached:
    """Heads on an integer network.

    whole  what was made of `exposed(own, heads)`
    own    the float network, whose outputs and decision are those of the device
    Raises BadModel where there are no integers for heads, or more classes than confidence is computed of.
    """
    if heads.n_classes > MOST_CLASSES:
        raise BadModel(
            f"{heads.n_classes} classes: a device computes the confidence of {MOST_CLASSES} at most",
            where=own.name,
            hint="compile it without exits (--exits none)",
        )
    try:
        integers = quantize_heads(heads, {name: _quant(whole, name) for name in heads.features})
    except ValueError as error:
        raise BadModel(f"there are no integers for the heads of exits: {error}", where=own.name) from error
    made = _Heads(whole, heads)
    scores = [made.add(depth, exit_) for depth, exit_ in enumerate(integers.exits)]
    soft = softness(integers.scale, 1.0)
    exits = tuple(Decision("scores", value, 0, softness=(soft.mult, soft.shift)) for value in scores)
    graph = whole.with_ops(made.in_order(), types=made.types, consts=made.consts, outputs=own.outputs)
    return Attached(verify_graph(replace(graph, exits=exits, decision=decide(own))), integers)


def _quant(graph: Graph, name: str) -> Quant:
    quant = graph.types[name].quant
    assert quant is not None, f"%{name} has no scale"
    return quant


@dataclass
class _Heads:
    """Ops of exits as they grow, each behind the last value that it reads."""

    graph: Graph
    heads: Heads
    types: dict[str, TensorType] = field(default_factory=dict)
    consts: dict[str, Const] = field(default_factory=dict)
    made: list[Op] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)  # of each exit, its own sum; of a chain, its scores

    def add(self, depth: int, exit_: IntExit) -> str:
        """The scores of an exit."""
        loc, is_chain = self.heads.exits[depth].loc, self.heads.is_chain
        before = [(self.parts[j], factor) for j, factor in enumerate(exit_.mix) if factor is not None]
        before = before[-1:] if is_chain else before
        stem = self.graph.fresh(f"exit{depth + 1}.sum")
        is_needed = not is_chain and any(later.mix[depth] for later in self.heads.exits[depth + 1 :])
        value, carried = "", None
        for number, part in enumerate(exit_.slices):
            if number > 0:
                carried = (value, AS_IT_IS)
            elif not is_needed and before:
                carried = before.pop(0)
            value = self._slice(f"{stem}{number}", part, carried, loc)
        self.parts.append(value)
        for number, (other, factor) in enumerate(before):
            value = self._op(ExitMix, f"{stem}.mix{number}", (value, other), factor, loc)
        return value

    def in_order(self) -> Sequence[Op]:
        """All ops of the graph with these among them."""
        ops = list(self.graph.ops)
        for op in self.made:
            place = {one.output: k for k, one in enumerate(ops)}
            behind = max(place.get(name, -1) for name in op.inputs)
            ops.insert(behind + 1, op)
        return ops

    def _slice(self, name: str, part: IntSlice, carried: tuple[str, tuple[int, int]] | None, loc: str) -> str:
        arrays: dict[str, Array] = {"bias": part.bias, "mult": part.mult, "shift": part.shift}
        weight = f"exits.matrix{part.matrix}"
        self.consts |= {weight: Const(part.weight), **{f"{name}.{key}": Const(array) for key, array in arrays.items()}}
        sums, factor = ((), AS_IT_IS) if carried is None else ((carried[0],), carried[1])
        inputs = (part.features, *sums, weight, *(f"{name}.{key}" for key in arrays))
        return self._op(ExitHead, name, inputs, factor, loc)

    def _op(
        self, cls: type[ExitHead | ExitMix], name: str, inputs: tuple[str, ...], factor: tuple[int, int], loc: str
    ) -> str:
        self.made.append(cls(output=name, inputs=inputs, loc=loc, carry_mult=factor[0], carry_shift=factor[1]))
        self.types[name] = TensorType((self.heads.n_classes,), DType.I32)
        return name
