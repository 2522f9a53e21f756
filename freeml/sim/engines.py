"""The engines of `freeml verify --engine NAME`: each a kind of device with a compiled folder on it.

An opener imports its engine when it is asked for: `freeml --help` wants the names alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeml.sim.opened import Opened


def _host() -> type[Opened]:
    """the C built for this machine"""
    from freeml.sim.on_host import OnHost

    return OnHost


def _board() -> type[Opened]:
    """the board's firmware, instruction by instruction"""
    from freeml.sim.on_board import OnBoard

    return OnBoard


ENGINES: dict[str, Callable[[], type[Opened]]] = {
    "host": _host,
    "board": _board,
}


def engines_in_words() -> str:
    """As help texts list them."""
    return "; ".join(f"{name}: {opener.__doc__}" for name, opener in ENGINES.items())
