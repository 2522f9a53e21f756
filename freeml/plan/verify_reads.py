"""How many bytes of each operand the runtime copies for a tile: derived from what ops mean, not from kernels.

A second opinion on freeml/kernels/reads.py, of which nothing is used here: rows, pixels and elements of the output are
followed to the rows, pixels and elements of the input that their windows reach. Both say what fml_stage.c copies, so
whole rows even of tiles that need less.
"""

from __future__ import annotations

from math import prod

from freeml.ir.graph import Graph
from freeml.ir.int_ops import (
    AddI8,
    AvgPoolI8,
    ConvI8,
    ConvPoolI8,
    DenseI8,
    ExitHead,
    ExitMix,
    LutI8,
    MaxPoolI8,
    MulI8,
    PadI8,
    SoftmaxI8,
)
from freeml.ir.ops import ArgMax, Concat, Op, Window
from freeml.ir.types import DType
from freeml.plan.steps import LayerTiles, Tile


def copied_bytes(graph: Graph, op: Op, layer: LayerTiles, tile: Tile) -> list[int]:
    """Of each value that the tile reads, in order."""
    if layer.parts > 1 and (isinstance(op, DenseI8) or _is_pointwise(op)):
        return [tile.mac_n]
    names = [name for name in op.inputs if name in graph.types]
    if isinstance(op, Concat):
        names = [op.inputs[layer.operand]]
    return [_bytes_of(graph, op, name, layer, tile) for name in names]


def _bytes_of(graph: Graph, op: Op, name: str, layer: LayerTiles, tile: Tile) -> int:
    x, y = graph.types[name], graph.types[op.output]
    last = tile.first + tile.n - 1
    match op:
        case ConvI8() if _is_pointwise(op):
            return (_pixel(layer, y.shape, last) - _pixel(layer, y.shape, tile.first) + 1) * x.shape[2]
        case ConvI8() | ConvPoolI8() | MaxPoolI8() | AvgPoolI8():
            windows = (op.window, op.pool) if isinstance(op, ConvPoolI8) else (op.window,)
            axis = 1 if x.shape[0] == y.shape[0] == 1 else 0
            per_line = 1 if axis else y.shape[1]
            lines = [_pixel(layer, y.shape, unit) // per_line for unit in (tile.first, last)]
            reached = _reached(windows, axis, (lines[0], lines[1]), x.shape[axis])
            return reached * prod(x.shape[axis + 1 :])
        case PadI8():
            axis = next((k for k, n in enumerate(y.shape) if n > 1), 0)
            inner = prod(y.shape[axis + 1 :])
            first = min(max(tile.first // inner - op.before[axis], 0), x.shape[axis])
            end = min(max(last // inner - op.before[axis] + 1, 0), x.shape[axis])
            return max(end - first, 0) * prod(x.shape[axis + 1 :])
        case AddI8() | MulI8() | LutI8() if x.n_elems == y.n_elems:
            return tile.n
        case ExitHead() | ExitMix() if x.dtype is DType.I32:
            return tile.n * 4
        case SoftmaxI8() | ArgMax():
            return tile.n * x.shape[-1]
        case Concat():
            return tile.n * prod(x.shape[op.axis :]) * x.dtype.size_bytes
    return x.size_bytes


def _is_pointwise(op: Op) -> bool:
    plain = Window(kernel=(1, 1))
    return (
        isinstance(op, ConvI8)
        and op.groups == 1
        and (op.window.kernel, op.window.stride, op.window.pad)
        == (
            plain.kernel,
            plain.stride,
            plain.pad,
        )
    )


def _pixel(layer: LayerTiles, shape: tuple[int, ...], unit: int) -> int:
    """The output pixel that a unit lies in."""
    return unit * layer.unit_stride_bytes // shape[2]


def _reached(windows: tuple[Window, ...], axis: int, lines: tuple[int, int], n_lines: int) -> int:
    """Rows (or columns) of the input, of so many, below output rows from one to another; innermost window first."""
    low, high = lines
    for window in reversed(windows):
        low = low * window.stride[axis] - window.pad[axis]
        high = high * window.stride[axis] - window.pad[axis] + (window.kernel[axis] - 1) * window.dilation[axis]
    return max(min(high + 1, n_lines) - max(low, 0), 0)
