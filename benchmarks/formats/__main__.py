"""One dense layer in every stored form, over density: python -m benchmarks.formats [--json] [--plot FILE.svg]

A layer of 160 inputs and 24 outputs, of any values, of 15, of 3, or of one and its negative, is stored in each form
that takes it, and run whole on the emulated boards below. Printed are bytes as they are stored, cycles of the kernel,
and its energy. The best form is the smallest of those whose cycles are no more than the dense layer's; the planner's
choice, made from prices before anything is run, has to be that form in 95 % of all layers, or it ends with 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cycles.coded_design import CodedLayers
from benchmarks.cycles.measure import readings, start
from benchmarks.formats.compare import DENSITIES, TILE_BYTES, VALUES, Measured, compared, rows_of, told
from freeml.board.board import Board
from freeml.ir.int_ops import DenseI8
from freeml.ir.types import Array
from freeml.plan.encode import forms_of
from freeml.plan.ways import ways_of

N_IN, N_OUT = 160, 24


def layer_of(rng: np.random.Generator, density: float, n_values: int) -> Array:
    """Weights of which about this share is not zero."""
    layers = CodedLayers("layer", rng, TILE_BYTES, few=True)
    return layers.signs(N_IN, N_OUT, density) if n_values == 1 else layers.of_values(N_IN, N_OUT, density, n_values)


def measured(board: Board, values: str, densities: Sequence[float]) -> Iterator[Measured]:
    """Layers of these densities in every form, by one firmware."""
    layers = CodedLayers("formats", np.random.default_rng(1), TILE_BYTES, few=True)
    asked: list[tuple[float, list[str | None], list[str]]] = []
    for density in densities:
        weight = layer_of(np.random.default_rng([7, VALUES[values], int(1000 * density)]), density, VALUES[values])
        forms, outputs = [None, *forms_of(DenseI8, weight)], []
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
        yield from compared(board, values, density, ways, [by_layer[output] for output in outputs])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="bytes, cycles and energy over density")
    args = parser.parse_args()
    halves = (DENSITIES[:4], DENSITIES[4:])  # a firmware holds no more
    rows = rows_of(lambda board, values: (row for some in halves for row in measured(board, values, some)))
    return told(__file__, rows, as_json=args.json, plot=args.plot)


if __name__ == "__main__":
    sys.exit(main())
