"""`freeml verify`: is the C what the compiler meant?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import data_option, json_option, samples_option, split_option, toolchain_option
from freeml.cli.terminal import Terminal, printable
from freeml.sim.engines import ENGINES, engines_in_words

if TYPE_CHECKING:
    from freeml.data import Dataset
    from freeml.firmware.build import Toolchain
    from freeml.output.folder import Output
    from freeml.output.manifest import Manifest
    from freeml.sim.opened import Opened

_RANDOM_SAMPLES = 100
_DEFAULT = "host"


def _check_mode(engine: str, kind: type[Opened], mode: str | None) -> None:
    """Raise BadParameter for a mode that the engine does not have."""
    if mode is not None and not re.fullmatch(kind.modes, mode):
        whose = "" if engine == _DEFAULT else f": what --engine {engine} has"
        raise click.BadParameter(f"{mode!r} is none of {kind.modes_said}{whose}", param_hint="'--power-loss'")


@click.command("verify", short_help="Run the C against the interpreter and the float model.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@data_option("Samples to run; random ones over the whole input range by default.")
@split_option()
@samples_option(f"At most N samples, evenly spread; all by default, {_RANDOM_SAMPLES} random ones without --data.")
@click.option(
    "--seed", default=0, show_default=True, metavar="N", type=click.IntRange(min=0), help="Of the random samples."
)
@click.option(
    "--power-loss",
    "--schedule",
    "power_loss",
    metavar="MODE",
    help="Also cut the power: all (every reachable state), commit, linear, log, none, random:SEED, or a schedule as a "
    "divergence is reported, such as --schedule 12,8. With --engine board: all, commit, every (after each single "
    "instruction), linear, none, random:SEED.",
)
@click.option("--depth", type=click.IntRange(min=1), metavar="K", help="Of a network with exits: end at this one.")
@click.option("--limit-s", default=300.0, show_default=True, metavar="S", help="Time for --power-loss all or every.")
@click.option(
    "--engine",
    type=click.Choice(list(ENGINES)),
    default=_DEFAULT,
    show_default=True,
    help=f"What is run. {engines_in_words()}.",
)
@toolchain_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    out: Path,
    data_spec: str | None,
    split: str,
    samples: int | None,
    seed: int,
    power_loss: str | None,
    depth: int | None,
    limit_s: float,
    engine: str,
    toolchain: Toolchain,
) -> None:
    """Build the C in OUT, for this machine or its board, and run it.

    Its outputs must equal the interpreter's byte for byte: exit code 1 if one differs. Against the float model it
    reports error, agreement of the predicted class and, with labels, accuracy.

    \b
    Example:
      freeml verify out --data mnist
      freeml verify out --data mnist --samples 500 --json
      freeml verify out --power-loss all
      freeml verify out --engine board --power-loss every
    """
    from freeml.data import load
    from freeml.output.folder import read_output
    from freeml.sim.check import random_dataset, verify_output

    kind = ENGINES[engine]()
    _check_mode(engine, kind, power_loss)
    terminal = ctx.ensure_object(Terminal)
    output = read_output(out)
    if depth is not None:
        from freeml.retune import at_depth

        place = ctx.with_resource(TemporaryDirectory(prefix="freeml-depth-"))
        output = at_depth(output, depth, Path(place) / "out")
    if data_spec is None:
        dataset = random_dataset(output.graph, samples or _RANDOM_SAMPLES, seed)
        source = f"{len(dataset):,} random samples, seed {seed}; real ones with --data"
    else:
        dataset = load(data_spec, split, limit=samples)
        source = f"{len(dataset):,} samples of {data_spec}, split {split}{f': {dataset.rule}' if dataset.rule else ''}"
    with terminal.steps() as progress:
        progress(kind.starting)
        opened = kind.start(output, toolchain)
    with terminal.counting(f"run {output.graph.name}", len(dataset)) as advance:
        checked = asdict(verify_output(output, dataset, advance, model=opened.model))
    found = {**checked, "warnings": list(checked["warnings"]), "data": data_spec, "out": str(out)}
    found |= {"split": split if data_spec else None, "rule": dataset.rule or None}
    taken = opened.taken()
    found |= asdict(taken) if taken else {}
    found |= exits_of(output, dataset) if output.manifest.exits else {}
    if power_loss is not None:
        with terminal.steps() as progress:
            progress(f"cut the power: {power_loss}")
            found["closure"] = asdict(opened.lose_power(dataset, power_loss, limit_s=limit_s))
    terminal.result(found)
    if not terminal.as_json:
        show_verification(terminal, checked, source, output.manifest)
        if output.manifest.exits:
            show_exits(terminal, found)
        if taken:
            show_taken(terminal, found)
        if power_loss is not None:
            show_closure(terminal, found["closure"])
    if checked["mismatches"] or (power_loss is not None and found["closure"]["divergences"]):
        ctx.exit(1)


def exits_of(output: Output, dataset: Dataset) -> dict[str, Any]:
    """What each depth is worth and takes, and bytes of heads."""
    from freeml.data import fit_inputs
    from freeml.exits.report import figures

    made = output.manifest.exits
    assert made is not None
    fitted = fit_inputs(dataset, [port.shape for port in output.graph.inputs])
    worth = {one.depth: asdict(one) for one in figures(output.graph, fitted)}
    nothing = {"accuracy": None, "ece": None, "auroc": None}
    rows = [
        {
            "depth": one.depth,
            "loc": one.loc,
            **worth.get(one.depth, nothing),
            "macs": one.macs,
            "energy_uj": one.energy_uj,
        }
        for one in made.at
    ]
    sizes = ("exit_bytes", "separate_exit_bytes", "separate_same_pooling_bytes")
    return {"exits": rows, "policy": made.policy, **{name: getattr(made, name) for name in sizes}}


def show_exits(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Depths, what they are worth, and where samples ended."""
    from freeml.cli import tables

    made = tables.table(
        "depth", "behind", "accuracy", "ECE", "macs", "energy", "ended", right=(0, 2, 3, 4, 5, 6), elastic=(1,)
    )
    for row, n in zip(found["exits"], found["depths"], strict=True):
        share = ["" if row[name] is None else tables.percent(row[name]) for name in ("accuracy", "ece")]
        energy = "" if row["energy_uj"] is None else f"{row['energy_uj']:,.1f} uJ"
        made.add_row(str(row["depth"]), printable(row["loc"]), *share, f"{row['macs']:,}", energy, f"{n:,}")
    note = f"policy {found['policy']}; heads take {found['exit_bytes']:,} bytes"
    terminal.show(tables.heading("Exits", note), made)


