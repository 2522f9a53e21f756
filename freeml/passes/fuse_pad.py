"""Fuse zero padding of height and width into the convolution or average pooling that reads it."""

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
            if not spatial or len(readers) != graph.uses[pad.output]:
                continue
            if not all(_takes_padding(reader, pad.output) for reader in readers):
                continue
            ops = [_padded(op, pad) if op in readers else op for op in ops if op is not pad]
        return graph.with_ops(ops)


def _takes_padding(op: Op, value: str) -> bool:
    if isinstance(op, AvgPool):
        return op.window.pad == (0, 0, 0, 0) or op.include_pad
    return isinstance(op, Conv) and value == op.inputs[0]


def _padded(op: Op, pad: Pad) -> Op:
    assert isinstance(op, Conv | AvgPool)
    extra = (*pad.before[:2], *pad.after[:2])
    window: Window = replace(op.window, pad=tuple(a + b for a, b in zip(op.window.pad, extra, strict=True)))
    inputs = (pad.inputs[0], *op.inputs[1:])
    if isinstance(op, AvgPool):
        return replace(op, window=window, inputs=inputs, include_pad=True)
    return replace(op, window=window, inputs=inputs)
