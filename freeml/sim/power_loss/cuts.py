"""Take the power of an emulated board away in the course of inferences, and compare what it reports in the end: the
outputs, class and confidence, and the number that is due.

After a loss the board is its NVM and whatever RAM comes back with. The emulator is deterministic: two losses that leave
the same NVM and get the same garbage in RAM go on alike, so that one of them is run.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from freeml.errors import ToolFailed
from freeml.sim.device import N_FILLS, Answer, Result
from freeml.sim.instruction import Emulator

MODES = ("none", "linear", "random", "every")
"""What --power-loss of `freeml verify --engine board` takes; random with a seed."""

_LINEAR_STEPS = 256
_RANDOM_CYCLES = 64
_SHORTEST_CYCLE = 16
_SNAPSHOTS = 256
_TAIL_CHUNK, _TAIL_CHUNKS_BEYOND = 128, 16  # instructions; so many of them from the first write of a commit on
_TAIL_CUTS = 128
_LATE = "the time limit was reached"
_PATIENCE = 100  # a firmware that needs so many times an inference to answer after a loss never will


@dataclass(frozen=True, slots=True)
class CutReport:
    """What taking the power found.

    closed   everything that the mode stands for was tried
    cuts     power losses up to the report
    images   different contents of NVM that they left
    behind   power losses between the report and the next inference; repeats: those that brought the same report again,
             as they must up to its commit, and may not behind it
    divergences, schedule, reason  wrong answers: 0 or 1, as the first one ends it; the instructions of each power cycle
             before it, and what was wrong
    """

    mode: str
    closed: bool
    cuts: int
    images: int
    behind: int
    repeats: int
    divergences: int
    schedule: str
    reason: str
    seconds: float
    behaviours: tuple[str, ...] = ("instruction",)


@dataclass(slots=True)
class _Found:
    """A report in the making.

    longest   instructions after which an answer is overdue
    sequence  of the result that is due
    """

    deadline: float
    on_loss: Callable[[bytes], None]
    longest: int = 0
    sequence: int = 0
    cuts: int = 0
    behind: int = 0
    repeats: int = 0
    images: set[bytes] = field(default_factory=set)
    schedule: Sequence[int] = ()
    reason: str = ""

    def timed_out(self) -> bool:
        if time.monotonic() < self.deadline:
            return False
        self.reason = _LATE
        return True

    def note(self, engine: Emulator) -> bytes:
        """Count a loss; returns what stands for the NVM it left."""
        left = engine.nvm
        self.on_loss(left)
        image = hashlib.blake2b(left, digest_size=16).digest()
        self.cuts += 1
        self.images.add(image)
        return image


def lose_power_on_board(
    engine: Emulator,
    samples: Sequence[tuple[bytes, Answer]],
    mode: str,
    *,
    limit_s: float = 300.0,
    most_cuts: int | None = None,
    on_loss: Callable[[bytes], None] = lambda _: None,
) -> CutReport:
    """Cut the power in inferences that begin with a cold start.

    samples    (codes of the inputs, what must be reported of them)
    mode       "none"
               "linear": each power cycle of an inference is longer than the one before it, by 1/256 of an inference
               "random:SEED": 64 power cycles of 16 instructions up to a whole inference, every magnitude as likely
               "every": on the first sample, one loss after each single instruction from the cold start to the second
               report, and some from each report to the next inference
    most_cuts  of "every", shared by two inferences. These, and those that a time limit leaves, are spread evenly
    on_loss    gets the NVM that each loss up to the report leaves
    """
    start = time.monotonic()
    kind, _, seed = mode.partition(":")
    if kind not in MODES:
        raise ValueError(f"{mode!r} is none of {', '.join(MODES)}")
    found = _Found(start + limit_s, on_loss)
    cold = engine.nvm
    if kind == "every":
        _everywhere(engine, cold, *samples[0], most_cuts, found)
    elif kind != "none":
        for number, (codes, expected) in enumerate(samples):
            rng = np.random.default_rng([int(seed or 0), number])
            _in_one_inference(engine, cold, codes, expected, kind, rng, found)
            if found.reason:
                found.reason = f"sample {number}: {found.reason}"
                break
    engine.nvm = cold
    return CutReport(
        mode=mode,
        closed=not found.reason,
        cuts=found.cuts,
        images=len(found.images),
        behind=found.behind,
        repeats=found.repeats,
        divergences=int(bool(found.schedule)),
        schedule=",".join(str(n) for n in found.schedule),
        reason=found.reason,
        seconds=time.monotonic() - start,
    )


def _undisturbed(engine: Emulator, cold: bytes, codes: bytes, expected: Answer, found: _Found) -> tuple[int, int]:
    """Two inferences without a loss, whose results are numbered one after the other; instructions of both."""
    engine.nvm = cold
    engine.power_on()
    first = engine.infer(codes)
    found.longest, found.sequence = _PATIENCE * first.taken.instructions, first.result.sequence
    then = engine.infer(codes)
    for result, sequence in ((first.result, found.sequence), (then.result, found.sequence + 1)):
        due = expected.at(result.depth).result(max(sequence, 1))
        if sequence < 1 or result != due:
            found.schedule = [0]
            found.reason = f"without a loss the report is {result}, not {due}"
    return first.taken.instructions, then.taken.instructions


def _in_one_inference(
    engine: Emulator,
    cold: bytes,
    codes: bytes,
    expected: Answer,
    kind: str,
    rng: np.random.Generator,
    found: _Found,
) -> None:
    """Losses of one inference, until it reports; after the schedule power stays."""
    length, _ = _undisturbed(engine, cold, codes, expected, found)
    if found.reason:
        return
    cycles = _cycles(kind, length, rng)
    engine.nvm = cold
    lived: list[int] = []
    for instructions in cycles:
        if found.timed_out():
            return
        engine.power_on()
        lived.append(instructions)
        if _reports(engine, expected, lived, found, instructions):
            return
        found.note(engine)
    engine.power_on()
    _reports(engine, expected, lived, found)


def _cycles(kind: str, length: int, rng: np.random.Generator) -> Sequence[int]:
    """Instructions of each power cycle."""
    if kind == "linear":
        step = math.ceil(length / _LINEAR_STEPS)
        return range(step, length + 2 * step, step)
    exponents = rng.uniform(size=_RANDOM_CYCLES)
    return [int(_SHORTEST_CYCLE * (length / _SHORTEST_CYCLE) ** u) for u in exponents]


def _everywhere(
    engine: Emulator, cold: bytes, codes: bytes, expected: Answer, most_cuts: int | None, found: _Found
) -> None:
    """One loss after n instructions, n = 1, 2, ... of two inferences, each followed by power that stays.

    The second one begins with the commit of the first one's report, and has half of the time.
    """
    lengths = _undisturbed(engine, cold, codes, expected, found)
    if found.reason:
        return
    engine.nvm = cold
    engine.power_on()
    most = None if most_cuts is None else -(-most_cuts // len(lengths))
    limit, late = found.deadline, ""
    for number, length in enumerate(lengths):
        now = time.monotonic()
        found.deadline = now + (limit - now) / (len(lengths) - number)
        last = _each_instruction(engine, expected, length, number, most, found)
        if found.schedule:
            return
        engine.restore(last)
        engine.run(length)
        reported = engine.snapshot()
        _behind_the_report(engine, expected, length, found)
        if found.schedule:
            return
        late, found.reason = late or found.reason, ""
        engine.restore(reported)
        found.sequence += 1
    found.reason = late


def _each_instruction(
    engine: Emulator, expected: Answer, length: int, number: int, most_cuts: int | None, found: _Found
) -> Any:
    """Losses of one inference, from where the board is to its report; returns a snapshot shortly before that.

    number  of inferences behind the cold start; with one, its report may come again before the one that is due
    """
    step = math.ceil(length / _SNAPSHOTS)
    snapshots = [engine.snapshot()]
    while not engine.run(step):
        snapshots.append(engine.snapshot())
    tried: set[tuple[bytes, int]] = set()
    for n in spread(length, most_cuts):
        if found.timed_out():
            break
        last = min(n // step, len(snapshots) - 1)
        engine.restore(snapshots[last])
        more = n - last * step
        if more and _reports(engine, expected, [n], found, more):
            if found.reason:
                break
            continue  # Unicorn does not count what an IT block skips: the report came before the loss
        state = (found.note(engine), n % N_FILLS)
        if state in tried:
            continue
        tried.add(state)
        engine.power_on(fill=n % N_FILLS)
        _reports(engine, expected, [n], found, passing=number > 0)
        if found.reason:
            break
    return snapshots[-1]


def _behind_the_report(engine: Emulator, expected: Answer, length: int, found: _Found) -> None:
    """Losses from a report to the commit of it and a little on: the same report comes again, or the next; no other."""
    reported, before = engine.snapshot(), engine.nvm
    tail = 0
    while engine.nvm == before and tail < found.longest:
        engine.run(_TAIL_CHUNK)
        tail += _TAIL_CHUNK
    tail += _TAIL_CHUNKS_BEYOND * _TAIL_CHUNK
    expected = expected.at(engine.result().depth)  # the meter shows the same all through
    again, following = expected.result(found.sequence), expected.result(found.sequence + 1)
    for n in spread(tail, _TAIL_CUTS):
        if found.timed_out():
            return
        engine.restore(reported)
        engine.run(n)
        found.behind += 1
        engine.power_on(fill=n % N_FILLS)
        results: list[Result] = []
        while len(results) < 2 and (not results or results[-1] == again) and _comes(engine, [length, n], found):
            results.append(engine.result())
        if found.reason:
            return
        found.repeats += results[0] == again
        if results not in ([following], [again, following]):
            found.schedule, found.reason = [length, n], f"after {again} the reports are {results}"
            return


def _comes(engine: Emulator, lived: Sequence[int], found: _Found) -> bool:
    """Run to the next report; whether it came. What is wrong goes to `found`."""
    try:
        if engine.run(found.longest):
            return True
        found.schedule, found.reason = list(lived), f"no result after {found.longest:,} instructions"
    except ToolFailed as error:
        found.schedule, found.reason = list(lived), error.what
    return False


def spread(length: int, most: int | None) -> Iterator[int]:
    """1 to length, each once, or `most` of them: evenly spread wherever it ends, by steps of the golden ratio."""
    stride = next(s for s in range(max(1, round(length * 0.618)), 2 * length + 2) if math.gcd(s, length) == 1)
    for k in range(length if most is None else min(most, length)):
        yield k * stride % length + 1


def _reports(
    engine: Emulator,
    expected: Answer,
    lived: Sequence[int],
    found: _Found,
    instructions: int = 0,
    *,
    passing: bool = False,
) -> bool:
    """Run so far, or to the end where 0; whether a report came. What is wrong goes to `found`.

    passing: the report before the one that is due may come again
    """
    try:
        if not engine.run(instructions or found.longest):
            if instructions == 0:
                found.schedule, found.reason = list(lived), f"no result after {found.longest:,} instructions"
            return False
    except ToolFailed as error:
        found.schedule, found.reason = list(lived), error.what
        return True
    result = engine.result()
    if passing and result == expected.at(result.depth).result(found.sequence - 1):
        return _reports(engine, expected, lived, found)
    wrong = expected.wrong(engine.outputs(), result, found.sequence)
    if wrong:
        found.schedule, found.reason = list(lived), wrong
    return True
