"""Boards: what the compiler knows about a target, from one strict TOML file each. Every number comes with its source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from freeml.errors import BadBoard, DoesNotFit
from freeml.resources import resource

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Figure(_Strict):
    """A number and where it comes from: a datasheet with section, "measured: ..." or "assumed: ..."."""

    value: int = Field(ge=0)
    source: str = Field(min_length=3)


class Memory(_Strict):
    """Bytes of each region; a region that is left out has no limit."""

    flash_bytes: Figure | None = None
    nvm_bytes: Figure | None = None
    sram_bytes: Figure | None = None


class Board(_Strict):
    """A target of the compiler."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1)
    family: Literal["host"]
    memory: Memory = Memory()

    def check_fit(self, *, flash_bytes: int, nvm_bytes: int, sram_bytes: int) -> None:
        """Raise DoesNotFit for the first region that is too small."""
        needs = {"flash": flash_bytes, "nvm": nvm_bytes, "sram": sram_bytes}
        for region, needed in needs.items():
            figure: Figure | None = getattr(self.memory, f"{region}_bytes")
            if figure is not None and needed > figure.value:
                raise DoesNotFit(
                    f"the model needs {needed:,} bytes of {region}, {self.name} has {figure.value:,}",
                    region=region,
                    needed=needed,
                    available=figure.value,
                    hint="choose a larger board or a smaller model",
                )


def board_names() -> list[str]:
    """Names of the boards that ship with freeml."""
    return sorted(path.stem for path in resource("boards").glob("*.toml"))


def load_board(name: str) -> Board:
    """A board by name, or by the path of a TOML file. Raises BadBoard with file, entry and reason."""
    path = Path(name) if name.endswith(".toml") else resource("boards") / f"{name}.toml"
    if not path.is_file():
        raise BadBoard(
            f"there is no board {name!r}",
            hint=f"boards are {', '.join(board_names())}; or give the path of a .toml file",
        )
    try:
        entries: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Board.model_validate(entries)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadBoard(f"not a TOML file: {error}", where=path.name) from error
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"])
        raise BadBoard(
            f"{entry}: {first['msg']}", where=path.name, hint="see boards/host.toml for the entries"
        ) from error
