"""What a kernel is to the compiler: one class for each class of ops, in the file of its family; `table.py` lists them.

A kernel computes any range of output units of one call. Most ops are one call whose units are the elements of the
output, row by row. An op may be several calls, of which each writes its own part of the output: one for each input of a
Concat; for weights that are decoded some channels at a time, one for each of these slices, whose units are pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from freeml.ir.graph import Graph
from freeml.ir.ops import Op
from freeml.kernels.layer import Layer
from freeml.kernels.reads import Ints, Read
from freeml.kernels.variants import Variant
from freeml.kernels.work import LoopCounts

OpT = TypeVar("OpT", bound=Op)


@dataclass(frozen=True, slots=True)
class Units:
    """The output units of one call of an op.

    operand       which of the op's calls this is: of a Concat, which input is copied; 0 where there is one call
    n             how many
    unit_bytes    of one
    stride_bytes  from one to the next in the output
    at_bytes      where the first one lies in the output
    """

    operand: int
    n: int
    unit_bytes: int
    stride_bytes: int
    at_bytes: int


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One kernel call of a graph.

    op, operand        the op; which of its calls, 0 where there is one: of a Concat, which input is copied
    n_units            output units
    unit_bytes         of one unit
    unit_stride_bytes  from one unit to the next in the arena
    offset_bytes       of unit 0 in the arena
    macs               products of one output of a convolution, pooled or not, or of a dense layer, else 0
    has_parts          whether a kernel can compute one unit's products in parts
    is_even            whether its first operand lies at an even address, so that a 16-bit core may copy it by words
    """

    op: Op
    operand: int
    n_units: int
    unit_bytes: int
    unit_stride_bytes: int
    offset_bytes: int
    macs: int
    has_parts: bool
    is_even: bool = False


class Kernel(ABC, Generic[OpT]):
    """What the compiler knows of the kernel of a class of ops. Nothing else knows any of it but the independent
    verifiers (ir/verify.py, plan/verify*.py).
    """

    def chosen(self, graph: Graph, op: OpT) -> Kernel[OpT]:
        """The kernel for constants as they are stored. As it stands here: this one, whatever they are."""
        return self

    def units(self, graph: Graph, op: OpT) -> tuple[Units, ...]:
        """The calls of an op, in order. As it stands here: one, of single elements."""
        out = graph.types[op.output]
        size = out.dtype.size_bytes
        return (Units(0, out.n_elems, size, size, 0),)

    def like(self, graph: Graph, op: OpT, operand: int) -> int:
        """The first call of an op that takes as much for as many units as this one. As it stands here: itself."""
        return operand

    def products(self, graph: Graph, op: OpT) -> int:
        """Products of one output; 0 where that is no dot product."""
        return 0

    def macs(self, graph: Graph, op: OpT) -> int:
        """Multiply-accumulates of the whole output; taps in the padding count, as kernels compute them. Of the float op
        that it is made of, too, as `param_names`."""
        return graph.types[op.output].n_elems * self.products(graph, op)

    def param_names(self, graph: Graph, op: OpT) -> tuple[str, ...]:
        """Constants that are parameters of the model: what training finds. As it stands here: none."""
        return ()

    def has_parts(self, graph: Graph, op: OpT) -> bool:
        """Whether a kernel can compute the products of one unit in parts."""
        return False

    def in_place_operands(self, graph: Graph, op: OpT) -> tuple[str, ...]:
        """Operands whose bytes the kernel may overwrite with its output, if nobody reads them afterwards.

        Constants may be among them. None as it stands here: what reads elements again that it has written over.
        """
        return ()

    @abstractmethod
    def reads(self, graph: Graph, op: OpT, operand: int) -> tuple[Read, ...]:
        """What the units of a call read: one or two operands, in the order of its arguments."""

    def part_read(self, graph: Graph, op: OpT) -> Read:
        """What parts of one unit's products read; where `has_parts`."""
        raise AssertionError(f"no parts of {type(op).__name__}")

    @abstractmethod
    def counts(self, graph: Graph, op: OpT, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        """What tiles of n units each make the kernel's loops do."""

    def part_counts(self, graph: Graph, op: OpT, macs: Ints) -> LoopCounts:
        """The same of parts of `macs` products each, the last part's requantization included; where `has_parts`."""
        raise AssertionError(f"no parts of {type(op).__name__}")

    def read_bytes(self, graph: Graph, op: OpT, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        """Bytes of values, and of constants, that the kernel reads for n units, one read each time.

        As it stands here: of copies and tables, each byte once.
        """
        return n * call.unit_bytes, n

    def scratch_bytes(self, graph: Graph, op: OpT, variant: Variant) -> int:
        """Working memory beside the arguments that a call takes, whatever the tile."""
        return 0

    def tile_scratch_bytes(self, graph: Graph, op: OpT, call: KernelCall, n: Ints, variant: Variant) -> Ints:
        """Working memory beyond that for tiles of n units each; it lies behind what a tile reads and writes."""
        return 0 * n

    @abstractmethod
    def layer(self, graph: Graph, op: OpT, operand: int, variant: Variant) -> Layer:
        """The call in C. Raises UnsupportedOp where a size leaves 16 bits."""


AnyKernel = Kernel[Any]
