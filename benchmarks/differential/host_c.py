"""The emitted C of a quantized net, built for this machine, against the interpreter: the same bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from freeml.board.board import load_board
from freeml.codegen.emit import render, runtime_files
from freeml.codegen.generate import generate
from freeml.errors import DoesNotFit
from freeml.firmware.host import build_host_library
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret
from freeml.ir.ops import Reshape
from freeml.ir.types import Array
from freeml.plan.planner import lay_out
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_tiles import verify_tiles
from freeml.sim.host import HostDevice
from freeml.sim.sampled import SampledDevice
from freeml.sim.steps import ModelSteps


def computes(graph: Graph) -> bool:
    """Whether a graph has anything for the device to do."""
    return any(not isinstance(op, Reshape) for op in graph.ops)


def differs(graph: Graph, samples: Sequence[Array], *, tile_bytes: int) -> str:
    """Empty where the C gives the interpreter's bytes in tiles of at most tile_bytes; else the output that differs."""
    graph, plan = lay_out(replace(graph, name="net"))
    board = load_board("host")
    try:
        tiles = plan_tiles(graph, plan, board, sram_tile_bytes=tile_bytes)
    except DoesNotFit:
        tiles = plan_tiles(graph, plan, board, sram_tile_bytes=1 << 16)
    program = generate(graph, plan, verify_tiles(graph, plan, tiles), header=["/* a random net */"])
    inputs = encode_inputs(graph, samples)
    with tempfile.TemporaryDirectory(prefix="freeml-net-") as folder:
        root = Path(folder)
        for name, text in {**render(program), **runtime_files(program)}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        sources = [root / "net.c", *sorted(root.glob("runtime/*.c")), *sorted(root.glob("hal/*.c"))]
        library = build_host_library(sources, [root, root / "runtime", root / "hal"], root / "net.so", optimise="-O0")
        steps = ModelSteps.of(tiles)
        device = HostDevice(library, graph, steps, nvm_bytes=program.nvm_bytes, sram_bytes=program.sram_bytes)
        found = SampledDevice(device, graph).run(inputs)
    for name, expected in interpret(graph, inputs).items():
        if not np.array_equal(found[name], expected):
            return f"the C differs from the interpreter in {name}"
    return ""
