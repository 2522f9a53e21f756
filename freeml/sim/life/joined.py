"""Traces one after the other, again and again, as pieces behind a converter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from freeml.energy.converter import Converter, Piece
from freeml.energy.trace import Trace

_MOST_KEPT = 1_000_000  # samples whose lines are worked out once


def joined(traces: Sequence[Trace], between: Converter, lasts_s: float) -> Iterator[Piece]:
    """All traces, one after the other, again and again until the time is over."""
    round_s = sum(trace.duration_s for trace in traces)
    again = lasts_s > round_s and sum(len(trace) for trace in traces) <= _MOST_KEPT
    kept = list(_round(traces, between)) if again else None
    start_s = 0.0
    while True:
        for piece, offset_s in _round(traces, between) if kept is None else kept:
            ends_s = piece.ends_s + (start_s + offset_s)
            n = int(np.searchsorted(ends_s, lasts_s)) + 1
            if n <= len(ends_s):
                yield _cut(piece, ends_s, n, lasts_s)
                return
            yield replace(piece, ends_s=ends_s)
        start_s += round_s


def _round(traces: Sequence[Trace], between: Converter) -> Iterator[tuple[Piece, float]]:
    """Pieces of all traces once, and when each trace starts."""
    offset_s = 0.0
    for trace in traces:
        yield from ((piece, offset_s) for piece in between.pieces(trace))
        offset_s += trace.duration_s


def _cut(piece: Piece, ends_s: Any, n: int, lasts_s: float) -> Piece:
    """The first n samples, of which the last ends with the time."""
    ends_s = ends_s[:n].copy()
    ends_s[-1] = lasts_s
    per_sample = {name: getattr(piece, name) for name in ("low", "high", "low_share", "high_share")}
    kept: dict[str, Any] = {name: None if values is None else values[:n] for name, values in per_sample.items()}
    if piece.volts.ndim > 1:
        kept |= {"volts": piece.volts[:n], "amperes": piece.amperes[:n]}
    return replace(piece, ends_s=ends_s, **kept)
