"""`freeml boards`: the targets of the compiler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from freeml.board import Board


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
    from freeml.board import load_board

    board = load_board(name)
    terminal.result(_plain(board))
    if terminal.as_json:
        return
    from freeml.cli import tables

    made = tables.table("region", "bytes", "source", right=(1,), elastic=(2,))
    for region, figure in board.memory:
        made.add_row(
            region.removesuffix("_bytes"),
            f"{figure.value:,}" if figure else "no limit",
            figure.source if figure else "",
        )
    terminal.show(tables.heading(board.name, board.title), made)


def _list(terminal: Terminal) -> None:
    from freeml.board import board_names, load_board

    known = [load_board(name) for name in board_names()]
    terminal.result({"boards": [_plain(board) for board in known]})
    if terminal.as_json:
        return
    from freeml.cli import tables

    made = tables.table("name", "family", "what it is", elastic=(2,))
    for board in known:
        made.add_row(board.name, board.family, board.title)
    terminal.show(made)


def _plain(board: Board) -> dict[str, Any]:
    return board.model_dump(mode="json")
