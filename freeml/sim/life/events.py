"""Every boot, loss, event and answer of a life as a table."""

from __future__ import annotations

import csv
from pathlib import Path

from freeml.errors import BadOutput
from freeml.sim.life.native import (
    LOG_COMMIT,
    LOG_DONE,
    LOG_LOSS,
    LOG_MISSED,
    LOG_ON,
    LOG_START,
)
from freeml.sim.life.run import Lived

ALL = LOG_ON | LOG_LOSS | LOG_START | LOG_DONE | LOG_MISSED | LOG_COMMIT
NAMES = {
    LOG_ON: "boot",
    LOG_LOSS: "loss",
    LOG_START: "event",
    LOG_DONE: "answer",
    LOG_MISSED: "missed",
    LOG_COMMIT: "commit",
}
_RIGHT = ("wrong", "right", "")
_OF_EVENT = (LOG_START, LOG_DONE, LOG_MISSED)


def write_events(lived: Lived, path: Path) -> None:
    """time_s, what, event, depth, right, latency_s, capacitor_v. Raises BadOutput where it cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("time_s", "what", "event", "depth", "right", "latency_s", "capacitor_v"))
            rows = sorted(lived.log.tolist(), key=lambda row: float(row[0]))  # misses are noticed later
            for time_s, value, event, what, depth, right, _ in rows:
                is_answer = what == LOG_DONE
                table.writerow(
                    (
                        f"{time_s:.9g}",
                        NAMES[what],
                        event if what in _OF_EVENT else "",
                        depth if is_answer else "",
                        _RIGHT[right] if is_answer else "",
                        f"{value:.6g}" if is_answer else "",
                        "" if is_answer else f"{value:.6g}",
                    )
                )
    except OSError as error:
        raise BadOutput(f"cannot write there: {error.strerror}", where=str(path)) from error
