"""Options of all commands that read a trace: what its file leaves out, and what to do about defects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import Command

if TYPE_CHECKING:
    from freeml.energy.told import Told


def cell_of(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[Path, str | None] | None:
    """FILE or FILE:NAME."""
    if value is None:
        return None
    path, _, name = value.rpartition(":")
    return (Path(path), name) if path and not Path(value).exists() else (Path(value), None)


def _units(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """COLUMN=UNIT, or UNIT of the one column of values."""
    from freeml.energy.column import KNOWN, unit_of

    pairs = [(name, unit) for name, _, unit in (one.rpartition("=") for one in value)]
    for name, unit in pairs:
        if unit_of(unit) is None:
            raise click.BadParameter(f"{unit!r} of {name or 'the column'} is no unit; known are {KNOWN}")
    return tuple(pairs)


ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_TOLD = (
    click.option("--columns", metavar="NAMES", help="Of a table without header: time_ms,voltage_v."),
    click.option(
        "--unit", "units", multiple=True, callback=_units, metavar="[COLUMN=]UNIT", help="What a header leaves out."
    ),
    click.option("--column", metavar="NAME", help="Which of several columns."),
    click.option("--date-order", type=click.Choice(["dmy", "mdy"]), help="Of dates that may be either."),
    click.option("--step", "step_s", type=ABOVE_ZERO, metavar="S", help="Seconds between rows without stamps."),
    click.option("--rate", "rate_hz", type=ABOVE_ZERO, metavar="HZ", help="Bring a Shepherd recording down to."),
    click.option("--scale", type=click.FloatRange(min=0), default=1.0, metavar="X", help="Times the current."),
    click.option("--source-resistance", "source_ohm", type=ABOVE_ZERO, metavar="OHM", help="Behind that voltage."),
    click.option("--cell-voltage", "cell_voltage_v", type=ABOVE_ZERO, metavar="V", help="At which a current comes."),
    click.option("--cell", callback=cell_of, metavar="CSV[:NAME]", help="I-V curves by illuminance of a cell."),
    click.option("--cell-area", "cell_area_cm2", type=ABOVE_ZERO, metavar="CM2", help="Of a cell under light."),
    click.option(
        "--cell-efficiency", type=click.FloatRange(0, 1, min_open=True), metavar="X", help="Of that cell, 0 to 1."
    ),
    click.option("--lux-per-w-m2", type=ABOVE_ZERO, metavar="LUX", help="Luminous efficacy of the light."),
    click.option("--fill-factor", type=ABOVE_ZERO, metavar="X", help="Of a cell known by its two ends."),
)


def _recorded_over(name: str) -> Callable[[Command], Command]:
    return click.option(name, "load_ohm", type=ABOVE_ZERO, metavar="OHM", help="Over which a voltage was recorded.")


def told_options(command: Command) -> Command:
    """What a file may leave out, all of it optional."""
    for option in reversed((*_TOLD, _recorded_over("--load"))):
        command = option(command)
    return command


def told_beside_tasks(command: Command) -> Command:
    """The same where --load is what the device does."""
    for option in reversed((*_TOLD, _recorded_over("--load-ohm"))):
        command = option(command)
    return command


def told_of(options: dict[str, Any]) -> Told:
    """What these options say."""
    from freeml.energy.told import Told

    names = tuple(name.strip() for name in (options.pop("columns") or "").split(",") if name.strip())
    return Told(columns=names, **options)


def on_defect_option(default: str) -> Callable[[Command], Command]:
    """--on-defect."""
    return click.option(
        "--on-defect",
        type=click.Choice(["report", "repair", "refuse"]),
        default=default,
        show_default=True,
        help="Mend what is wrong with a recording, leave it, or stop.",
    )
