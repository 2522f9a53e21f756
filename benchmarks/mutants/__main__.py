"""Mistakes seeded one at a time: python -m benchmarks.mutants [--only NAME ..] [--jobs N] [--list] [--json]

A mutant is one change of the text of runtime, drivers, kernels, planner, emitter or quantiser, made in a copy of the
project. The check that its row names is run there and has to fail, in the way that the row claims; each check is first
run without any mistake and has to pass. Survivors are listed with the reason why nobody can see them. It ends with 1
where a mutant survives without one, is stale, or dies of something else than its check claims.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.command import command
from benchmarks.mutants.mutant import BadMutant, Mutant, table
from benchmarks.mutants.runner import Row, lines, run_all, summary


def chosen(names: Sequence[str]) -> list[Mutant]:
    """The mutants with these names, or of files and folders with these paths; all without any. Raises BadMutant."""
    mutants = list(table().values())
    for name in names:
        if not any(_is_meant(name, mutant) for mutant in mutants):
            raise BadMutant(f"no mutant is called {name}, and none changes a file there; --list shows them")
    return [mutant for mutant in mutants if not names or any(_is_meant(name, mutant) for name in names)]


def _is_meant(name: str, mutant: Mutant) -> bool:
    return mutant.name == name or f"{mutant.file}/".startswith(f"{name.rstrip('/')}/")


def run_with_progress(mutants: Sequence[Mutant], jobs: int, limit_s: float | None) -> list[Row]:
    """The rows; on a terminal a bar says how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("checks without a mistake", total=len(mutants))

        def show(row: Row) -> None:
            if not row.is_explained:
                progress.console.print(f"{row.verdict}: {row.name}: {row.how}, {row.detail}", markup=False)
            progress.update(task, advance=1, description=row.name)

        return run_all(mutants, jobs, limit_s, show)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="mutants, files, folders")
    parser.add_argument("--jobs", type=int, default=1, help="checks at a time, each in a copy of its own")
    parser.add_argument("--limit", type=float, metavar="S", help="processor time, in place of five times a check's")
    parser.add_argument("--list", action="store_true", help="show the table, run nothing")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        mutants = chosen(args.only)
    except BadMutant as error:
        print(error, file=sys.stderr)
        return 1
    if args.list:
        for mutant in mutants:
            print(f"{mutant.name:52} {mutant.file:46} {mutant.breaks}")
        return 0
    rows = run_with_progress(mutants, max(args.jobs, 1), args.limit)
    print(json.dumps(summary(rows)) if args.json else "\n".join([command(__file__), "", *lines(rows)]))
    return 0 if all(row.is_explained for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
