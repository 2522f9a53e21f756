"""Ops that only tests have: int32 sums between ops, as an exit's accumulator would be. `known()` makes all stages know
them: text form, verifier, interpreter, kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar
from unittest.mock import patch

import numpy as np
from hypothesis import strategies as st

from freeml.ir import interpret_int, text, verify
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import Concat, Op, Reshape
from freeml.ir.types import Array, DType, Elements, TensorType
from freeml.kernels import table
from freeml.kernels.kernel import Kernel
from freeml.kernels.layer import Layer
from freeml.kernels.reads import Read, whole
from freeml.kernels.work import LoopCounts
from tests.plan.plan_graphs import QUANT, Builder


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Op):
    """inputs: x (..), weight i8 (K, n_elems of x), both int8 -> int32 (K,): scores of a first exit."""

    elements: ClassVar[Elements] = Elements(output=DType.I32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulate(Op):
    """inputs: x (..), acc int32 (K,), weight i8 (K, n_elems of x) -> int32 (K,): acc and scores of one more exit."""

    elements: ClassVar[Elements] = Elements(values=(DType.I8, DType.I32), output=DType.I32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow(Op):
    """int32 (K,) -> int8 (K,), saturated."""

    elements: ClassVar[Elements] = Elements(values=(DType.I32,))


OPS: tuple[type[Op], ...] = (Sum, Accumulate, Narrow)


def compute(op: Op, args: list[Array], out: TensorType) -> Array:
    """What they mean, over a batch."""
    if isinstance(op, Narrow):
        return np.clip(args[0], -128, 127).astype(np.int8)
    sums = args[0].reshape(len(args[0]), -1).astype(np.int32) @ args[-1].astype(np.int32).T
    return sums if isinstance(op, Sum) else sums + args[1]


class WholeKernel(Kernel[Op]):
    """Units are elements of the output; each reads all of every operand."""

    def reads(self, graph: Graph, op: Op, *_: object) -> tuple[Read, ...]:
        return tuple(whole(graph, op, name) for name in op.inputs if name in graph.types)

    def counts(self, *_: object) -> LoopCounts:
        return {}

    def layer(self, *_: object) -> Layer:
        raise AssertionError("there is no C of it")


@contextmanager
def known() -> Iterator[None]:
    """In here, an integer graph may have these ops."""
    layout = interpret_int.run_layout_op

    def run(op: Op, args: list[Array], out: TensorType) -> Array:
        return compute(op, args, out) if isinstance(op, OPS) else layout(op, args, out)

    n_inputs = {Sum: (1, 1), Accumulate: (2, 1), Narrow: (1, 0)}
    with (
        patch.dict(text._OP_CLASSES, {cls.__name__: cls for cls in OPS}),
        patch.dict(verify.LEGAL, {Stage.QUANTIZED: (*verify.LEGAL[Stage.QUANTIZED], *OPS)}),
        patch.dict(verify._N_INPUTS, n_inputs),
        patch.dict(table.KERNELS, {cls: WholeKernel() for cls in OPS}),
        patch.object(interpret_int, "run_layout_op", run),
    ):
        yield


class Heads(Builder):
    """A builder that has these ops, too."""

    def _value(self, cls: type[Op], inputs: tuple[str, ...], shape: tuple[int, ...], dtype: DType) -> str:
        name = f"v{len(self.ops)}"
        self.types[name] = TensorType(shape, dtype, QUANT if dtype is DType.I8 else None)
        self.ops.append(cls(output=name, inputs=inputs, loc=f"/{cls.__name__}"))
        return name

    def sum(self, x: str, k: int) -> str:
        return self._value(Sum, (x, self.random(k, self.types[x].n_elems)), (k,), DType.I32)

    def accumulate(self, x: str, acc: str) -> str:
        (k,) = self.shape(acc)
        return self._value(Accumulate, (x, acc, self.random(k, self.types[x].n_elems)), (k,), DType.I32)

    def narrow(self, acc: str) -> str:
        return self._value(Narrow, (acc,), self.shape(acc), DType.I8)

    def same(self, cls: type[Op], inputs: tuple[str, ...], shape: tuple[int, ...], **fields: object) -> str:
        """An op that moves elements, with the type of its first input."""
        name = self.add_op(cls, inputs, shape, **fields)
        of = self.types[inputs[0]]
        self.types[name] = TensorType(shape, of.dtype, of.quant)
        return name

    def concat(self, axis: int, *parts: str) -> str:
        x = self.shape(parts[0])
        joined = sum(self.shape(part)[axis] for part in parts)
        return self.same(Concat, parts, (*x[:axis], joined, *x[axis + 1 :]), axis=axis)

    def reshape(self, x: str, *shape: int) -> str:
        return self.same(Reshape, (x,), shape)


def chain(n_exits: int, k: int) -> Graph:
    """Layers with an exit behind each, whose sums go on from exit to exit; in `known()`."""
    b = Heads()
    x = b.input(3, 3, 1)
    acc = b.sum(x, k)
    for _ in range(n_exits - 1):
        x = b.lut(x)
        acc = b.accumulate(x, acc)
    return b.graph(b.narrow(acc))


@st.composite
def int32_graphs(draw: st.DrawFn, max_ops: int = 12) -> Graph:
    """Random graphs whose int8 values have odd sizes, and in which sums go on, are joined and reshaped."""
    b = Heads(draw(st.integers(0, 99)))
    codes = [b.input(draw(st.integers(1, 7)), draw(st.integers(1, 3)), 1)]
    sums = [b.sum(codes[0], draw(st.integers(1, 5)))]
    for _ in range(draw(st.integers(1, max_ops))):
        x, acc = draw(st.sampled_from(codes)), draw(st.sampled_from(sums))
        match draw(st.sampled_from(("lut", "sum", "accumulate", "join", "reshape", "narrow", "join codes"))):
            case "lut":
                codes.append(b.lut(x))
            case "sum":
                sums.append(b.sum(x, draw(st.integers(1, 5))))
            case "accumulate":
                sums.append(b.accumulate(x, acc))
            case "join":
                sums.append(b.concat(0, acc, *draw(st.lists(st.sampled_from(sums), min_size=1, max_size=2))))
            case "reshape":
                (k,) = b.shape(acc)
                sums.append(b.reshape(b.reshape(acc, 1, k, 1), k))
            case "narrow":
                (k,) = b.shape(acc)
                codes.append(b.reshape(b.narrow(acc), k, 1, 1))
            case "join codes":
                flat = b.flatten(x)
                joined = b.concat(0, flat, flat)
                codes.append(b.reshape(joined, *b.shape(joined), 1, 1))
    read = {name for op in b.ops for name in op.inputs}
    unread = [op.output for op in b.ops if op.output not in read]
    return b.graph(*unread)
