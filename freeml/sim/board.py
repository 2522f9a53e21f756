"""The name of before of freeml.sim.on_board, for scripts that were written against it."""

from __future__ import annotations

from freeml.sim.on_board import OnBoard

__all__ = ["OnBoard"]
