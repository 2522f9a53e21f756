"""Losses of power as text, such as "12,8": what the explorer reports of a fault, and what a user replays."""

from __future__ import annotations

import ctypes
import re

from freeml.errors import BadOutput
from freeml.sim.power_loss.crash_types import MOST_FAULTS, CFault, CLoss

_NO_LOSS = 2**32 - 1
_LOSS = re.compile(r"(\d+|end)(?::([0-9a-z]+))?((?:~[0-9a-f]{2})?(?:-\d+(?:=[0-9a-f]{2})?)*)")
_FAULT = re.compile(r"-(\d+)(?:=([0-9a-f]{2}))?|~([0-9a-f]{2})")


def parse_schedule(text: str) -> list[CLoss]:
    """Losses from text: "12,8" is after 12 writes, then after 8 more.

    "12:02" adds the answers to the first two readings of sensor and energy meter, by their numbers, 0 to 9 and a to z:
    the sensor has two samples, the meter a reading on each side of each level of the policy, the most energy first.
    "12~5a" adds a next byte that became garbage, "12-3" a third last write that is missing, "12-3=5a" one that became
    garbage; one loss may have several of these, in this order, later writes first. "end:1" is the last power cycle,
    without a loss.

    >>> [loss.writes for loss in parse_schedule("12,8")]
    [12, 8]
    """
    losses = []
    for part in text.split(","):
        match = _LOSS.fullmatch(part.strip())
        faults = [_fault(*found.groups()) for found in _FAULT.finditer(match[3])] if match else []
        if match is None or len(faults) > MOST_FAULTS or any(fault is None for fault in faults):
            raise BadOutput(
                f"{part!r} is no power loss", where="schedule", hint="write numbers of writes, such as 12,8"
            )
        digits = match[2] or ""
        answers = (ctypes.c_uint8 * len(digits))(*(int(digit, 36) for digit in digits))
        array = (CFault * MOST_FAULTS)(*(fault for fault in faults if fault is not None))
        writes = _NO_LOSS if match[1] == "end" else int(match[1])
        losses.append(CLoss(writes, len(digits), answers, len(faults), array))
    return losses


def _fault(ago: str | None, garbage: str | None, next_byte: str | None) -> CFault | None:
    """None where no unit is so long ago: none that waits for a barrier."""
    if ago is None:
        return CFault(0, 1, int(next_byte or "0", 16))
    if not 0 < int(ago) <= MOST_FAULTS:
        return None
    return CFault(int(ago), garbage is not None, int(garbage or "0", 16))
