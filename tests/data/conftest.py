"""Fixtures of the data tests: small files made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


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
