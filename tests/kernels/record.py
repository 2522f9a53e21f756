"""Writes cases and their tiles for replay.c."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from .library import DESCRIPTORS, Case, blank


def recording(calls: Iterable[tuple[Case, list[tuple[int, int]]]]) -> bytes:
    """All calls as replay.c reads them."""
    parts = [_one(case, tiles) for case, tiles in calls]
    return _u32(len(parts)) + b"".join(parts)


def _u32(*values: int) -> bytes:
    return struct.pack(f"={len(values)}I", *values)


def _block(content: bytes) -> bytes:
    return _u32(len(content)) + content


def _one(case: Case, tiles: list[tuple[int, int]]) -> bytes:
    kind = DESCRIPTORS[case.descriptor] if case.descriptor else None
    layer = bytes(kind(**case.fields)) if kind else b""
    consts = [_u32(getattr(kind, name).offset if kind else 0) + _block(a.tobytes()) for name, a in case.consts.items()]
    return b"".join(
        [
            _block(case.kernel.encode() + b"\0"),
            _block(layer),
            _u32(len(consts)),
            *consts,
            _u32(len(case.inputs)),
            *(_block(operand.tobytes()) for operand in case.inputs),
            _u32(case.scratch_bytes or 0),
            _block(blank(case.expected.size).tobytes()),
            _block(case.expected.tobytes()),
            _u32(*(case.slice or (0, 0)), case.unit_bytes, len(tiles)),
            *(_u32(first, n) for first, n in tiles),
        ]
    )
