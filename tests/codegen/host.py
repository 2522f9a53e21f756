"""One helper for all tests of generated code: graph -> files -> library of this machine -> the oracle's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from freeml.codegen.emit import render, runtime_files
from freeml.codegen.generate import generate
from freeml.codegen.program import Program
from freeml.firmware.host import build_host_library
from freeml.firmware.run import HostModel
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.plan.memory import plan_memory
from freeml.plan.schedule import schedule
from freeml.plan.verify import verify_plan

HEADER = ["/* made by a test */"]


def program_of(graph: Graph) -> Program:
    return generate(graph, verify_plan(graph, plan_memory(graph)), header=HEADER)


def write(files: Mapping[str, str], folder: Path) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def files_of(program: Program) -> dict[str, str]:
    return {**render(program), **runtime_files(program)}


def load(graph: Graph, folder: Path, *, optimise: str = "-O0") -> HostModel:
    """Build the model for this machine with all warnings as errors."""
    write(files_of(program_of(graph)), folder)
    sources = [folder / f"{graph.name}.c", *sorted((folder / "runtime").glob("*.c"))]
    library = build_host_library(sources, [folder, folder / "runtime"], folder / "model.so", optimise=optimise)
    return HostModel(library, graph)


def check(graph: Graph, folder: Path, *, n_samples: int = 3, optimise: str = "-O0") -> None:
    """The C and the interpreter give the same bytes for random codes."""
    graph = schedule(graph)
    rng = np.random.default_rng(1)
    inputs = {
        p.value: rng.integers(-128, 128, (n_samples, *graph.types[p.value].shape), dtype=np.int8) for p in graph.inputs
    }
    found = load(graph, folder, optimise=optimise).run(inputs)
    for name, expected in interpret(graph, inputs).items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
