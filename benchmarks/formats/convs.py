"""One convolution in every stored form: python -m benchmarks.formats.convs [--json] [--plot FILE.svg] [--density D ..]

As `python -m benchmarks.formats`, of a 3 x 3 convolution of 16 channels to 16 over 8 x 8 pixels, whole: what is decoded
once serves all of them. Ends with 1 where the planner's choice, made before anything is run, is the measured best in
less than 95 % of the layers. `--density` measures these alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.cycles.coded_conv_design import ConvLayers
from benchmarks.cycles.measure import readings, start
from benchmarks.formats.compare import DENSITIES, TILE_BYTES, VALUES, Measured, compared, rows_of, told
from freeml.board.board import Board
from freeml.ir.int_ops import ConvI8
from freeml.ir.ops import Window
from freeml.ir.types import Array
from freeml.plan.encode import forms_of
from freeml.plan.ways import ways_of

SHAPE, N_OUT = (8, 8, 16), 16
WINDOW = Window(kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1))


def layer_of(rng: np.random.Generator, density: float, n_values: int) -> Array:
    """Weights (outputs, products) of which about this share is not zero."""
    layers, n_in = ConvLayers("layer", rng, TILE_BYTES, few=True), 9 * SHAPE[2]
    return layers.signs(n_in, N_OUT, density) if n_values == 1 else layers.of_values(n_in, N_OUT, density, n_values)


def measured(board: Board, values: str, density: float) -> Iterator[Measured]:
    """The layer in every form, by one firmware."""
    weight = layer_of(np.random.default_rng([8, VALUES[values], int(1000 * density)]), density, VALUES[values])
    forms = forms_of(ConvI8, weight)
    layers = ConvLayers("formats", np.random.default_rng(1), TILE_BYTES, few=True)
    for form in (None, *forms):
        layers.coded_conv(form, lambda _layers, _n_out, _n_in: weight, SHAPE, N_OUT, WINDOW, 1)
        layers.tile_units[layers.ops[-1].output] = SHAPE[0] * SHAPE[1] * N_OUT
    design = layers.design()
    emulator, tiles, _ = start(design, board, "zig")
    ops = list(design.graph.ops_of(ConvI8))
    ways = ways_of(design.graph, ops[-1] if forms else ops[0], [None, *forms], board)
    by_layer = {tiles.layers[one.layer].value: one for one in readings(design, board, emulator, tiles)}
    yield from compared(board, values, density, ways, [by_layer[op.output] for op in ops])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="bytes, cycles and energy over density")
    parser.add_argument("--density", nargs="+", type=float, default=list(DENSITIES), metavar="D")
    args = parser.parse_args()
    rows = rows_of(lambda board, values: (row for each in args.density for row in measured(board, values, each)))
    return told(__file__, rows, as_json=args.json, plot=args.plot)


if __name__ == "__main__":
    sys.exit(main())
