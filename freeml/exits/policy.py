"""Policies as tables: when an inference may end at an exit. Bytes that a device reads, with a digest of their own.

Layout, little-endian, 16 bytes of head and 16 of each exit but the network's own answer:

    head  0 uint16 magic 0x7066      2 uint8 version 1     3 uint8 kind    4 uint8 exits    5 uint8 depth (of FIXED)
          6 uint16 classes           8 uint32 deadline_ms  12 uint32 digest: SHA-256 of all others, its first bytes
    exit  0 uint16 mult, 2 uint8 shift of its confidence (confidence.py)         3 uint8 0
          4 uint16 threshold: share in 1/2^15, or entropy in 1/256 bit           6 uint16 0
          8 uint32 next_uj           12 uint32 next_ms: of the segment to the next exit

The table is no part of the model: thresholds and prices can be written anew, and what the model computes stays as it
is. The digest lies in the policy's state in NVM, so that a new table is noticed there. Which kind stops when is
written once, in `fml_policy.c`, which devices and simulators run; `freeml/exits/search.py` judges thresholds on
calibration samples.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from enum import IntEnum

from freeml.errors import BadData
from freeml.ir.confidence import ONE, Softness

MAGIC, VERSION = 0x7066, 1
NEVER = 0xFFFF  # a threshold of shares that none reaches; of entropies 0 is one that none is below
_HEAD = struct.Struct("<HBBBBHII")
_EXIT = struct.Struct("<HBBHHII")
HEAD_BYTES, EXIT_BYTES = _HEAD.size, _EXIT.size

Numbers = tuple[int, ...]


class PolicyKind(IntEnum):
    """When an exit is the end: numbers of the table, the functions of fml_policy.c in this order."""

    FIXED = 0  # at this depth
    CONFIDENCE = 1  # where the share is at least the exit's threshold
    ENTROPY = 2  # where the entropy is below the exit's threshold
    ENERGY = 3  # where the next segment costs more than is left
    CONFIDENCE_OR_ENERGY = 4  # the first of both
    DEADLINE = 5  # where the next segment would end too late
    CONFIDENCE_OR_DEADLINE = 6  # the first of both

    @property
    def needs_energy(self) -> bool:
        """Whether it reads the energy meter."""
        return self in (PolicyKind.ENERGY, PolicyKind.CONFIDENCE_OR_ENERGY)

    @property
    def needs_time(self) -> bool:
        """Whether it reads the clock, for which the board must have a timekeeper."""
        return self in (PolicyKind.DEADLINE, PolicyKind.CONFIDENCE_OR_DEADLINE)


@dataclass(frozen=True, slots=True)
class ExitRow:
    """One exit. threshold: a share in 1/2^15, of ENTROPY in 1/256 bit; next_uj, next_ms: of the segment behind it."""

    softness: Softness
    threshold: int = NEVER
    next_uj: int = 0
    next_ms: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """A table. depth: from 1, of FIXED; beyond the exits it is the network's own answer.

    Raises BadData for what no table holds.
    """

    kind: PolicyKind
    rows: tuple[ExitRow, ...]
    n_classes: int
    depth: int = 0
    deadline_ms: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.rows) <= 254:
            raise BadData(f"a policy for {len(self.rows)} exits", hint="a table has 1 to 254 of them")
        if self.kind is PolicyKind.FIXED and not 1 <= self.depth <= (n := len(self.rows) + 1):
            hint = f"depths count from 1, {n} is the whole network"
            raise BadData(f"there is no depth {self.depth}: the network has {n}", hint=hint)
        for number, row in enumerate(self.rows, start=1):
            if not (0 <= row.threshold <= NEVER and 0 <= row.next_uj < 2**32 and 0 <= row.next_ms < 2**32):
                raise BadData(f"exit {number}: {row} is beyond what a table holds", hint="thresholds have 16 bits")
        if self.needs_time and not 1 <= self.deadline_ms < 2**32:
            raise BadData(
                f"a deadline of {self.deadline_ms} ms", hint="give it in whole milliseconds, from 1 to those of 49 days"
            )

    @property
    def needs_time(self) -> bool:
        """Whether the board must have a timekeeper."""
        return self.kind.needs_time

    @property
    def digest(self) -> int:
        """Of all but itself, 32 bits."""
        raw = _packed(self._head(0), self.numbers)
        return int.from_bytes(hashlib.sha256(raw[:12] + raw[HEAD_BYTES:]).digest()[:4], "little")

    @property
    def head(self) -> Numbers:
        """Numbers of fml_policy_head_t."""
        return self._head(self.digest)

    def _head(self, digest: int) -> Numbers:
        counts = (len(self.rows), self.depth, self.n_classes)
        return MAGIC, VERSION, int(self.kind), *counts, self.deadline_ms, digest

    @property
    def numbers(self) -> tuple[Numbers, ...]:
        """Of each exit, those of fml_policy_exit_t."""
        return tuple(
            (row.softness.mult, row.softness.shift, 0, row.threshold, 0, row.next_uj, row.next_ms) for row in self.rows
        )

    def to_bytes(self) -> bytes:
        """As the device reads it."""
        return _packed(self.head, self.numbers)

    @classmethod
    def of_numbers(cls, head: Numbers, numbers: tuple[Numbers, ...], where: str = "") -> Policy:
        """Of `head` and `numbers`. Raises BadData as from_bytes does."""
        return cls.from_bytes(_packed(head, numbers), where)

    @classmethod
    def from_bytes(cls, raw: bytes, where: str = "") -> Policy:
        """Read a table. Raises BadData where it is none, or was changed."""
        if len(raw) < HEAD_BYTES + EXIT_BYTES or (len(raw) - HEAD_BYTES) % EXIT_BYTES:
            raise BadData(f"{len(raw)} bytes are no table of a policy", where=where)
        magic, version, kind, n, depth, n_classes, deadline_ms, _ = _HEAD.unpack_from(raw)
        if magic != MAGIC or n != (len(raw) - HEAD_BYTES) // EXIT_BYTES:
            raise BadData("this is no table of a policy", where=where)
        if version != VERSION or kind not in list(PolicyKind):
            raise BadData(
                f"a table of version {version} and kind {kind}; this freeml knows version {VERSION}", where=where
            )
        rows = []
        for i in range(n):
            mult, shift, _, threshold, _, next_uj, next_ms = _EXIT.unpack_from(raw, HEAD_BYTES + i * EXIT_BYTES)
            rows.append(ExitRow(Softness(mult, shift), threshold, next_uj, next_ms))
        found = cls(PolicyKind(kind), tuple(rows), n_classes, depth, deadline_ms)
        if found.to_bytes() != raw:
            raise BadData("the digest of this table of a policy is not that of its bytes: it was damaged", where=where)
        return found

    def with_thresholds(self, thresholds: tuple[int, ...]) -> Policy:
        """The same with other thresholds, one an exit."""
        rows = tuple(replace(row, threshold=t) for row, t in zip(self.rows, thresholds, strict=True))
        return replace(self, rows=rows)


def _packed(head: Numbers, numbers: tuple[Numbers, ...]) -> bytes:
    return _HEAD.pack(*head) + b"".join(_EXIT.pack(*row) for row in numbers)


def share(real: float) -> int:
    """A share 0..1 as a threshold; above 1: never."""
    return NEVER if real > 1 else max(0, min(ONE, round(real * ONE)))
