"""The stored size that FreeML's controller steers by: float32, a value and an index for each weight that is left.

It is a model of the published code, for comparing with it; what a firmware really holds is counted from its sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freeml.ir.graph import Graph
from freeml.ir.ops import Conv, Dense

WORD_BYTES = 4
# Up to that density value and index together are less than all values.
SPARSE_UP_TO = 0.5


@dataclass(frozen=True, slots=True)
class Layer:
    """Numbers of a layer's weights and biases, and of the pointers that it has where it is stored sparse.

    name          the value that it computes
    pointers      one for each filter of a convolution, one more than the inputs of a dense layer (compressed columns)
    weight, bias  the graph's constants; "" for a bias of zeros, which nobody stores
    """

    name: str
    n_weights: int
    n_biases: int
    pointers: int
    weight: str = ""
    bias: str = ""

    def stored_bytes(self, density: float, *, pointers: bool = True) -> float:
        """At a share of weights that are left; not a whole number, as the share is not rounded to weights."""
        values = min(1.0, 2 * density) * self.n_weights + self.n_biases
        return WORD_BYTES * (values + (self.pointers if pointers and density <= SPARSE_UP_TO else 0))


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """Convolutions and dense layers in order."""
    found = []
    for op in graph.ops:
        if isinstance(op, Conv | Dense):
            weight, bias = (graph.consts[name].array for name in op.inputs[1:])
            stored = bool(bias.any())
            found.append(
                Layer(
                    name=op.output,
                    n_weights=weight.size,
                    n_biases=bias.size if stored else 0,
                    pointers=weight.shape[0] if isinstance(op, Conv) else weight.shape[1] + 1,
                    weight=op.inputs[1],
                    bias=op.inputs[2] if stored else "",
                )
            )
    return tuple(found)


def total_bytes(layers: Sequence[Layer], density: Mapping[str, float]) -> float:
    """Of all layers with their pointers; density by name."""
    return sum(layer.stored_bytes(density[layer.name]) for layer in layers)


def least_bytes(layers: Sequence[Layer]) -> float:
    """What is left when every weight is gone: biases, and pointers where storing sparse is what makes it smaller."""
    return sum(min(layer.stored_bytes(0.0), layer.stored_bytes(1.0)) for layer in layers)
