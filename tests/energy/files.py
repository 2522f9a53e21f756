"""Small traces in text, as a logger would write them."""

from __future__ import annotations

from pathlib import Path

from freeml.energy.derive import derive
from freeml.energy.read import Found, OnDefect, read_recording
from freeml.energy.told import Told
from freeml.energy.trace import Trace


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def found(path: Path, on_defect: OnDefect = "report", **told: object) -> Found:
    return read_recording(path, Told(**told), on_defect)  # type: ignore[arg-type]


def trace(path: Path, on_defect: OnDefect = "report", **told: object) -> Trace:
    options = Told(**told)  # type: ignore[arg-type]
    return derive(read_recording(path, options, on_defect).used, options, path.name)


def places(path: Path, on_defect: OnDefect = "report", **told: object) -> list[tuple[str, int]]:
    """Rule and line of each defect."""
    return [(one.rule, one.line) for one in found(path, on_defect, **told).recorded.defects]
