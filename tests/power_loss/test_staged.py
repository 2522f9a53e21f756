"""Boards whose NVM is no memory that a pointer can read: inputs of each tile are copied to SRAM before its kernel runs.

Host build and explorer give such a model the address of a window in which nothing is mapped.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from benchmarks.power_loss.models import source
from freeml import CompileOptions, compile_model
from freeml.data import Dataset
from freeml.ir.interpret import interpret
from freeml.output.folder import Output, read_output
from freeml.plan.step_table import Kind
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.host import host_device
from freeml.sim.power_loss.host import lose_power_on_host
from tests.cli.runner import freeml
from tests.effort import PATIENCE_S

from .test_parts import N_IN, long_rows


def staged(name: str, work: Path, capacitor_uf: float | None = None) -> Output:
    """A network for a board with SPI FRAM, which tears bytes: two commit slots."""
    model, data = source(name, work)
    options = CompileOptions(board="nucleo_l476rg", name=name, capacitor_uf=capacitor_uf, samples=1)
    result = compile_model(model, work / "out", data=data, options=options)
    assert result.tiles.is_staged
    assert result.tiles.commit_slots == 2
    return read_output(work / "out")


def survives(output: Output) -> int:
    """Every reboot image under torn writes was tried and nothing diverged; returns how many there are."""
    closure = lose_power_on_host(output, "all", limit_s=PATIENCE_S)
    assert closure.behaviours == ("torn",)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason
    return int(closure.images)


def test_the_staged_digits_network_survives_any_losses_at_any_writes(tmp_path: Path) -> None:
    output = staged("digits", tmp_path)
    assert verify_output(output, random_dataset(output.graph, 50)).mismatches == 0
    assert survives(output) > 10_000


def test_a_small_capacitor_means_small_tiles_that_read_little(tmp_path: Path) -> None:
    output = staged("digits", tmp_path, capacitor_uf=10.0)
    assert output.manifest.tiles.n_tiles > 20
    assert output.manifest.memory.stage_bytes < 300
    assert verify_output(output, random_dataset(output.graph, 50)).mismatches == 0
    survives(output)


def test_staged_parts_of_dot_products_survive_any_losses(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).normal(size=(64, N_IN)).astype(np.float32)
    data = Dataset((samples,), None, (), "rows", "calibration", (None,))
    options = CompileOptions(board="nucleo_l476rg", capacitor_uf=15.0)
    result = compile_model(long_rows(tmp_path / "rows.onnx"), tmp_path / "out", data=data, options=options)
    assert max(layer.parts for layer in result.tiles.layers) > 1
    output = read_output(tmp_path / "out")
    assert verify_output(output, random_dataset(output.graph, 20)).mismatches == 0
    survives(output)


@pytest.mark.needs_data
def test_the_staged_activity_network_survives_any_losses(data_dir: Path, tmp_path: Path) -> None:
    output = staged("har", tmp_path)
    assert verify_output(output, random_dataset(output.graph, 20)).mismatches == 0
    assert survives(output) > 10_000


def test_the_command_line_checks_the_staged_code_on_this_machine(tmp_path: Path) -> None:
    out = staged("digits", tmp_path).folder
    done = freeml("verify", out, "--data", "digits", "--samples", 20, "--power-loss", "log", "--json")
    assert done.code == 0
    assert done.json["mismatches"] == 0
    assert done.json["closure"]["divergences"] == 0


def test_outputs_of_a_staged_model_are_read_by_copy_alone(tmp_path: Path) -> None:
    output = staged("digits", tmp_path)
    device, graph = host_device(output), output.graph
    inputs = {graph.inputs[0].value: np.ones((1, 8, 8, 1), np.int8)}
    scores = interpret(graph, inputs)[graph.outputs[0].value].reshape(-1)
    library, codes = device.library, (ctypes.c_int8 * 4)()
    library.fml_output.restype = ctypes.c_void_p
    some = (ctypes.c_uint16(0), ctypes.c_uint32(3), ctypes.c_uint32(4), codes)
    device.power_on()
    device.sense(b"\1" * 64)
    while device.step().kind is not Kind.PUBLISH:
        assert library.fml_read_output(device.ram, *some) == -1
    assert library.fml_output(device.ram, ctypes.c_uint16(0)) is None
    assert library.fml_read_output(device.ram, *some) == 0
    assert list(codes) == scores[3:7].tolist()
