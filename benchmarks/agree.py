"""Whether `freeml analyze` and `freeml compile` say the same: python -m benchmarks.agree [--models ..] [--boards ..]

Every model file of FREEML_DATA/models and of the examples, on every board. Analyze knows no ranges of activations;
compile gets those of two random samples, and its firmware is built. They agree where both fit, or both refuse for the
same region; where no row of analyze's memory table says less than the firmware takes of what a board has, nor another
verdict; and where the smallest capacitor is the same, does, and nine tenths of it do not. energy: analyze's over
compile's. Exit code 1 where they do not agree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.command import command
from freeml.analysis import Analysis, analyze
from freeml.board.board import Board, board_names, load_board
from freeml.c_files import c_files
from freeml.data.folders import data_root
from freeml.errors import DoesNotFit, FreemlError
from freeml.firmware.build import Toolchain
from freeml.frontend.load import LoadedModel, load_model
from freeml.ir.graph import Graph
from freeml.needs import Region, regions
from freeml.passes.pipeline import run_passes
from freeml.pipeline import for_toolchain, measure_memory, planned_graph
from freeml.plan.inference import inference_cost
from freeml.plan.planner import plan_graph, smallest_uf
from freeml.quantize.lower import lower
from freeml.quantize.observe import observe
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales
from freeml.units import show_capacitor

TOOLCHAIN: Toolchain = "zig"
ROOT = Path(__file__).resolve().parents[1]
_LIMITED = ("flash_bytes", "nvm_bytes", "sram_bytes")


def model_files() -> list[Path]:
    """All of the suite, smallest first."""
    folders = (data_root() / "models", ROOT / "examples")
    found = [path for folder in folders for kind in ("*.onnx", "*.tflite") for path in folder.rglob(kind)]
    return sorted(found, key=lambda path: (path.stat().st_size, path.name))


def coded(loaded: LoadedModel) -> Graph:
    """The integer graph on the ranges of two random samples, as `freeml compile` would have it from data."""
    graph = run_passes(replace(loaded.graph, name="model"))
    rng = np.random.default_rng(0)
    samples = [rng.random((2, *port.shape), dtype=np.float32) for port in graph.inputs]
    return lower(graph, assign_scales(graph, observe(graph, samples), RULES["min-max"]))


def compile_for(graph: Graph, board: Board) -> tuple[Mapping[str, Region], float | None]:
    """Memory table of the firmware, and charge of an inference in pC. Raises DoesNotFit."""
    planned = planned_graph(graph, board, None)
    tiles = planned.feasible
    program, files = c_files(planned.graph, planned.memory, tiles, board, header=(), windows=planned.windows)
    needed, _ = measure_memory(program, files, board, TOOLCHAIN)
    board.check_fit(**{name: needed[name] for name in _LIMITED})
    made = inference_cost(tiles)
    return regions(board, needed), made.charge_pc if made else None


def differences(analysis: Analysis, graph: Graph, board: Board) -> Iterator[str]:
    """What analyze says otherwise than compile; and first, in brackets, what both say."""
    refusal: DoesNotFit | None = None
    built: Mapping[str, Region] = {}
    charge_pc: float | None = None
    try:
        built, charge_pc = compile_for(graph, board)
    except DoesNotFit as error:
        refusal = error
    said = f"does not fit {refusal.region}" if refusal else "fits"
    if charge_pc and analysis.inference:
        said += f", energy {analysis.inference.charge_pc / charge_pc:.3f}"
    yield f"[{said}]"
    if (analysis.refusal is None) != (refusal is None):
        yield f"analyze: {analysis.refusal.what if analysis.refusal else 'fits'}; compile: {refusal or 'fits'}"
    elif analysis.refusal is not None and refusal is not None and analysis.refusal.region != refusal.region:
        yield f"analyze: too little {analysis.refusal.region}; compile: too little {refusal.region}"
    rows = analysis.regions
    if analysis.refusal and analysis.refusal.region in rows and all(region.fits for region in rows.values()):
        yield "analyze refuses, and all rows of its memory table fit"
    for name, region in built.items():
        if region.available_bytes is not None and rows[name].needed_bytes < region.needed_bytes:
            yield f"{name}: analyze {rows[name].needed_bytes:,}, compile {region.needed_bytes:,}"
        if analysis.fits and not rows[name].fits:
            yield f"{name}: a row of analyze's table fails, though the model fits"
    yield from _capacitors(analysis, graph, board)


def _capacitors(analysis: Analysis, graph: Graph, board: Board) -> Iterator[str]:
    named = analysis.smallest_capacitor_uf
    own = smallest_uf(graph, board, windows=plan_graph(graph, board).windows)
    if named != own:
        yield f"smallest capacitor: analyze {named}, compile {own} uF"
    if own is None:
        return
    for factor, does in ((1.0, True), (0.9, False)):
        try:
            planned_graph(graph, board, own * factor)
            found = True
        except DoesNotFit as error:
            found = error.region != "energy"
            if not found and show_capacitor(own) not in error.hint:
                yield f"the smallest capacitor is {show_capacitor(own)}, compile's hint says: {error.hint}"
        if found != does:
            yield f"with {factor} times the smallest capacitor the plan {'does' if found else 'does not do'}"


def said(path: Path, board_name: str) -> list[str]:
    """What both commands say of a model file on a board, in brackets, and in what they differ."""
    try:
        loaded = load_model(str(path))
        board = for_toolchain(load_board(board_name), TOOLCHAIN)
        return list(differences(analyze(loaded, load_board(board_name), None, TOOLCHAIN), coded(loaded), board))
    except DoesNotFit:
        raise
    except FreemlError as error:
        return [f"[refused: {error.what}]"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", type=Path)
    parser.add_argument("--boards", nargs="+", default=board_names())
    args = parser.parse_args()
    wrong = pairs = 0
    print(command(__file__), end="\n\n")
    for path in args.models or model_files():
        for name in args.boards:
            pairs += 1
            found = said(path, name)
            wrong += len(found) > 1
            print(f"{path.name:32} {name:16} {'; '.join(found)}", flush=True)
    print(f"{pairs} pairs, {wrong} of them differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
