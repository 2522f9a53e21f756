"""Fixtures of the data tests: the folder of real data, and small files made on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

FALLBACK = Path(__file__).resolve().parents[2].parent / "shared" / "data"


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


@pytest.fixture
def empty_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that does not exist yet, set as FREEML_DATA."""
    folder = tmp_path / "data"
    monkeypatch.setenv("FREEML_DATA", str(folder))
    return folder


@pytest.fixture
def to_npz(tmp_path: Path) -> Callable[..., str]:
    """Write arrays into an .npz file and return its path."""

    def write(**arrays: object) -> str:
        path = tmp_path / "samples.npz"
        np.savez_compressed(path, **arrays)
        return str(path)

    return write
