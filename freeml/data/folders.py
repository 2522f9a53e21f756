"""Where data sets lie: the folder in FREEML_DATA, otherwise the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from freeml.errors import BadData


def data_root() -> Path:
    """The folder of all data sets; it need not exist."""
    given = os.environ.get("FREEML_DATA", "")
    if given:
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("freeml"))


def require(name: str, *relative: str) -> Path:
    """The first of these files or folders, below the data folder, that is there. Raises BadData saying what to do."""
    root = data_root()
    for path in relative:
        if (root / path).exists():
            return root / path
    raise BadData(
        f"data set '{name}' needs {' or '.join(relative)}, which is not there",
        where=str(root),
        hint=f"`freeml data get {name}` says where the original is published and downloads it; "
        "FREEML_DATA names the folder",
    )
