"""The tiny model of the command line tests, compiled, for tests of what is in the folder."""

from __future__ import annotations

from tests.cli.conftest import compiled, model, samples, shelf

__all__ = ["compiled", "model", "samples", "shelf"]
