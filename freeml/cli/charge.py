"""`freeml traces charge`: a trace into a capacitor with a constant load, how often it is on and where energy goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal, printable
from freeml.cli.trace_options import ABOVE_ZERO, on_defect_option, told_of, told_options

if TYPE_CHECKING:
    from freeml.energy.charge import Charged

_CONVERTERS = ("direct", "diode", "bq25504", "bq25570")


@click.command("charge")
@click.argument("file", type=click.Path(path_type=Path))
@told_options
@on_defect_option("report")
@click.option("--capacitor", default="47uF", show_default=True, metavar="SIZE", help="For example 47uF or 1mF.")
@click.option("--converter", type=click.Choice(_CONVERTERS), default="direct", show_default=True)
@click.option("--tracked", type=click.FloatRange(0, 1, True, True), metavar="X", help="Of the open voltage; 0.8.")
@click.option("--output", "output_v", type=ABOVE_ZERO, metavar="V", help="Of a BQ25570's step-down converter.")
@click.option("--v-on", "v_on_v", type=ABOVE_ZERO, default=3.0, show_default=True, metavar="V", help="Load on from.")
@click.option("--v-off", "v_off_v", type=ABOVE_ZERO, default=2.0, show_default=True, metavar="V", help="Load off at.")
@click.option("--current", "load_ua", type=ABOVE_ZERO, default=1000.0, show_default=True, metavar="UA", help="Load.")
@click.option("--idle", "idle_ua", type=click.FloatRange(min=0), default=0.0, metavar="UA", help="Drawn always.")
@click.option("--esr", "esr_ohm", type=click.FloatRange(min=0), default=0.0, metavar="OHM", help="Of the capacitor.")
@click.option("--insulation", "insulation_ohm", type=ABOVE_ZERO, metavar="OHM", help="Leakage of the capacitor.")
@click.option("--clamp", "clamp_v", type=ABOVE_ZERO, default=5.5, show_default=True, metavar="V", help="Shunts above.")
@json_option
@click.pass_obj
def charge_command(
    terminal: Terminal,
    /,
    file: Path,
    on_defect: Any,
    capacitor: str,
    converter: str,
    load_ua: float,
    tracked: float | None,
    **options: Any,
) -> None:
    """Charge a capacitor from FILE and switch a constant load on and off: how often, how long, where each joule went.

    \b
    Example:
      freeml traces charge walk.csv --converter bq25570 --capacitor 100uF --v-on 3.3 --v-off 2.2
    """
    from freeml.energy.charge import charge
    from freeml.energy.read import read_trace
    from freeml.energy.supply import Capacitor, Comparator
    from freeml.units import parse_capacitor

    output_v = options.pop("output_v")
    circuit = {name: options.pop(name) for name in ("v_on_v", "v_off_v", "idle_ua", "esr_ohm", "clamp_v")}
    insulation_ohm = options.pop("insulation_ohm") or float("inf")
    store = Capacitor(parse_capacitor(capacitor) * 1e-6, circuit["esr_ohm"], insulation_ohm, circuit["clamp_v"])
    idle_a = circuit["idle_ua"] * 1e-6
    switch = Comparator(circuit["v_on_v"], circuit["v_off_v"], idle_a, idle_a)
    trace = read_trace(file, told_of(options), on_defect)
    charged = charge(trace, store, switch, converter, load_ua * 1e-6, tracked, output_v)
    described = _described(charged, trace.duration_s)
    terminal.result({"file": str(file), "converter": converter, **described, "notes": list(trace.notes)})
    if not terminal.as_json:
        _show(terminal, described, file)


def _described(charged: Charged, duration_s: float) -> dict[str, Any]:
    """The JSON of it."""
    starts = len(charged.off_s) + (charged.first_on_s is not None)
    energy = charged.energy
    names = ("harvested", "used", "stored", "leaked", "clipped", "converted")
    return {
        "duration_s": duration_s,
        "starts": starts,
        "first_on_s": charged.first_on_s,
        "on_s": _spread(charged.on_s),
        "off_s": _spread(charged.off_s),
        "energy_uj": {name: getattr(energy, f"{name}_j") * 1e6 for name in names},
        "why_never_on": charged.why or None,
    }


def _spread(values: tuple[float, ...]) -> dict[str, float] | None:
    """Shortest, mean and longest of whole periods."""
    return {"least": min(values), "mean": sum(values) / len(values), "most": max(values)} if values else None


def _show(terminal: Terminal, described: dict[str, Any], file: Path) -> None:
    from freeml.cli import tables

    terminal.show(tables.heading(file.name, f"{described['starts']:,} starts in {described['duration_s']:,.6g} s"))
    if described["why_never_on"]:
        terminal.show(printable(f"never on: {described['why_never_on']}"))
    periods = tables.table("period", "least s", "mean s", "most s", right=(1, 2, 3))
    for name in ("on", "off"):
        if spread := described[f"{name}_s"]:
            periods.add_row(name, *(f"{spread[key]:.4g}" for key in ("least", "mean", "most")))
    most = max(abs(joules) for joules in described["energy_uj"].values())
    stack = tables.table("energy", "uJ", "", right=(1,))
    for name, joules in described["energy_uj"].items():
        stack.add_row(name, f"{joules:,.6g}", tables.bar(joules, most))
    terminal.show(periods, stack)
