"""`freeml profile`: what each layer takes on the emulated board, and whether every step fits the capacitor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import capacitor_option, json_option, toolchain_option
from freeml.cli.terminal import Terminal, printable

if TYPE_CHECKING:
    from freeml.firmware.build import Toolchain


@click.command("profile", short_help="Measure each layer on the emulated board.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--to", type=click.Path(path_type=Path), metavar="FILE", help="Where the costs go; OUT/profile.json by default."
)
@capacitor_option
@toolchain_option
@json_option
@click.pass_context
def profile(
    ctx: click.Context,
    out: Path,
    to: Path | None,
    capacitor: str | None,
    toolchain: Toolchain,
) -> None:
    """Measure cycles, charge and NVM traffic of every tile of the firmware in OUT, with tiles of several sizes.

    The costs go to a file that `freeml compile --profile FILE` plans with. Progress is proved once more with them: exit
    code 1 where a step does not fit one charge of the capacitor.

    \b
    Example:
      freeml compile model.onnx --board msp430fr5994 --data mnist -o out
      freeml profile out
      freeml compile model.onnx --board msp430fr5994 --data mnist -o out2 --profile out/profile.json
    """
    from freeml.output.folder import read_output
    from freeml.sim.profile import check_measured, profile_output
    from freeml.units import parse_capacitor

    terminal = ctx.ensure_object(Terminal)
    output = read_output(out)
    capacitor_uf = None if capacitor is None else parse_capacitor(capacitor)
    with terminal.steps() as progress:
        table = profile_output(output, toolchain, progress)
    path = to or out / "profile.json"
    path.write_text(json.dumps(table.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    proof = check_measured(output, table, capacitor_uf)
    found = {"profile": str(path), **table.model_dump(mode="json"), **asdict(proof)}
    terminal.result(found)
    if not terminal.as_json:
        _show(terminal, found)
    if not proof.fits:
        ctx.exit(1)


def _show(terminal: Terminal, found: Mapping[str, Any]) -> None:
    from rich.text import Text

    from freeml.cli import tables
    from freeml.units import show_capacitor

    terminal.show(tables.heading(f"{found['model']} on {found['board']}", f"measured; written to {found['profile']}"))
    made = tables.table(
        "node", "units", "in a tile", "cycles", "a unit", "tile uJ", "of usable", right=(1, 2, 3, 4, 5, 6)
    )
    for step in _worst_calls(found["steps"]):
        made.add_row(
            tables.node(step["loc"]),
            f"{step['n_units']:,}" if step["n_units"] else "",
            f"{step['tile_units']:,}" if step["n_units"] else "",
            f"{step['cycles']:,.0f}",
            f"{step['unit_cycles']:,.1f}" if step["n_units"] else "",
            f"{step['uj']:,.3g}",
            f"{100 * step['share']:.1f} %",
        )
    terminal.show(made, Text(printable(found["basis"]), style="dim"))
    size = show_capacitor(found["capacitor_uf"])
    if found["fits"]:
        verdict, style = f"every step fits one charge of {size}, as measured", "bold green"
    else:
        verdict, style = f"not every step fits one charge of {size}: compile again with --profile", "bold red"
    terminal.show(Text(verdict, style=style))


def _worst_calls(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of calls of a layer that have as many units, as slices have, the one with the dearest tile."""
    found: dict[object, Mapping[str, Any]] = {}
    for index, step in enumerate(steps):
        key = (step["loc"], step["n_units"]) if step["n_units"] else index
        if key not in found or step["share"] > found[key]["share"]:
            found[key] = step
    return list(found.values())
