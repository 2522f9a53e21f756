"""`freeml compress`: a file that compiles to the integers that were measured, right figures, runs that go on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import freeml as package
from freeml.cli.compress import show_compression
from freeml.cli.terminal import Terminal
from freeml.compression import Compression
from freeml.firmware.build import build_firmware
from freeml.firmware.stored import account
from freeml.frontend.onnx.write import to_onnx
from freeml.output.folder import read_output
from freeml.train.loop import Options, fit
from freeml.train.network import Network

from ..train.tasks import convolutional, stripes
from .runner import AS_IN_A_TERMINAL, content, freeml, refused

QUICK: dict[str, Any] = {"target_kb": 0.35, "training": {"effort": 0.02}}
BOUNDS = ("--target-kb", 0.35, "--method", "freeml")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that knows stripes, as stripes.onnx, and samples.npz."""
    folder = tmp_path_factory.mktemp("bench")
    network, data = Network(convolutional(3)), stripes(300, 1)
    fit(network, data, Options(epochs=4, batch=32, learning_rate=0.01))
    (folder / "stripes.onnx").write_bytes(to_onnx(network.to_graph()))
    np.savez(folder / "samples.npz", x=data.inputs[0], y=data.labels)
    return folder


@pytest.fixture(scope="module")
def done(bench: Path) -> Path:
    """What the command says as JSON, beside the files that it wrote: small.onnx, frontier.png, said.json."""
    common = ("--data", bench / "samples.npz", "--board", "msp430fr5994", "-o", bench / "small.onnx")
    ran = freeml("compress", bench / "stripes.onnx", *common, *BOUNDS, "--plot", bench / "frontier.png", "--json")
    assert ran.code == 0, ran
    (bench / "said.json").write_text(ran.out)
    return bench


def test_the_file_compiles_to_the_bytes_and_the_accuracy_that_were_said(done: Path, tmp_path: Path) -> None:
    said, samples = json.loads((done / "said.json").read_text()), done / "samples.npz"
    board = ("--board", "msp430fr5994")
    compiled = freeml("compile", done / "small.onnx", *board, "--data", samples, "-o", tmp_path / "out", "--json")
    assert compiled.code == 0, compiled
    assert compiled.json["accuracy"]["int8"] == said["accuracy"]["emitted"]
    assert compiled.json["memory"]["arena_bytes"] == said["arena_bytes"]
    assert compiled.json["memory"]["sram_bytes"] == said["sram_bytes"]
    output = read_output(tmp_path / "out")
    found = account(build_firmware(output, tmp_path / "small.elf").firmware.path, output.graph.name)
    stored = dict(said["stored_bytes"])
    assert stored.pop("total") == found.stored.total == sum(stored.values())
    assert (found.table_bytes, found.decoder_bytes) == (said["table_bytes"], said["decoder_bytes"])
    checked = freeml("verify", tmp_path / "out", "--data", samples, "--json")
    assert checked.json["mismatches"] == 0
    assert checked.json["accuracy"] == said["accuracy"]["emitted"]


def test_the_json_has_every_figure_that_is_asked_of_a_compression(done: Path) -> None:
    said = json.loads((done / "said.json").read_text())
    assert set(said["stored_bytes"]) - {"total"} == {"weights", "scales", "biases", "indices", "codebooks", "restart"}
    assert {"dense_float", "dense_int8", "emitted"} <= set(said["accuracy"])
    wanted = "ratio table_bytes decoder_bytes drop_points arena_bytes sram_bytes cycles energy_uj"
    assert all(isinstance(said[key], int | float) for key in wanted.split())
    assert said["dense_bytes"] == 4 * (4 * 9 + 4 + 3 * 64 + 3)
    assert said["ratio"] == pytest.approx(said["dense_bytes"] / said["stored_bytes"]["total"])
    accuracy = said["accuracy"]
    assert said["drop_points"] == pytest.approx(100 * (accuracy["dense_float"] - accuracy["emitted"]))
    assert [layer["name"].rsplit(":", 1)[-1] for layer in said["layers"]] == ["/conv", "/fc"]
    assert {"train", "calibration", "measured"} <= set(said["split"])
    assert said["split"]["measured"] == "test"
    assert said["frontier"]
    assert said["seeds"]
    assert said["seconds"] > 0


