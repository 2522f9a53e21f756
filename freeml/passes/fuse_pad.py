"""Fuse zero padding of height and width into the convolution or average pooling that reads it.

Not where a quantized model gives the padded value a scale of its own: it rounds and saturates what is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeml.ir.graph import Graph
from freeml.ir.ops import AvgPool, Conv, Op, Pad, Window


@dataclass(frozen=True, slots=True)
class FusePad:
    """Graph@FLOAT -> Graph@FLOAT; a Pad with another value, another axis or another kind of reader stays."""

    def __call__(self, graph: Graph) -> Graph:
        """Apply the pass."""
        ops: list[Op] = list(graph.ops)
        for pad in graph.ops_of(Pad):
            readers = graph.readers(pad.output)
            spatial = len(pad.before) == 3 and pad.before[2] == pad.after[2] == 0 and pad.value == 0
            if not spatial or len(readers) != graph.uses[pad.output] or not _keeps_scale(graph, pad):
                continue
            if not all(_takes_padding(graph, reader, pad) for reader in readers):
                continue
            ops = [_padded(op, pad) if op in readers else op for op in ops if op is not pad]
        return graph.with_ops(ops)


def _keeps_scale(graph: Graph, pad: Pad) -> bool:
    own = graph.types[pad.output].quant
    return own is None or own == graph.types[pad.inputs[0]].quant


def _takes_padding(graph: Graph, op: Op, pad: Pad) -> bool:
    if isinstance(op, AvgPool):
        counted = op.window.pad == (0, 0, 0, 0) or op.include_pad
        return counted and all(_reads_input(graph, op, pad, axis) for axis in (0, 1))
    return isinstance(op, Conv) and pad.output == op.inputs[0]


def _reads_input(graph: Graph, op: AvgPool, pad: Pad, axis: int) -> bool:
    """Whether each window along an axis keeps a tap inside the unpadded input: an average of padding is no average."""
    size, n_out = graph.types[pad.inputs[0]].shape[axis], graph.types[op.output].shape[axis]
    taps = range(0, op.window.kernel[axis] * op.window.dilation[axis], op.window.dilation[axis])
    starts = (i * op.window.stride[axis] - op.window.pad[axis] - pad.before[axis] for i in range(n_out))
    return all(any(0 <= start + tap < size for tap in taps) for start in starts)


def _padded(op: Op, pad: Pad) -> Op:
    assert isinstance(op, Conv | AvgPool)
    top, left, bottom, right = op.window.pad
    before, after = pad.before, pad.after
    padding = (top + before[0], left + before[1], bottom + after[0], right + after[1])
    window: Window = replace(op.window, pad=padding)
    inputs = (pad.inputs[0], *op.inputs[1:])
    if isinstance(op, AvgPool):
        return replace(op, window=window, inputs=inputs, include_pad=True)
    return replace(op, window=window, inputs=inputs)
