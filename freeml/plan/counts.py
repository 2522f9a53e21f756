"""What there is of each op, independent of a board: multiplications, parameters, bytes of constants, scratch memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from freeml.ir.graph import Graph
from freeml.ir.ops import Op
from freeml.kernels.kernel import AnyKernel
from freeml.kernels.table import KERNELS, OF_FLOAT, kernel_of
from freeml.kernels.variants import VARIANTS


@dataclass(frozen=True, slots=True)
class OpCounts:
    """Of one op.

    macs           multiply-accumulates; taps in the padding count, as the kernels compute them
    params         parameters of the model: weights, biases, constant operands
    weight_bytes   all constants as stored: weights, biases, requantization tables, look-up tables
    scratch_bytes  working memory of the kernel beside its arguments
    """

    macs: int
    params: int
    weight_bytes: int
    scratch_bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts by output of the op, in execution order, and totals; a constant read by two ops counts once in a total."""

    by_op: Mapping[str, OpCounts]
    params: int
    weight_bytes: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs for op in self.by_op.values())

    @property
    def scratch_bytes(self) -> int:
        """Working memory that serves every op, one at a time."""
        return max((op.scratch_bytes for op in self.by_op.values()), default=0)


def count_ops(graph: Graph, kernels: str = "portable") -> Counts:
    """Counts of a quantized graph; of a float graph too, where bytes are those of floats and scratch is 0.

    kernels: the folder of runtime_c/kernels that the board takes kernels from; only scratch depends on it.
    """
    params = {name for op in graph.ops for name in _param_names(graph, op)}
    stored = {name for op in graph.ops for name in op.inputs if name in graph.consts}
    return Counts(
        by_op=MappingProxyType({op.output: _count(op, graph, kernels) for op in graph.ops}),
        params=sum(graph.type_of(name).n_elems for name in params),
        weight_bytes=sum(graph.consts[name].size_bytes for name in stored),
    )


def _count(op: Op, graph: Graph, kernels: str = "portable") -> OpCounts:
    """Of one op of a graph of either stage."""
    return OpCounts(
        macs=_macs(op, graph),
        params=sum(graph.type_of(name).n_elems for name in _param_names(graph, op)),
        weight_bytes=sum(graph.consts[name].size_bytes for name in set(op.inputs) if name in graph.consts),
        scratch_bytes=scratch_bytes(op, graph, kernels),
    )


def scratch_bytes(op: Op, graph: Graph, kernels: str = "portable") -> int:
    """Working memory of the kernel of an op, whatever its tiles; 0 for a float op."""
    return kernel_of(graph, op).scratch_bytes(graph, op, VARIANTS[kernels]) if type(op) in KERNELS else 0


def _macs(op: Op, graph: Graph) -> int:
    kernel = _counter(op)
    return kernel.macs(graph, op) if kernel else 0


def _param_names(graph: Graph, op: Op) -> tuple[str, ...]:
    kernel = _counter(op)
    return tuple(dict.fromkeys(kernel.param_names(graph, op))) if kernel else ()


def _counter(op: Op) -> AnyKernel | None:
    """Of an op of either stage, however its constants are stored; None where nothing is multiplied or trained."""
    return KERNELS.get(type(op)) or OF_FLOAT.get(type(op))
