"""Shared by the ONNX tests: --update-golden, and the folder of the mutation helper on the path."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    with contextlib.suppress(ValueError):  # a conftest further up may have it
        parser.addoption("--update-golden", action="store_true", help="rewrite golden files instead of comparing")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden", default=False))
