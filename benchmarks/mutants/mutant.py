"""One mistake in the text of the project: what it replaces, what that breaks, and the check that must notice.

The tables in `table/` are TOML, so that C stands there as it stands in its file. A mutant is put into a copy of the
project, never into the working tree. Its old text has to be there exactly once: where the code has moved on, the mutant
is stale, and that is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from freeml.board.toml import tomllib

ROOT = Path(__file__).resolve().parents[2]
TABLES = Path(__file__).resolve().parent / "table"

Death = Literal["assertion", "refusal", "build", "exception", "crash", "timeout"]
DEATHS: tuple[Death, ...] = ("assertion", "refusal", "build", "exception", "crash", "timeout")
_FIELDS = {"name", "file", "old", "new", "breaks", "check", "dies", "equivalent", "quick"}


class BadMutant(Exception):
    """A row of the tables that cannot be used as it stands; the message names it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One row.

    name        unique, words joined by hyphens
    file        relative to the root of the project
    old, new    the text and what replaces it
    breaks      what goes wrong, one sentence
    check       the tests that must fail, as pytest names them; one failure is enough. () only where it is equivalent
    dies        how they fail. assertion: a claim of a test does not hold; refusal: freeml refuses, or its own verifiers
                object to, what it accepted; build: the C compiler or linker objects, by an assertion that is meant for
                this; exception: another error; crash: the process ends by a signal; timeout: it does not end
    equivalent  why no check can see it; empty otherwise
    quick       run on every change (tests/mutants)
    """

    name: str
    file: str
    old: str
    new: str
    breaks: str
    check: tuple[str, ...]
    dies: Death = "assertion"
    equivalent: str = ""
    quick: bool = False

    def applied_to(self, text: str) -> str:
        """The text with the mistake. Raises BadMutant where its place is not found, or not the only one."""
        found = text.count(self.old)
        if found != 1:
            raise BadMutant(f"{self.name} is stale: its old text occurs {found} times in {self.file}, not once")
        return text.replace(self.old, self.new)

    def apply(self, root: Path) -> Path:
        """Write the mistake into a copy of the project at root. Returns the file. Raises BadMutant."""
        return self.apply_to(root / self.file)

    def apply_to(self, path: Path) -> Path:
        """The same for one copy of its file, wherever it lies."""
        if path.resolve() == (ROOT / self.file).resolve():
            raise BadMutant(f"{self.name} is for a copy: {path} is the working tree's")
        path.write_text(self.applied_to(path.read_text()))
        return path


def _mutant(row: Mapping[str, Any], place: str) -> Mutant:
    """Raises BadMutant where a field is missing, unknown or empty."""
    name = row.get("name", place)
    if row.keys() - _FIELDS:
        raise BadMutant(f"{name}: unknown fields {', '.join(sorted(row.keys() - _FIELDS))}")
    missing = {"name", "file", "old", "new", "breaks", "check"} - row.keys()
    if missing:
        raise BadMutant(f"{name}: fields missing: {', '.join(sorted(missing))}")
    check = row["check"]
    mutant = Mutant(**{**row, "check": (check,) if isinstance(check, str) else tuple(check)})
    if mutant.dies not in DEATHS:
        raise BadMutant(f"{name}: dies is one of {', '.join(DEATHS)}")
    if mutant.old == mutant.new or not mutant.old or not mutant.breaks:
        raise BadMutant(f"{name}: it changes nothing, or does not say what it breaks")
    if not mutant.check and not mutant.equivalent:
        raise BadMutant(f"{name}: no check is named, nor why there can be none")
    return mutant


@cache
def table() -> Mapping[str, Mutant]:
    """All mutants by name, in the order of the files. Raises BadMutant."""
    mutants: dict[str, Mutant] = {}
    for path in sorted(TABLES.glob("*.toml")):
        for row in tomllib.loads(path.read_text())["mutant"]:
            mutant = _mutant(row, path.name)
            if mutant.name in mutants:
                raise BadMutant(f"{mutant.name}: the name is taken")
            mutants[mutant.name] = mutant
    return MappingProxyType(mutants)
