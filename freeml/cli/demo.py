"""`freeml demo`: a pre-trained network compiled, run and shown, with nothing to prepare."""

from __future__ import annotations

import tempfile
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

_MODEL = ("examples", "digits", "digits.onnx")
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

    Then cut its power at every write, any number of times: the answers stay the same. Takes some seconds. The network
    comes with freeml, the digits with scikit-learn: nothing is downloaded.

    \b
    Example:
      freeml demo
      freeml demo -o digits_c
    """
    from freeml.data import load
    from freeml.output.folder import read_output
    from freeml.pipeline import compile_model
    from freeml.resources import resource
    from freeml.sim.check import verify_output
    from freeml.sim.power_loss.host import lose_power_on_host

    terminal = ctx.ensure_object(Terminal)
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="freeml-demo-"))) / "digits"
        with terminal.steps() as progress:
            manifest = compile_model(resource(*_MODEL), folder, data="digits", progress=progress).manifest
        output = read_output(folder)
        dataset = load("digits", "test")
        with terminal.counting("run the C", len(dataset)) as advance:
            checked = asdict(verify_output(output, dataset, advance))
        predicted = _predicted(output, dataset)
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
        _show_digits(terminal, dataset, predicted)
        _show_next(terminal, out)
    if checked["mismatches"] or not closure["closed"]:
        ctx.exit(1)


def _predicted(output: Output, dataset: Dataset) -> list[int]:
    """The class that the C gives for every sample."""
    from freeml.data.accuracy import Said
    from freeml.ir.interpret import encode_inputs, interpret
    from freeml.sim.host import host_device
    from freeml.sim.sampled import SampledDevice

    inputs = encode_inputs(output.graph, dataset.real_inputs())
    said = Said(output.graph)
    of_c = SampledDevice(host_device(output), output.graph).run(inputs)
    said.add({**interpret(output.graph, inputs, said.wanted), **of_c})
    assert said.answers.classes is not None
    return [int(c) for c in said.answers.classes]


def _show_digits(terminal: Terminal, dataset: Dataset, predicted: list[int]) -> None:
    """A few digits side by side, a wrong one among them if there is any: nobody is to think it never errs."""
    from freeml.cli import tables

    assert dataset.labels is not None
    labels = [int(label) for label in dataset.labels]
    n_shown = max(2, min(_MOST_SHOWN, (terminal.width + _GAP) // (_PICTURE + _GAP)))
    wrong = [i for i, (p, label) in enumerate(zip(predicted, labels, strict=True)) if p != label]
    right = [i for i in range(0, len(labels), max(1, len(labels) // _MOST_SHOWN)) if i not in wrong]
    chosen = [*right[: n_shown - 1], wrong[0]] if wrong else right[:n_shown]
    note = f"{len(labels) - len(wrong)} of {len(labels)} right"
    terminal.show(tables.heading("What the C sees and says", note), _pictures(dataset, chosen, predicted, labels))


def _pictures(dataset: Dataset, chosen: list[int], predicted: list[int], labels: list[int]) -> Table:
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
    pictures, captions = [], []
    for i in chosen:
        image = dataset.inputs[0][i, 0]
        levels = (image / 16 * (len(_SHADES) - 1)).round().astype(int)
        pictures.append(Text("\n".join("".join(_SHADES[v] * 2 for v in row) for row in levels)))
        good = predicted[i] == labels[i]
        caption = f"says {predicted[i]}: right" if good else f"says {predicted[i]}, is {labels[i]}"
        captions.append(Text(caption, style="green" if good else "bold red"))
        made.add_column(no_wrap=True, width=_PICTURE)
    made.add_row(*pictures)
    made.add_row(*captions)
    return made


def _show_next(terminal: Terminal, out: Path | None) -> None:
    from freeml.cli import tables

    if out:
        terminal.show(tables.heading(f"The C is in {out}", "build it with make, or link it into your own program"))
    else:
        terminal.show(
            tables.heading("Next", "freeml demo -o digits_c keeps the C; freeml compile takes your own model")
        )
