"""Commands on folders with exits: options that nothing reads are refused, labels that are no classes judge nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml import CompileOptions, compile_model
from freeml.compress.types import Bounds
from freeml.compression import compress_model
from freeml.exits.deploy import ExitOptions
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.onnx.write import to_onnx
from freeml.frontend.views import Weight
from freeml.passes.pipeline import run_passes
from tests.cli.runner import freeml, refused
from tests.train.tasks import stripes


@pytest.fixture(scope="module")
def folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """out, compiled with exits; samples.npz, of each split; labels.npz, whose labels are no classes of the network."""
    work = tmp_path_factory.mktemp("folder")
    exits = ExitOptions("auto", "shared", "global:0.5", epochs=10)
    compile_model(model, work / "out", data=stripes(200, 1), options=CompileOptions(exits=exits))
    made = {name: stripes(n, seed) for name, n, seed in (("train", 100, 1), ("val", 60, 2), ("test", 40, 3))}
    for name, more in (("samples", 0), ("labels", 3)):
        arrays = {f"x_{split}": data.inputs[0] for split, data in made.items()}
        labels = {f"y_{split}": data.labels + more for split, data in made.items() if data.labels is not None}
        np.savez(work / f"{name}.npz", **arrays, **labels)  # type: ignore[arg-type]
    return work


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("--policy", "fixed:1"), "--policy is of exits, and there are none"),
        (("--exit-head", "gnet"), "--exit-head is of exits, and there are none"),
        (("--exits", "outputs", "--exit-head", "gnet"), "--exit-head is of exits that are trained"),
        (("--exits", "auto", "--keep", "fc"), "--keep is of networks made small, and no bound is given"),
        (("--seed", 3), "--seed is of networks made small, and no bound is given"),
    ],
)
def test_options_of_exits_and_of_bounds_are_refused_without_them(
    asked: tuple[object, ...], says: str, tmp_path: Path
) -> None:
    refused("compile", "nowhere.onnx", *asked, "-o", tmp_path / "out", says=says)


@pytest.mark.parametrize(
    ("command", "asked", "says"),
    [
        ("tune", ("--arrivals", "every:1s"), "--arrivals says something of a life"),
        ("tune", ("--bound",), "--bound says something of a life"),
        ("tune", ("--split", "test"), "--split names other samples than are tuned on: calibration"),
        ("tune", ("--trace", "walk.csv", "--policy", "fixed:1"), "--policy is not read with --trace"),
        ("tune", ("--trace", "walk.csv", "--engine", "host"), "--engine is not read with --trace"),
        ("report", ("--policy", "fixed:1"), "--policy says something of a life"),
    ],
)
def test_options_that_a_command_would_not_read_are_refused(
    folder: Path, command: str, asked: tuple[object, ...], says: str
) -> None:
    refused(command, folder / "out", "--data", folder / "samples.npz", *asked, says=says)


def test_tune_reads_as_many_calibration_samples_as_it_is_told(folder: Path, tmp_path: Path) -> None:
    softness = []
    for number, asked in enumerate(((), ("--samples", 12), ("--samples", 12, "--split", "val"))):
        out = shutil.copytree(folder / "out", tmp_path / str(number))
        ran = freeml("tune", out, "--data", folder / "samples.npz", *asked, "--json")
        assert ran.code == 0, ran
        softness.append(ran.json["tiles"]["policy"]["rows"][0][:2])
    assert softness[0] != softness[1] == softness[2]


def test_a_seed_is_that_of_the_heads(folder: Path, model: Path, tmp_path: Path) -> None:
    graphs = []
    for number, seed in enumerate((0, 1, 1)):
        asked = ("--exits", "auto", "--data", folder / "samples.npz", "--seed", seed)
        assert freeml("compile", model, *asked, "-o", tmp_path / str(number)).code == 0
        graphs.append((tmp_path / str(number) / "model" / "int8.graph").read_bytes())
    assert graphs[0] != graphs[1] == graphs[2]


def test_labels_that_are_no_classes_judge_no_depth_and_tune_nothing(folder: Path) -> None:
    ran = freeml("verify", folder / "out", "--data", folder / "labels.npz", "--json")
    assert ran.code == 0
    assert ran.json["accuracy"] is None
    assert [row["accuracy"] for row in ran.json["exits"]] == [None, None]
    assert "no class of this model" in ran.json["warnings"][0]
    refused("tune", folder / "out", "--data", folder / "labels.npz", says="no class of this network")


def test_few_samples_train_no_exits_however_they_are_dealt(model: Path, tmp_path: Path) -> None:
    data = stripes(9, 1)
    np.savez(tmp_path / "few.npz", x=data.inputs[0], y=data.labels)  # type: ignore[arg-type]
    refused("compile", model, "--exits", "auto", "--data", tmp_path / "few.npz", "-o", tmp_path / "c", says="too few")


@pytest.mark.parametrize(
    ("which", "says"), [("class", "have the label 1"), ("same", "all samples are the same"), ("mute", "which have no")]
)
def test_samples_that_tell_no_classes_apart_leave_the_table_as_it_is(
    folder: Path, tmp_path: Path, which: str, says: str
) -> None:
    data = stripes(90, 4)
    assert data.labels is not None
    x, y = data.inputs[0], data.labels
    if which == "same":
        x = np.broadcast_to(x[:1], x.shape)
    elif which == "class":
        x, y = x[y == 1], y[y == 1]
    np.savez(tmp_path / "data.npz", x=x, y=y)
    if which == "mute":
        np.savez(tmp_path / "data.npz", x=x[:1] + np.linspace(0, 0.001, 30, dtype=np.float32).reshape(-1, 1, 1, 1))
    before = (folder / "out" / "freeml.json").read_bytes()
    refused("tune", folder / "out", "--data", tmp_path / "data.npz", says=says)
    assert (folder / "out" / "freeml.json").read_bytes() == before


def test_tuning_on_few_samples_says_so_until_there_are_more(folder: Path, tmp_path: Path) -> None:
    out = shutil.copytree(folder / "out", tmp_path / "out")
    for asked, told in ((("--samples", 12), True), ((), False)):
        ran = freeml("tune", out, "--data", folder / "samples.npz", *asked, "--json")
        assert any("only 12 samples gave" in one for one in ran.json["warnings"]) == told


def test_tuning_leaves_programs_beside_the_c_executable(folder: Path, tmp_path: Path) -> None:
    out = shutil.copytree(folder / "out", tmp_path / "out")
    (out / "built").write_bytes(b"#!/bin/sh")
    (out / "built").chmod(0o750)
    assert freeml("tune", out, "--policy", "fixed:1").code == 0
    assert (out / "built").stat().st_mode & 0o777 == 0o750


def test_the_summary_says_that_accuracy_is_that_of_the_whole_network(folder: Path, model: Path, tmp_path: Path) -> None:
    data = ("--data", folder / "samples.npz", "-o", tmp_path / "out")
    ran = freeml("compile", model, "--exits", "auto", "--policy", "fixed:1", *data)
    assert "of the whole network: policy fixed:1 may stop before" in ran.out
    assert "of the whole network" not in freeml("compile", model, *data).out


SMALL = ("--target-kb", 0.35, "--method", "freeml")


@pytest.mark.parametrize(
    ("asked", "says"),
    [(("--exits", "relu9"), "no value or node 'relu9'"), (("--exits", "/fc"), "is the network's answer")],
)
def test_places_that_cannot_be_are_refused_before_the_network_is_made_small(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], says: str
) -> None:
    monkeypatch.setattr("freeml.compression.compress_model", None)
    args = ("--data", folder / "samples.npz", *SMALL, "-o", tmp_path / "out")
    refused("compile", model, *args, *asked, says=says)


def test_a_single_layer_has_no_place_for_an_exit(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = GraphBuilder("single")
    x = made.reshape(made.input("x", (1, 1, 8, 8), channels_first=True, dtype="float32"), (1, 64))
    weight = Weight(np.random.default_rng(1).normal(size=(3, 64)))
    made.output(made.dense(x, weight, np.zeros(3), loc="net:/only"), "y", dtype="float32")
    (tmp_path / "single.onnx").write_bytes(to_onnx(run_passes(made.finish())))
    monkeypatch.setattr("freeml.compression.compress_model", None)
    args = ("--data", folder / "samples.npz", *SMALL, "--exits", "auto", "-o", tmp_path / "out")
    refused("compile", tmp_path / "single.onnx", *args, says="no place for an exit")


def test_a_small_network_whose_exits_fail_is_kept(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("--data", folder / "samples.npz", *SMALL, "-o", tmp_path / "out")
    monkeypatch.setattr("freeml.exits.deploy.check_exits", lambda *_: None)
    ran = freeml("compile", model, *args, "--exits", "relu9")
    assert ran.code == 1
    assert f"the small network is kept as {tmp_path / 'out.small.onnx'}" in ran.err
    assert freeml("compile", tmp_path / "out.small.onnx", "-o", tmp_path / "out").code == 0


def test_bounds_that_exits_break_are_named_with_what_was_asked(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command makes a network small that was made before, and asked for a byte more than that takes."""
    data = str(folder / "samples.npz")
    small = compress_model(model, data, target_kb=0.4, training={"effort": 0.02})
    stored, nvm = small.compressed.cost.stored_bytes, small.memory["nvm_bytes"]
    bounds = Bounds(target_bytes=stored + 1, nvm_bytes=nvm + 9000, max_drop_points=90)
    small = replace(small, compressed=replace(small.compressed, bounds=bounds))
    monkeypatch.setattr("freeml.compression.compress_model", lambda *_, **__: small)
    args = ("compile", model, "--data", data, *SMALL, "-o", tmp_path / "out")
    ran = freeml(*args, "--exits", "auto")
    assert ran.code == 0, ran
    (said,) = [line for line in ran.err.splitlines() if "with exits: " in line]
    assert said.startswith(f"warning: --target-kb: {stored + 1} bytes were asked for, and stored bytes with exits: ")
    assert "--exits none" in said
    assert [text for text in freeml(*args, "--exits", "auto", "--json").json["warnings"] if "with exits: " in text]
    assert not [text for text in freeml(*args, "--json").json["warnings"] if "with exits: " in text]