def test_nothing_but_the_files_that_were_asked_for_is_left(done: Path) -> None:
    expected = {"stripes.onnx", "samples.npz", "small.onnx", "frontier.png", "said.json"}
    assert set(content(done)) == expected
    assert (done / "frontier.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    props = {prop.key for prop in onnx.load(done / "small.onnx").metadata_props}
    assert {"freeml.method", "freeml.board", "freeml.dense_bytes"} <= props


def test_compile_with_a_bound_makes_the_same_network_first(done: Path, tmp_path: Path) -> None:
    args = ("--data", done / "samples.npz", "--board", "msp430fr5994", *BOUNDS, "-o", tmp_path / "out", "--json")
    ran = freeml("compile", done / "stripes.onnx", *args)
    assert ran.code == 0, ran
    assert (tmp_path / "out" / "model" / "small.onnx").read_bytes() == (done / "small.onnx").read_bytes()
    said = json.loads((done / "said.json").read_text())
    assert ran.json["compression"]["stored_bytes"] == said["stored_bytes"]
    assert ran.json["accuracy"]["int8"] == said["accuracy"]["emitted"]
    assert set(os.listdir(tmp_path)) == {"out"}


@pytest.fixture(scope="module")
def found(bench: Path) -> Compression:
    """What Python programs get, with a metric of their own that counts how often it was asked."""

    def metric(scores: np.ndarray, labels: np.ndarray) -> float:
        assert scores.shape == (len(labels), 3)
        return float(np.mean(scores.argmax(axis=1) == labels))

    samples = str(bench / "samples.npz")
    made = package.compress(bench / "stripes.onnx", samples, target_kb=0.35, method="freeml", metric=metric)
    assert isinstance(made, Compression)
    return made


def test_the_package_is_a_function_that_takes_a_metric(found: Compression) -> None:
    assert found.accuracies is not None
    assert found.accuracies.kind == found.compressed.kind == "metric"
    assert onnx.load_model_from_string(found.model).graph.node


def test_a_person_sees_bytes_accuracy_layers_and_frontier(found: Compression) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show_compression(Terminal(), found)
    for words in ("Made small", "weights", "codebooks", "emitted C", "points lost", "Layers", "conv", "Frontier", "*"):
        assert words in out.getvalue()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--target-kb", 0.01), "cannot be reached"),
        ((), "nothing to reach"),
        (("--target-kb", 1, "--keep", "nowhere"), "no layer is called 'nowhere'"),
        (("--target-kb", 1, "--time", "soon"), "no time"),
        (("--target-kb", 1, "--resume"), "no run to go on with"),
        (("--target-kb", 1, "--plot", "frontier.txt"), "a picture ends in"),
        (("--target-kb", 1, "-o", "small.bin"), "is an ONNX file"),
        (("--target-kb", 1, "-o", "no/such/small.onnx"), "no such folder"),
        (("--target-kb", 1, "--board", "nonesuch"), "nonesuch"),
        (("--target-kb", "nan"), "target_bytes is nan"),
        (("--flash-kb", "inf"), "flash_bytes is inf"),
        (("--target-kb", 1, "--ms", 5), "no model of the time of an inference"),
        (("--target-kb", 1, "--energy-uj", 5), "no model of the energy of an inference"),
    ],
)
def test_what_cannot_be_is_refused_before_training(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[object, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ("--data", bench / "samples.npz", "--method", "freeml", "-o", "small.onnx", *more)
    refused("compress", bench / "stripes.onnx", *args, says=says)
    assert not any(tmp_path.iterdir())


def test_a_network_whose_answers_have_no_figure_is_made_small_all_the_same(tmp_path: Path) -> None:
    """Scores of each pixel, samples without labels: it learns what the network given gives."""
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["m"], name="first", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["m", "b"], ["y"], name="second", kernel_shape=[1, 1]),
    ]
    rng = np.random.default_rng(1)
    shapes = {"a": (4, 1, 3, 3), "b": (3, 4, 1, 1)}
    held = [numpy_helper.from_array(rng.normal(size=shape).astype("f"), name) for name, shape in shapes.items()]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, n, 6, 6]) for name, n in (("x", 1), ("y", 3))
    ]
    model = helper.make_model(helper.make_graph(nodes, "pixels", ends[:1], ends[1:], held))
    model.ir_version = 8
    onnx.save(model, tmp_path / "pixels.onnx")
    np.savez(tmp_path / "samples.npz", x=rng.normal(size=(60, 1, 6, 6)).astype("f"))
    data, out = str(tmp_path / "samples.npz"), tmp_path / "small.onnx"
    made = package.compress(tmp_path / "pixels.onnx", data, out, target_kb=0.09, training={"effort": 0.1})
    assert made.accuracies is None
    assert "nothing that could be measured" in made.note
    assert out.is_file()


