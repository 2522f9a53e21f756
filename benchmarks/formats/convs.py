"""One convolution in every stored form: python -m benchmarks.formats.convs [--json] [--plot FILE.svg] [--density D ..]

As `python -m benchmarks.formats`, of a 3 x 3 convolution of 16 channels to 16 over 8 x 8 pixels, whole: what is decoded
once serves all of them. Ends with 1 where the planner's choice, made before anything is run, is the measured best in
less than 95 % of the layers. `--density` measures these alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.cycles.coded_conv_design import ConvLayers
from benchmarks.cycles.measure import readings, start
from benchmarks.formats.__main__ import BOARDS, DENSITIES, LEAST_AGREED, VALUES, Measured, lines
from benchmarks.formats.plot import svg
from freeml.board.board import Board, load_board
from freeml.energy.capacitor import budget_of
from freeml.ir.encoding import ENCODINGS
from freeml.ir.int_ops import ConvI8
from freeml.ir.ops import Window
from freeml.ir.types import Array
from freeml.ir.verify import storable
from freeml.pipeline import for_toolchain
from freeml.plan.encode import best
from freeml.plan.ways import ways_of

SHAPE, N_OUT = (8, 8, 16), 16
WINDOW = Window(kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1))
_TILE_BYTES = 1500


def layer_of(rng: np.random.Generator, density: float, n_values: int) -> Array:
    """Weights (outputs, products) of which about this share is not zero."""
    layers, n_in = ConvLayers("layer", rng, _TILE_BYTES, few=True), 9 * SHAPE[2]
    return layers.signs(n_in, N_OUT, density) if n_values == 1 else layers.of_values(n_in, N_OUT, density, n_values)


def measured(board: Board, values: str, density: float) -> Iterator[Measured]:
    """The layer in every form, by one firmware."""
    weight = layer_of(np.random.default_rng([8, VALUES[values], int(1000 * density)]), density, VALUES[values])
    forms = [name for name in sorted(storable(ConvI8)[1]) if ENCODINGS[name].refusal(weight) is None]
    layers = ConvLayers("formats", np.random.default_rng(1), _TILE_BYTES, few=True)
    for form in (None, *forms):
        layers.coded_conv(form, lambda _layers, _n_out, _n_in: weight, SHAPE, N_OUT, WINDOW, 1)
        layers.tile_units[layers.ops[-1].output] = SHAPE[0] * SHAPE[1] * N_OUT
    design = layers.design()
    emulator, tiles, _ = start(design, board, "zig")
    ops = list(design.graph.ops_of(ConvI8))
    ways = ways_of(design.graph, ops[-1] if forms else ops[0], [None, *forms], board)
    by_layer = {tiles.layers[one.layer].value: one for one in readings(design, board, emulator, tiles)}
    found = [by_layer[op.output] for op in ops]
    dense = found[0].kernel
    least = min((way for way, one in zip(ways, found, strict=True) if one.kernel <= dense), key=lambda way: way.n_bytes)
    budget, energy = budget_of(board), board.energy
    assert budget is not None
    assert energy is not None
    for way, one in zip(ways, found, strict=True):
        charge = one.kernel * (one.charge_share or energy.cycle_pc.value)
        yield Measured(
            board=board.name,
            values=values,
            density=density,
            form=way.encoding or "dense",
            n_bytes=way.n_bytes,
            cycles=one.kernel,
            energy_uj=budget.energy_uj(charge),
            chosen=way is best(ways),
            is_best=way is least,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="bytes, cycles and energy over density")
    parser.add_argument("--density", nargs="+", type=float, default=list(DENSITIES), metavar="D")
    args = parser.parse_args()
    rows = [
        row
        for name in BOARDS
        for values in VALUES
        for density in args.density
        for row in measured(for_toolchain(load_board(name), "zig"), values, density)
    ]
    layers = len(BOARDS) * len(VALUES) * len(args.density)
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
