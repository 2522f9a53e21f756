"""Streams of rows of different lengths, with restart points: what formats that are walked entry by entry share."""

from __future__ import annotations

import numpy as np

from freeml.ir.stored import Array, Stored, as_bytes, joined, restart_rows, restart_units, to_bits

_ENTRY_BYTES = 4  # of a restart point


def grouped(weights: list[Array], index: list[Array], weight_bits: int = 8, index_bits: int = 8) -> Stored:
    """Rows as streams of numbers of so many bits; each restart point begins a byte."""
    total = sum(row.size * weight_bits for row in weights) + sum(row.size * index_bits for row in index)
    step = restart_rows(total // 8, len(index), _ENTRY_BYTES)
    firsts = range(0, len(index), step)
    values = [to_bits(np.concatenate(weights[first : first + step]), weight_bits) for first in firsts]
    groups = [to_bits(np.concatenate(index[first : first + step]), index_bits) for first in firsts]
    unit = restart_units(max(sum(map(len, groups)), sum(map(len, values))), len(groups))
    weight, w_starts = joined(values, unit)
    whole, starts = joined(groups, unit)
    restart = np.stack([w_starts, starts], axis=1)
    sections = {"weight": as_bytes(weight), "index": as_bytes(whole), "restart": restart}
    return Stored(sections, {"rows": step, "unit": unit})


def parts(stored: Stored) -> tuple[Array, Array, Array, int, int]:
    """Weights, index, restart points (n, 2), rows from one to the next, and the bits of their unit."""
    weight, index, restart = (stored.sections[name] for name in ("weight", "index", "restart"))
    return weight, index.view(np.uint8), restart, stored.numbers["rows"], stored.numbers["unit"]
