"""NVM images that a firmware may find and must not believe: other models', other layouts', damaged ones.

All are made from an image that a run of some model left, at whatever commit: what follows the identity is whole and
means something, to somebody else. Offsets and records are those of `fml_runtime.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from freeml.plan.protocol import (
    COMMIT,
    COMMIT_SLOT_BYTES,
    IDENTITY_BYTES,
    IDENTITY_MAGIC,
    IDENTITY_VERSION,
    RESULT_SLOT_BYTES,
    RESULTS,
)


def _flipped(image: bytes, *bits: int) -> bytes:
    changed = bytearray(image)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _patched(image: bytes, at: int, piece: bytes) -> bytes:
    return image[:at] + piece + image[at + len(piece) :]


def _version(image: bytes, change: Callable[[int], int]) -> bytes:
    version = struct.unpack_from("<H", image, IDENTITY_VERSION)[0]
    return _patched(image, IDENTITY_VERSION, struct.pack("<H", change(version) & 0xFFFF))


def of_others(image: bytes) -> dict[str, bytes]:
    """The image with another identity: one part of it at a time is wrong, and each way is worth a test of its own."""
    return {
        "other-digest": _patched(image, 0, bytes(byte ^ 0xA5 for byte in image[:8])),
        "other-digest-0": _patched(image, 0, bytes(byte ^ 0xFF for byte in image[:4])),
        "other-digest-1": _patched(image, 4, bytes(byte ^ 0xFF for byte in image[4:8])),
        "other-version": _version(image, lambda version: version + 1),
        "older-layout": _version(image, lambda version: version - 1),
        "other-magic": _patched(
            image, IDENTITY_MAGIC, bytes(byte ^ 0xFF for byte in image[IDENTITY_MAGIC:IDENTITY_BYTES])
        ),
        "no-identity": _patched(image, 0, bytes(IDENTITY_BYTES)),
    }


def damaged(image: bytes) -> dict[str, bytes]:
    """The image with its own identity and a control block that no run leaves."""
    records = [8 * (RESULTS + k * RESULT_SLOT_BYTES) for k in range(2)]
    return {
        "damaged": _flipped(image, *(first + 64 for first in records)),
        "damaged-sequence": _flipped(image, *(first + 39 for first in records)),
        "damaged-crc": _flipped(image, *(first + 7 for first in records)),
        "no-results": _patched(image, RESULTS, bytes(2 * RESULT_SLOT_BYTES)),
        "all-results-ff": _patched(image, RESULTS, b"\xff" * 2 * RESULT_SLOT_BYTES),
        "all-commits-ff": _patched(image, COMMIT, b"\xff" * 2 * COMMIT_SLOT_BYTES),
    }


def fitted(image: bytes, n_bytes: int) -> bytes:
    """What a model with n_bytes of NVM finds where one with another size left its image."""
    return (image + b"\x5a" * n_bytes)[:n_bytes]
