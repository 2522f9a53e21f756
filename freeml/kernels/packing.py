"""Weights of dot products in the orders in which kernels read them: no kernel reorders anything at run time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from freeml.ir.types import Array

_WORD_BYTES = 4
_PAIR = 2
_QUAD = 4


def packed(rows: Callable[[Array], Array] | None, weight: Array, groups: int = 1) -> Array:
    """Weights (out_c, ...) of a convolution that is not depthwise, or of a dense layer, packed group by group.

    rows: the order of a variant, `Variant.rows`.
    """
    if rows is None:
        return weight
    return np.concatenate([rows(group) for group in weight.reshape(groups, weight.shape[0] // groups, -1)])


def pairs_of_words(rows: Array) -> Array:
    """armv7em: [out_c / 2][products / 4][2][4], rows and products filled up with zeros to multiples of 2 and 4."""
    n_rows, n_products = rows.shape
    padded = np.pad(rows, ((0, -n_rows % _PAIR), (0, -n_products % _WORD_BYTES)))
    words = padded.reshape(-1, _PAIR, padded.shape[1] // _WORD_BYTES, _WORD_BYTES)
    filled: Array = words.swapaxes(1, 2).ravel()
    return filled


def quads_of_bytes(rows: Array) -> Array:
    """armv6m: [out_c / 4][products][4], the last out_c % 4 rows likewise. Each code plus 128 as a byte: this core has
    loads at constant offsets for unsigned bytes only."""
    raised = (rows.view(np.uint8) ^ np.uint8(128)).view(np.int8)
    return np.concatenate([raised[first : first + _QUAD].T.ravel() for first in range(0, len(rows), _QUAD)])
