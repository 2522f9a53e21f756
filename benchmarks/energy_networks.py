"""Networks with exits as devices by table: heads attached, quantized, planned for a board, samples answered.

Costs are the plan's prices of each step, exit heads and decisions among them; nothing is compiled.

    python -m benchmarks.energy_networks

trains the exits of MNIST-8 (seed 0, shared heads, no test sample read) and writes benchmarks/exits/models/mnist.onnx.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np

from benchmarks.exits.networks import MODELS, NETWORKS
from freeml.board.board import Board, load_board
from freeml.data import Dataset, load
from freeml.data.folders import data_root
from freeml.exits.attach import attached, exposed
from freeml.exits.calibrate import best_temperature, softness
from freeml.exits.driver import make_exits
from freeml.exits.options import HeadOptions, Request
from freeml.exits.outputs import with_outputs
from freeml.frontend.load import load_model
from freeml.frontend.onnx.write import to_onnx
from freeml.ir.confidence import Softness
from freeml.ir.graph import Graph
from freeml.passes.pipeline import run_passes
from freeml.pipeline import for_toolchain, planned_graph
from freeml.quantize.search import quantize
from freeml.sim.life.costs import planned_load
from freeml.sim.life.load import Load
from freeml.sim.life.outcomes import Outcomes
from freeml.sim.life.samples import outcomes_of

_CALIBRATION = 512


@dataclass(frozen=True)
class Deciding:
    """A network with exits on a board.

    calibration, test  what samples of each split give; for calibration changed as benchmarks/exits/networks.py says
    softness           of each exit, temperatures of calibration samples
    """

    name: str
    board: Board
    load: Load
    softness: tuple[Softness, ...]
    n_classes: int
    calibration: Outcomes
    test: Outcomes


def deciding(name: str, data: str, board_name: str, samples: int) -> Deciding:
    """benchmarks/exits/models/NAME.onnx. samples: at most of each split."""
    board = for_toolchain(load_board(board_name), "auto")
    graph = run_passes(load_model(MODELS / f"{name}.onnx").graph)
    made = make_exits(graph, Request("outputs"))
    known = load(data, "calibration").take(_CALIBRATION)
    own = [port.value for port in made.graph.outputs]
    whole = quantize(exposed(made.graph, made.heads), known.real_inputs(), ends=own).graph
    exits = attached(whole, made.heads, made.graph)
    tiles = planned_graph(exits.graph, board, None).feasible
    tuned_on = NETWORKS[name].calibration(samples) if name in NETWORKS else load(data, "calibration").take(samples)
    calibration, labels = _outcomes(exits.graph, tuned_on)
    test, _ = _outcomes(exits.graph, load(data, "test").take(samples))
    soft = tuple(
        softness(exits.scale, best_temperature(calibration.scores[:, k] * exits.scale, labels))
        for k in range(calibration.scores.shape[1])
    )
    load_ = planned_load(name, tiles, board)
    return Deciding(name, board, load_, soft, calibration.scores.shape[2], calibration, test)


def _outcomes(graph: Graph, dataset: Dataset) -> tuple[Outcomes, np.ndarray]:
    assert dataset.labels is not None
    return outcomes_of(graph, dataset, seed=1), dataset.labels


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    graph = run_passes(load_model(next((data_root() / "models" / "mnist8").glob("*.onnx"))).graph)
    train, held = load("mnist", "train").take(8_000), load("mnist", "calibration").take(2_000)
    request = Request("auto", HeadOptions(kind="shared", epochs=20), budget_bytes=1_500)
    made = make_exits(graph, request, train, held, say=lambda line: print(line, flush=True))
    (MODELS / "mnist.onnx").write_bytes(to_onnx(with_outputs(made.graph, made.heads)))
    print(made.how)
    return 0


if __name__ == "__main__":
    sys.exit(main())
