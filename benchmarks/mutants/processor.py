"""Processor time of what a check has started, so that a loaded machine does not decide whether a mutant dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
# fields of /proc/PID/stat behind the name, which may have spaces and brackets
_SESSION, _TIMES = 3, slice(11, 15)


def session_s(session: int) -> float | None:
    """Seconds of processor time of a session's processes and of their children that have ended; None where nobody says.

    Needs /proc/PID/stat of Linux. A child that nobody has waited for yet counts by itself.
    """
    if not (_PROC / "self" / "stat").exists():
        return None
    ticks = sum(sum(map(int, fields[_TIMES])) for fields in _processes() if int(fields[_SESSION]) == session)
    return ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> Iterator[list[str]]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                yield (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
