"""One dense layer in every stored form, over density: python -m benchmarks.formats [--json] [--plot FILE.svg]

A layer of 160 inputs and 24 outputs, of any values, of 15, of 3, or of one and its negative, is stored in each form
that takes it, and run whole on the emulated boards below. Printed are bytes as they are stored, cycles of the kernel,
and its energy. The best form is the smallest of those whose cycles are no more than the dense layer's; the planner's
choice, made from prices before anything is run, has to be that form in 95 % of all layers, or it ends with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.cycles.coded_design import CodedLayers
from benchmarks.cycles.measure import Reading, readings, start
from benchmarks.formats.plot import svg
from freeml.board.board import Board, load_board
from freeml.energy.capacitor import budget_of
from freeml.ir.encoding import ENCODINGS
from freeml.ir.int_ops import DenseI8
from freeml.ir.types import Array
from freeml.ir.verify import storable
from freeml.pipeline import for_toolchain
from freeml.plan.encode import best
from freeml.plan.ways import Way, ways_of

BOARDS = ("msp430fr5994", "qemu_m4")
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.9)
VALUES = {"any": 0, "15 values": 15, "3 values": 3, "one value": 1}
N_IN, N_OUT = 160, 24
LEAST_AGREED = 0.95
_TILE_BYTES = 1500


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


def layer_of(rng: np.random.Generator, density: float, n_values: int) -> Array:
    """Weights of which about this share is not zero."""
    layers = CodedLayers("layer", rng, _TILE_BYTES, few=True)
    return layers.signs(N_IN, N_OUT, density) if n_values == 1 else layers.of_values(N_IN, N_OUT, density, n_values)


def measured(board: Board, values: str, densities: Sequence[float]) -> Iterator[Measured]:
    """Layers of these densities in every form, by one firmware."""
    layers = CodedLayers("formats", np.random.default_rng(1), _TILE_BYTES, few=True)
    asked: list[tuple[float, list[str | None], list[str]]] = []
    for density in densities:
        weight = layer_of(np.random.default_rng([7, VALUES[values], int(1000 * density)]), density, VALUES[values])
        known = [name for name in sorted(storable(DenseI8)[1]) if ENCODINGS[name].refusal(weight) is None]
        forms, outputs = [None, *known], []
        for form in forms:
            layers.coded(form, weight)
            outputs.append(layers.ops[-1].output)
            layers.tile_units[outputs[-1]] = N_OUT
        asked.append((density, forms, outputs))
    design = layers.design()
    emulator, tiles, _ = start(design, board, "zig")
    by_layer = {tiles.layers[one.layer].value: one for one in readings(design, board, emulator, tiles)}
    for density, forms, outputs in asked:
        ways = ways_of(design.graph, design.graph.producers[outputs[0]], forms, board)
        yield from _compared(board, values, density, ways, [by_layer[output] for output in outputs])


def _compared(
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


def lines(rows: list[Measured]) -> Iterator[str]:
    yield f"{'board':13} {'values':10} {'density':>7} {'form':10} {'bytes':>6} {'cycles':>8} {'energy':>9}"
    for row in rows:
        mark = {(True, True): "  best, chosen", (True, False): "  chosen", (False, True): "  best"}
        said = mark.get((row.chosen, row.is_best), "")
        yield (
            f"{row.board:13} {row.values:10} {row.density:7.2f} {row.form:10} {row.n_bytes:6,} {row.cycles:8,.0f} "
            f"{row.energy_uj:6.2f} uJ{said}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="bytes, cycles and energy over density")
    args = parser.parse_args()
    rows = [
        row
        for name in BOARDS
        for values in VALUES
        for some in (DENSITIES[:4], DENSITIES[4:])
        for row in measured(for_toolchain(load_board(name), "zig"), values, some)
    ]
    layers = len(BOARDS) * len(VALUES) * len(DENSITIES)
    agreed = sum(row.chosen and row.is_best for row in rows)
    if args.plot:
        args.plot.write_text(svg([asdict(row) for row in rows]), encoding="utf-8")
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print("\n".join(lines(rows)))
        print(f"\nthe choice is the measured best in {agreed} of {layers} layers ({agreed / layers:.1%})")
    return 0 if agreed >= LEAST_AGREED * layers else 1


if __name__ == "__main__":
    sys.exit(main())
