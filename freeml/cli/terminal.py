"""What commands print with: results to standard output, progress and errors to standard error.

With --json, standard output holds exactly one JSON object, errors included. Progress is shown only to a person: where
standard error is a terminal. Text that comes from files is never trusted to be printable.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from freeml.errors import FreemlError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 100  # columns of a line where nobody's terminal says otherwise
_LONGEST = 600  # characters of one line of an error: node names of hostile files have no end


class Terminal:
    """One run's output. `as_json` is set by --json."""

    def __init__(self) -> None:
        self.as_json = False

    def show(self, *parts: RenderableType) -> None:
        """Print tables and text for people; nothing with --json."""
        if not self.as_json:
            self._console().print(*parts, sep="\n")

    @property
    def width(self) -> int:
        """Columns of standard output."""
        return self._console().width

    def _console(self) -> Console:
        from rich.console import Console

        console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
        if console.is_terminal:
            return console
        return Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=WIDTH)

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the JSON object of a command; nothing without --json."""
        if self.as_json:
            click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))

    def warn(self, texts: Iterable[str]) -> None:
        """Print what is odd, a line each, to standard error; nothing with --json, whose object has the list."""
        if not self.as_json:
            sys.stdout.flush()
            for text in texts:
                click.echo(f"warning: {printable(text)}", err=True)

    def fail(self, error: FreemlError) -> None:
        """Print an error: at most three lines, or a JSON object."""
        what, where, hint = (printable(text) for text in (error.what, error.where, error.hint))
        if self.as_json:
            self.result({"error": what, "where": where, "hint": hint})
            return
        lines = [f"error: {what}", f"   at: {where}" if where else "", f" hint: {hint}" if hint else ""]
        with contextlib.suppress(OSError):
            click.echo("\n".join(line for line in lines if line), err=True)

    def fail_interrupted(self, what: str = "interrupted; nothing was written", hint: str = "") -> None:
        """Say that the user stopped it."""
        with contextlib.suppress(OSError):
            self.fail(FreemlError(what, hint=hint))

    @contextlib.contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """Progress as a line that names the present step: yields what the pipeline reports to."""
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, markup=False, highlight=False)
        if not console.is_terminal:
            yield lambda _: None
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=None)
            yield lambda step: progress.update(task, description=printable(step))

    @contextlib.contextmanager
    def news(self) -> Iterator[Callable[[str, float], None]]:
        """One bar up to 1 beside a line that changes: yields a function of the line and of the share that is done."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, markup=False, highlight=False)
        if not console.is_terminal:
            yield lambda _line, _done: None
            return
        columns = (
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=1.0)
            yield lambda line, done: progress.update(task, description=printable(line), completed=done)

    @contextlib.contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Progress as a bar up to `total`: yields a function that takes how many more are done."""
        with self.bars() as update:
            done = 0

            def advance(n: int) -> None:
                nonlocal done
                done += n
                update(title, done, total)

            update(title, 0, total)
            yield advance

    @contextlib.contextmanager
    def bars(self) -> Iterator[Callable[[str, int, int], None]]:
        """Several bars: yields a function of name, how much is done, and of how much (0 while unknown)."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(stderr=True, markup=False, highlight=False)
        if not console.is_terminal:
            yield lambda _name, _done, _total: None
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            tasks: dict[str, TaskID] = {}

            def update(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = progress.add_task(printable(name))
                progress.update(tasks[name], completed=done, total=total or None)

            yield update


def printable(text: str) -> str:
    """One line without control characters, of bounded length."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(str(text).split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON cannot write."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
