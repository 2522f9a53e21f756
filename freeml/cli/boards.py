"""`freeml boards`: the targets of the compiler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from freeml.board.board import Board


@click.group("boards", invoke_without_command=True, short_help="List the boards that freeml knows.")
@json_option
@click.pass_context
def boards(ctx: click.Context) -> None:
    """List the boards that freeml knows, or show one.

    \b
    Example:
      freeml boards
      freeml boards show host
    """
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Terminal))


@boards.command("list")
@json_option
@click.pass_obj
def list_command(terminal: Terminal) -> None:
    """List all boards.

    \b
    Example:
      freeml boards list --json
    """
    _list(terminal)


@boards.command("show")
@click.argument("name", metavar="NAME")
@json_option
@click.pass_obj
def show_command(terminal: Terminal, name: str) -> None:
    """Show every figure of a board, with its source. NAME may be the path of a .toml file.

    \b
    Example:
      freeml boards show host
    """
    from freeml.board.board import load_board

    board = load_board(name)
    terminal.result(_plain(board))
    if terminal.as_json:
        return
    from freeml.cli import tables

    made = tables.table("figure", "value", "source", right=(1,), elastic=(2,))
    # A source says what a figure is worth: it is wrapped, never cut.
    made.columns[2].no_wrap, made.columns[2].overflow = False, "fold"
    for entry, value in _figures(board):
        made.add_row(entry, *value)
    terminal.show(tables.heading(board.name, board.title), made)


def _figures(board: Board) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every entry of a board file: its name with the unit, value and source."""
    for section, part in board:
        if isinstance(part, str) or not part:
            continue
        if section == "wiring":
            for number, line in enumerate(part, start=1):
                yield f"wiring.{number}", ("", line)
            continue
        if hasattr(part, "value"):
            yield section, (f"{part.value:,}", part.source)
            continue
        for name, entry in part:
            if hasattr(entry, "value"):
                yield f"{section}.{name}", (f"{entry.value:,}", entry.source)
            elif name != "source":
                shown = "no limit" if entry is None else str(entry).lower()
                yield f"{section}.{name}", (shown, getattr(part, "source", ""))


def _list(terminal: Terminal) -> None:
    from freeml.board.board import board_names, load_board

    known = [load_board(name) for name in board_names()]
    terminal.result({"boards": [_plain(board) for board in known]})
    if terminal.as_json:
        return
    from freeml.cli import tables

    made = tables.table("name", "core", "firmware", "what it is", elastic=(3,))
    for board in known:
        made.add_row(board.name, board.cpu.core if board.cpu else board.family, _firmware(board), board.title)
    terminal.show(made)


def _firmware(board: Board) -> str:
    """What freeml makes for a board."""
    if board.platformio:
        return "build, flash"
    return "build" if board.memory_map else "C only"


def _plain(board: Board) -> dict[str, Any]:
    return board.model_dump(mode="json")
