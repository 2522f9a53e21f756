"""Start-up and drivers of microcontrollers: the folders of runtime_c/hal that board files name as their support.

Each has a `support.toml` that names the folders it shares with others.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from freeml.board.figures import Strict
from freeml.board.toml import tomllib
from freeml.resources import resource


class Support(Strict):
    """A `support.toml`.

    uses   other folders of runtime_c/hal whose files are part of a firmware, too
    """

    uses: list[str]


@cache
def support_names() -> tuple[str, ...]:
    """What a board file may name."""
    return tuple(sorted(path.parent.name for path in resource("runtime_c", "hal").glob("*/support.toml")))


@cache
def support_files(name: str) -> tuple[Path, ...]:
    """Sources and headers of a support, with those it shares. Raises FileNotFoundError for one that there is not."""
    hal = resource("runtime_c", "hal")
    uses = Support.model_validate(tomllib.loads((hal / name / "support.toml").read_text())).uses
    return tuple(path for part in (*uses, name) for path in sorted((hal / part).glob("*.[ch]")))
