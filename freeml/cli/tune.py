"""`freeml tune`: other tables for a network with exits, without compiling it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.life_options import asked_of, life_options, refuse_without_trace, trace_option
from freeml.cli.options import json_option, refuse_unread
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from freeml.sim.life.tuning import TunedOnTrace

_KEPT = ("arrivals", "duration_s", "seed", "circuit", "told", "on_defect", "timekeeper")


@click.command("tune", short_help="Choose anew when an exit is the end.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@trace_option(required=False)
@click.option(
    "--objective",
    type=click.Choice(["correct-per-hour"]),
    default="correct-per-hour",
    show_default=True,
    help="What a policy is to have most of on --trace.",
)
@life_options(
    "Without --trace: what compile takes, such as fixed:1, global:0.9, searched or energy; that of OUT by default."
)
@json_option
@click.pass_context
def tune(ctx: click.Context, /, out: Path, traces: tuple[Path, ...], objective: str, **options: Any) -> None:
    """Find temperatures and thresholds of the exits in OUT anew, and write its tables.

    With --trace, policies live on it under --arrivals, showing calibration samples: the one with most right answers an
    hour is written. Judge it on another trace, by freeml simulate. The C of the model stays as it is: a device with
    the new firmware goes on where it was.

    \b
    Example:
      freeml tune out --data mnist --policy confident-or-energy
      freeml tune out --data mnist --trace walk.csv --arrivals every:10s
    """
    from freeml.cli import tables
    from freeml.exits.answers import FEW_END
    from freeml.retune import SPLIT, tune_folder

    terminal = ctx.ensure_object(Terminal)
    if options["split"] != SPLIT:
        refuse_unread(ctx, ("split",), f"names other samples than are tuned on: {SPLIT}", "leave it out")
    if traces:
        unread = ("policy", *(("engine",) if options["engine"] != "fast" else ()))
        refuse_unread(ctx, unread, "is not read with --trace: many policies live there by table", "leave it out")
        _on_trace(terminal, out, traces, objective, options)
        return
    refuse_without_trace(ctx, ("out", "data_spec", "split", "samples", "policy"))
    with terminal.steps() as progress:
        progress("answer at each depth")
        manifest = tune_folder(out, options["data_spec"], options["policy"], options["samples"])
    terminal.result({**manifest.as_dict(), "out": str(out)})
    if not terminal.as_json and manifest.exits is not None:
        note = f"{manifest.exits.how}; policy {manifest.exits.policy}"
        terminal.show(tables.heading("Exits", note), tables.exits(manifest.exits))
        terminal.show(f"written: {out}/runtime/{manifest.name}_policy.c; build the firmware again")
        terminal.warn(one for one in manifest.warnings if one.endswith(FEW_END))


def _on_trace(terminal: Terminal, out: Path, traces: tuple[Path, ...], objective: str, options: dict[str, Any]) -> None:
    from freeml.data import load
    from freeml.errors import BadData
    from freeml.exits.answers import few_findings
    from freeml.output.folder import read_output
    from freeml.retune import SPLIT, write_table
    from freeml.sim.life.tuning import setting_of, tune_on_trace

    asked = asked_of(options)
    if options["data_spec"] is None or asked["arrivals"] is None:
        raise BadData(
            "a policy is tuned on labelled samples and events", hint="--data SPEC --arrivals every:T or poisson:T:SEED"
        )
    kept = {name: asked[name] for name in _KEPT}
    output = read_output(out)
    dataset = load(options["data_spec"], SPLIT, limit=options["samples"])
    dataset.check_differ()
    with terminal.steps() as progress:
        made = tune_on_trace(setting_of(output, dataset, traces, progress=progress, **kept), progress)
        # What the profile put into the folder is kept: it is read again.
        write_table(read_output(out), made.found.best.policy, len(dataset))
    rows = {
        name: {
            "correct_per_hour": one.lived.correct_per_hour,
            "correct": one.lived.right,
            "inferences": one.lived.inferences,
            "exits": list(one.lived.exits[: made.setting.load.depths]),
            "used_uj_per_hour": one.lived.used_uj_per_hour,
        }
        for name, one in made.found.of_family.items()
    }
    said = {"out": str(out), "objective": objective, "tried": made.found.tried, "policies": rows}
    few = few_findings(len(dataset))
    terminal.result({**said, "bound": made.bound.as_json(), "warnings": few})
    if not terminal.as_json:
        _show(terminal, made, rows)
        terminal.show(f"written: {out}/runtime/{output.graph.name}_policy.c; build the firmware again")
        terminal.warn(few)


def _show(terminal: Terminal, made: TunedOnTrace, rows: dict[str, dict[str, Any]]) -> None:
    from freeml.cli import tables

    shown = tables.table("policy", "right an hour", "right", "uJ an hour", "by exit", right=(1, 2, 3))
    for name, row in rows.items():
        cells = (f"{row['correct_per_hour']:,.5g}", f"{row['correct']:,}", f"{row['used_uj_per_hour']:,.5g}")
        shown.add_row(name, *cells, " ".join(f"{n:,}" for n in row["exits"]))
    shown.add_row("bound", f"{made.bound.correct_per_hour:,.5g}", f"{made.bound.right:,}", "", "")
    note = f"{made.found.tried} lived on this trace; the bound knows what comes"
    terminal.show(tables.heading("Policies", note), shown)
    terminal.show(f"discretisation error of the bound: {made.bound.lifted:g} answers")
