"""A published network on all of its test images, through the commands that a user types."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.runner import freeml


@pytest.mark.needs_data
def test_mnist_8_keeps_its_accuracy_in_int8_on_all_10000_images(data_dir: Path, tmp_path: Path) -> None:
    model, out = data_dir / "models" / "mnist8" / "model.onnx", tmp_path / "mnist"
    made = freeml("compile", model, "--board", "host", "--data", "mnist", "-o", out, "--samples", 500, "--json")
    assert made.code == 0, made
    assert made.json["accuracy"]["samples"] == 500
    checked = freeml("verify", out, "--data", "mnist", "--json")
    assert checked.code == 0, checked
    assert checked.json["samples"] == 10_000
    assert checked.json["mismatches"] == 0
    assert checked.json["accuracy"] >= 0.988
    assert checked.json["agreement"] >= 0.995
