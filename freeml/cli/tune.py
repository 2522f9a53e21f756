"""`freeml tune`: other tables for a network with exits, without compiling it again."""

from __future__ import annotations

from pathlib import Path

import click

from freeml.cli.options import data_option, json_option
from freeml.cli.terminal import Terminal


@click.command("tune", short_help="Choose anew when an exit is the end.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@data_option("Samples whose calibration part temperatures and thresholds are found on.")
@click.option("--policy", metavar="POLICY", help="As for compile; that of OUT by default.")
@json_option
@click.pass_context
def tune(ctx: click.Context, out: Path, data_spec: str | None, policy: str | None) -> None:
    """Find temperatures and thresholds of the exits in OUT anew, and write its tables.

    The C of the model stays as it is: a device with the new firmware goes on where it was.

    \b
    Example:
      freeml tune out --data mnist --policy confident-or-energy
    """
    from freeml.cli import tables
    from freeml.retune import tune_folder

    terminal = ctx.ensure_object(Terminal)
    with terminal.steps() as progress:
        progress("answer at each depth")
        manifest = tune_folder(out, data_spec, policy)
    terminal.result({**manifest.as_dict(), "out": str(out)})
    if not terminal.as_json and manifest.exits is not None:
        note = f"{manifest.exits.how}; policy {manifest.exits.policy}"
        terminal.show(tables.heading("Exits", note), tables.exits(manifest.exits))
        terminal.show(f"written: {out}/runtime/{manifest.name}_policy.c; build the firmware again")
