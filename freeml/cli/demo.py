"""`freeml demo`: a pre-trained network compiled, run and shown, with nothing to prepare."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from freeml.cli.compile import show_manifest
from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal
from freeml.cli.verify import show_closure, show_verification

if TYPE_CHECKING:
    from rich.table import Table

    from freeml.data import Dataset
    from freeml.output.folder import Output
    from freeml.sim.device import Result

_MODEL = ("examples", "digits", "digits_exits.onnx")
_SHADES = " ░▒▓█"
_MOST_SHOWN = 5
_PICTURE = 16  # columns of a digit
_GAP = 3


@click.command("demo", short_help="Compile, run and check a small network: start here.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="OUT", help="Keep the C there; thrown away by default."
)
@json_option
@click.pass_context
def demo(ctx: click.Context, out: Path | None) -> None:
    """Compile a small network for handwritten digits, run its C on digits it has not seen, and show a few.

    The network stops early where it is sure. Then cut its power at every write, any number of times: the answers stay
    the same. Takes some seconds. The network comes with freeml, the digits with scikit-learn: nothing is downloaded.

    \b
    Example:
      freeml demo
      freeml demo -o digits_c
    """
    from freeml.data import load
    from freeml.exits.deploy import ExitOptions
    from freeml.output.folder import read_output
    from freeml.pipeline import CompileOptions, compile_model
    from freeml.resources import resource
    from freeml.sim.check import verify_output
    from freeml.sim.power_loss.host import lose_power_on_host

    terminal = ctx.ensure_object(Terminal)
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="freeml-demo-"))) / "digits"
        with terminal.steps() as progress:
            options = CompileOptions(name="digits", exits=ExitOptions("outputs", policy="searched"))
            made = compile_model(resource(*_MODEL), folder, data="digits", options=options, progress=progress)
            manifest = made.manifest
        output = read_output(folder)
        dataset = load("digits", "test")
        with terminal.counting("run the C", len(dataset)) as advance:
            checked = asdict(verify_output(output, dataset, advance))
        said = _said(output, dataset)
        with terminal.steps() as progress:
            progress("cut the power at every write, again and again")
            closure = asdict(lose_power_on_host(output, "all", dataset))
    terminal.result(
        {"compile": {**manifest.as_dict(), "out": str(out) if out else None}, "verify": checked, "closure": closure}
    )
    if not terminal.as_json:
        show_manifest(terminal, manifest)
        show_verification(terminal, checked, f"{len(dataset)} held-out digits through the C", manifest)
        show_closure(terminal, closure)
        _show_digits(terminal, dataset, said)
        _show_next(terminal, out)
    if checked["mismatches"] or not closure["closed"]:
        ctx.exit(1)


def _said(output: Output, dataset: Dataset) -> list[Result]:
    """What the C publishes of every sample."""
    from freeml.ir.interpret import encode_inputs
    from freeml.sim.host import host_device
    from freeml.sim.sampled import SampledDevice

    device = SampledDevice(host_device(output), output.graph)
    device.run(encode_inputs(output.graph, dataset.real_inputs()))
    return device.published


def _show_digits(terminal: Terminal, dataset: Dataset, said: Sequence[Result]) -> None:
    """A few digits side by side, a wrong one among them if there is any: nobody is to think it never errs."""
    from freeml.cli import tables

    assert dataset.labels is not None
    labels = [int(label) for label in dataset.labels]
    n_shown = max(2, min(_MOST_SHOWN, (terminal.width + _GAP) // (_PICTURE + _GAP)))
    wrong = [i for i, (one, label) in enumerate(zip(said, labels, strict=True)) if one.class_index != label]
    right = [i for i in range(len(labels)) if i not in wrong]
    early = [i for i in right if said[i].depth == 1]
    whole = [i for i in right if said[i].depth > 1]
    chosen = [*early[: (n_shown - 1) // 2 + 1], *whole]
    chosen = [*chosen[: n_shown - 1], *(wrong[:1] or chosen[n_shown - 1 : n_shown])]
    note = f"{len(right)} of {len(labels)} right; {sum(one.depth == 1 for one in said)} ended at the first exit"
    terminal.show(tables.heading("What the C sees and says", note), _pictures(dataset, chosen, said, labels))


def _pictures(dataset: Dataset, chosen: list[int], said: Sequence[Result], labels: list[int]) -> Table:
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
    pictures, captions, depths = [], [], []
    for i in chosen:
        image = dataset.inputs[0][i, 0]
        levels = (image / 16 * (len(_SHADES) - 1)).round().astype(int)
        pictures.append(Text("\n".join("".join(_SHADES[v] * 2 for v in row) for row in levels)))
        good = said[i].class_index == labels[i]
        caption = f"says {said[i].class_index}: right" if good else f"says {said[i].class_index}, is {labels[i]}"
        captions.append(Text(caption, style="green" if good else "bold red"))
        # at its end the network says by how many codes its class leads, an exit how likely it is
        sure = f", {100 * said[i].confidence / 255:.0f} %" if said[i].depth == 1 else ""
        depths.append(Text(f"depth {said[i].depth}{sure}", style="dim"))
        made.add_column(no_wrap=True, width=_PICTURE)
    made.add_row(*pictures)
    made.add_row(*captions)
    made.add_row(*depths)
    return made


def _show_next(terminal: Terminal, out: Path | None) -> None:
    from freeml.cli import tables

    if out:
        terminal.show(tables.heading(f"The C is in {out}", "build it with make, or link it into your own program"))
    else:
        terminal.show(
            tables.heading("Next", "freeml demo -o digits_c keeps the C; freeml compile takes your own model")
        )
