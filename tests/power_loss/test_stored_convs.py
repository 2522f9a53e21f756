"""Convolutions with stored weights: whatever power losses there are, a decoder begins where its tile does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from freeml import CompileOptions, compile_model
from freeml.board.board import Board
from freeml.ir.encoding import ENCODINGS
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.types import Const
from freeml.ir.verify_stored import sliceable
from freeml.kernels.coded_convs import CODED_CONVS, DECODED_SLICES
from freeml.output.folder import Output, read_output
from freeml.plan import planner
from freeml.sim.on_board import OnBoard, closure_of
from freeml.sim.power_loss.host import lose_power_on_host
from tests.effort import PATIENCE_S
from tests.msp430_firmware.machine import answers
from tests.msp430_firmware.networks import calibration

every_form = pytest.mark.parametrize(
    ("encoding", "rows"),
    [(form, 0) for form in CODED_CONVS if form is not None] + [(form, 3) for form in DECODED_SLICES],
)


def network(path: Path) -> Path:
    """(1, 3, 4) -> 3x3 to 4 channels -> depthwise 3x3 -> 1x1 to 2: codes that every form can store."""
    rng = np.random.default_rng(3)
    shapes = {"c": (4, 1, 3, 3), "d": (4, 1, 3, 3), "p": (2, 4, 1, 1)}
    constants = [
        numpy_helper.from_array(rng.integers(-1, 2, shape).astype(np.float32) / 4, name)
        for name, shape in shapes.items()
    ]
    around = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "c"], ["a"], **around),
        helper.make_node("Conv", ["a", "d"], ["b"], group=4, **around),
        helper.make_node("Conv", ["b", "p"], ["e"], kernel_shape=[1, 1]),
        helper.make_node("Flatten", ["e"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 3, 4])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 24])
    graph = helper.make_graph(nodes, "stored", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


Store = Callable[..., None]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """store(encoding, rows): every convolution has its weights in a form from now on, whatever the board would choose,
    and those that can be are in slices of so many channels; 0: none are."""

    def all_convs(encoding: str, rows: int = 0) -> None:
        def encoded(graph: Graph, board: Board, capacitor_uf: float | None = None) -> Graph:
            del board, capacitor_uf
            names = [op.inputs[1] for op in graph.ops_of(ConvI8)]
            arrays = {name: graph.consts[name].array for name in names}
            assert not any(ENCODINGS[encoding].refusal(array) for array in arrays.values())
            consts = {name: Const(a, encoding=encoding) for name, a in arrays.items()}
            stored = graph.with_ops(graph.ops, consts=consts)
            channels = {op.output: stored.types[op.output].shape[-1] for op in graph.ops if sliceable(stored, op)}
            slices = {value: min(rows, n - 1) for value, n in channels.items()}
            return replace(stored, slices=slices if rows else {})

        monkeypatch.setattr(planner, "encoded", encoded)

    return all_convs


def compiled(work: Path, **options: object) -> Output:
    """The network's folder."""
    data = str(calibration(work / "data.npz", 1, 3, 4))
    compile_model(network(work / "stored.onnx"), work / "out", data=data, options=CompileOptions(samples=1, **options))
    output = read_output(work / "out")
    assert all(output.graph.consts[op.inputs[1]].encoding is not None for op in output.graph.ops_of(ConvI8))
    return output


@every_form
def test_every_reachable_state_of_the_c_gives_the_same_answer(
    encoding: str, rows: int, store: Store, tmp_path: Path
) -> None:
    store(encoding, rows)
    output = compiled(tmp_path, nvm="torn")
    assert [*output.graph.slices.values()] == ([3, 1] if rows else [])
    closure = lose_power_on_host(output, "all", limit_s=PATIENCE_S)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason


@every_form
@pytest.mark.parametrize("board", ["msp430fr5994", "qemu_m4"])
def test_every_reachable_image_of_the_firmware_gives_the_same_answer(
    encoding: str, rows: int, board: str, store: Store, tmp_path: Path
) -> None:
    store(encoding, rows)
    output = compiled(tmp_path, board=board)
    engine = OnBoard.start(output, "zig").emulator
    (codes, expected), *_ = answers(output, 1)
    report = closure_of(output, engine, codes, expected, limit_s=PATIENCE_S)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
