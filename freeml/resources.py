"""Where runtime_c/, templates/, boards/ and examples/ are: in the checkout's root, or packed into the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """The path of a file or folder that ships with freeml. Raises FileNotFoundError for one that does not."""
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"freeml was installed without {'/'.join(parts)}")
