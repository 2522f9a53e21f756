"""Cycles of a dense network's convolutions and dense layers on a board, each emulated alone as it would be compiled.

What a layer takes does not depend on its numbers, so that they are drawn. Layers whose weights the board does not hold
are emulated in slices of their outputs, whose cycles add up.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from freeml.board.board import Board
from freeml.c_files import c_files
from freeml.firmware.build import Toolchain
from freeml.ir import ops as f
from freeml.ir.graph import Graph, Stage
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.types import Const, DType, Port, Quant, TensorType
from freeml.ir.verify import verify_graph
from freeml.output.folder import Sources, write_folder
from freeml.plan.planner import plan_graph
from freeml.sim.board_device import board_device
from freeml.sim.profile import counted, measure_steps

_MOST_WEIGHTS = 100_000  # bytes of a slice
_QUANT = Quant(0.1, 0)


def dense_cycles(graph: Graph, board: Board, toolchain: Toolchain = "auto") -> int:
    """Sum over the layers of a float graph: of their tiles alone, without capture, publication and report."""
    unpriced = board.model_copy(update={"energy": None, "capacitor": None})
    return sum(_cycles(one, unpriced, toolchain) for op in graph.ops for one in slices(graph, op))


def slices(graph: Graph, op: f.Op) -> Iterator[Graph]:
    """A convolution or dense layer as networks of its own; nothing for another op."""
    if not isinstance(op, f.Conv | f.Dense):
        return
    weight, x, y = (graph.consts[op.inputs[1]].array, graph.types[op.inputs[0]], graph.types[op.output])
    per_output = weight[0].size
    grouped = isinstance(op, f.Conv) and op.groups > 1
    most = len(weight) if grouped else max(1, _MOST_WEIGHTS // per_output)
    rng = np.random.default_rng(0)
    for first in range(0, len(weight), most):
        n = min(most, len(weight) - first)
        consts = {
            "w": Const(rng.integers(-127, 128, (n, *weight.shape[1:]), dtype=np.int8)),
            "b": Const(np.zeros(n, np.int32)),
            "m": Const(np.full(n, 40_000, np.uint16)),
            "s": Const(np.full(n, 24, np.uint8)),
        }
        common = {"output": "y", "inputs": ("x", *consts), "loc": op.loc, "y_zp": 0, "lo": -128, "hi": 127}
        made: f.Op = (
            ConvI8(**common, window=op.window, groups=op.groups, x_zp=0)  # type: ignore[arg-type]
            if isinstance(op, f.Conv)
            else DenseI8(**common)  # type: ignore[arg-type]
        )
        types = {
            "x": TensorType(x.shape, DType.I8, _QUANT),
            "y": TensorType((*y.shape[:-1], n), DType.I8, _QUANT),
        }
        ports = [Port(name, name, types[name].shape, tuple(range(len(types[name].shape)))) for name in ("x", "y")]
        yield verify_graph(Graph("layer", (ports[0],), (ports[1],), (made,), types, consts, Stage.QUANTIZED))


def _cycles(graph: Graph, board: Board, toolchain: Toolchain) -> int:
    planned = plan_graph(graph, board)
    assert planned.tiles is not None, planned.refusal
    _, files = c_files(planned.graph, planned.memory, planned.tiles, board, header=(), windows=planned.windows)
    with tempfile.TemporaryDirectory(prefix="freeml-layer-") as work:
        write_folder(Path(work) / "out", files)
        device, _ = board_device(Sources(Path(work) / "out", planned.graph, board), planned.tiles, toolchain)
    steps = measure_steps(device, bytes(graph.types["x"].size_bytes))
    return sum(counted(step).cycles for step in steps if step.layer is not None)
