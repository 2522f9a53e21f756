"""A network with a layer of every stored form: any losses of power, at any write, and the answer is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freeml import CompileOptions, compile_model
from freeml.board.board import Board
from freeml.ir.graph import Graph
from freeml.ir.int_ops import DenseI8
from freeml.kernels.coded_formats import CODED
from freeml.output.folder import Output, read_output
from freeml.plan import planner
from freeml.sim.on_board import OnBoard, closure_of
from freeml.sim.power_loss.host import lose_power_on_host
from tests.effort import PATIENCE_S
from tests.msp430_firmware.machine import answers

FORMS = sorted(CODED)
WIDTH = 5


def signs_model(path: Path) -> Path:
    """A dense layer for each form, whose weights are a value, its negative or zero: any form takes them."""
    rng = np.random.default_rng(4)
    weights, nodes, x = {}, [], "x"
    for k, _ in enumerate(FORMS):
        weights[f"w{k}"], weights[f"b{k}"] = rng.integers(-1, 2, (WIDTH, WIDTH)) * 0.4, rng.normal(size=WIDTH)
        weights[f"w{k}"][:, 0] = 0.4
        nodes.append(helper.make_node("Gemm", [x, f"w{k}", f"b{k}"], [f"y{k}"], name=f"layer{k}", transB=1))
        x = f"y{k}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, WIDTH]) for name in ("x", x)]
    stored = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "signs", ends[:1], ends[1:], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def in_every_form(graph: Graph, board: Board, capacitor_uf: float | None = None) -> Graph:
    """In place of the planner's choice: each layer in another form."""
    del board, capacitor_uf
    names = [op.inputs[1] for op in graph.ops_of(DenseI8)]
    consts = {name: replace(graph.consts[name], encoding=form) for name, form in zip(names, FORMS, strict=True)}
    return graph.with_ops(graph.ops, consts=consts)


def compiled(board: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Output:
    monkeypatch.setattr(planner, "encoded", in_every_form)
    np.savez(folder / "data.npz", x=np.random.default_rng(1).normal(size=(8, WIDTH)).astype(np.float32))
    model = signs_model(folder / "signs.onnx")
    compile_model(
        model, folder / "out", data=str(folder / "data.npz"), options=CompileOptions(name="signs", board=board)
    )
    return read_output(folder / "out")


def test_every_form_survives_any_losses_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = lose_power_on_host(compiled("host", tmp_path, monkeypatch), "all", limit_s=PATIENCE_S)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")


@pytest.mark.parametrize("board", ["msp430fr5994", "nucleo_l476rg"])
def test_every_form_survives_any_losses_on_its_board(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = compiled(board, tmp_path, monkeypatch)
    assert {const.encoding for const in output.graph.consts.values()} >= set(FORMS)
    engine = OnBoard.start(output, "zig").emulator
    (codes, expected), *_ = answers(output, 1)
    report = closure_of(output, engine, codes, expected, limit_s=PATIENCE_S)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
