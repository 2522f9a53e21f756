"""freeml: from a pre-trained network to firmware that keeps working on a device without a battery."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from freeml.version import __version__

if TYPE_CHECKING:
    from freeml import compress
    from freeml.compress.types import bounds_in_kb
    from freeml.compression import Compression
    from freeml.pipeline import CompileOptions, CompileResult, compile_model
    from freeml.sim.life.simulate import Circuit, Simulated, simulate

__all__ = [
    "Circuit",
    "CompileOptions",
    "CompileResult",
    "Compression",
    "Simulated",
    "__version__",
    "bounds_in_kb",
    "compile_model",
    "compress",
    "simulate",
]
_FROM = {
    **dict.fromkeys(("Circuit", "Simulated", "simulate"), "freeml.sim.life.simulate"),
    "Compression": "freeml.compression",
    "bounds_in_kb": "freeml.compress.types",
    **dict.fromkeys(("CompileOptions", "CompileResult", "compile_model"), "freeml.pipeline"),
}


def __getattr__(name: str) -> Any:
    """Import the compiler only when it is asked for, so that `freeml --help` stays fast."""
    if name == "compress":
        return importlib.import_module("freeml.compress")  # a package that can be called
    if name in _FROM:
        return getattr(importlib.import_module(_FROM[name]), name)
    raise AttributeError(f"module 'freeml' has no attribute {name!r}")
