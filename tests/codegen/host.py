"""One helper for all tests of generated code: graph -> files -> library of this machine -> the oracle's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from freeml.board.board import load_board
from freeml.codegen.emit import render, runtime_files
from freeml.codegen.generate import generate
from freeml.codegen.program import Program
from freeml.firmware.host import build_host_library
from freeml.ir.decision import lasting, published
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.ir.ops import Reshape
from freeml.plan.memory import plan_memory
from freeml.plan.schedule import schedule
from freeml.plan.step_table import Kind, StepTable, step_table
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_memory import verify_memory
from freeml.plan.verify_tiles import verify_tiles
from freeml.sim.host import HostDevice
from freeml.sim.sampled import SampledDevice
from freeml.sim.steps import ModelSteps

HEADER = ["/* made by a test */"]


def program_of(graph: Graph, *, tile_bytes: int = 4096, is_staged: bool = False) -> Program:
    """is_staged: for NVM that no pointer can read."""
    board = load_board("host")
    if is_staged:
        board = board.model_copy(update={"nvm": board.nvm.model_copy(update={"kind": "spi_fram"})})
    plan = verify_memory(graph, plan_memory(graph, in_place=False))
    tiles = plan_tiles(graph, plan, board, sram_tile_bytes=tile_bytes)
    return generate(graph, plan, verify_tiles(graph, plan, tiles), header=HEADER)


def write(files: Mapping[str, str], folder: Path) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def files_of(program: Program) -> dict[str, str]:
    return {**render(program), **runtime_files(program)}


def sources(folder: Path) -> list[Path]:
    """What every program with a model links: runtime, kernels, this machine's board interface."""
    return [*sorted(folder.glob("runtime/*.c")), *sorted(folder.glob("hal/*.c"))]


def includes(folder: Path) -> list[Path]:
    return [folder, folder / "runtime", folder / "hal"]


def load(
    graph: Graph, folder: Path, *, optimise: str = "-O0", tile_bytes: int = 4096, is_staged: bool = False
) -> SampledDevice:
    """Build the model for this machine with all warnings as errors."""
    program = program_of(graph, tile_bytes=tile_bytes, is_staged=is_staged)
    write(files_of(program), folder)
    everything = [folder / f"{graph.name}.c", *sources(folder)]
    library = build_host_library(everything, includes(folder), folder / "model.so", optimise=optimise)
    return on_host(library, graph, program, is_staged=is_staged)


def on_host(library: Path, graph: Graph, program: Program, *, is_staged: bool = False) -> SampledDevice:
    """A library of this machine, to be run."""
    table = step_table_of(program)
    steps = ModelSteps(table, program.commit_slots)
    sizes = {"nvm_bytes": program.nvm_bytes, "sram_bytes": program.sram_bytes}
    return SampledDevice(HostDevice(library, graph, steps, **sizes, is_staged=is_staged), graph)


def step_table_of(program: Program) -> StepTable:
    """What follows from the kinds of the rows that the C has."""
    rows = [dict(row.fields) for row in program.rows]
    first = [*(int(row[".first_step"].removesuffix("u")) for row in rows), program.n_steps]
    kinds = [Kind[row[".kind"].removeprefix("FML_")] for row in rows]
    return step_table((kind, b - a) for kind, (a, b) in zip(kinds, pairwise(first), strict=True))


def computes(graph: Graph) -> bool:
    """Whether a graph has anything for the device to do."""
    return any(not isinstance(op, Reshape) for op in graph.ops)


def check(
    graph: Graph,
    folder: Path,
    *,
    n_samples: int = 3,
    optimise: str = "-O0",
    tile_bytes: int = 4096,
    is_staged: bool = False,
) -> None:
    """The C and the interpreter give the same bytes and results for random codes, with tiles of at most tile_bytes."""
    graph = schedule(graph, in_place=False)
    rng = np.random.default_rng(1)
    inputs = {
        p.value: rng.integers(-128, 128, (n_samples, *graph.types[p.value].shape), dtype=np.int8) for p in graph.inputs
    }
    model = load(graph, folder, optimise=optimise, tile_bytes=tile_bytes, is_staged=is_staged)
    found = model.run(inputs)
    expected = interpret(graph, inputs, lasting(graph))
    for name in graph.output_values:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    found_classes, confidences = published(graph, expected)
    assert [(one.class_index, one.confidence) for one in model.published] == list(
        zip(found_classes.tolist(), confidences.tolist(), strict=True)
    )
    assert [(one.sequence, one.depth) for one in model.published] == [(k + 1, 1) for k in range(n_samples)]
