"""Kernels that run with memory on both sides of an operand which nobody may touch: what do they read?"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeml.firmware.host import build_host_library

from .library import Bytes, Case, blank, includes_of, part_stem, sources_of

Span = tuple[int, int]
_PAGE = mmap.PAGESIZE
_ROOM_PAGES = 8  # the largest operand of tests/kernels/cases.py has 11 * 29 * 29 bytes
_NO_ACCESS = 0
_ARGMAX_BYTES = 4


class _Call(ctypes.Structure):
    """call_t of touch.c."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("layer", ctypes.c_void_p),
        ("x", ctypes.c_void_p * 2),
        ("y", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("first", ctypes.c_uint32),
        ("n", ctypes.c_uint32),
        ("k0", ctypes.c_uint32),
        ("slice", ctypes.c_uint16 * 2),
        ("sum", ctypes.c_int32),
    )


class _Fence:
    """Room between two pages that fault."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, (_ROOM_PAGES + 2) * _PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for page in (0, _ROOM_PAGES + 1):
            if protect(ctypes.c_void_p(start + page * _PAGE), ctypes.c_size_t(_PAGE), _NO_ACCESS) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")
        self._start = start + _PAGE
        self._room: Bytes = np.frombuffer(self._map, np.uint8, _ROOM_PAGES * _PAGE, _PAGE)

    def hold(self, content: Bytes, span: Span, *, at_end: bool, garbage: int) -> int:
        """Bytes [begin, end) of the content against one of the pages, garbage elsewhere: where byte 0 would lie."""
        begin, end = span
        assert end - begin <= self._room.size
        self._room[:] = garbage
        at = self._room.size - (end - begin) if at_end else 0
        self._room[at : at + end - begin] = content[begin:end]
        return self._start + at - begin


class FencedKernels:
    """The kernels of a variant, called with operands of which only some bytes are there."""

    def __init__(self, variant: str, folder: Path) -> None:
        sources = [*sources_of(variant), Path(__file__).with_name("touch.c")]
        self._library = ctypes.CDLL(str(build_host_library(sources, includes_of(variant), folder / "fenced.so")))
        self._fences = (_Fence(), _Fence())

    def run(self, case: Case, first: int, n: int, spans: Sequence[Span], *, at_end: bool, garbage: int) -> Bytes | None:
        """The bytes of units [first, first + n), computed with these bytes of each operand, or None: it read others.

        at_end: what is fenced is the end of each span; else it is the beginning. The other side is garbage.
        """
        y = blank(n * case.unit_bytes + _ARGMAX_BYTES)
        scratch = blank(case.scratch_bytes or 0)
        call = self._call(case, case.kernel, spans, at_end, garbage)
        shift = -y.ctypes.data % _ARGMAX_BYTES
        call.y, call.first, call.n = y.ctypes.data + shift, first, n
        call.scratch = None if case.scratch_bytes is None else max(scratch.ctypes.data, 1)
        if self._library.fml_touches(ctypes.byref(call)):
            return None
        found: Bytes = y[shift : shift + n * case.unit_bytes]
        return found

    def run_part(
        self, case: Case, element: int, k0: int, n: int, span: Span, *, at_end: bool, garbage: int
    ) -> int | None:
        """The sum of products [k0, k0 + n) of an element, or None."""
        call = self._call(case, f"{part_stem(case.kernel)}_part_i8", [span], at_end, garbage)
        call.first, call.k0, call.n = element, k0, n
        return None if self._library.fml_touches(ctypes.byref(call)) else int(call.sum)

    def _call(self, case: Case, kernel: str, spans: Sequence[Span], at_end: bool, garbage: int) -> _Call:
        call = _Call(kernel=ctypes.cast(getattr(self._library, kernel), ctypes.c_void_p).value)
        call.slice = (ctypes.c_uint16 * 2)(*case.slice)
        call.layer = ctypes.cast(case.argument(), ctypes.c_void_p).value
        for k, (operand, span) in enumerate(zip(case.inputs, spans, strict=True)):
            content = operand.view(np.uint8).reshape(-1)
            call.x[k] = self._fences[k].hold(content, span, at_end=at_end, garbage=garbage)
        return call
