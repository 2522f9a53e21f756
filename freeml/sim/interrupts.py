"""Interrupt an emulated inference after every instruction, and show that nothing comes of it.

A program goes on as if there had been no interrupt where all that it can see is what it was: registers, RAM, NVM,
peripherals. That is compared at every instruction. Where something differs (a transfer over SPI that begins anew), the
rest is run, without further interrupts, and has to end as the run without any. The walk itself is a run that was
interrupted after every instruction, and has to end so, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from freeml.errors import ToolFailed
from freeml.sim.instruction import Emulator


class Interruptible(Emulator, Protocol):
    """A board that something outside can interrupt."""

    def interrupt(self, source: int) -> bool:
        """Something outside asks for an interrupt; whether it was served, to its return, or waits as it is masked."""

    def masks_interrupts(self) -> bool:
        """Whether an interrupt would wait."""

    def visible(self, hidden: tuple[int, int]) -> bytes:
        """All that the program can see between two instructions, but for a variable (address, bytes)."""

    def peek(self, address: int, n_bytes: int) -> bytes:
        """Bytes of RAM, as a debugger sees them."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What interrupts did to an inference.

    points       places between two instructions
    served       of these, where the interrupt was taken at once; elsewhere it waited
    longest_wait_cycles  for which interrupts were masked
    resumed      of the served ones, after which the program saw something else than before, and was run to its end
    wrong        of the served ones: another answer in the end, a value that was neither the old nor the new one
    nvm_changed  of the wrong ones: another NVM, at once or in the end
    reason       of the first that is wrong
    """

    points: int
    served: int
    longest_wait_cycles: int
    resumed: int
    wrong: int
    nvm_changed: int
    reason: str
    seconds: float


@dataclass(slots=True)
class Interrupts:
    """Where interrupts come from and what their handler leaves.

    source  as `interrupt` takes it
    seen    (address, bytes) of the variable in which the handler writes what it saw
    read    what it saw, of the variable's bytes
    """

    engine: Interruptible
    source: int
    seen: tuple[int, int]
    read: Callable[[bytes], Any]

    def saw(self) -> Any:
        """What the last handler saw."""
        return self.read(self.engine.peek(*self.seen))


@dataclass(slots=True)
class _Walk:
    points: int = 0
    served: int = 0
    resumed: int = 0
    wrong: int = 0
    nvm_changed: int = 0
    reason: str = ""
    masked_since: int = -1
    longest_wait: int = 0

    def note(self, reason: str, nvm_changed: bool) -> None:
        self.wrong += 1
        self.nvm_changed += nvm_changed
        self.reason = self.reason or f"after instruction {self.points:,}: {reason}"


def interrupt_everywhere(
    interrupts: Interrupts, start: Any, end: tuple[bytes, bytes], values: tuple[Any, Any], *, every: int = 1
) -> Interrupted:
    """Interrupt an inference after every instruction, or every so many, from a snapshot up to its report.

    end     NVM and outputs without interrupts
    values  what the handler may see: before the result is published, and from then on
    """
    engine, began = interrupts.engine, time.monotonic()
    walk, published = _Walk(), False
    engine.restore(start)
    try:
        while not engine.run(every):
            walk.points += 1
            published = _interrupt(interrupts, walk, end, values, published)
        _compare(engine, walk, end, "interrupted after every instruction")
    except ToolFailed as error:
        walk.note(error.what, engine.nvm != end[0])
    return Interrupted(
        walk.points,
        walk.served,
        walk.longest_wait,
        walk.resumed,
        walk.wrong,
        walk.nvm_changed,
        walk.reason,
        time.monotonic() - began,
    )


def interrupt_once(
    interrupts: Interrupts, start: Any, end: tuple[bytes, bytes], values: tuple[Any, Any], most: int
) -> Interrupted:
    """Interrupt an inference once, after an instruction, and run it to its report; at `most` places, evenly spread.

    Where interrupts are masked, it waits until they are not.
    """
    engine, began = interrupts.engine, time.monotonic()
    walk = _Walk()
    engine.restore(start)
    engine.run()
    length = engine.taken.instructions
    for place in range(1, length, max(1, length // most)):
        engine.restore(start)
        walk.points += 1
        try:
            if engine.run(place) or not _wait(interrupts):
                continue  # it came after the report
            walk.served += 1
            if interrupts.saw() not in values:
                walk.note(f"the handler saw {interrupts.saw()}", nvm_changed=False)
            engine.run()
            _compare(engine, walk, end, f"once interrupted after {place:,}")
        except ToolFailed as error:
            walk.note(error.what, engine.nvm != end[0])
    seconds = time.monotonic() - began
    return Interrupted(walk.points, walk.served, 0, 0, walk.wrong, walk.nvm_changed, walk.reason, seconds)


def _wait(interrupts: Interrupts) -> bool:
    while not interrupts.engine.interrupt(interrupts.source):
        if interrupts.engine.run(1):
            return False
    return True


def _interrupt(
    interrupts: Interrupts, walk: _Walk, end: tuple[bytes, bytes], values: tuple[Any, Any], published: bool
) -> bool:
    """One interrupt, here; whether the handler saw the new result."""
    engine = interrupts.engine
    cycles = engine.taken.cycles
    if engine.masks_interrupts():
        walk.masked_since = cycles if walk.masked_since < 0 else walk.masked_since
        return published
    before, nvm = engine.visible(interrupts.seen), engine.nvm
    if not engine.interrupt(interrupts.source):
        raise AssertionError("an interrupt waits that is not masked")
    if walk.masked_since >= 0:
        walk.longest_wait = max(walk.longest_wait, cycles - walk.masked_since)
        walk.masked_since = -1
    walk.served += 1
    saw = interrupts.saw()
    if saw not in (values[1:] if published else values):
        walk.note(f"the handler saw {saw}", nvm_changed=False)
    if engine.nvm != nvm:
        walk.note("the handler wrote to NVM", nvm_changed=True)
    if engine.visible(interrupts.seen) != before:
        walk.resumed += 1
        _run_to_the_end(engine, walk, end)
    return published or saw == values[1] != values[0]


def _run_to_the_end(engine: Interruptible, walk: _Walk, end: tuple[bytes, bytes]) -> None:
    here = engine.snapshot()
    try:
        engine.run()
        _compare(engine, walk, end, "once interrupted")
    except ToolFailed as error:
        walk.note(error.what, engine.nvm != end[0])
    engine.restore(here)


def _compare(engine: Interruptible, walk: _Walk, end: tuple[bytes, bytes], how: str) -> None:
    nvm, outputs = end
    if engine.nvm != nvm:
        walk.note(f"{how}, it leaves another NVM", nvm_changed=True)
    elif engine.outputs() != outputs:
        walk.note(f"{how}, it gives other outputs", nvm_changed=False)
