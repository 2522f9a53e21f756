"""ArgMax reads what a Softmax reads: the largest is the same, and int8 scores tell it where shares of 1/256 are equal.

Where a quantized model fixed the scale of the shares, its index is that of its own codes: it stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeml.ir.graph import Graph
from freeml.ir.ops import ArgMax, Op, Softmax


@dataclass(frozen=True, slots=True)
class SkipSoftmax:
    """Graph@FLOAT -> Graph@FLOAT with no Softmax before an ArgMax."""

    def __call__(self, graph: Graph) -> Graph:
        """Apply the pass."""
        skipped: set[str] = set()
        ops: list[Op] = []
        for op in graph.ops:
            before = graph.producers.get(op.inputs[0])
            if isinstance(op, ArgMax) and isinstance(before, Softmax) and graph.types[before.output].quant is None:
                skipped.add(before.output)
                ops.append(replace(op, inputs=before.inputs))
            else:
                ops.append(op)
        read = {name for op in ops for name in op.inputs} | graph.output_values
        return graph.with_ops(op for op in ops if op.output not in skipped or op.output in read)
