"""`freeml simulate`: a compiled network, or a load of tasks, lives on a recorded trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.life_options import asked_of, life_options, trace_option
from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal, printable

if TYPE_CHECKING:
    from freeml.sim.life.simulate import Simulated

_COLUMNS = 80


@click.command("simulate", short_help="Let a network live on a recorded trace of harvested energy.")
@click.argument("out", required=False, type=click.Path(path_type=Path), metavar="[OUT]")
@trace_option(required=True)
@click.option(
    "--load", "load_file", type=click.Path(path_type=Path), metavar="TOML", help="Tasks of a device in place of OUT."
)
@life_options()
@click.option(
    "--events", "events", type=click.Path(path_type=Path), metavar="CSV", help="Every boot, loss, event and answer."
)
@json_option
@click.pass_obj
def simulate_command(
    terminal: Terminal,
    /,
    out: Path | None,
    traces: tuple[Path, ...],
    load_file: Path | None,
    events: Path | None,
    **options: Any,
) -> None:
    """Let the network in OUT live on the energy of a trace: how often it answers, how right, where each joule went.

    \b
    Example:
      freeml simulate out --trace walk.csv --data har --arrivals every:2.56s
      freeml simulate --load tasks.toml --trace walk.csv --capacitor 47uF --converter direct
    """
    from freeml.sim.life.events import ALL, write_events
    from freeml.sim.life.native import LOG_DONE
    from freeml.sim.life.simulate import simulate

    asked = asked_of(options)
    with terminal.steps() as progress:
        found = simulate(
            out,
            trace=traces,
            load_file=load_file,
            data=options["data_spec"],
            split=options["split"],
            samples=options["samples"],
            log_what=ALL if events else LOG_DONE,
            progress=progress,
            **asked,
        )
    if events:
        write_events(found.lived, events)
    files = {"out": None if out is None else str(out), "traces": [str(one) for one in traces]}
    terminal.result({**files, **found.as_json()})
    if not terminal.as_json:
        show_simulated(terminal, found)


def show_simulated(terminal: Terminal, found: Simulated) -> None:
    """Counts, the capacitor's voltage, and where energy went."""
    from freeml.cli import tables
    from freeml.cli.chart import chart
    from freeml.units import show_capacitor

    said = found.as_json()
    size = show_capacitor(found.capacitor_uf)
    terminal.show(tables.heading(f"{said['name']} on {size}", f"{said['duration_s']:,.6g} s, engine {said['engine']}"))
    if found.why_never_on:
        terminal.show(printable(f"never on: {found.why_never_on}"))
    figures = tables.table("", "", right=(1,))
    for name in ("events", "inferences", "missed", "unfinished", "boots", "steps", "steps_lost"):
        figures.add_row(name.replace("_", " "), f"{said[name]:,}")
    if said["accuracy"] is not None:
        figures.add_row("correct", f"{said['correct']:,} ({tables.percent(said['accuracy'])})")
    if found.bound is not None:
        figures.add_row("correct at most, by any policy", f"{found.bound.right:,}")
    if len(said["exits"]) > 1:
        figures.add_row("by exit", " ".join(f"{n:,}" for n in said["exits"]))
    if said["latency_s"]["p50"] is not None:
        figures.add_row("latency, half and 95 %", " ".join(f"{said['latency_s'][k]:.4g} s" for k in ("p50", "p95")))
    outages = said["outages"]
    figures.add_row("times without power", f"{outages['count']:,}, the longest {outages['longest_s']:.4g} s")
    figures.add_row("an answer at full depth", f"{said['full_uj']:,.4g} uJ")
    figures.add_row("mean power into the capacitor", f"{said['delivered_uw']:,.4g} uW")
    if said["R"] is not None:
        figures.add_row("R, that for what all events would take", f"{said['R']:.3g}")
    terminal.show(figures)
    picture = found.lived.picture
    if len(picture) > 1:
        drawn = chart(picture[:, 0], picture[:, 1], from_s=0.0, seconds=None, width=min(terminal.width, _COLUMNS))
        terminal.show(tables.heading("Capacitor, V"), "\n".join(drawn.rows))
    for title, entry in (("energy", "energy_uj"), ("of what was used", "stack_uj")):
        most = max(abs(joules) for joules in said[entry].values())
        stack = tables.table(title, "uJ", "", right=(1,))
        for name, joules in said[entry].items():
            stack.add_row(name, f"{joules:,.6g}", tables.bar(joules, most))
        terminal.show(stack)
    for note in (*found.notes, f"costs: {found.costs}"):
        terminal.show(printable(note))
