"""Options of all commands that let a compiled network live on a trace, and what they ask `freeml.simulate` for."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from freeml.cli.options import (
    Decorator,
    capacitor_option,
    data_option,
    refuse_unread,
    samples_option,
    split_option,
)
from freeml.cli.trace_options import ABOVE_ZERO, on_defect_option, told_beside_tasks, told_of

_CIRCUIT = ("converter", "tracked", "esr_ohm", "insulation_ohm", "clamp_v", "v_on_v", "v_off_v")
_CONVERTERS = ("direct", "diode", "bq25504", "bq25570")
_OWN = ("engine", "arrivals", "policy", "seed", "on_defect", "timekeeper", "bound")
_POLICY = "When to stop: always-full, fixed:1, confidence:0.9, energy, another folder's; that of OUT by default."
_BEFORE = (
    capacitor_option,
    click.option(
        "--engine",
        type=click.Choice(["fast", "host", "board"]),
        default="fast",
        show_default=True,
        help="Costs by table, per step of the generated C, or per instruction of the firmware.",
    ),
    click.option("--arrivals", metavar="WHEN", help="every:T, poisson:T:SEED, file:F, back-to-back or each-boot."),
    click.option("--duration", "duration", metavar="TIME", help="For example 10min; the trace's own by default."),
)
_BEHIND = (
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of samples and arrivals."),
    data_option("Labelled samples that events show."),
    split_option(),
    samples_option("At most N samples, evenly spread."),
    click.option(
        "--converter",
        type=click.Choice(_CONVERTERS),
        default="bq25570",
        show_default=True,
    ),
    click.option("--tracked", type=click.FloatRange(0, 1, True, True), metavar="X", help="Of the open voltage; 0.8."),
    click.option("--v-on", "v_on_v", type=ABOVE_ZERO, metavar="V", help="Device on from; the board's own by default."),
    click.option("--v-off", "v_off_v", type=ABOVE_ZERO, metavar="V", help="Device off at."),
    click.option("--esr", "esr_ohm", type=click.FloatRange(min=0), metavar="OHM", help="Of the capacitor."),
    click.option("--insulation", "insulation_ohm", type=ABOVE_ZERO, metavar="OHM", help="Leakage of the capacitor."),
    click.option("--clamp", "clamp_v", type=ABOVE_ZERO, metavar="V", help="Shunts above."),
    click.option("--timekeeper", is_flag=True, help="The board keeps time while it sleeps, and pays for it."),
    click.option("--bound", is_flag=True, help="How many right answers no policy can exceed, too."),
    told_beside_tasks,
    on_defect_option("repair"),
)


def trace_option(required: bool) -> Decorator[Any]:
    """--trace."""
    return click.option(
        "--trace",
        "traces",
        multiple=True,
        required=required,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Harvested energy, any format of `freeml traces`; several are joined in their order.",
    )


def life_options(policy: str = _POLICY) -> Decorator[Any]:
    """Everything but the trace and the device. policy: what --policy takes, in words."""

    def with_options(command: Any) -> Any:
        for option in reversed((*_BEFORE, click.option("--policy", metavar="NAME", help=policy), *_BEHIND)):
            command = option(command)
        return command

    return with_options


def refuse_without_trace(ctx: click.Context, read: Collection[str]) -> None:
    """Raise BadData for an option that says how a device lives where it lives on no trace. read: what is read then."""
    unread = {param.name for param in ctx.command.params if param.name and param.expose_value} - {*read, "traces"}
    refuse_unread(ctx, unread, "says something of a life, and there is none", "give a trace with --trace FILE, too")


def asked_of(options: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `freeml.simulate`, without data, split and samples, which stay in `options`."""
    from freeml.sim.life.simulate import Circuit
    from freeml.units import parse_capacitor, parse_time_s

    capacitor, duration = options.pop("capacitor"), options.pop("duration")
    around = {name: options.pop(name) for name in _CIRCUIT}
    asked = {name: options.pop(name) for name in _OWN}
    asked["circuit"] = Circuit(capacitor_uf=None if capacitor is None else parse_capacitor(capacitor), **around)
    asked["duration_s"] = None if duration is None else parse_time_s(duration, "--duration")
    shown = {name: options.pop(name) for name in ("data_spec", "split", "samples")}
    asked["told"] = told_of(options)
    options |= shown
    return asked
