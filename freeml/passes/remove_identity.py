"""Remove identities, and hand the scale a quantized model puts on one to the value before it.

An identity that changes the scale of a value which others read with another scale stays: it is a real rescaling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeml.ir.graph import Graph
from freeml.ir.ops import Op, Unary
from freeml.ir.types import TensorType
from freeml.passes.rewrite import rename


@dataclass(frozen=True, slots=True)
class RemoveIdentity:
    """Graph@FLOAT -> Graph@FLOAT without needless identities."""

    def __call__(self, graph: Graph) -> Graph:
        """Apply the pass."""
        inputs = {port.value for port in graph.inputs}
        types: dict[str, TensorType] = dict(graph.types)
        renamed: dict[str, str] = {}
        uses = graph.uses.copy()
        leaving = set(graph.output_values)
        kept: list[Op] = []
        for op in graph.ops:
            source = renamed.get(op.inputs[0], op.inputs[0])
            if not (isinstance(op, Unary) and op.fn == "identity") or source not in types:
                kept.append(op)
                continue
            wanted, known = types[op.output].quant, types[source].quant
            movable = wanted is None or wanted == known or (known is None and uses[source] == 1)
            leaves = op.output in leaving and (source in inputs or source in leaving)
            if not movable or leaves:
                kept.append(op)
                continue
            types[source] = replace(types[source], quant=known or wanted)
            renamed[op.output] = source
            uses[source] += graph.uses[op.output] - 1
            if op.output in leaving:
                leaving.add(source)
        outputs = tuple(replace(port, value=renamed.get(port.value, port.value)) for port in graph.outputs)
        return graph.with_ops(rename(kept, renamed), types=types, outputs=outputs)
