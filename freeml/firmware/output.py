"""The name of before of freeml.output.folder, for scripts that were written against it."""

from __future__ import annotations

from freeml.output.folder import Output, read_output

__all__ = ["Output", "read_output"]