def test_a_network_of_one_layer_has_no_channel_to_lose_and_gets_fewer_codes(bench: Path, tmp_path: Path) -> None:
    held = [numpy_helper.from_array(np.random.default_rng(2).normal(size=(3, 64)).astype("f"), "w")]
    ends = [
        helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 8, 8]),
        helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3]),
    ]
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w"], ["y"], name="only", transB=1),
    ]
    model = helper.make_model(helper.make_graph(nodes, "one", ends[:1], ends[1:], held))
    model.ir_version = 8
    onnx.save(model, tmp_path / "one.onnx")
    data = str(bench / "samples.npz")
    made = package.compress(tmp_path / "one.onnx", data, target_kb=0.15, training={"effort": 0.1})
    assert made.account.stored.total <= 150
    assert [layer.shape_after for layer in made.compressed.layers] == [(3, 64)]


@pytest.mark.parametrize("labelled", [True, False])
def test_samples_that_trained_are_never_called_unseen(bench: Path, tmp_path: Path, *, labelled: bool) -> None:
    """A file without labels is not divided: its test samples are those that train. Nor is a set given twice."""
    data = stripes(120, 4, labelled=labelled)
    np.savez(tmp_path / "same.npz", x=data.inputs[0])
    given: dict[str, Any] = {"data": data, "test": data} if labelled else {"data": str(tmp_path / "same.npz")}
    told: list[str] = []
    news = lambda said: told.append(said.stage)  # noqa: E731
    how = {"target_kb": 0.35, "training": {"effort": 0.02}, "on_progress": news}
    made = package.compress(bench / "stripes.onnx", **given, **how)
    assert made.accuracies.split == made.as_dict()["split"]["measured"] == "calibration"
    assert made.accuracies.n_samples == len(made.compressed.samples.calibration) < 20
    assert "no unseen samples" in made.note
    assert not any("nobody has seen" in stage for stage in told)
    with contextlib.redirect_stdout(out := io.StringIO()):
        show_compression(Terminal(), made)
    assert "split calibration" in out.getvalue()
    assert "note: no unseen samples" in out.getvalue()


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_folder_of_something_else_is_no_workspace_to_delete(
    bench: Path, tmp_path: Path, resume: tuple[str, ...]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "freeml.json").write_text("{}")
    (tmp_path / "mine" / "run").write_text("#!/bin/sh")
    args = ("--data", bench / "samples.npz", *BOUNDS, "-o", tmp_path / "x.onnx", "--workspace", tmp_path / "mine")
    ran = refused("compress", bench / "stripes.onnx", *args, *resume, says="this folder is no workspace")
    assert "delete" not in ran.err
    assert len(content(tmp_path)) == 2


