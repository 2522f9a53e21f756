"""Take the power of an emulated board away in the course of inferences, and compare what it says in the end.

After a loss the board is its NVM and whatever RAM comes back with. The emulator is deterministic: two losses that leave
the same NVM and get the same garbage in RAM go on alike, so that one of them is run.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from freeml.errors import ToolFailed
from freeml.sim.engine import N_FILLS, Engine

MODES = ("none", "linear", "random", "every")
"""What --power-loss of `freeml verify --engine board` takes; random with a seed."""

_LINEAR_STEPS = 256
_RANDOM_CYCLES = 64
_SHORTEST_CYCLE = 16
_SNAPSHOTS = 256
_PATIENCE = 100  # a firmware that needs so many times an inference to answer after a loss never will


@dataclass(frozen=True, slots=True)
class CutReport:
    """What taking the power found.

    closed   everything that the mode stands for was tried
    cuts     power losses
    images   different contents of NVM that a loss left
    divergences, schedule, reason  wrong answers: 0 or 1, as the first one ends it; the instructions of each power cycle
             before it, and what was wrong
    """

    mode: str
    closed: bool
    cuts: int
    images: int
    divergences: int
    schedule: str
    reason: str
    seconds: float


@dataclass(slots=True)
class _Found:
    """A report in the making. longest: instructions after which an answer is overdue."""

    deadline: float
    longest: int = 0
    cuts: int = 0
    images: set[bytes] = field(default_factory=set)
    schedule: Sequence[int] = ()
    reason: str = ""

    def timed_out(self) -> bool:
        if time.monotonic() < self.deadline:
            return False
        self.reason = "the time limit was reached"
        return True

    def note(self, engine: Engine) -> bytes:
        """Count a loss; returns what stands for the NVM it left."""
        image = hashlib.blake2b(engine.nvm, digest_size=16).digest()
        self.cuts += 1
        self.images.add(image)
        return image


def cut_power(
    engine: Engine,
    samples: Sequence[tuple[bytes, bytes]],
    mode: str,
    *,
    limit_s: float = 300.0,
    most_cuts: int | None = None,
) -> CutReport:
    """Cut the power in inferences that begin with a cold start.

    samples    (codes of the inputs, bytes that the outputs must have)
    mode       "none"
               "linear": each power cycle of an inference is longer than the one before it, by 1/256 of an inference
               "random:SEED": 64 power cycles of 16 instructions up to a whole inference, every magnitude as likely
               "every": on the first sample, one loss after each single instruction from the cold start to the report
    most_cuts  of "every". These, and those that a time limit leaves, are spread evenly
    """
    start = time.monotonic()
    kind, _, seed = mode.partition(":")
    if kind not in MODES:
        raise ValueError(f"{mode!r} is none of {', '.join(MODES)}")
    found = _Found(start + limit_s)
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
        divergences=int(bool(found.schedule)),
        schedule=",".join(str(n) for n in found.schedule),
        reason=found.reason,
        seconds=time.monotonic() - start,
    )


def _in_one_inference(
    engine: Engine,
    cold: bytes,
    codes: bytes,
    expected: bytes,
    kind: str,
    rng: np.random.Generator,
    found: _Found,
) -> None:
    """Losses of one inference, until it reports; after the schedule power stays."""
    engine.nvm = cold
    engine.power_on()
    length = engine.infer(codes).taken.instructions
    found.longest = _PATIENCE * length
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
    engine: Engine, cold: bytes, codes: bytes, expected: bytes, most_cuts: int | None, found: _Found
) -> None:
    """One loss after n instructions, n = 1, 2, ... of one inference, each followed by power that stays."""
    engine.nvm = cold
    engine.power_on()
    length = engine.infer(codes).taken.instructions
    found.longest = _PATIENCE * length
    step = math.ceil(length / _SNAPSHOTS)
    engine.nvm = cold
    engine.power_on()
    snapshots = [engine.snapshot()]
    while not engine.run(step):
        snapshots.append(engine.snapshot())
    tried: set[tuple[bytes, int]] = set()
    for n in _spread(length, most_cuts):
        if found.timed_out():
            return
        last = min(n // step, len(snapshots) - 1)
        engine.restore(snapshots[last])
        more = n - last * step
        if more and _reports(engine, expected, [n], found, more):
            if found.reason:
                return
            continue  # Unicorn does not count what an IT block skips: the report came before the loss
        state = (found.note(engine), n % N_FILLS)
        if state in tried:
            continue
        tried.add(state)
        engine.power_on(fill=n % N_FILLS)
        _reports(engine, expected, [n], found)
        if found.reason:
            return


def _spread(length: int, most: int | None) -> Iterator[int]:
    """1 to length, each once, or `most` of them: evenly spread wherever it ends, by steps of the golden ratio."""
    stride = next(s for s in range(max(1, round(length * 0.618)), 2 * length + 2) if math.gcd(s, length) == 1)
    for k in range(length if most is None else min(most, length)):
        yield k * stride % length + 1


def _reports(engine: Engine, expected: bytes, lived: Sequence[int], found: _Found, instructions: int = 0) -> bool:
    """Run so far, or to the end where 0; whether a report came. What is wrong goes to `found`."""
    try:
        if not engine.run(instructions or found.longest):
            if instructions == 0:
                found.schedule, found.reason = list(lived), f"no result after {found.longest:,} instructions"
            return False
    except ToolFailed as error:
        found.schedule, found.reason = list(lived), error.what
        return True
    if engine.outputs() != expected:
        found.schedule, found.reason = list(lived), "the outputs are wrong"
    return True
