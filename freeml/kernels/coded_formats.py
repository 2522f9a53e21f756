"""What decoding a row takes in each stored form of dense layers, and the literal list of their kernels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from freeml.ir.types import Array, Const
from freeml.kernels.coded import CodedKernel
from freeml.kernels.reads import Ints


class GapsKernel(CodedKernel):
    """fml_coded_gaps_i8."""

    name = "gaps"

    def per_row(self, const: Const) -> Mapping[str, Array]:
        return _gaps(const)


class GapCodesKernel(CodedKernel):
    """fml_coded_gap_codes_i8."""

    name = "gap_codes"

    def per_row(self, const: Const) -> Mapping[str, Array]:
        found = _gaps(const)
        return {**found, "bit": found["entry"] * const.stored.numbers["value_bits"]}


class RiceKernel(CodedKernel):
    """fml_coded_rice_i8."""

    name = "rice"

    def per_row(self, const: Const) -> Mapping[str, Array]:
        return _rice(const)


class CodesKernel(CodedKernel):
    """fml_coded_codes4_i8 and those of fewer bits: rows are all alike."""

    def __init__(self, bits: int) -> None:
        self.name = f"codes{bits}"

    def per_row(self, const: Const) -> Mapping[str, Array]:
        rows = const.array.reshape(const.shape[0], -1)
        return {"mac": np.full(len(rows), rows.shape[1]), "byte": np.full(len(rows), const.stored.numbers["per_row"])}

    def per_part(self, const: Const, macs: Ints) -> Mapping[str, Ints]:
        return {"mac": macs}


class TernaryKernel(CodedKernel):
    """fml_coded_ternary_i8."""

    name = "ternary"

    def per_row(self, const: Const) -> Mapping[str, Array]:
        rows = const.array.reshape(const.shape[0], -1)
        used = np.count_nonzero(rows, axis=1)
        every = {"digit": rows.shape[1], "byte": const.stored.numbers["per_row"]}
        return {**{name: np.full(len(rows), n) for name, n in every.items()}, "added": used}

    def per_part(self, const: Const, macs: Ints) -> Mapping[str, Ints]:
        return {"digit": macs}


class BlocksKernel(CodedKernel):
    """fml_coded_blocks_i8."""

    name = "blocks"

    def per_row(self, const: Const) -> Mapping[str, Array]:
        numbers, n = const.stored.numbers, const.shape[0]
        entries = numbers["per_row"]
        each = {"entry": entries, "block": entries // numbers["per_block"], "bit": entries * numbers["index_bits"]}
        return {name: np.full(n, count) for name, count in each.items()}

    def per_part(self, const: Const, macs: Ints) -> Mapping[str, Ints]:
        blocks = (macs >> const.stored.numbers["index_bits"]) + 2
        return {"block": blocks, "entry": blocks * const.stored.numbers["per_block"]}


class AnsKernel(CodedKernel):
    """fml_coded_ans_i8."""

    name = "ans"

    def per_row(self, const: Const) -> Mapping[str, Array]:
        return ans_rows(const)


CODED: Mapping[str, CodedKernel] = {
    "gaps": GapsKernel(),
    "gap_codes": GapCodesKernel(),
    "rice": RiceKernel(),
    "codes4": CodesKernel(4),
    "codes3": CodesKernel(3),
    "codes2": CodesKernel(2),
    "ternary": TernaryKernel(),
    "blocks": BlocksKernel(),
    "ans": AnsKernel(),
}


def _zeros(const: Const) -> list[Array]:
    """Of each row, the zeros before each entry."""
    rows = const.array.reshape(const.shape[0], -1)
    return [np.diff(np.flatnonzero(row), prepend=-1) - 1 for row in rows]


@lru_cache(maxsize=256)
def _gaps(const: Const) -> Mapping[str, Array]:
    rows = _zeros(const)
    return {
        "entry": np.array([gaps.size for gaps in rows]),
        "escape": np.array([int((gaps // 255).sum()) for gaps in rows]),
    }


@lru_cache(maxsize=256)
def _rice(const: Const) -> Mapping[str, Array]:
    rows, numbers = _zeros(const), const.stored.numbers
    entries = np.array([gaps.size for gaps in rows])
    zeros = np.array([int((gaps >> numbers["index_bits"]).sum()) for gaps in rows])
    taken = entries * (numbers["value_bits"] + numbers["index_bits"]) + numbers["count_bits"]
    return {"entry": entries, "zero": zeros, "bit": taken}


@lru_cache(maxsize=256)
def ans_rows(const: Const) -> Mapping[str, Array]:
    """Of each row: weights, steps of the searches for them, bytes of the stream, and weights that are not zero."""
    rows = const.array.reshape(const.shape[0], -1)
    book = const.stored.sections["codebook"].reshape(-1, 2)
    place = {int(value): k for k, value in enumerate(book[:, 0].tolist())}
    places = np.array([place.get(code, 0) for code in range(-128, 128)])[rows.astype(np.int64) + 128]
    bits = -np.log2(book[:, 1].view(np.uint8) / 256)[places].sum(axis=1)
    return {
        "symbol": np.full(len(rows), rows.shape[1]),
        "step": places.sum(axis=1),
        "byte": np.ceil(bits / 8).astype(np.int64) + 1,
        "entry": np.count_nonzero(rows, axis=1),
    }
