"""A layer in each form as it ran, and as the planner would choose: what both tables of formats have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.command import command
from benchmarks.cycles.measure import Reading
from benchmarks.formats.plot import svg
from freeml.board.board import Board, load_board
from freeml.energy.capacitor import budget_of
from freeml.pipeline import for_toolchain
from freeml.plan.encode import best
from freeml.plan.ways import Way

BOARDS = ("msp430fr5994", "qemu_m4")
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.9)
VALUES = {"any": 0, "15 values": 15, "3 values": 3, "one value": 1}
TILE_BYTES = 1500
_LEAST_AGREED = 0.95


@dataclass(frozen=True)
class Measured:
    """A layer in one form, as it ran; `chosen` where the planner takes it, `is_best` where it should."""

    board: str
    values: str
    density: float
    form: str
    n_bytes: int
    cycles: float
    energy_uj: float
    chosen: bool = False
    is_best: bool = False


def compared(
    board: Board, values: str, density: float, ways: Sequence[Way], found: Sequence[Reading]
) -> Iterator[Measured]:
    """One layer in its forms, the dense one first: what the planner would take, and what measured best."""
    budget, energy = budget_of(board), board.energy
    assert budget is not None
    assert energy is not None
    no_slower = (way for way, one in zip(ways, found, strict=True) if one.kernel <= found[0].kernel)
    least = min(no_slower, key=lambda way: way.n_bytes)
    for way, one in zip(ways, found, strict=True):
        yield Measured(
            board=board.name,
            values=values,
            density=density,
            form=way.encoding or "dense",
            n_bytes=way.n_bytes,
            cycles=one.kernel,
            energy_uj=budget.energy_uj(one.kernel * (one.charge_share or energy.cycle_pc.value)),
            chosen=way is best(ways),
            is_best=way is least,
        )


def _lines(rows: Sequence[Measured]) -> Iterator[str]:
    yield f"{'board':13} {'values':10} {'density':>7} {'form':10} {'bytes':>6} {'cycles':>8} {'energy':>9}"
    for row in rows:
        mark = {(True, True): "  best, chosen", (True, False): "  chosen", (False, True): "  best"}
        said = mark.get((row.chosen, row.is_best), "")
        yield (
            f"{row.board:13} {row.values:10} {row.density:7.2f} {row.form:10} {row.n_bytes:6,} {row.cycles:8,.0f} "
            f"{row.energy_uj:6.2f} uJ{said}"
        )


def rows_of(measured: Callable[[Board, str], Iterator[Measured]]) -> list[Measured]:
    """Layers of every kind of values on every board."""
    boards = [for_toolchain(load_board(name), "zig") for name in BOARDS]
    return [row for board in boards for values in VALUES for row in measured(board, values)]


def told(file: str, rows: Sequence[Measured], *, as_json: bool, plot: Path | None) -> int:
    """Print and draw the rows of the benchmark in a file.

    The exit code: 1 where the choice is the measured best in less than 95 % of the layers.
    """
    layers = len({(row.board, row.values, row.density) for row in rows})
    agreed = sum(row.chosen and row.is_best for row in rows)
    if plot:
        plot.write_text(svg([asdict(row) for row in rows]), encoding="utf-8")
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print(command(file), end="\n\n")
        print("\n".join(_lines(rows)))
        print(f"\nthe choice is the measured best in {agreed} of {layers} layers ({agreed / layers:.1%})")
    return 0 if agreed >= _LEAST_AGREED * layers else 1
