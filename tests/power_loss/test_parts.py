"""Capacitors too small for one dot product: outputs computed in parts, with partial sums that survive, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freeml import CompileOptions, compile_model
from freeml.data import Dataset
from freeml.output.folder import read_output
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.power_loss.host import lose_power_on_host
from tests.effort import PATIENCE_S

N_IN, N_ROW, N_OUT = 8, 1500, 4


def long_rows(path: Path) -> Path:
    """A dense layer with long rows behind one that spreads a small input: its capture needs little."""
    rng = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w0", "b0"], ["h"], name="spread", transB=1),
            helper.make_node("Gemm", ["h", "w", "b"], ["y"], name="fc", transB=1),
        ],
        "rows",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, N_IN])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, N_OUT])],
        [constant("w0", N_ROW, N_IN), constant("b0", N_ROW), constant("w", N_OUT, N_ROW), constant("b", N_OUT)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("nvm", ["atomic", "torn"])
def test_partial_sums_give_the_interpreters_bytes_and_survive_any_losses(nvm: str, tmp_path: Path) -> None:
    samples = np.random.default_rng(1).normal(size=(64, N_IN)).astype(np.float32)
    data = Dataset((samples,), None, (), "rows", "calibration", (None,))
    options = CompileOptions(board="msp430fr5994", capacitor_uf=3.0, nvm=nvm)
    result = compile_model(long_rows(tmp_path / "rows.onnx"), tmp_path / "out", data=data, options=options)
    assert max(layer.parts for layer in result.tiles.layers) > 1
    output = read_output(tmp_path / "out")
    assert verify_output(output, random_dataset(output.graph, 20)).mismatches == 0
    closure = lose_power_on_host(output, "all", limit_s=PATIENCE_S)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason
