"""`freeml data`: the named data sets, and what a data specification holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import json_option, split_option
from freeml.cli.terminal import Terminal, printable

if TYPE_CHECKING:
    from freeml.data import Dataset
    from freeml.data.catalogue import Entry


@click.group("data", invoke_without_command=True, short_help="List, download and look at data sets.")
@json_option
@click.pass_context
def data(ctx: click.Context) -> None:
    """List the named data sets, download one, or show what is in one.

    \b
    Example:
      freeml data
      freeml data get mnist
      freeml data show samples.npz
    """
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Terminal))


@data.command("list")
@json_option
@click.pass_obj
def list_command(terminal: Terminal) -> None:
    """List the named data sets and whether they are on this machine.

    \b
    Example:
      freeml data list --json
    """
    _list(terminal)


@data.command("get")
@click.argument("name", metavar="NAME")
@json_option
@click.pass_obj
def get_command(terminal: Terminal, name: str) -> None:
    """Download the named set into the folder of FREEML_DATA and check it against its published hash.

    Files that are there already are checked, never replaced.

    \b
    Example:
      FREEML_DATA=~/data freeml data get mnist
    """
    from freeml.data.catalogue import entry
    from freeml.data.download import get

    entry(name)
    with terminal.bars() as progress:
        files = [str(path) for path in get(name, progress=progress)]
    terminal.result({"name": name, "files": files})
    if not terminal.as_json:
        from freeml.cli import tables

        terminal.show(
            tables.heading(name, f"{len(files)} files" if files else "comes with scikit-learn: nothing to download")
        )
        for file in files:
            terminal.show(printable(file))


@data.command("show")
@click.argument("spec", metavar="SPEC")
@split_option("all")
@json_option
@click.pass_obj
def show_command(terminal: Terminal, spec: str, split: str) -> None:
    """Show shapes, ranges and classes of SPEC: a named set, .npz file, IDX folder or package.module:function.

    \b
    Example:
      freeml data show digits --split test
    """
    from freeml.data import load

    dataset = load(spec, split)
    inputs, classes = _inputs(dataset), _classes(dataset)
    terminal.result(
        {
            "name": dataset.name,
            "split": dataset.split,
            "samples": len(dataset),
            "inputs": [asdict(row) for row in inputs],
            "classes": classes and [{"class": row.number, "name": row.name, "samples": row.samples} for row in classes],
        }
    )
    if terminal.as_json:
        return
    from freeml.cli import tables

    shown = tables.table("input", "shape", "type", "lowest", "mean", "highest", right=(3, 4, 5), elastic=(1,))
    for index, row in enumerate(inputs):
        figures = (f"{row.lowest:.4g}", f"{row.mean:.4g}", f"{row.highest:.4g}")
        shown.add_row(str(index), tables.shape(row.shape), row.dtype, *figures)
    terminal.show(tables.heading(spec, f"{len(dataset):,} samples, split {split}"), shown)
    if classes is None:
        terminal.show(tables.heading("No labels"))
        return
    made = tables.table("class", "name", "samples", "", right=(0, 2), elastic=(3, 1))
    most = max(one.samples for one in classes)
    for one in classes:
        name = tables.short(one.name or "", 40)
        made.add_row(str(one.number), name, f"{one.samples:,}", tables.bar(one.samples, most))
    terminal.show(tables.heading("Classes"), made)


@dataclass(frozen=True, slots=True)
class _InputRow:
    """One input of a data set: of one sample its shape, of all samples the range. Fields are those of the JSON."""

    shape: list[int]
    dtype: str
    lowest: float
    mean: float
    highest: float
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class _ClassRow:
    """A class, its name if it has one, and how many samples are of it."""

    number: int
    name: str | None
    samples: int


def _inputs(dataset: Dataset) -> list[_InputRow]:
    import numpy as np

    return [
        _InputRow(
            shape=list(array.shape[1:]),
            dtype=str(array.dtype),
            lowest=float(array.min(initial=0) if array.size == 0 else array.min()),
            mean=float(array.mean(dtype=np.float64)) if array.size else 0.0,
            highest=float(array.max(initial=0) if array.size == 0 else array.max()),
            scale=quant[0] if quant else None,
            zero_point=quant[1] if quant else None,
        )
        for array, quant in zip(dataset.inputs, dataset.quant, strict=True)
    ]


def _classes(dataset: Dataset) -> list[_ClassRow] | None:
    """None where the data set has no labels."""
    if dataset.labels is None:
        return None
    import numpy as np

    numbers, counts = np.unique(dataset.labels, return_counts=True)
    names = dataset.class_names
    return [
        _ClassRow(int(n), names[n] if names else None, int(count)) for n, count in zip(numbers, counts, strict=True)
    ]


def _list(terminal: Terminal) -> None:
    from freeml.data.catalogue import catalogue
    from freeml.data.folders import data_root

    entries = catalogue()
    terminal.result({"data_root": str(data_root()), "sets": [_plain(entry) for entry in entries]})
    if terminal.as_json:
        return
    from freeml.cli import tables

    made = tables.table("name", "here", "what it is", elastic=(2,))
    for entry in entries:
        made.add_row(entry.name, _here(entry), tables.clipped(entry.description, 72))
    terminal.show(made, tables.heading("Folder", f"{data_root()} (FREEML_DATA names another)"))


def _here(entry: Entry) -> str:
    if entry.present:
        return "yes"
    return "get" if all(file.urls for file in entry.files) else "by hand"


def _plain(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "description": entry.description,
        "licence": entry.licence,
        "source": entry.source,
        "splits": entry.splits,
        "present": entry.present,
        "downloadable": all(file.urls for file in entry.files),
        "placing": entry.placing,
        "files": [
            {"path": file.path, "n_bytes": file.n_bytes, "sha256": file.sha256, "present": file.local is not None}
            for file in entry.files
        ],
    }
