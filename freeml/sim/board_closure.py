"""Every state that power losses can leave a board's firmware in, booted: NVM-image reachability on the ELF itself.

After a loss the board is its NVM. So a loss matters only between two writes to NVM, and a board is safe if from every
reachable NVM image it publishes the right answer. Starting from blank, full and garbage NVM, each image is booted once;
every image on its way to a commit is put on the work list, and so is the one it is at then. When the list is empty, any
number of losses at any instruction has been tried, for these sensor readings. RAM comes back with other garbage at each
boot. runtime_c/test/crash_closure.c does the same, with other readings, on the host.

A write wider than the memory's atomic unit is split, lower address first: the order in which the bus delivers it.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from freeml.errors import ToolFailed
from freeml.sim.engine import Engine, NvmWrite

_CHUNK_INSTRUCTIONS = 4_000
_MOST_CHUNKS = 1_000_000
_COMMIT_RECORD = range(16, 32)  # FML_NVM_COMMIT of fml_runtime.h, up to the results
_PUBLISHED = b"published"

OnImage = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BoardClosure:
    """What booting every reachable image found.

    closed       nothing reachable is left, and from every image the right answer is published
    images       different contents of NVM, each booted once
    writes       atomic writes executed
    divergences  0, or 1: the first one ends it
    reason       what was wrong, or why it is not closed
    """

    closed: bool
    images: int
    writes: int
    divergences: int
    reason: str
    seconds: float


class _WrongAnswerError(Exception):
    """A boot did not end in the right answer."""


@dataclass
class _Search:
    """The images seen, those to boot, and where each one leads if power stays."""

    engine: Engine
    expected: bytes
    atomic_bytes: int
    seen: set[bytes] = field(default_factory=set)
    todo: list[bytes] = field(default_factory=list)  # compressed
    leads_to: dict[bytes, bytes] = field(default_factory=dict)
    writes: int = 0

    def add(self, image: bytes) -> bytes:
        """Put an image on the list unless it was seen; returns what stands for it."""
        key = hashlib.blake2b(image, digest_size=16).digest()
        if key not in self.seen:
            self.seen.add(key)
            self.todo.append(zlib.compress(image, 1))
        return key

    def boot(self, image: bytes) -> None:
        """Power on with this image, and go on until something is written after a commit, or to the answer.

        Between the last write before the answer, which publishes, and the answer power may fail, too. What completes
        the report is no part of this inference.
        """
        engine, start = self.engine, hashlib.blake2b(image, digest_size=16).digest()
        engine.nvm = image
        engine.power_on(fill=len(self.leads_to))
        current = bytearray(image)
        committed = beyond = published = False
        for _ in range(_MOST_CHUNKS):
            published, writes = engine.logged_writes(_CHUNK_INSTRUCTIONS)
            for at, data in self._atomic(writes):
                self.add(bytes(current))
                self.writes += 1
                current[at : at + len(data)] = data
                # What the last commit is of shows only in what follows: a tile's data, or the report.
                beyond = committed and at not in _COMMIT_RECORD
                committed |= at in _COMMIT_RECORD
            if published or beyond:
                break
        else:
            raise _WrongAnswerError("no commit and no answer")
        if bytes(current) != engine.nvm:
            raise _WrongAnswerError("NVM does not hold what was written to it")
        if published and engine.outputs() != self.expected:
            raise _WrongAnswerError("the outputs are wrong")
        end = self.add(bytes(current))
        self.leads_to[start] = _PUBLISHED if published else end

    def _atomic(self, writes: Sequence[NvmWrite]) -> Iterator[tuple[int, bytes]]:
        size = self.atomic_bytes
        for write in writes:
            at, data = write.offset_bytes, write.data
            while data:
                n = size - at % size
                yield at, data[:n]
                at, data = at + n, data[n:]

    def endless(self) -> bool:
        """Whether some image never leads to an answer although power stays."""
        ends: set[bytes] = {_PUBLISHED}
        for first in self.leads_to:
            path: list[bytes] = []
            key = first
            while key not in ends and key in self.leads_to and len(path) <= len(self.leads_to):
                path.append(key)
                key = self.leads_to[key]
            if key not in ends:
                return True
            ends.update(path)
        return False


def close(
    engine: Engine,
    codes: bytes,
    expected: bytes,
    *,
    atomic_bytes: int,
    limit_s: float = 300.0,
    on_image: OnImage = lambda _done, _left: None,
) -> BoardClosure:
    """Boot every reachable NVM image of one inference.

    codes         what the sensors show
    expected      bytes that the outputs must have
    atomic_bytes  aligned writes of so many bytes happen wholly or not at all
    """
    began = time.monotonic()
    engine.sense(codes)
    cold = engine.nvm
    search = _Search(engine, expected, atomic_bytes)
    for start in (bytes(len(cold)), b"\xff" * len(cold), np.random.default_rng(1).bytes(len(cold)), cold):
        search.add(start)
    reason, divergences = "", 0
    try:
        while search.todo:
            if time.monotonic() - began > limit_s:
                reason = "the time limit was reached"
                break
            on_image(len(search.leads_to), len(search.todo))
            search.boot(zlib.decompress(search.todo.pop()))
        if not reason and search.endless():
            raise _WrongAnswerError("from some image no answer comes, however long power stays")
    except (_WrongAnswerError, ToolFailed) as error:
        reason, divergences = str(error), 1
    finally:
        engine.nvm = cold
    return BoardClosure(
        closed=not reason,
        images=len(search.seen),
        writes=search.writes,
        divergences=divergences,
        reason=reason,
        seconds=time.monotonic() - began,
    )
