"""freeml: from a pre-trained network to firmware that keeps working on a device without a battery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeml.version import __version__

if TYPE_CHECKING:
    from freeml.pipeline import CompileOptions, CompileResult, compile_model
    from freeml.sim.life.simulate import Circuit, Simulated, simulate

__all__ = ["Circuit", "CompileOptions", "CompileResult", "Simulated", "__version__", "compile_model", "simulate"]
_OF_SIMULATOR = ("Circuit", "Simulated", "simulate")


def __getattr__(name: str) -> Any:
    """Import the compiler only when it is asked for, so that `freeml --help` stays fast."""
    if name in _OF_SIMULATOR:
        from freeml.sim.life import simulate as simulator

        return getattr(simulator, name)
    if name in __all__:
        from freeml import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'freeml' has no attribute {name!r}")
