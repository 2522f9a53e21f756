"""Entries of [cycles] in a board's file, with where they come from."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.board_cycles.fit import Fit


def write_entries(path: Path, fitted: Fit, n_networks: int) -> None:
    """Replace every entry that was measured; the others stay as they are. Raises ValueError where one is missing."""
    head, cycles = path.read_text(encoding="utf-8").split("[cycles]\n")
    for entry, value in fitted.values.items():
        if entry in fitted.fixed:
            continue
        if entry == "boot":
            source = f"measured: emulated, zig's code, worst of {fitted.exercised[entry]:,} boots amid an inference"
        else:
            source = f"measured: emulated, zig's code, above {fitted.exercised[entry]:,} steps of {n_networks} networks"
        source += f" (python -m benchmarks.board_cycles {path.stem})"
        line = f'{entry} = {{ value = {_number(value)}, source = "{source}" }}'
        cycles, n = re.subn(rf"(?m)^{entry} = .*$", line, cycles)
        if n != 1:
            raise ValueError(f"{path.name} has {n} entries {entry}")
    path.write_text(f"{head}[cycles]\n{cycles}", encoding="utf-8")


def _number(value: float) -> str:
    return f"{int(value):_}" if value == int(value) else repr(value)
