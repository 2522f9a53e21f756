"""Rules of how constants are stored: which inputs of which ops may be in which form, that nothing is lost, and which
convolutions may be computed in slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph, Stage
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.ops import Op
from freeml.ir.types import Const

# How inputs of an op, by position, may be stored other than as they are (encoding.py).
_DENSE_WEIGHTS = frozenset({"gaps", "gap_codes", "rice", "codes4", "codes3", "codes2", "ternary", "blocks", "ans"})
_CONV_WEIGHTS = frozenset({"gaps", "codes4", "codes3", "codes2", "ternary", "ans"})
_IN_SLICES = _CONV_WEIGHTS - {"gaps"}  # rows of these are decoded before they are used
_REQUANT = {2: frozenset({"int16"}), 3: frozenset({"single"}), 4: frozenset({"single"})}
_STORABLE: dict[type[Op], dict[int, frozenset[str]]] = {
    DenseI8: {1: _DENSE_WEIGHTS, **_REQUANT},
    ConvI8: {1: _CONV_WEIGHTS, **_REQUANT},
}


def storable(kind: type[Op]) -> dict[int, frozenset[str]]:
    """Encodings that the inputs of an integer op, by position, may have."""
    return _STORABLE.get(kind, {})


def badly_stored(graph: Graph, op: Op) -> Iterator[str]:
    """What is wrong with encodings of an op's constants. Of a float graph an encoding is a wish for codes that are not
    there yet: its name must be known."""
    for position, name in enumerate(op.inputs):
        const = graph.consts.get(name)
        if const is None or const.encoding is None:
            continue
        if const.encoding not in ENCODINGS:
            yield f"@{name} is stored as {const.encoding!r}, which nobody knows"
        elif graph.stage is Stage.QUANTIZED:
            if const.encoding not in storable(type(op)).get(position, frozenset()):
                yield f"@{name} may not be stored as {const.encoding!r}"
            elif not _keeps(const):
                yield f"@{name}, stored as {const.encoding!r}, is not what it was"


def sliceable(graph: Graph, op: Op) -> bool:
    """Whether a convolution may be computed some output channels at a time, each call of all pixels."""
    if not isinstance(op, ConvI8) or op.groups != 1:
        return False
    return graph.consts[op.inputs[1]].encoding in _IN_SLICES


def badly_sliced(graph: Graph) -> Iterator[str]:
    """What is wrong with a graph's slices."""
    for value, rows in graph.slices.items():
        op = graph.producers.get(value)
        if op is None or not sliceable(graph, op):
            yield f"%{value} cannot be computed in slices"
        elif not 1 <= rows < graph.types[value].shape[-1]:
            yield f"%{value} in slices of {rows} of {graph.types[value].shape[-1]} channels"


@lru_cache(maxsize=512)
def _keeps(const: Const) -> bool:
    """Whether the array comes back from what is stored."""
    encoding = ENCODINGS[str(const.encoding)]
    return encoding.refusal(const.array) is None and np.array_equal(
        encoding.decode(const.stored, const.shape), const.array
    )
