"""The control block of an NVM image, as fml_runtime.h lays it out, read and written by Python.

A second opinion: what the checks of a firmware believe of an image is not asked of the C that they check.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass

from freeml.plan import protocol
from freeml.plan.protocol import RECORD_BYTES, RECORD_CHECKED, RESULT_SLOT_BYTES, RESULTS
from freeml.plan.step_table import Kind, StepTable
from freeml.sim.device import Result

IDENTITY = slice(protocol.IDENTITY, protocol.IDENTITY + protocol.IDENTITY_BYTES)
COMMIT = range(protocol.COMMIT, protocol.COMMIT + 2 * protocol.COMMIT_SLOT_BYTES)
_RECORD = struct.Struct("<HHIHBB")
_SLOT = struct.Struct("<II")
_CHECKED_BITS = 13  # of the word of a single commit slot, by three more


@dataclass(frozen=True, slots=True)
class Position:
    """What a commit says: the step that is next, and the slot of the newest result."""

    step: int
    newest: int


@dataclass(frozen=True, slots=True)
class ControlBlock:
    """How a model's images are read.

    identity     its 12 bytes at the start of an image
    state_bytes  of the policy behind each result, under the same CRC
    """

    steps: StepTable
    commit_slots: int
    identity: bytes
    state_bytes: int = 0

    def position(self, image: bytes | bytearray) -> Position | None:
        """As the commit record has it; None where it is damaged or no step of this model."""
        at = self._one_slot(image) if self.commit_slots == 1 else self._two_slots(image)
        return at if at is not None and at.step < self.steps.n_steps else None

    def kind_of(self, at: Position) -> Kind:
        """What is done next."""
        return self.steps.kind_of(at.step)

    def newest(self, image: bytes | bytearray) -> Result | None:
        """The newest result, of sequence 0 before the first; None where the image is not this model's, or not whole."""
        at = self.position(image)
        if at is None or bytes(image[IDENTITY]) != self.identity:
            return None
        start = RESULTS + at.newest * RESULT_SLOT_BYTES
        content = bytes(image[start : start + RECORD_BYTES + self.state_bytes])
        crc, _unused, sequence, class_index, confidence, depth = _RECORD.unpack(content[:RECORD_BYTES])
        if crc != crc16(content[RECORD_CHECKED:]):
            return None
        return Result(sequence, class_index, confidence, depth)

    def committed(self, image: bytes | bytearray) -> Position | None:
        """Where a boot goes on; None where it begins anew."""
        return None if self.newest(image) is None else self.position(image)

    def depths_from(self, begun: Position | None, image: bytes | bytearray) -> range:
        """Of results that a boot may report which began there and ended in this image: decisions before it went on.

        From a report that waits on, only what is published.
        """
        if begun is None:
            return self.steps.depths_from(0)
        if self.kind_of(begun) is Kind.REPORT:
            newest = self.newest(image)
            return range(0) if newest is None else range(newest.depth, newest.depth + 1)
        return self.steps.depths_from(begun.step)

    def next_sequence(self, image: bytes | bytearray) -> int:
        """Of the result that a boot from this image reports first: behind an exit, that of its answer."""
        at, newest = self.position(image), self.newest(image)
        if at is None or newest is None:
            return 1
        is_published = self.kind_of(at) is Kind.REPORT or self.steps.row_of(at.step).depth > 1
        return newest.sequence if is_published else newest.sequence % 0xFFFF_FFFF + 1

    def is_done(self, image: bytes | bytearray, sequence: int) -> bool:
        """Whether this result is reported and the next input is waited for."""
        at, newest = self.position(image), self.newest(image)
        waits = at is not None and self.kind_of(at) is Kind.CAPTURE
        return waits and newest is not None and newest.sequence == sequence

    @property
    def has_check(self) -> bool:
        """Whether any one flipped bit of the commit record shows."""
        return self.commit_slots == 2 or self.steps.n_steps <= 1 << _CHECKED_BITS - 1

    def _one_slot(self, image: bytes | bytearray) -> Position | None:
        """A word; where thirteen bits are enough for it, the others are a check of three interleaved parities."""
        (word,) = struct.unpack_from("<H", image, COMMIT.start)
        if self.has_check:
            check, word = word >> _CHECKED_BITS, word & (1 << _CHECKED_BITS) - 1
            parities = 0
            for bit in range(_CHECKED_BITS):
                parities ^= (word >> bit & 1) << bit % 3
            if check != parities ^ 7:
                return None
        return Position(word >> 1, word & 1)

    def _two_slots(self, image: bytes | bytearray) -> Position | None:
        """Successive commits, used in turn; the later one of those that are whole."""
        found: dict[int, Position] = {}
        for slot in (0, 1):
            word, check = _SLOT.unpack_from(image, COMMIT.start + slot * _SLOT.size)
            count = word >> 1 & 3
            if check == word ^ 0xFFFF_FFFF:
                if count % 2 != slot:
                    return None
                found[count] = Position(word >> 3, word & 1)
        later = [count for count in found if (count + 1) % 4 not in found]
        return found[later[0]] if later else None


def crc16(content: bytes) -> int:
    """CRC-16/CCITT-FALSE."""
    return binascii.crc_hqx(content, 0xFFFF)
