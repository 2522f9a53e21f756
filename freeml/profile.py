"""The name of before of freeml.sim.profile, for scripts that were written against it."""

from __future__ import annotations

from freeml.sim.profile import check_measured, measure_boots, measure_steps, profile_output

__all__ = ["check_measured", "measure_boots", "measure_steps", "profile_output"]
