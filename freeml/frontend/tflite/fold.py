"""Shape arithmetic of Keras models (SHAPE, STRIDED_SLICE, PACK ...): evaluated here, since every shape is static.

A fold returns the constant an operator computes, or None where its inputs are not known integers; the operator is then
lowered as usual.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from freeml.errors import BadModel
from freeml.frontend.tflite.nodes import Known, Node
from freeml.frontend.views import View
from freeml.ir.types import Array

_MAX_ELEMS = 64


def _integers(node: Node) -> list[Array] | None:
    """All operands as integer arrays; None where one is something else or long."""
    arrays = []
    for k in range(len(node.op.inputs)):
        value = node.value(k)
        if not isinstance(value, Known) or not value.is_integer or value.items.size > _MAX_ELEMS:
            return None
        arrays.append(value.items.astype(np.int64))
    return arrays or None


def _folded(compute: Callable[[Node, list[Array]], Array]) -> Callable[[Node], Known | None]:
    def fold(node: Node) -> Known | None:
        arrays = _integers(node)
        if arrays is None:
            return None
        result = np.asarray(compute(node, arrays)).astype(np.int64)
        if result.size > _MAX_ELEMS:
            raise BadModel(f"{node.op.kind} computes a shape of {result.size} numbers", where=node.loc)
        return Known(result, "INT64")

    return fold


def _shape(node: Node) -> Known:
    node.n_inputs(1, 1)
    value = node.value(0)
    shape = value.shape if isinstance(value, View) else value.items.shape if value is not None else ()
    return Known(np.array(shape, dtype=np.int64), "INT64")


def _strided_slice(node: Node, arrays: list[Array]) -> Array:
    node.n_inputs(4, 4)
    x, begin, end, stride = arrays
    masks = [node.option(name) for name in ("EllipsisMask", "NewAxisMask")]
    if x.ndim != 1 or any(a.size != 1 for a in (begin, end, stride)) or any(masks) or not stride.ravel()[0]:
        raise BadModel("a slice of a shape that is not one range", where=node.loc)
    first, last, step = (int(a.ravel()[0]) for a in (begin, end, stride))
    if node.option("ShrinkAxisMask") & 1:
        if not -x.size <= first < x.size:
            raise BadModel(f"element {first} of a shape of {x.size} numbers", where=node.loc)
        return np.asarray(x[first])
    low = None if node.option("BeginMask") & 1 else first
    high = None if node.option("EndMask") & 1 else last
    return x[slice(low, high, step)]


def _pack(node: Node, arrays: list[Array]) -> Array:
    if any(a.ndim for a in arrays) or node.option("Axis") not in (0, -1):
        raise BadModel("PACK of something other than single numbers", where=node.loc)
    return np.stack(arrays)


def _join(node: Node, arrays: list[Array]) -> Array:
    if any(a.ndim != 1 for a in arrays) or node.option("Axis") not in (0, -1):
        raise BadModel("shapes of several dimensions are joined", where=node.loc)
    return np.concatenate(arrays)


def _gather(node: Node, arrays: list[Array]) -> Array:
    node.n_inputs(2, 2)
    x, index = arrays
    if x.ndim != 1 or node.option("Axis") not in (0, -1) or not all(0 <= int(i) < x.size for i in index.ravel()):
        raise BadModel("GATHER outside a shape", where=node.loc)
    return np.asarray(x[index.astype(np.int64)])


def _product(node: Node, arrays: list[Array]) -> Array:
    product = np.asarray(np.prod(arrays[0]))
    return product.reshape(1) if node.option("KeepDims") else product


def _reshaped(node: Node, arrays: list[Array]) -> Array:
    node.list_option("NewShape")  # a list of numbers stays one, whatever its shape
    return arrays[0].ravel() if arrays[-1].size else arrays[0].reshape(())


def _squeezed(node: Node, arrays: list[Array]) -> Array:
    if any(n not in (-1, 0) for n in node.list_option("SqueezeDims")):
        raise BadModel("SQUEEZE of more than one axis of a shape", where=node.loc)
    return arrays[0].squeeze()


def _arithmetic(compute: Callable[[Array, Array], Array]) -> Callable[[Node], Known | None]:
    def both(node: Node, arrays: list[Array]) -> Array:
        node.n_inputs(2, 2)
        return compute(arrays[0], arrays[1])

    return _folded(both)


FOLDS: dict[str, Callable[[Node], Known | None]] = {
    "SHAPE": _shape,
    "STRIDED_SLICE": _folded(_strided_slice),
    "PACK": _folded(_pack),
    "CONCATENATION": _folded(_join),
    "GATHER": _folded(_gather),
    "CAST": _folded(lambda _, arrays: arrays[0]),
    "ADD": _arithmetic(np.add),
    "SUB": _arithmetic(np.subtract),
    "MUL": _arithmetic(np.multiply),
    "REDUCE_PROD": _folded(_product),
    "RESHAPE": _folded(_reshaped),
    "SQUEEZE": _folded(_squeezed),
    "EXPAND_DIMS": _folded(lambda _, arrays: arrays[0].reshape(1) if not arrays[0].ndim else arrays[0]),
}
