"""The command of a benchmark, which is the first line of its result: so a result says how it is made again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def command(file: str) -> str:
    """How the module in that file was called, as one types it: `python -m benchmarks.NAME ARGUMENTS`."""
    parts = Path(file).resolve().relative_to(_ROOT).with_suffix("").parts
    module = ".".join(part for part in parts if part != "__main__")
    return shlex.join(["python", "-m", module, *sys.argv[1:]])