def test_outputs_that_no_figure_is_about_are_named(bench: Path, tmp_path: Path) -> None:
    model = onnx.load(bench / "stripes.onnx")
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    model.graph.output.append(helper.make_tensor_value_info(first.output[0], onnx.TensorProto.FLOAT, None))
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "two.onnx")
    assert not package.compress(bench / "stripes.onnx", str(bench / "samples.npz"), **QUICK).warnings
    made = package.compress(tmp_path / "two.onnx", str(bench / "samples.npz"), **QUICK)
    (said,) = made.as_dict()["warnings"]
    assert "2 outputs and is judged by 'y' alone" in said
    assert repr(first.output[0]) in said


def write(path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    np.savez(path, x=x, y=y)
    return path


@pytest.mark.parametrize("what", ["one class", "labels", "nan", "shape"])
def test_samples_that_do_not_do_are_refused(bench: Path, tmp_path: Path, what: str) -> None:
    data = stripes(120, 2)
    (x,), y = data.inputs, data.labels
    assert y is not None
    odd, says = {
        "one class": ((x, np.ones_like(y)), "have the label 1"),
        "labels": ((x, np.where(y == 2, 7, y)), "label 7"),
        "nan": ((np.where(np.arange(len(x))[:, None, None, None] == 5, np.nan, x), y), "NaN"),
        "shape": ((x[:, :, :7], y), "the samples are (1, 7, 8)"),
    }[what]
    path = write(tmp_path / "odd.npz", *odd)
    refused("compress", bench / "stripes.onnx", "--data", path, *BOUNDS, "-o", tmp_path / "small.onnx", says=says)
    assert os.listdir(tmp_path) == ["odd.npz"]


def test_a_policy_that_the_board_cannot_have_is_refused_before_a_network_is_made_small(tmp_path: Path) -> None:
    exits = ("--exits", "auto", "--policy", "energy")
    refused("compile", "nowhere.onnx", "--target-kb", "5", *exits, "-o", tmp_path / "out", says="no energy model")


def test_a_quantized_network_is_refused_with_what_to_bring(done: Path, tmp_path: Path) -> None:
    args = ("--data", done / "samples.npz", *BOUNDS, "-o", tmp_path / "x.onnx")
    refused("compress", done / "small.onnx", *args, says="bring the float network")


def interrupted(command: list[str], out: Path) -> str:
    """What a run says that is interrupted amid its work; one that was faster than this process is begun again."""
    work = out.with_name(f"{out.name}.work")
    for _ in range(10):
        out.unlink(missing_ok=True)
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 60
        while not (work.is_dir() and len(os.listdir(work)) > 1) and running.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        if running.returncode != 0:
            assert running.returncode == 130, said
            if work.is_dir():  # else it had ended, but for taking its folder away
                return said
    raise AssertionError("no run could be interrupted")


def test_an_interrupted_run_says_how_it_goes_on_and_ends_the_same(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.onnx"
    code = AS_IN_A_TERMINAL + "import sys; from freeml.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "compress", done / "stripes.onnx", "--data", done / "samples.npz"]
    command += ["--board", "msp430fr5994", *BOUNDS, "-o", out]
    said = interrupted(list(map(str, command)), out)
    assert "--resume" in said
    assert not out.exists()
    other = ("--data", done / "samples.npz", "--board", "msp430fr5994", "--method", "freeml", "-o", out)
    refused("compress", done / "stripes.onnx", *other, "--target-kb", 0.35, says="an interrupted run is there")
    refused("compress", done / "stripes.onnx", *other, "--target-kb", 0.3, "--resume", says="target_bytes")
    ran = freeml("compress", done / "stripes.onnx", *other, "--target-kb", 0.35, "--resume")
    assert ran.code == 0, ran
    assert out.read_bytes() == (done / "small.onnx").read_bytes()
    assert os.listdir(tmp_path) == ["small.onnx"]
