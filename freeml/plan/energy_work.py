"""What a step does, counted: its kernel's loops (kernel_work.py), and bytes from and to NVM.

Counts are worst cases over all tiles of n units that start at a multiple of n: every tap inside the input, no cache hit
on the bytes of a value, and as many window positions as a tile can touch. The kernels' cycles.toml and a board's file
price them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import AddI8, AvgPoolI8, ConvI8, ConvPoolI8, DenseI8, MaxPoolI8, MulI8, SoftmaxI8
from freeml.ir.ops import ArgMax, Concat, Op, Reshape
from freeml.plan.cost import is_depthwise, is_pointwise
from freeml.plan.kernel_work import kernel_counts, part_counts
from freeml.plan.memory import MemoryPlan
from freeml.plan.protocol import CHUNK_BYTES, PARTIAL_BYTES, RECORD_BYTES
from freeml.plan.reads import ALIGN_BYTES, Ints, aligned, part_read, reads, touched

_REQUANT_BYTES = 7  # bias, mult and shift of one output


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One kernel call of a graph: an op, or the copy of one input of a Concat.

    op, operand        the op; which input of a Concat is copied, 0 elsewhere
    n_units            output units
    unit_bytes         of one unit
    unit_stride_bytes  from one unit to the next in the arena
    offset_bytes       of unit 0 in the arena
    macs               products of one unit of a convolution, pooled or not, or of a dense layer, else 0
    has_parts          whether a kernel can compute one unit's products in parts
    is_even            whether its first operand lies at an even address
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


def kernel_calls(graph: Graph, plan: MemoryPlan) -> Iterator[KernelCall]:
    """The calls of a graph in execution order. A Reshape has none, nor has a Concat for an input placed in it."""
    for op in graph.ops:
        if isinstance(op, Reshape) and op.inputs[0] in graph.types:
            continue
        if isinstance(op, Concat):
            yield from _copies(graph, plan, op)
            continue
        out = graph.types[op.output]
        unit = _unit_elems(op, out.shape) * out.dtype.size_bytes
        macs = _products(graph, op)
        has_parts = isinstance(op, DenseI8) or (isinstance(op, ConvI8) and not is_depthwise(op, graph))
        at = plan.offset_bytes[op.output]
        is_even = plan.offset_bytes[op.inputs[0]] % 2 == 0
        yield KernelCall(op, 0, out.size_bytes // unit, unit, unit, at, macs, has_parts and macs > 1, is_even)


def _copies(graph: Graph, plan: MemoryPlan, op: Concat) -> Iterator[KernelCall]:
    out = graph.types[op.output]
    rows, stride = prod(out.shape[: op.axis]), prod(out.shape[op.axis :]) * out.dtype.size_bytes
    at = plan.offset_bytes[op.output]
    for operand, name in enumerate(op.inputs):
        type_ = graph.type_of(name)
        row = prod(type_.shape[op.axis :]) * type_.dtype.size_bytes
        if plan.placed.get(name) != (op.output, at - plan.offset_bytes[op.output]):
            yield KernelCall(op, operand, rows, row, stride, at, 0, False)
        at += row


def _unit_elems(op: Op, shape: tuple[int, ...]) -> int:
    """Elements of one unit: fml_kernels.h says what the unit of each kernel is."""
    match op:
        case SoftmaxI8():
            return shape[-1]
    return 1


def _products(graph: Graph, op: Op) -> int:
    match op:
        case ConvI8() | DenseI8():
            return prod(graph.type_of(op.inputs[1]).shape[1:])
        case ConvPoolI8():
            return prod(op.pool.kernel) * prod(graph.type_of(op.inputs[1]).shape[1:])
    return 0


@dataclass(frozen=True, slots=True)
class Work:
    """What tiles do; one entry for each tile size asked for.

    counts            of the kernel: what its cycles.toml prices
    value_read_bytes  bytes of values read where NVM is memory-mapped
    const_read_bytes  bytes of weights and tables read
    stage_bytes       bytes of values copied to SRAM first, where NVM is not memory-mapped
    stage_transfers   in so many transfers
    stage_room_bytes  SRAM that these copies take: each operand begins at a multiple of 4
    write_bytes       bytes written to NVM, the commit left out
    write_transfers   in so many transfers
    compared          scores that are looked at
    """

    counts: Mapping[str, Ints]
    value_read_bytes: Ints
    const_read_bytes: Ints
    stage_bytes: Ints
    stage_transfers: Ints
    stage_room_bytes: Ints
    write_bytes: Ints
    write_transfers: Ints
    compared: Ints


def work(graph: Graph, call: KernelCall, n: Ints, kernels: str = "portable") -> Work:
    """Work of tiles of n units each, done by a variant of the kernels."""
    n = np.asarray(n, dtype=np.int64)
    one = np.ones_like(n)
    counts = kernel_counts(graph, call.op, call.unit_bytes, call.n_units, n, kernels, even=call.is_even)
    staged = [read.most_bytes(n, call.n_units) for read in reads(graph, call.op, call.operand)]
    values, constants = _read_bytes(graph, call, n)
    return Work(
        counts=counts,
        value_read_bytes=values,
        const_read_bytes=constants,
        stage_bytes=sum(staged, 0 * n),
        stage_transfers=len(staged) * one,
        stage_room_bytes=sum(map(aligned, staged), 0 * n),
        write_bytes=n * call.unit_bytes,
        write_transfers=_transfers(n * call.unit_bytes) + (n if call.unit_stride_bytes != call.unit_bytes else 0),
        compared=0 * n,
    )


def part_work(graph: Graph, call: KernelCall, macs: Ints) -> Work:
    """Work of parts of one output's dot product, `macs` products each: the sum so far comes from NVM and goes back.

    The last part, which requantizes and writes one byte, is counted together with the others' write of the sum.
    """
    macs = np.asarray(macs, dtype=np.int64)
    one = np.ones_like(macs)
    read = part_read(graph, call.op)
    stage = read.most_bytes(one, call.n_units) if read.extent_bytes else macs
    return Work(
        counts=part_counts(graph, call.op, macs),
        value_read_bytes=macs + PARTIAL_BYTES,
        const_read_bytes=macs + _REQUANT_BYTES,
        stage_bytes=stage + PARTIAL_BYTES,
        stage_transfers=2 * one,
        stage_room_bytes=aligned(stage),
        write_bytes=PARTIAL_BYTES * one,
        write_transfers=one,
        compared=0 * one,
    )


def fixed_work(*, write_bytes: int, compared: int, writes: int = 0) -> Work:
    """Work of capturing an input that is in SRAM, or of publishing a result found among `compared` scores.

    Scores are read one by one. writes: how many calls of fml_hal_nvm_write there are at least.
    """
    one, none = np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    return Work(
        counts={},
        value_read_bytes=compared * one,
        const_read_bytes=none,
        stage_bytes=compared * one,
        stage_transfers=compared * one,
        stage_room_bytes=none,
        write_bytes=write_bytes * one,
        write_transfers=np.maximum(_transfers(write_bytes * one), writes),
        compared=compared * one,
    )


def report_work(output_bytes: Sequence[int]) -> Work:
    """Work of reporting a result: its record is read, and its outputs of so many bytes are copied to where others see
    them.
    """
    n_bytes, one = sum(output_bytes), np.ones(1, dtype=np.int64)
    read = (n_bytes + RECORD_BYTES) * one
    done = fixed_work(write_bytes=0, compared=0)
    transfers = (1 + len(output_bytes)) * one
    counts = {"copy.call": transfers, "copy.row": transfers, "copy.byte": read}  # a loop as that of fml_copy_i8
    return replace(done, counts=counts, value_read_bytes=read, stage_bytes=read, stage_transfers=transfers)


def capture_work(input_bytes: Sequence[int], buffer_bytes: int) -> Work:
    """Work of capturing inputs of so many bytes, sampled and written a buffer at a time: all the SRAM for tiles.

    Sampling is a copy out of a window in SRAM; what a sensor takes beyond that is not known here.
    """
    buffer_bytes = -(-buffer_bytes // ALIGN_BYTES) * ALIGN_BYTES
    writes = sum(-(-n // buffer_bytes) * -(-min(n, buffer_bytes) // CHUNK_BYTES) for n in input_bytes)
    calls = np.array([sum(-(-n // buffer_bytes) for n in input_bytes)], dtype=np.int64)
    copied = {"copy.call": calls, "copy.row": calls, "copy.byte": np.array([sum(input_bytes)], dtype=np.int64)}
    return replace(fixed_work(write_bytes=sum(input_bytes), compared=0, writes=writes), counts=copied)


def _transfers(n_bytes: Ints) -> Ints:
    return -(-n_bytes // CHUNK_BYTES)


def _read_bytes(graph: Graph, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
    """Bytes of values, and of constants, that a kernel reads for n units."""
    op, none = call.op, 0 * n
    match op:
        case ConvI8() | ConvPoolI8():
            outputs = prod(op.pool.kernel) if isinstance(op, ConvPoolI8) else 1
            constants = n * (call.macs + outputs * _REQUANT_BYTES)
            if is_pointwise(op) or is_depthwise(op, graph):
                return n * call.macs, constants
            group = graph.types[op.output].shape[2] // op.groups
            return touched(n, group, call.n_units // group) * call.macs, constants
        case DenseI8():
            return n * call.macs, n * (call.macs + _REQUANT_BYTES)
        case MaxPoolI8() | AvgPoolI8():
            return n * prod(op.window.kernel), none if isinstance(op, MaxPoolI8) else 3 * n
        case AddI8() | MulI8():
            n_constants = sum(name in graph.consts for name in op.inputs)
            return (len(op.inputs) - n_constants) * n, n_constants * n
        case SoftmaxI8():
            return 3 * n * call.unit_bytes, 4 * n * call.unit_bytes
        case ArgMax():
            return 2 * n * graph.types[op.inputs[0]].shape[-1], none
    return n * call.unit_bytes, n  # copies, tables: each byte once
