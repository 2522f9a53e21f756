"""The version of freeml: the one place, which the build of the wheel reads too."""

from __future__ import annotations

__version__ = "0.1.0"
