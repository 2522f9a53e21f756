"""Every state that power losses can leave a board's firmware in, booted: NVM-image reachability on the ELF itself.

After a loss the board is its NVM. So a loss matters only between two writes to NVM, and a board is safe if from every
reachable NVM image it publishes the right answer. Starting from blank, full, garbage, foreign and damaged NVM
(first_images.py), each image is booted once with each reading of the energy meter; every image on its way to a
commit is put on the work list, and so is the one it is at then. When the list is empty, any number of losses at any
instruction has been tried, for these samples. RAM comes back with other garbage at each boot.
runtime_c/test/crash_closure.c does the same, with other samples, on the host.

A write wider than the memory's atomic unit is split, lower address first: the order in which the bus delivers it.
Memory that tears may also leave a unit as the complement of what was written, the worst there is: one in each step, in
its first attempt; any number of losses follow. More of them are for the host.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from freeml.errors import ToolFailed
from freeml.plan.protocol import SUMS
from freeml.plan.step_table import Kind
from freeml.sim.device import Answer
from freeml.sim.instruction import Emulator, NvmWrite, Reading
from freeml.sim.power_loss.control_block import COMMIT, ControlBlock, Position
from freeml.sim.power_loss.first_images import FirstImage, Losses

_CHUNK_INSTRUCTIONS = 4_000
_MOST_CHUNKS = 1_000_000
_PUBLISHED = b"published"

# An image that was seen is seen no more: what boots with fewer losses may not come before what boots with more.
_MOST_LOSSES_FIRST: tuple[Losses, ...] = ("all", "cold", "none")

OnImage = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BoardClosure:
    """What booting every reachable image found.

    closed       nothing reachable is left, and from every image the right answer is published and reported, under the
                 number that is due
    images       different contents of NVM, each booted
    steps        that some of them had committed
    writes       atomic writes executed
    divergences  0, or 1: the first one ends it
    reason       what was wrong, or why it is not closed
    """

    closed: bool
    images: int
    steps: int
    writes: int
    divergences: int
    reason: str
    seconds: float


class _WrongAnswerError(Exception):
    """A boot did not end in the right answer."""


@dataclass(frozen=True, slots=True)
class _Item:
    """An image to boot.

    is_first  a step is tried for the first time from here: memory that tears may tear
    sequence  of the result that must come
    reading   of the meter, by its number
    """

    content: bytes
    is_first: bool
    losses: Losses
    sequence: int
    reading: int = 0


@dataclass
class _Search:
    """The images seen, those to boot, and where each one leads if power stays."""

    engine: Emulator
    expected: Answer
    control: ControlBlock
    readings: Sequence[Reading | None]  # None: the meter is left as it is
    atomic_bytes: int
    tears: bool
    seen: dict[bytes, bool] = field(default_factory=dict)  # by what stands for an image: whether it was a first one
    todo: list[_Item] = field(default_factory=list)  # compressed
    leads_to: dict[bytes, set[bytes]] = field(default_factory=dict)
    steps: set[int] = field(default_factory=set)
    writes: int = 0

    def add(self, key: bytes, image: bytes | bytearray, is_first: bool, item: _Item) -> bytes:
        """Put an image on the list unless it was seen; returns what stands for it.

        One that waits for the next inference already is no part of this one.
        """
        seen = self.seen.get(key)
        if seen or seen is is_first or (seen is not None and not self.tears):
            return key
        if self.control.is_done(image, item.sequence):
            return _PUBLISHED
        self.seen[key] = is_first
        for reading in range(len(self.readings)):
            self.todo.append(_Item(zlib.compress(image, 1), is_first, item.losses, item.sequence, reading))
        return key

    def start(self, first: FirstImage) -> None:
        """Begin with this image."""
        item = _Item(first.content, first.tears, first.losses, self.control.next_sequence(first.content))
        self.add(_key(first.content), first.content, first.tears, item)

    def boot(self, item: _Item) -> None:
        """Power on with this image, and go on until something is written after a commit, or to the answer.

        Between the last write before the answer, which publishes, and the answer power may fail, too. What completes
        the report is no part of this inference.
        """
        image = zlib.decompress(item.content)
        engine, start, begun = self.engine, _key(image), self.control.committed(image)
        self.steps |= {begun.step} if begun else set()
        engine.nvm = image
        engine.power_on(fill=len(self.leads_to))
        reading = self.readings[item.reading]
        if reading is not None:
            engine.meter(*reading)
        path = _Path(self, item, bytearray(image))
        published = False
        for _ in range(_MOST_CHUNKS):
            published, writes = engine.logged_writes(_CHUNK_INSTRUCTIONS)
            for at, data in self._atomic(writes):
                path.write(at, data)
            if published or path.is_beyond:
                break
        else:
            raise _WrongAnswerError("no commit and no answer")
        if bytes(path.image) != engine.nvm:
            raise _WrongAnswerError("NVM does not hold what was written to it")
        if not published and not path.follows:
            published = engine.run(_CHUNK_INSTRUCTIONS * _MOST_CHUNKS)  # with a limit: a change translates it all again
        if published:
            self._judge(begun, item.sequence)
        end = path.loss() if path.follows else start
        self.leads_to.setdefault(start, set()).add(_PUBLISHED if published else end)

    def _judge(self, begun: Position | None, sequence: int) -> None:
        """Compare what is reported, and what stands in NVM, with what must be.

        A decision that was committed is not made again: the depth is one that is still open from where the boot began.
        """
        engine, image = self.engine, self.engine.nvm
        depth = engine.result().depth
        if depth not in self.control.depths_from(begun, image):
            raise _WrongAnswerError(f"the report is of depth {depth}, which was decided against")
        wrong = self.expected.wrong(engine.outputs(), engine.result(), sequence)
        if wrong:
            raise _WrongAnswerError(wrong)
        expected = engine.result()
        at, newest = self.control.committed(image), self.control.newest(image)
        if newest != expected or at is None or self.control.kind_of(at) is not Kind.REPORT:
            raise _WrongAnswerError(f"NVM holds {newest} at {at}, not {expected} waiting for its report")

    def _atomic(self, writes: Sequence[NvmWrite]) -> Iterator[tuple[int, bytes]]:
        size = self.atomic_bytes
        for write in writes:
            at, data = write.offset_bytes, write.data
            while data:
                n = size - at % size
                yield at, data[:n]
                at, data = at + n, data[n:]

    def endless(self) -> bool:
        """Whether some image, with some reading of the meter, never leads to an answer although power stays."""
        comes_from: dict[bytes, list[bytes]] = {}
        for key, ends in self.leads_to.items():
            for end in ends:
                comes_from.setdefault(end, []).append(key)
        open_ends = {key: len(ends) for key, ends in self.leads_to.items()}
        answered = [_PUBLISHED]
        while answered:
            for key in comes_from.get(answered.pop(), ()):
                open_ends[key] -= 1
                if open_ends[key] == 0:
                    answered.append(key)
        return any(open_ends.values())


@dataclass
class _Path:
    """One boot: the image as its writes change it, and the images that losses leave on the way."""

    search: _Search
    item: _Item
    image: bytearray
    follows: bool = field(init=False)  # losses are tried
    tears: bool = field(init=False)
    is_first: bool = field(init=False)  # of the present image
    is_beyond: bool = False  # something was written behind a commit
    committed: bool = False
    _key: bytes = b""  # of the image; empty where it changed since

    def __post_init__(self) -> None:
        self.follows, self.is_first = self.item.losses != "none", self.item.is_first
        self.tears = self.search.tears and self.is_first

    def loss(self) -> bytes:
        """Power fails here. Returns what stands for the image that it leaves."""
        if not self._key:
            self._key = _key(self.image)
        return self.search.add(self._key, self.image, self.is_first, self.item)

    def write(self, at: int, data: bytes) -> None:
        """The next write of an atomic unit; power may fail before it and, where the memory tears, in it."""
        self.search.writes += 1
        if self.follows:
            self.loss()
            if self.tears:
                self._tear(at, data)
        # What the last commit is of shows only in what follows: a tile's data, or the report.
        self.is_beyond = self.committed and at not in COMMIT
        self.is_first = False
        if at < SUMS:
            self._control(at, data)
        else:
            self._change(at, data)

    def _control(self, at: int, data: bytes) -> None:
        """A write to the control block: it may complete a commit, or an identity, which is as much."""
        before = self.search.control.committed(self.image)
        self._change(at, data)
        now = self.search.control.committed(self.image)
        if now is not None and now != before:  # a decision erases the slot of its commit first, which commits nothing
            self.committed = self.is_first = True
            self.tears = self.search.tears
            if self.item.losses == "cold" and now.step > self.search.control.steps.rows[1].first:
                self.follows = False

    def _change(self, at: int, data: bytes) -> None:
        if self.image[at : at + len(data)] != data:
            self.image[at : at + len(data)] = data
            self._key = b""

    def _tear(self, at: int, data: bytes) -> None:
        """The unit becomes the complement of what is written."""
        garbage = bytes(byte ^ 0xFF for byte in data)
        if garbage != self.image[at : at + len(data)]:
            torn = bytearray(self.image)
            torn[at : at + len(data)] = garbage
            self.search.add(_key(torn), torn, False, self.item)


def _key(image: bytes | bytearray) -> bytes:
    return hashlib.blake2b(image, digest_size=16).digest()


def close(
    engine: Emulator,
    codes: bytes,
    expected: Answer,
    control: ControlBlock,
    *,
    atomic_bytes: int,
    tears: bool = False,
    first: Iterable[FirstImage] = (),
    readings: Sequence[Reading] = (),
    limit_s: float = 300.0,
    on_image: OnImage = lambda _done, _left: None,
) -> BoardClosure:
    """Boot every reachable NVM image of one inference.

    codes         what the sensors show
    expected      what must be reported of it
    control       how the model's images are read
    atomic_bytes  aligned writes of so many bytes happen wholly or not at all
    tears         whether a loss may leave such a write as garbage
    first         images to begin with, beside the one that the engine has
    readings      what the energy meter may show: each is tried from each image, and lasts until the next loss
    """
    began = time.monotonic()
    engine.sense(codes)
    cold = engine.nvm
    search = _Search(engine, expected, control, list(readings) or [None], atomic_bytes, tears)
    starts = [FirstImage(cold, "all"), *first]
    reason, divergences = "", 0
    try:
        for losses in _MOST_LOSSES_FIRST:
            for start in starts:
                if start.losses == losses:
                    search.start(start)
            while search.todo and not reason:
                if time.monotonic() - began > limit_s:
                    reason = "the time limit was reached"
                on_image(len(search.leads_to), len(search.todo))
                search.boot(search.todo.pop())
        if not reason and search.endless():
            raise _WrongAnswerError("from some image no answer comes, however long power stays")
    except (_WrongAnswerError, ToolFailed) as error:
        reason, divergences = str(error), 1
    finally:
        engine.nvm = cold
    return BoardClosure(
        closed=not reason,
        images=len(search.seen),
        steps=len(search.steps),
        writes=search.writes,
        divergences=divergences,
        reason=reason,
        seconds=time.monotonic() - began,
    )
