"""What a tile of a kernel call does, counted: products, outputs, bytes from and to NVM. A board's figures price it.

Counts are worst cases over all tiles of n units that start at a multiple of n: every tap inside the input, no cache hit
on the bytes of a value, and as many window positions as a tile can touch. They follow the kernels of runtime_c/kernels;
the names of `counts` are the entries of a board's [cycles].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.int_ops import AddI8, AvgPoolI8, ConvI8, DenseI8, LutI8, MaxPoolI8, MulI8, PadI8, SoftmaxI8
from freeml.ir.ops import ArgMax, Concat, Op, Reshape, Transpose, Window
from freeml.plan.cost import is_depthwise, is_pointwise
from freeml.plan.memory import MemoryPlan

Ints = npt.NDArray[np.int64]

PARTIAL_BYTES = 4  # one int32 sum
CHUNK_BYTES = 64  # FML_NVM_CHUNK_BYTES: what the runtime writes in one transfer
_REQUANT_BYTES = 7  # bias, mult and shift of one output


@dataclass(frozen=True, slots=True)
class Call:
    """One kernel call of a graph: an op, or the copy of one input of a Concat.

    op, operand        the op; which input of a Concat is copied, 0 elsewhere
    n_units            output units
    unit_bytes         of one unit
    unit_stride_bytes  from one unit to the next in the arena
    offset_bytes       of unit 0 in the arena
    macs               products of one unit of a convolution or dense layer, else 0
    has_parts          whether a kernel can compute one unit's products in parts
    """

    op: Op
    operand: int
    n_units: int
    unit_bytes: int
    unit_stride_bytes: int
    offset_bytes: int
    macs: int
    has_parts: bool


def kernel_calls(graph: Graph, plan: MemoryPlan) -> Iterator[Call]:
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
        yield Call(op, 0, out.size_bytes // unit, unit, unit, at, macs, has_parts and macs > 1)


def _copies(graph: Graph, plan: MemoryPlan, op: Concat) -> Iterator[Call]:
    out = graph.types[op.output]
    rows, stride = prod(out.shape[: op.axis]), prod(out.shape[op.axis :]) * out.dtype.size_bytes
    at = plan.offset_bytes[op.output]
    for operand, name in enumerate(op.inputs):
        type_ = graph.type_of(name)
        row = prod(type_.shape[op.axis :]) * type_.dtype.size_bytes
        if plan.placed.get(name) != (op.output, at - plan.offset_bytes[op.output]):
            yield Call(op, operand, rows, row, stride, at, 0, False)
        at += row


def _unit_elems(op: Op, shape: tuple[int, ...]) -> int:
    """Elements of one unit: fml_kernels.h says what the unit of each kernel is."""
    match op:
        case MaxPoolI8() | AvgPoolI8() | SoftmaxI8():
            return shape[-1]
    return 1


def _products(graph: Graph, op: Op) -> int:
    match op:
        case ConvI8() | DenseI8():
            return prod(graph.type_of(op.inputs[1]).shape[1:])
    return 0


@dataclass(frozen=True, slots=True)
class Work:
    """What tiles do; one entry for each tile size asked for.

    counts             how often each thing happens that [cycles] prices
    value_read_bytes   bytes of values read where NVM is memory-mapped
    const_read_bytes   bytes of weights and tables read
    stage_bytes        bytes of values copied to SRAM first, where NVM is not memory-mapped
    stage_transfers    in so many transfers
    write_bytes        bytes written to NVM, the commit left out
    write_transfers    in so many transfers
    """

    counts: Mapping[str, Ints]
    value_read_bytes: Ints
    const_read_bytes: Ints
    stage_bytes: Ints
    stage_transfers: Ints
    write_bytes: Ints
    write_transfers: Ints


def work(graph: Graph, call: Call, n: Ints) -> Work:
    """Work of tiles of n units each."""
    n = np.asarray(n, dtype=np.int64)
    one = np.ones_like(n)
    counts, value_read, const_read = _counts(graph, call, n)
    stage, transfers = _stage(graph, call, n)
    return Work(
        counts={"tile": one, **counts},
        value_read_bytes=value_read,
        const_read_bytes=const_read,
        stage_bytes=stage,
        stage_transfers=transfers,
        write_bytes=n * call.unit_bytes,
        write_transfers=_transfers(n * call.unit_bytes) + (n if call.unit_stride_bytes != call.unit_bytes else 0),
    )


def part_work(graph: Graph, call: Call, macs: Ints) -> Work:
    """Work of parts of one output's dot product, `macs` products each: the sum so far comes from NVM and goes back.

    The last part, which requantises and writes one byte, is counted together with the others' write of the sum.
    """
    macs = np.asarray(macs, dtype=np.int64)
    one = np.ones_like(macs)
    op = call.op
    counts = {"tile": one, "output": one}
    if isinstance(op, ConvI8):
        counts |= {"depthwise_mac": macs, "window": one}  # tap by tap, without a column: as in a depthwise convolution
    else:
        counts["mac"] = macs
    contiguous = isinstance(op, DenseI8) or (isinstance(op, ConvI8) and is_pointwise(op))
    stage = macs if contiguous else _stage(graph, call, one)[0]
    return Work(
        counts=counts,
        value_read_bytes=macs + PARTIAL_BYTES,
        const_read_bytes=macs + _REQUANT_BYTES,
        stage_bytes=stage + PARTIAL_BYTES,
        stage_transfers=2 * one,
        write_bytes=PARTIAL_BYTES * one,
        write_transfers=one,
    )


def fixed_work(*, write_bytes: int, compared: int) -> Work:
    """Work of capturing an input that is in SRAM, or of publishing a result found among `compared` scores."""
    one, none = np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    return Work(
        counts={"tile": one, "compared": compared * one},
        value_read_bytes=compared * one,
        const_read_bytes=none,
        stage_bytes=compared * one,
        stage_transfers=one if compared else none,
        write_bytes=write_bytes * one,
        write_transfers=_transfers(write_bytes * one),
    )


def _transfers(n_bytes: Ints) -> Ints:
    return -(-n_bytes // CHUNK_BYTES)


def _mac_kind(graph: Graph, op: Op) -> str:
    return "depthwise_mac" if isinstance(op, ConvI8) and is_depthwise(op, graph) else "mac"


def _touched(n: Ints, width: int, total: int) -> Ints:
    """The most runs of `width` units that n units touch, which start at a multiple of n."""
    shared = np.gcd(n, width)
    return np.minimum(-(-(width - shared + n) // width), total)


def _counts(graph: Graph, call: Call, n: Ints) -> tuple[dict[str, Ints], Ints, Ints]:
    """Counts, bytes of values read, bytes of constants read."""
    op, none = call.op, np.zeros_like(n)
    match op:
        case ConvI8():
            width = graph.types[op.output].shape[2] // (1 if is_depthwise(op, graph) else op.groups)
            windows = _touched(n, width, call.n_units // width)
            counts = {_mac_kind(graph, op): n * call.macs, "output": n, "window": windows}
            const = n * (call.macs + _REQUANT_BYTES)
            if is_pointwise(op) or is_depthwise(op, graph):
                return counts, n * call.macs, const
            counts["gathered_byte"] = windows * call.macs
            return counts, windows * call.macs, const
        case DenseI8():
            return {"mac": n * call.macs, "output": n}, n * call.macs, n * (call.macs + _REQUANT_BYTES)
        case MaxPoolI8() | AvgPoolI8():
            taps, channels = prod(op.window.kernel), graph.types[op.output].shape[2]
            counts = {"window": n, "pool_tap": n * taps, "pool_byte": n * taps * channels}
            if isinstance(op, MaxPoolI8):
                return counts, n * taps * channels, none
            return {**counts, "output": n * channels}, n * taps * channels, 3 * n * channels
        case AddI8() | MulI8():
            kind = "added" if isinstance(op, AddI8) else "multiplied"
            constants = sum(name in graph.consts for name in op.inputs)
            return {kind: n}, (len(op.inputs) - constants) * n, constants * n
        case LutI8():
            return {"looked_up": n}, n, n
        case SoftmaxI8():
            elems = n * call.unit_bytes
            return {"softmaxed": elems}, 3 * elems, 4 * elems
        case ArgMax():
            elems = n * graph.types[op.inputs[0]].shape[-1]
            return {"compared": elems}, elems, none
        case Concat():
            return {"copied_row": n, "copied_byte": n * call.unit_bytes}, n * call.unit_bytes, none
        case PadI8():
            return {"padded": n}, n, none
        case Transpose():
            return {"transposed": n}, n, none
    raise AssertionError(f"no kernel for {type(op).__name__}")


def _stage(graph: Graph, call: Call, n: Ints) -> tuple[Ints, Ints]:
    """Bytes of values from the first to the last that n units read, and in how many runs."""
    op, one = call.op, np.ones_like(n)
    size = graph.type_of(op.inputs[call.operand]).size_bytes
    match op:
        case ConvI8() | MaxPoolI8() | AvgPoolI8():
            return _window_span(graph, op, n), one
        case AddI8() | MulI8():
            operands = [graph.types[name].n_elems for name in op.inputs if name in graph.types]
            whole = graph.types[op.output].n_elems
            # A broadcast operand is read all over; another only where the output is.
            return sum((n if elems == whole else elems * one for elems in operands), 0 * n), len(operands) * one
        case LutI8() | SoftmaxI8() | Concat():
            return n * call.unit_bytes, one
        case ArgMax():
            return n * graph.types[op.inputs[0]].shape[-1], one
        case PadI8():
            return np.minimum(n, size), one
        case DenseI8() | Transpose():
            return size * one, one
    raise AssertionError(f"no kernel for {type(op).__name__}")


def _window_span(graph: Graph, op: ConvI8 | MaxPoolI8 | AvgPoolI8, n: Ints) -> Ints:
    (in_h, in_w, in_c), (out_h, out_w, out_c) = graph.types[op.inputs[0]].shape, graph.types[op.output].shape
    per_pixel = out_c if isinstance(op, ConvI8) else 1  # units
    window: Window = op.window
    if isinstance(op, ConvI8) and is_pointwise(op):
        return _touched(n, per_pixel, out_h * out_w) * in_c
    if in_h == 1:
        pixels = _touched(n, per_pixel, out_w)
        return np.minimum((pixels - 1) * window.stride[1] + window.extent()[1], in_w) * in_c
    rows = _touched(n, per_pixel * out_w, out_h)
    return np.minimum((rows - 1) * window.stride[0] + window.extent()[0], in_h) * in_w * in_c
