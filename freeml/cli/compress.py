"""`freeml compress`: from a pre-trained network to a small one, as a file that compiles to the very integers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.bounds import bounds_of, bounds_options, line_of
from freeml.cli.options import data_option, json_option, model_argument, samples_option, toolchain_option
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeml.compress.types import Bounds
    from freeml.compression import Compression

_INTERRUPTED = 130


@click.command("compress", short_help="Make a network fit footprint and memory.")
@model_argument
@data_option("Samples to train, judge and measure with: splits train, calibration, test.")
@click.option(
    "--board", default="host", show_default=True, metavar="NAME", help="A name of `freeml boards`, or a .toml file."
)
@bounds_options
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="ONNX file to write.")
@samples_option("Measure accuracy on at most N test samples, evenly spread; all by default.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Write the frontier as a picture, too.")
@toolchain_option
@json_option
@click.pass_context
def compress_command(
    ctx: click.Context,
    /,
    model: str,
    data_spec: str | None,
    board: str,
    out: Path,
    samples: int | None,
    plot: Path | None,
    toolchain: Any,
    **options: Any,
) -> None:
    """Make MODEL small: fewer weights, in fewer bits, trained as the device computes, within bounds of size, memory,
    energy and time that the board's plan is asked for.

    Splits train and calibration are used; test samples are read once, through the C that comes out. The file is a QDQ
    ONNX model, which `freeml compile` turns into the same integers.

    \b
    Example:
      freeml compress model.onnx --data har --board msp430fr5994 --target-kb 16 -o small.onnx
      freeml compile small.onnx --board msp430fr5994 -o out
    """
    from freeml.cli.frontier import check_picture
    from freeml.errors import BadData

    terminal = ctx.ensure_object(Terminal)
    bounds = bounds_of(options)
    if bounds is None:
        raise BadData("there is nothing to reach", hint="give a bound, such as --target-kb 16")
    if plot is not None:
        check_picture(plot)
    how = {"board": board, "samples": samples, "toolchain": toolchain}
    found = made_small(ctx, model, data_spec, bounds, out, options, file=out, **how)
    if plot is not None:
        draw(found, plot, out.name)
    terminal.result({**found.as_dict(), "out": str(out), "plot": str(plot) if plot else None})
    if not terminal.as_json:
        show_compression(terminal, found)
        _show_next(terminal, out, board)


def made_small(
    ctx: click.Context,
    model: str,
    data_spec: str | None,
    bounds: Bounds,
    out: Path,
    options: Mapping[str, Any],
    *,
    file: Path | None,
    **how: Any,
) -> Compression:
    """Compress with news for a person, beside checkpoints that an interruption leaves: then it ends the command.

    out      what the command writes, by which the workspace is called; file: the network, where that is written
    options  those of `bounds_options`
    """
    from freeml.compression import compress_model
    from freeml.errors import BadData, BadModel, DoesNotFit, UnsupportedOp

    terminal = ctx.ensure_object(Terminal)
    if data_spec is None:
        raise BadData("a network is made small by training it, which takes samples", where="--data")
    work = options["workspace"] or out.with_name(out.name + ".work")
    check_workspace(work, resume=options["resume"])
    how |= {"bounds": bounds, "method": options["method"], "seed": options["seed"], "workspace": work}
    try:
        with terminal.news() as tell:
            news = lambda told: tell(line_of(told), told.done)  # noqa: E731
            found = compress_model(model, data_spec, file, on_progress=news, **how)
    except KeyboardInterrupt:
        if work.is_dir() and any(work.iterdir()):
            kept = f"interrupted; {out} was not written, what was trained is kept in {work}"
            terminal.fail_interrupted(kept, "the same command with --resume goes on")
        else:
            terminal.fail_interrupted()
        ctx.exit(_INTERRUPTED)
    except (BadData, BadModel, DoesNotFit, UnsupportedOp):
        if options["workspace"] is None and not options["resume"]:
            shutil.rmtree(work, ignore_errors=True)  # going on with it would end the same
        raise
    if options["workspace"] is None:
        shutil.rmtree(work, ignore_errors=True)
    return found


def check_workspace(work: Path, *, resume: bool) -> None:
    """Raise BadData where a run would go on that nobody asked to, where there is none to go on with, and for a folder
    of something else: whoever deletes that loses files."""
    from freeml.errors import BadData

    if work.exists() and not work.is_dir():
        raise BadData("a workspace is a folder, this is a file", where=str(work))
    found = sorted(path.name for path in work.iterdir()) if work.is_dir() else []
    if found and not _is_begun(work, found):
        some = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise BadData(
            f"this folder is no workspace: it holds {some}, which no compression wrote",
            where=str(work),
            hint="give a new or an empty folder with --workspace",
        )
    if found and not resume:
        raise BadData("an interrupted run is there", where=str(work), hint="--resume goes on with it; or delete it")
    if resume and not found:
        raise BadData("there is no run to go on with", where=str(work), hint="leave --resume out")


def _is_begun(work: Path, names: list[str]) -> bool:
    """Whether a run was begun in a folder with these files: its first is `run`, which is a .npz file."""
    if names == ["run.part"]:
        return True
    if not (work / "run").is_file():
        return False
    with (work / "run").open("rb") as file:
        return file.read(2) == b"PK"


def draw(found: Compression, path: Path, title: str) -> None:
    """The frontier as a picture."""
    from freeml.cli.frontier import picture

    made = found.compressed
    points = [(point.stored_bytes, point.accuracy) for point in made.frontier]
    reached = made.cost.stored_bytes, made.accuracy.small_int8
    picture(points, reached, (made.dense_bytes, made.accuracy.dense_float), path, title, made.kind)


def show_compression(terminal: Terminal, found: Compression) -> None:
    """Bytes, accuracy, memory, layers, frontier."""
    from freeml.cli import tables
    from freeml.cli.frontier import drawn

    made, stored = found.compressed, found.account.stored
    terminal.show(tables.heading(f"Made small for board {made.board}", f"method {made.method}, {made.seconds:,.0f} s"))
    terminal.show(_bytes(found))
    rated = found.accuracies
    if rated is None:
        terminal.show(tables.heading("Accuracy", f"not measured on unseen samples: {found.note}"))
    else:
        note = f"{rated.kind} on {rated.n_samples:,} samples, split {rated.split}: {rated.drop_points:.2f} points lost"
        terminal.show(tables.heading("Accuracy", note))
        if found.note:
            terminal.show(f"note: {found.note}")
        table = tables.table("dense float", "dense int8", "emitted C", right=(0, 1, 2))
        table.add_row(*(f"{100 * value:.2f} %" for value in (rated.dense_float, rated.dense_int8, rated.emitted)))
        terminal.show(table)
    terminal.show(tables.heading("On the board", found.inference.basis), _board(found))
    terminal.show(
        tables.heading("Layers", f"{made.dense_bytes:,} bytes in float32 -> {stored.total:,}"), _layers(found)
    )
    points = [(point.stored_bytes, point.accuracy) for point in made.frontier]
    reached = made.cost.stored_bytes, made.accuracy.small_int8
    terminal.warn(found.warnings)
    note = f"{made.kind} on the calibration split over stored bytes; * is what was written"
    terminal.show(tables.heading("Frontier", note), "\n".join(drawn(points, reached, terminal.width)))


def _bytes(found: Compression) -> Any:
    from dataclasses import asdict

    from freeml.cli import tables

    stored = asdict(found.account.stored)
    table = tables.table("bytes of", *stored, "stored", "ratio", "tables", "decoders", right=range(1, len(stored) + 5))
    account = found.account
    numbers = [*stored.values(), account.stored.total]
    table.add_row(
        found.counted.split(" by ", 1)[0],
        *(f"{number:,}" for number in numbers),
        f"{found.ratio:.1f}x",
        f"{account.table_bytes:,}",
        f"{account.decoder_bytes:,}",
    )
    return table


def _board(found: Compression) -> Any:
    from freeml.cli import tables

    dense, memory, inference = found.compressed.dense_cost, found.memory, found.inference
    table = tables.table("", "arena", "SRAM", "flash", "cycles", "energy", right=range(1, 6))

    def row(name: str, arena: int, sram: int, flash: int, cycles: int | None, energy: float | None) -> None:
        shown = "-" if energy is None else f"{energy:,.1f} uJ"
        table.add_row(name, f"{arena:,}", f"{sram:,}", f"{flash:,}", "-" if cycles is None else f"{cycles:,}", shown)

    for name, cost in (("dense, planned", dense), ("small, planned", found.compressed.cost)):
        row(name, cost.arena_bytes, cost.sram_bytes, cost.flash_bytes, cost.cycles, cost.energy_uj)
    taken = inference.cycles, inference.energy_uj
    row("small", memory["arena_bytes"], memory["sram_bytes"], memory["flash_bytes"], *taken)
    return table


def _layers(found: Compression) -> Any:
    from freeml.cli import tables

    table = tables.table("layer", "before", "after", "not 0", "float32", "stored", "as", right=(3, 4, 5))
    for layer in found.compressed.layers:
        before = tables.shape(layer.shape_before) if layer.shape_before else ""
        after = tables.shape(layer.shape_after) if layer.shape_after else "gone"
        n_bytes = (f"{layer.bytes_before:,}" if layer.bytes_before else "", f"{layer.bytes_after:,}")
        table.add_row(tables.node(layer.name), before, after, f"{layer.nonzero:,}", *n_bytes, layer.encoding)
    return table


def _show_next(terminal: Terminal, out: Path, board: str) -> None:
    from freeml.cli import tables

    terminal.show(tables.heading("Written"))
    click.echo(f"{out}\ncompile it with: freeml compile {out} --board {board} -o out")
