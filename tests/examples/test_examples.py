"""The examples do what their README says: scripts run to their end, committed networks are as good as promised."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import numpy_helper

from freeml import compile_model
from freeml.output.manifest import Manifest
from tests.effort import PATIENCE_S

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_training(example: str, output: Path, *options: str) -> str:
    """What the script printed; it runs in a process of its own, since it changes settings of torch."""
    command = [sys.executable, str(EXAMPLES / example / "train.py"), "--output", str(output), *options]
    done = subprocess.run(
        command,
        cwd=output.parent,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@functools.cache
def manifest(model: Path, data: str) -> Manifest:
    return compile_model(str(model), data=data).manifest


def architecture(model: Path) -> list[Any]:
    """Nodes with names and attributes, shapes of constants; not the trained values."""
    graph = onnx.load(model).graph
    nodes = [node.SerializeToString(deterministic=True) for node in graph.node]
    return [nodes, {c.name: numpy_helper.to_array(c).shape for c in graph.initializer}]


def test_digits_trains_to_its_promised_accuracy(tmp_path: Path) -> None:
    committed = (EXAMPLES / "digits" / "digits.onnx").read_bytes()
    trained = tmp_path / "trained.onnx"
    printed = run_training("digits", trained)
    measured = manifest(trained, "digits").accuracy.of_float
    assert measured is not None
    assert measured >= 0.97
    assert f"test  accuracy {measured:.4f}" in printed
    assert architecture(trained) == architecture(EXAMPLES / "digits" / "digits.onnx")
    assert (EXAMPLES / "digits" / "digits.onnx").read_bytes() == committed


@pytest.mark.needs_data
def test_har_keeps_its_accuracy_in_int8(data_dir: Path) -> None:
    found = manifest(EXAMPLES / "har" / "har.onnx", "har").accuracy
    assert found.split == "test"
    assert found.of_float is not None
    assert found.of_int8 is not None
    assert found.of_float >= 0.88
    assert abs(found.of_int8 - found.of_float) <= 0.015


@pytest.mark.needs_data
def test_har_readme_quotes_what_is_measured(data_dir: Path) -> None:
    made = manifest(EXAMPLES / "har" / "har.onnx", "har")
    found = made.accuracy
    if found.samples != 1588:
        pytest.skip(f"the README quotes 26 people, 1,588 test windows; these data have {found.samples}")
    readme = (EXAMPLES / "har" / "README.md").read_text()
    assert f"| test | {found.of_float:.1%} | {found.of_int8:.1%} |".replace("%", " %") in readme
    assert f"{made.params:,} parameters" in readme
    assert f"activations take {made.memory.arena_bytes:,} bytes" in readme


def test_har_is_a_small_file_without_paths() -> None:
    content = (EXAMPLES / "har" / "har.onnx").read_bytes()
    assert len(content) < 60_000
    assert not [word for word in (b"/work", b"/home", b"/tmp", b"train.py") if word in content]


@pytest.mark.needs_data
def test_har_trains_the_committed_architecture_and_the_same_bytes_each_time(data_dir: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    committed = (EXAMPLES / "har" / "har.onnx").read_bytes()
    for output in (first, second):
        assert "test  accuracy" in run_training("har", output, "--epochs", "1")
    assert first.read_bytes() == second.read_bytes()
    assert architecture(first) == architecture(EXAMPLES / "har" / "har.onnx")
    assert (EXAMPLES / "har" / "har.onnx").read_bytes() == committed
