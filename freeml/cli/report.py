"""`freeml report`: a compiled folder, and how it lives on a trace, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.life_options import asked_of, life_options, refuse_without_trace, trace_option
from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from freeml.output.folder import Output
    from freeml.sim.life.simulate import Simulated

NAME = "report.html"


def other_policies(output: Output, policy: str | None) -> list[str]:
    """Each fixed depth of a network with exits, beside a policy."""
    depths = len(output.graph.exits) + 1
    names = ["always-full", *(f"fixed:{depth}" for depth in range(1, depths))]
    return [name for name in names if name != policy] if depths > 1 else []


def is_bounded(asked: dict[str, Any]) -> bool:
    """Whether a life on labelled samples has a bound: it is known when events come."""
    from freeml.sim.life.arrivals import TIMELESS

    return asked["arrivals"] not in (None, *TIMELESS) and asked["engine"] == "fast"


def show_policies(terminal: Terminal, lives: list[Simulated]) -> None:
    """Right answers of each policy, and how many no policy can exceed."""
    from freeml.cli import tables

    columns = ("policy", "engine", "right an hour", "right", "answers", "uJ an hour", "by exit")
    shown = tables.table(*columns, right=(2, 3, 4, 5))
    for life in lives:
        lived = life.lived
        counts = (f"{lived.correct_per_hour:,.5g}", f"{lived.right:,}", f"{lived.inferences:,}")
        exits = " ".join(f"{n:,}" for n in lived.exits[: life.load.depths])
        shown.add_row(life.policy, life.engine, *counts, f"{lived.used_uj_per_hour:,.5g}", exits)
    bound, note = lives[0].bound, "on the same trace"
    if bound is not None:
        shown.add_row("bound", "", f"{bound.correct_per_hour:,.5g}", f"{bound.right:,}", "", "", "")
        note += "; the bound knows what comes"
    terminal.show(tables.heading("Policies", note), shown)


@click.command("report", short_help="Write one HTML file of what is known of OUT, and how it lives.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option("-o", "--output", "to", type=click.Path(path_type=Path), metavar="FILE", help=f"OUT/{NAME} by default.")
@trace_option(required=False)
@life_options()
@json_option
@click.pass_context
def report_command(ctx: click.Context, /, out: Path, to: Path | None, traces: tuple[Path, ...], **options: Any) -> None:
    """Write memory, layers, exits and, with --trace, a life on it into one HTML file that needs nothing else.

    \b
    Example:
      freeml report out --data har --trace walk.csv --arrivals every:2.56s
    """
    from freeml.cli import tables
    from freeml.cli.simulate import show_simulated
    from freeml.data import load
    from freeml.output.folder import read_output
    from freeml.report.make import write_report
    from freeml.sim.life.events import ALL
    from freeml.sim.life.simulate import simulate, trace_of

    terminal = ctx.ensure_object(Terminal)
    if not traces:
        refuse_without_trace(ctx, ("out", "to", "data_spec", "split", "samples"))
    asked = asked_of(options)
    output, path = read_output(out), to or out / NAME
    spec = options["data_spec"]
    dataset = None if spec is None else load(spec, options["split"], limit=options["samples"])
    is_judged = dataset is not None and dataset.labels is not None
    lives: list[Simulated] = []
    beside: list[Simulated] = []
    with terminal.steps() as progress:
        if traces:
            asked["bound"] |= is_judged and is_bounded(asked)
            read = [trace_of(one, asked["told"], asked["on_defect"]) for one in traces]
            lives.append(simulate(output, trace=read, data=dataset, log_what=ALL, progress=progress, **asked))
            for name in other_policies(output, asked["policy"]) if is_judged else ():
                # By table: the other engines have the firmware in OUT, and that has its own policy.
                others = {**asked, "policy": name, "engine": "fast", "bound": False}
                beside.append(simulate(output, trace=read, data=dataset, progress=progress, **others))
        progress("write the page")
        write_report(output, path, lives, dataset, beside)
    terminal.result({"report": str(path), "bytes": path.stat().st_size, "lives": [life.as_json() for life in lives]})
    if not terminal.as_json:
        terminal.show(tables.heading("Memory"), tables.memory(output.manifest))
        for life in lives:
            show_simulated(terminal, life)
        if any(life.has_labels for life in lives):
            show_policies(terminal, [*lives, *beside])
        terminal.show(tables.heading(str(path), f"{path.stat().st_size:,} bytes, needs no network"))
