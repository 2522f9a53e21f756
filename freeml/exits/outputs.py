"""Networks with one output for each depth: read as a network and its heads, and written as one.

What somebody else trained with exits is a model of several outputs over one trunk. Each output's scores are taken
apart into matrices over features: sums, scalars and scales for each class are followed back to the dense layers;
whatever else comes out at the end (an average of a last convolution) counts as features that an identity reads. What
is a multiple of an earlier exit's own sum is a number of `mix`. So one form serves heads of any origin, and a network
that freeml wrote with its heads reads back as these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from freeml.data.dataset import Dataset
from freeml.errors import BadData, BadModel
from freeml.exits.answers import check_samples
from freeml.exits.heads import Exit, Heads, Slice
from freeml.exits.options import Exits
from freeml.exits.placement import depth_of, loc_of, map_of, needed_for
from freeml.ir.decision import decide
from freeml.ir.graph import Graph
from freeml.ir.ops import ArgMax, Binary, Dense, Op, Reshape, Softmax
from freeml.ir.types import Array, Const, Port, TensorType

# Features, and the matrix that reads them; None: an identity.
_Term = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class _Sum:
    """bias + the sum of factor * matrix @ features; bias and factors are of each class, (K,)."""

    terms: dict[_Term, Array]
    bias: Array

    def plus(self, other: _Sum, factor: Array) -> _Sum:
        terms = dict(self.terms)
        for term, own in other.terms.items():
            terms[term] = terms[term] + own * factor if term in terms else own * factor
        return _Sum(terms, self.bias + other.bias * factor)


def exits_of_outputs(graph: Graph) -> Exits:
    """Exits of a model that came with some. Raises BadModel as `split_outputs` does."""
    network, heads = split_outputs(graph)
    n = len(heads.exits)
    return Exits(network, heads, f"{n} exit{'s' * (n > 1)} that the model came with")


def split_outputs(graph: Graph) -> tuple[Graph, Heads]:
    """A float graph of several outputs -> the same with its deepest output alone, and the heads of all others.

    The ops that only the heads' sums needed are gone. Raises BadModel where outputs are not scores of the same classes.
    """
    if len(graph.outputs) < 2:
        raise BadModel(
            "the model has one output: it has no exits of its own",
            where=graph.name,
            hint="give a model with one output for each depth, or let freeml train exits (--exits auto)",
        )
    sizes = {port.name: graph.types[scores_of(graph, port.value)].n_elems for port in graph.outputs}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
        raise BadModel(
            f"outputs of different sizes are no exits of one answer: {listed}",
            where=graph.name,
            hint="each exit gives a score for each of the same classes",
        )
    answer_of(graph)
    ports = sorted(graph.outputs, key=lambda port: depth_of(graph, port.value))
    k = next(iter(sizes.values()))
    sums = [_expand(graph, scores_of(graph, port.value), k) for port in ports[:-1]]
    wanted = [features for found in sums for features, _ in found.terms] + [ports[-1].value]
    return _in_order(graph, ports[-1], wanted), _heads(graph, sums)


def scores_of(graph: Graph, value: str) -> str:
    """Before what only names the class, or makes shares of scores."""
    while (op := graph.producers.get(value)) is not None and isinstance(op, Softmax | ArgMax | Reshape):
        value = op.inputs[0]
    return value


def answer_of(graph: Graph) -> str:
    """The scores of the output that says the class of a float graph. Raises BadModel where it says none of several."""
    decision = decide(graph)
    if decision is None:
        raise BadModel(
            "the network's outputs are no scores of classes, and exits answer with classes",
            where=graph.name,
            hint="compile it without exits (--exits none)",
        )
    answer = scores_of(graph, graph.outputs[decision.output].value)
    if graph.types[answer].n_elems < 2:
        raise BadModel(
            "a network with a single score has no classes for exits",
            where=graph.name,
            hint="give it a score for each of its two classes, or compile it without exits (--exits none)",
        )
    return answer


def trainable(graph: Graph, train: Dataset | None, held: Dataset | None) -> tuple[Dataset, Dataset, int]:
    """Samples that exits of a float graph can be trained on, and its classes. Raises BadModel or BadData."""
    if train is None or held is None:
        raise BadData("exits are trained: samples are needed", hint="give some with --data, or --exits none")
    k = graph.types[answer_of(graph)].n_elems
    check_deepest(graph)
    for data in (train, held):
        check_samples(data, k)
    train.check_differ()
    return train, held, k


def check_deepest(graph: Graph) -> None:
    """Raise BadModel where an output behind the answer looks like a deeper answer: exits of both would be confused."""
    decision = decide(graph)
    answer = graph.outputs[0 if decision is None else decision.output]
    k, depth = graph.types[scores_of(graph, answer.value)].n_elems, depth_of(graph, answer.value)
    for port in graph.outputs:
        if graph.types[scores_of(graph, port.value)].n_elems == k and depth_of(graph, port.value) > depth:
            raise BadModel(
                f"the class is read from output {answer.name!r}, and {port.name!r}, of {k} scores too, lies deeper",
                where=graph.name,
                hint="--exits outputs takes a model's own outputs as exits; or leave one output in the model",
            )


def _expand(graph: Graph, value: str, k: int) -> _Sum:
    """A value of K numbers as a sum over features."""
    op, one = graph.producers.get(value), np.ones(k)
    if isinstance(op, Reshape) and graph.types[op.inputs[0]].n_elems == k:
        return _expand(graph, op.inputs[0], k)
    if isinstance(op, Dense) and op.clamp is None:
        return _Sum({(op.inputs[0], op.inputs[1]): one}, graph.consts[op.inputs[2]].array.astype(np.float64))
    if isinstance(op, Binary) and op.clamp is None and graph.types[op.inputs[0]].n_elems == k:
        first, other = op.inputs
        sign = -1.0 if op.kind == "sub" else 1.0
        const = graph.consts.get(other)
        if const is not None and const.array.size in (1, k):
            number = np.broadcast_to(const.array.reshape(-1).astype(np.float64), (k,))
            if op.kind == "mul":
                return _Sum({}, np.zeros(k)).plus(_expand(graph, first, k), np.asarray(number))
            return _expand(graph, first, k).plus(_Sum({}, np.asarray(number)), sign * one)
        if const is None and op.kind in ("add", "sub") and graph.types[other].n_elems == k:
            return _expand(graph, first, k).plus(_expand(graph, other, k), sign * one)
    return _Sum({(value, None): one}, np.zeros(k))


def _heads(graph: Graph, sums: Sequence[_Sum]) -> Heads:
    """Slices, mix and biases of sums; a matrix that several read is there once."""
    matrices: list[Const] = []
    known: dict[tuple[str | None, bytes], int] = {}
    exits: list[Exit] = []
    parts: list[_Sum] = []
    for found in sums:
        own, mix = _less(found, parts)
        slices = []
        for (features, matrix), factor in own.terms.items():
            # The device's multipliers have neither a sign nor one value for each class.
            is_gain = bool(np.ptp(factor) == 0 and factor[0] > 0)
            rows = np.ones(1) if is_gain else factor
            key = (matrix, rows.tobytes())
            if key not in known:
                known[key] = len(matrices)
                of = np.eye(len(factor)) if matrix is None else graph.consts[matrix].array.astype(np.float64)
                matrices.append(Const(of * rows[:, None]))
            slices.append(Slice(features, known[key], float(factor[0]) if is_gain else 1.0))
        deepest = max((part.features for part in slices), key=lambda name: depth_of(graph, name))
        after = map_of(graph, deepest)
        exits.append(Exit(after, loc_of(graph, after), tuple(slices), tuple(mix)))
        parts.append(own)
    return Heads("outputs", tuple(exits), tuple(matrices), tuple(Const(part.bias) for part in parts))


def _less(found: _Sum, parts: Sequence[_Sum]) -> tuple[_Sum, list[float]]:
    """What a sum has beside multiples, above 0, of the earlier parts; and these multiples."""
    mix = []
    left = found
    for part in parts:
        shares = [left.terms[term] / own for term, own in part.terms.items() if term in left.terms]
        whole = len(shares) == len(part.terms) and len(left.terms) > len(shares)
        factor = float(shares[0][0]) if whole else 0.0
        if factor > 0 and all(np.allclose(share, factor, rtol=1e-6, atol=0) for share in shares):
            mix.append(factor)
            terms = {term: own for term, own in left.terms.items() if term not in part.terms}
            left = _Sum(terms, left.bias - factor * part.bias)
        else:
            mix.append(0.0)
    return left, mix


def _in_order(graph: Graph, final: Port, wanted: Sequence[str]) -> Graph:
    """The ops that these values need, each value as soon as it can be computed."""
    order: dict[str, Op] = {}
    for value in wanted:
        needed = needed_for(graph, value)
        order |= {op.output: op for op in graph.ops if op.output in needed and op.output not in order}
    return graph.with_ops(order.values(), outputs=(final,))


def with_outputs(branched: Graph, heads: Heads) -> Graph:
    """The other way round: a float graph with an output for each exit, in front of its own, named exit1, exit2, ...

    branched: computes the features. The sums are Dense, Mul and Add, as `split_outputs` reads them.
    """
    writer = _Writer(branched, heads)
    ops = list(branched.ops)
    ports = []
    for depth in range(len(heads.exits)):
        value, made = writer.exit(depth)
        read = {name for op in made for name in op.inputs}
        last = max(i for i, op in enumerate(ops) if op.output in read)
        ops[last + 1 : last + 1] = made
        ports.append(Port(f"exit{depth + 1}", value, (heads.n_classes,), (0,)))
    return branched.with_ops(ops, types=writer.types, consts=writer.consts, outputs=(*ports, *branched.outputs))


class _Writer:
    """Ops of exits as they grow. parts: of each exit, the value of its own sum."""

    def __init__(self, graph: Graph, heads: Heads) -> None:
        self.graph, self.heads = graph, heads
        self.types: dict[str, TensorType] = {}
        self.consts = {f"exits.matrix{number}": matrix for number, matrix in enumerate(heads.matrices)}
        self.parts: list[str] = []

    def exit(self, depth: int) -> tuple[str, list[Op]]:
        """The value of the scores of an exit, and the ops that make it."""
        exit_ = self.heads.exits[depth]
        made: list[Op] = []

        def add(op: Op) -> str:
            made.append(op)
            self.types[op.output] = TensorType((self.heads.n_classes,))
            return op.output

        stem = self.graph.fresh(f"exit{depth + 1}.scores")
        total = ""
        for number, part in enumerate(exit_.slices):
            bias = f"{stem}.{number}.bias"
            self.consts[bias] = Const(self.heads.biases[depth].array / part.gain * (number == 0))
            read = (part.features, f"exits.matrix{part.matrix}", bias)
            y = add(Dense(output=f"{stem}.{number}", inputs=read, loc=exit_.loc))
            total = self._plus(add, total, y, part.gain, f"{stem}.slice{number}", exit_.loc)
        self.parts.append(total)
        for before, factor in enumerate(exit_.mix):
            if factor:
                total = self._plus(add, total, self.parts[before], factor, f"{stem}.mix{before}", exit_.loc)
        return total, made

    def _plus(self, add: Callable[[Op], str], total: str, x: str, factor: float, name: str, loc: str) -> str:
        """total + factor * x; no total yet where it is empty."""
        if factor != 1:
            self.consts[f"{name}.factor"] = Const(np.array([factor]))
            x = add(Binary(output=f"{name}.scaled", inputs=(x, f"{name}.factor"), loc=loc, kind="mul"))
        return add(Binary(output=name, inputs=(total, x), loc=loc, kind="add")) if total else x
