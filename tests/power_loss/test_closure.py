"""The proof on compiled networks: every sequence of power losses gives the answers of a run without any."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mutants.mutant import table
from benchmarks.power_loss.models import compiled, source
from freeml import CompileOptions, compile_model
from freeml.data import load
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import read_output
from freeml.sim.check import verify_output
from freeml.sim.host import host_device
from freeml.sim.power_loss.host import lose_power_on_host
from freeml.sim.sampled import SampledDevice
from tests.cli.runner import freeml
from tests.effort import PATIENCE_S

NVMS = ("atomic", "torn", "unordered", "torn-unordered")


@pytest.mark.parametrize("nvm", NVMS)
def test_the_digits_network_survives_any_losses_at_any_writes(nvm: str, tmp_path: Path) -> None:
    closure = lose_power_on_host(compiled("digits", tmp_path, nvm), "all", limit_s=PATIENCE_S)
    assert closure.divergences == 0, f"{closure.reason}: losses after writes {closure.schedule}"
    assert closure.closed
    assert closure.images > 500
    assert all(layer.closed for layer in closure.per_layer)


@pytest.mark.parametrize("nvm", ["atomic", "torn"])
def test_the_tiny_cnn_survives_any_losses_at_any_writes(nvm: str, tmp_path: Path) -> None:
    closure = lose_power_on_host(compiled("tiny_cnn", tmp_path, nvm), "all", limit_s=PATIENCE_S)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason


@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["mnist8", "har"])
def test_real_networks_survive_any_losses_at_any_writes(name: str, data_dir: Path, tmp_path: Path) -> None:
    closure = lose_power_on_host(compiled(name, tmp_path), "all", limit_s=PATIENCE_S)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason


@pytest.mark.parametrize("mode", ["none", "linear", "log", "commit", "random:7", "12,8,300"])
def test_every_mode_ends_with_the_right_answers(mode: str, tmp_path: Path) -> None:
    closure = lose_power_on_host(compiled("digits", tmp_path), mode)
    assert closure.divergences == 0, closure.reason


def test_a_smaller_capacitor_means_smaller_tiles_and_the_same_proof(tmp_path: Path) -> None:
    out = tmp_path / "out"
    model = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
    options = CompileOptions(board="msp430fr5994", capacitor_uf=3.0, samples=1)
    result = compile_model(model, out, data="digits", options=options)
    assert result.tiles.n_tiles > 100
    closure = lose_power_on_host(read_output(out), "all", limit_s=PATIENCE_S)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason


def test_chunks_of_an_input_wait_for_no_more_than_a_barrier_is_promised(tmp_path: Path) -> None:
    """An input of several buffers: each is persistent before the next is written."""
    out = tmp_path / "out"
    model, data = source("tiny_cnn", tmp_path)
    options = CompileOptions(name="tiny_cnn", board="msp430fr5994", capacitor_uf=3.6, samples=1)
    result = compile_model(model, out, data=data, options=options)
    assert result.tiles.sram_bytes < 100, "with what kernels need, less than the 256 bytes of the input"
    closure = lose_power_on_host(read_output(out), "none", limit_s=PATIENCE_S)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason


def test_an_input_of_several_chunks_is_captured_whole(tmp_path: Path) -> None:
    model = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
    options = CompileOptions(board="msp430fr5994", capacitor_uf=2.9, samples=1)
    result = compile_model(model, tmp_path / "out", data="digits", options=options)
    assert result.tiles.sram_bytes <= 32, "half of the 64 bytes of the input"
    report = verify_output(read_output(tmp_path / "out"), load("digits", "test", limit=10))
    assert report.mismatches == 0, report.first_mismatch


def test_one_commit_slot_on_nvm_that_tears_words_is_caught(tmp_path: Path) -> None:
    """The proof fails where the promise of the NVM is broken: it is no rubber stamp."""
    output = compiled("digits", tmp_path, "atomic")
    tears = output.board.nvm.model_copy(update={"tears": True})
    broken = replace(output, board=output.board.model_copy(update={"nvm": tears}))
    closure = lose_power_on_host(broken, "all", limit_s=PATIENCE_S)
    assert closure.divergences == 1
    assert closure.schedule


@pytest.mark.parametrize("nvm", NVMS)
def test_more_bytes_that_wait_for_a_barrier_than_promised_are_found(nvm: str, tmp_path: Path) -> None:
    output = compiled("digits", tmp_path, nvm)
    table()["no-barrier-between-chunks"].apply_to(output.folder / "runtime" / "fml_nvm.c")
    closure = lose_power_on_host(read_output(output.folder), "none")
    assert closure.divergences == 1
    assert "FML_NVM_CHUNK_BYTES" in closure.reason


def test_the_published_result_is_the_interpreters_class_after_every_inference(tmp_path: Path) -> None:
    from freeml.data import load

    output = compiled("digits", tmp_path)
    samples = load("digits", "test", limit=20).real_inputs()
    inputs = encode_inputs(output.graph, samples)
    device = host_device(output)
    device.power_on()
    assert device.newest() is None
    model = SampledDevice(device, output.graph)
    scores = model.run(inputs)[output.graph.outputs[0].value]
    published = device.newest()
    assert published is not None
    assert published == device.result()
    top = np.sort(scores[-1].astype(int))[::-1]
    assert published.sequence == 20
    assert published.class_index == int(scores[-1].argmax())
    assert published.confidence == top[0] - top[1]


def test_the_command_line_reports_the_closure(tmp_path: Path) -> None:
    out = tmp_path / "out"
    model = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
    assert freeml("compile", model, "--data", "digits", "--nvm", "torn", "-o", out).code == 0
    done = freeml("verify", out, "--data", "digits", "--samples", 5, "--power-loss", "all", "--json")
    assert done.code == 0
    closure = json.loads(done.out)["closure"]
    assert closure["closed"] is True
    assert closure["divergences"] == 0
    assert closure["behaviours"] == ["torn"]
    assert {"images", "writes", "schedule"} <= closure.keys()


def test_a_schedule_can_be_replayed_by_that_name(tmp_path: Path) -> None:
    out = compiled("digits", tmp_path).folder
    done = freeml("verify", out, "--samples", 2, "--schedule", "12,8", "--json")
    assert done.code == 0
    assert done.json["closure"]["mode"] == "12,8"


def test_a_mode_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    assert freeml("verify", tmp_path, "--power-loss", "sometimes").code == 2


@pytest.mark.parametrize(
    ("board", "where"), [("msp430fr5994", "at: input image"), ("nucleo_l073rz", "at: digits.onnx:conv2")]
)
def test_a_capacitor_that_is_too_small_is_refused_with_both_remedies_and_nothing_is_written(
    board: str, where: str, tmp_path: Path
) -> None:
    """One board lacks the energy for the capture, which nothing but a capacitor mends, the other for a tile."""
    model = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
    out = tmp_path / "out"
    command = ["compile", model, "--data", "digits", "--board", board, "-o", out]
    done = freeml(*command, "--capacitor", "1uF")
    assert done.code == 1
    for part in ("uJ", "capacitor of 1uF", where, "smallest capacitor"):
        assert part in done.err
    assert ("no smaller tile fits" in done.err) == ("onnx" in where)
    assert list(tmp_path.iterdir()) == []
    remedy = done.err.split("that would do is ")[1].split()[0]
    assert freeml(*command, "--capacitor", remedy).code == 0
