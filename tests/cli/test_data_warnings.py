"""What is odd about samples and labels is said by compile, verify and inspect, in words and in JSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.models import N_CLASSES, SHAPE
from tests.cli.runner import freeml

N = 60


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(N, *SHAPE)).astype(np.float32)


def test_a_wrong_sample_is_named_in_words_in_json_and_in_the_manifest(
    model: Path, x: np.ndarray, tmp_path: Path
) -> None:
    x[33, 0, 2, 2] = 1e5
    np.savez(tmp_path / "s.npz", x=x)
    args = ("compile", model, "--data", tmp_path / "s.npz", "-o", tmp_path / "c")
    said = freeml(*args)
    assert "warning: row 33: 100000 at [0, 2, 2] of input 'x'" in said.err
    assert "samples without labels are not divided" in said.out
    found = freeml(*args, "--json").json
    assert found["warnings"][0].startswith("row 33: 100000")
    assert found["quantization"]["samples"] in (N - 1, N)
    inspected = freeml("inspect", model, "--data", tmp_path / "s.npz", "--json").json
    assert inspected["warnings"] == found["warnings"][:1]
    assert "warning: row 33" in freeml("inspect", model, "--data", tmp_path / "s.npz").err


def test_labels_that_do_not_fit_are_named_by_compile_and_verify(
    model: Path, compiled: Path, x: np.ndarray, tmp_path: Path
) -> None:
    np.savez(tmp_path / "s.npz", x=x, y=np.arange(N) % N_CLASSES + 1)
    made = freeml("compile", model, "--data", tmp_path / "s.npz", "-o", tmp_path / "c", "--json").json
    assert made["accuracy"]["float"] is None
    assert "label 3 of row" in made["accuracy"]["note"]
    assert any("number them from 0" in text for text in made["warnings"])
    checked = freeml("verify", compiled, "--data", tmp_path / "s.npz", "--json").json
    assert checked["accuracy"] is None
    assert any("label 3 of row" in text for text in checked["warnings"])


def test_samples_that_clip_are_said_by_verify(compiled: Path, x: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", x=np.abs(np.round(x * 60)).clip(0, 255).astype(np.uint8), y=np.arange(N) % N_CLASSES)
    ran = freeml("verify", compiled, "--data", tmp_path / "s.npz")
    assert "warning: " in ran.err
    assert "outside its range" in ran.err


def test_a_regression_has_errors_in_place_of_accuracy(model: Path, x: np.ndarray, tmp_path: Path) -> None:
    y = np.random.default_rng(1).normal(size=(N, N_CLASSES))
    np.savez(tmp_path / "s.npz", x=x, y=y)
    args = ("compile", model, "--data", tmp_path / "s.npz", "-o", tmp_path / "c")
    found = freeml(*args, "--json").json["accuracy"]
    assert (found["kind"], found["float"], found["int8"]) == ("regression", None, None)
    assert found["mae"]["float"] == pytest.approx(found["mae"]["int8"], rel=0.1)
    assert found["r2"]["float"] < 1
    assert "mean absolute error" in freeml(*args).out
    checked = freeml("verify", tmp_path / "c", "--data", tmp_path / "s.npz", "--json").json
    assert checked["mae"] == pytest.approx(found["mae"]["int8"])
    assert checked["float_r2"] == pytest.approx(found["r2"]["float"])
    assert "R2 of the C" in freeml("verify", tmp_path / "c", "--data", tmp_path / "s.npz").out


def test_the_same_input_gives_the_same_manifest_with_warnings(model: Path, x: np.ndarray, tmp_path: Path) -> None:
    x[5] *= 1e4
    np.savez(tmp_path / "s.npz", x=x)
    texts = []
    for name in ("a", "b"):
        assert freeml("compile", model, "--data", tmp_path / "s.npz", "-o", tmp_path / name).code == 0
        texts.append((tmp_path / name / "freeml.json").read_text())
    assert texts[0] == texts[1]
    assert "row 5" in texts[0]
    assert str(tmp_path) not in texts[0]
