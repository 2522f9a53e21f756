"""Options that several commands have, each defined once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from freeml.cli.terminal import Terminal

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

DATA_HELP = "A named set (`freeml data`), an .npz file, a folder of IDX files, or package.module:function."


def _set_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Terminal).as_json = True


def refuse_unread(ctx: click.Context, unread: Collection[str], why: str, hint: str) -> None:
    """Raise BadData for an option of these names that was given: this call would not read it."""
    from freeml.errors import BadData

    for param in ctx.command.params:
        if param.name in unread and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            raise BadData(f"{param.opts[0]} {why}", where=param.opts[0], hint=hint)


def _check_split(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from freeml.data.splits import canonical

    return canonical(value, "--split")


# First of all options, so that an error in another one is already printed as JSON.
json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_json,
    help="Print one JSON object instead of tables.",
)


def split_option(default: str = "test") -> Decorator[Any]:
    """--split."""
    return click.option(
        "--split",
        default=default,
        show_default=True,
        callback=_check_split,
        metavar="NAME",
        help="Part of the data: train, calibration (or val), test, all.",
    )


def samples_option(help_text: str) -> Decorator[Any]:
    """--samples."""
    return click.option("--samples", type=click.IntRange(min=1), metavar="N", help=help_text)


def data_option(help_text: str) -> Decorator[Any]:
    """--data."""
    return click.option("--data", "data_spec", metavar="SPEC", help=f"{help_text} {DATA_HELP}")


toolchain_option = click.option(
    "--toolchain",
    type=click.Choice(["auto", "zig", "gcc"]),
    default="auto",
    show_default=True,
    help="Compiler for the board; auto takes zig, or GCC where zig is missing.",
)
capacitor_option = click.option(
    "--capacitor", metavar="SIZE", help="For example 47uF or 1mF; the board's own by default."
)
model_argument = click.argument("model", metavar="MODEL")
