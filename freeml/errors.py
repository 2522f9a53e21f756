"""Errors a user can act on: what is wrong, where, and what to change.

The command line prints one of these in at most three lines and exits with 1. Anything else that reaches the user is a
bug of freeml. Every layer may import this module; it imports nothing.
"""

from __future__ import annotations


class FreemlError(Exception):
    """Base of all errors meant for users.

    what   the fact, with figures and units
    where  the place in the user's own words: a model's node, a file and line, an option
    hint   what to change
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"   at: {self.where}")
        if self.hint:
            lines.append(f" hint: {self.hint}")
        return "\n".join(lines)


class BadModel(FreemlError):
    """The file is not a model, or contradicts itself."""


class UnsupportedOp(FreemlError):
    """The model is sound, but freeml cannot compile this operator or this use of it."""


class BadData(FreemlError):
    """Samples or labels that do not fit the documented formats or the model."""


class BadBoard(FreemlError):
    """A board file with a missing, unknown or impossible entry."""


class BadOutput(FreemlError):
    """An output folder that is not one of freeml's, or is damaged."""


class ToolMissing(FreemlError):
    """A program or package that this command needs is not installed."""


class ToolFailed(FreemlError):
    """A program that freeml called returned an error."""


class DoesNotFit(FreemlError):
    """A memory or energy demand above what the board has."""

    def __init__(self, what: str, *, region: str, needed: int, available: int, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.region = region
        self.needed = needed
        self.available = available