def show_closure(terminal: Terminal, closure: Mapping[str, Any]) -> None:
    """What cutting the power found."""
    from rich.text import Text

    from freeml.cli import tables

    note = f"mode {closure['mode']}, NVM {', '.join(closure['behaviours'])}, {closure['seconds']:.1f} s"
    terminal.show(tables.heading("Power loss", note))
    if closure["divergences"]:
        after = f" after losses {closure['schedule']}" if closure.get("schedule") else ""
        verdict = f"wrong{after}: {closure['reason']}"
        terminal.show(Text(printable(verdict), style="bold red"))
    elif closure["closed"]:
        everything = "every reachable state was booted: any number of losses at any write gives the same answers"
        terminal.show(Text(everything if closure["mode"] == "all" else "same answers", style="bold green"))
    else:
        terminal.show(Text(f"not closed: {closure['reason']}", style="bold yellow"))
    figures = tables.table("", "", right=(1,))
    if "cuts" in closure:
        figures.add_row("power losses", f"{closure['cuts']:,}")
        figures.add_row("different contents of NVM after one", f"{closure['images']:,}")
    else:
        figures.add_row("cuts, each to a state not seen before", f"{closure['images']:,}")
        figures.add_row("atomic writes executed", f"{closure['writes']:,}")
    terminal.show(figures)


def show_taken(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """What an inference took of the board."""
    from rich.text import Text

    from freeml.cli import tables

    figures = tables.table(f"one inference on a {found['core']}", "", right=(1,))
    figures.add_row("instructions, mean", f"{found['instructions']:,}")
    figures.add_row("instructions, most", f"{found['instructions_max']:,}")
    figures.add_row("cycles, mean", f"{found['cycles']:,}")
    figures.add_row("bytes written to NVM", f"{found['nvm_bytes_written']:,}")
    if found["charge_nc"] is not None:
        figures.add_row("charge, mean", f"{found['charge_nc'] / 1000:,.1f} uC")
    terminal.show(figures, Text(found["basis"], style="dim"))


def show_verification(terminal: Terminal, checked: Mapping[str, Any], source: str, manifest: Manifest) -> None:
    """The verdict and the figures behind it."""
    from rich.text import Text

    from freeml.cli import tables

    terminal.show(tables.heading("Verification", source))
    if checked["mismatches"]:
        verdict = f"{checked['mismatches']:,} of {checked['samples']:,} samples differ from the interpreter"
        terminal.show(Text(verdict, style="bold red"), Text(printable(checked["first_mismatch"])))
    else:
        terminal.show(Text("the C gives the interpreter's bytes on every sample", style="bold green"))
    figures = tables.table("against the float model", "", right=(1,))
    if checked["accuracy"] is not None:
        figures.add_row("accuracy of the C", tables.percent(checked["accuracy"]))
        figures.add_row("accuracy of the float model", tables.percent(checked["float_accuracy"]))
    if checked["mae"] is not None:
        figures.add_row("mean absolute error of the C", f"{checked['mae']:.4g}")
        figures.add_row("mean absolute error of the float model", f"{checked['float_mae']:.4g}")
        figures.add_row("R2 of the C", tables.coefficient(checked["r2"]))
        figures.add_row("R2 of the float model", tables.coefficient(checked["float_r2"]))
    if checked["agreement"] is not None:
        figures.add_row("same class predicted", tables.percent(checked["agreement"]))
    figures.add_row("largest error of an output", f"{checked['max_error']:.4g}")
    figures.add_row("mean error of an output", f"{checked['mean_error']:.4g}")
    scales = [port.scale for port in manifest.outputs if port.scale]
    if scales:
        figures.add_row("one step of the int8 output", f"{max(scales):.4g}")
    terminal.show(figures)
    terminal.warn(checked["warnings"])
