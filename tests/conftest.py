"""Fixtures of all tests: the folder of real data, golden files, a build cache of the test run's own machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# An example's wall time says more of the machine than of the code.
settings.register_profile("freeml", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("freeml")

FALLBACK = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files instead of comparing with them")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data, also set as FREEML_DATA; absent: skip with a reason, fail in CI."""
    folder = Path(os.environ.get("FREEML_DATA") or FALLBACK)
    if not folder.is_dir():
        reason = f"needs real data in {folder} (set FREEML_DATA)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    monkeypatch.setenv("FREEML_DATA", str(folder))
    return folder
