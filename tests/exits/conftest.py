"""The small network that tests of exits compile."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeml.frontend.onnx.write import to_onnx
from tests.train.tasks import convolutional


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "stripes.onnx"
    path.write_bytes(to_onnx(convolutional(0)))
    return path
