"""What NVM may hold when a firmware boots for the first time, or after damage: images for closure to begin with.

Foreign images are those of this model under another identity, over an arena of other bytes: a runtime that takes one
for its own goes on amid an inference that never was; and `strangers`, which firmware of other networks left. Damaged
ones are this model's with one bit changed in what is protected: identity, result records, and the commit record where
it has a check.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from freeml.errors import ToolFailed
from freeml.plan.protocol import RESULT_SLOT_BYTES, RESULTS, SUMS
from freeml.plan.step_table import Kind
from freeml.plan.steps import TilePlan
from freeml.sim.instruction import Emulator
from freeml.sim.power_loss.control_block import (
    COMMIT,
    IDENTITY,
    ControlBlock,
    Position,
)
from freeml.sim.power_loss.foreign import fitted

# One bit of each field, lowest and highest bytes among them: digest, digest, layout version, magic.
_IDENTITY_BITS = (0, 31, 32, 63, 64, 79, 80, 95)
_LAYOUT_VERSION = slice(8, 10)
_LAYOUTS = (0, 1, 2, 3, 4)
# Two results: CRC, what is unused, sequence, class, confidence, depth.
_RESULT_FIELDS = [RESULTS + slot * RESULT_SLOT_BYTES + at for slot in (0, 1) for at in (0, 2, 4, 7, 8, 10, 11)]
_MOST_STEPS = 6
_COLD_WITH_LOSSES = 11
_CHUNK_INSTRUCTIONS, _MOST_CHUNKS = 1_000, 100_000

Losses = Literal["all", "cold", "none"]


@dataclass(frozen=True, slots=True)
class FirstImage:
    """An image to begin with.

    losses  which are tried on the way: all; those up to the commit of the first tile, behind which an inference differs
            from one that began elsewhere in dead bytes and its number alone; none
    tears   whether a unit may tear before the first commit: not beside damage, as a bit that flipped in a commit slot
            and the worst garbage in the same one can make up a commit
    """

    content: bytes
    losses: Losses
    tears: bool = True


def blank_images(n_bytes: int, seed: int = 1, losses: Losses = "all") -> Iterator[FirstImage]:
    """Zeros, ones, garbage."""
    for content in (bytes(n_bytes), b"\xff" * n_bytes, np.random.default_rng(seed).bytes(n_bytes)):
        yield FirstImage(content, losses)


def first_images(
    control: ControlBlock, own: Sequence[bytes], strangers: Sequence[bytes] = (), seed: int = 2
) -> Iterator[FirstImage]:
    """Blank, foreign, damaged, and one that waits for the second input.

    own        what commit_images gives
    strangers  the same of firmware with other networks
    Losses are tried all through the second inference, too: a cold start in it, which one from a blank NVM bears,
    loses results and their numbers.
    """
    rng, n_bytes = np.random.default_rng(seed), len(own[0])
    yield from blank_images(n_bytes, losses="cold")
    yield FirstImage(own[-1], "all")
    for number, content in enumerate(strangers):
        yield FirstImage(fitted(content, n_bytes), "cold" if number % _COLD_WITH_LOSSES == 1 else "none")
    for number, image in enumerate(spread_images(own)):
        foreign, damaged = list(foreign_images(image, rng.bytes(n_bytes))), list(damaged_images(control, image))
        for k, content in enumerate([*foreign, *damaged]):
            # One cold start is like another: losses in a few of them, at one commit point.
            losses: Losses = "cold" if number == 1 and k % _COLD_WITH_LOSSES == 0 else "none"
            yield FirstImage(content, losses, tears=k < len(foreign))


def commit_images(engine: Emulator, codes: bytes, tiles: TilePlan) -> tuple[ControlBlock, list[bytes]]:
    """How a firmware's images are read, and those behind the commits of its first inference, the report's included.

    Raises as Emulator.run does, and ToolFailed where the report is never committed.
    """
    engine.nvm = bytes(len(engine.nvm))
    engine.sense(codes)
    engine.power_on()
    image = bytearray(engine.nvm)
    _, writes = engine.logged_writes()
    control = ControlBlock(tiles.steps, tiles.commit_slots, engine.nvm[IDENTITY], tiles.state_bytes)
    found: list[bytes] = []
    last: Position | None = None
    for _ in range(_MOST_CHUNKS):
        for write in writes:
            image[write.offset_bytes : write.offset_bytes + len(write.data)] = write.data
            at = control.committed(image)
            if at is not None and at != last:
                found.append(bytes(image))
                if len(found) > 1 and control.kind_of(at) is Kind.CAPTURE:
                    return control, found
            last = at or last
        _, writes = engine.logged_writes(_CHUNK_INSTRUCTIONS)
    raise ToolFailed("after its first report the firmware never waits for an input")


def foreign_images(image: bytes, garbage: bytes) -> Iterator[bytes]:
    """Of other models and layouts, at the commit point of this one, over other bytes in the arena."""
    other = image[:SUMS] + garbage[SUMS : len(image)]
    for bit in _IDENTITY_BITS:
        yield flipped(other, 8 * IDENTITY.start + bit)
    for version in _LAYOUTS:
        layout = other[: _LAYOUT_VERSION.start] + version.to_bytes(2, "little") + other[_LAYOUT_VERSION.stop :]
        if layout != other:
            yield layout


def damaged_images(control: ControlBlock, image: bytes) -> Iterator[bytes]:
    """One bit wrong: any of a checked commit word, one in each part of two slots, one in each field of the results."""
    if control.commit_slots == 1 and control.has_check:
        for bit in range(16):
            yield flipped(image, 8 * COMMIT.start + bit)
    commits = range(COMMIT.start, COMMIT.stop, 2) if control.commit_slots == 2 else range(0)
    for number, at in enumerate((*commits, *_RESULT_FIELDS)):
        yield flipped(image, 8 * at + (3 * number) % 8)


def flipped(image: bytes, bit: int) -> bytes:
    """The image with one bit changed."""
    return image[: bit // 8] + bytes([image[bit // 8] ^ 1 << bit % 8]) + image[bit // 8 + 1 :]


def spread_images(images: Sequence[bytes], most: int = _MOST_STEPS) -> list[bytes]:
    """At most so many of them, first and last included."""
    n = min(most, len(images))
    return [images[round(k * (len(images) - 1) / max(n - 1, 1))] for k in range(n)]
