"""Fixtures of the command line tests: a model, samples, and one compiled folder that nobody changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.models import write_model, write_samples
from tests.cli.runner import freeml


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.onnx, samples.npz, and tiny_c compiled from them; read only."""
    folder = tmp_path_factory.mktemp("shelf")
    write_model(folder / "tiny.onnx")
    write_samples(folder / "samples.npz")
    ran = freeml("compile", folder / "tiny.onnx", "--data", folder / "samples.npz", "-o", folder / "tiny_c")
    assert ran.code == 0, ran
    return folder


@pytest.fixture
def model(shelf: Path) -> Path:
    return shelf / "tiny.onnx"


@pytest.fixture
def samples(shelf: Path) -> Path:
    return shelf / "samples.npz"


@pytest.fixture
def compiled(shelf: Path) -> Path:
    return shelf / "tiny_c"
