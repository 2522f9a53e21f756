"""Instructions of a program, counted by valgrind's callgrind."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path


def count(program: Path, args: Sequence[str] = (), data: bytes = b"") -> int:
    """Instructions from start to exit."""
    with tempfile.TemporaryDirectory() as work:
        log = Path(work) / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={log}", str(program), *args]
        subprocess.run(command, input=data, capture_output=True, check=True)
        totals = next(line for line in log.read_text().splitlines() if line.startswith(("totals:", "summary:")))
        return int(totals.split()[1])
