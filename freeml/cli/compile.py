"""`freeml compile`: from a model to a folder of C."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.bounds import bounds_of, bounds_options
from freeml.cli.options import (
    capacitor_option,
    data_option,
    json_option,
    model_argument,
    refuse_unread,
    samples_option,
    split_option,
    toolchain_option,
)
from freeml.cli.terminal import Terminal
from freeml.exits.names import HEADS, policies_in_words

if TYPE_CHECKING:
    from freeml.errors import FreemlError
    from freeml.exits.names import Kind
    from freeml.firmware.build import Toolchain
    from freeml.output.manifest import LayerEntry, Manifest

_MOST_LAYERS = 20


@click.command("compile", short_help="Turn a model into a folder of C.")
@model_argument
@click.option(
    "--board", default="host", show_default=True, metavar="NAME", help="A name of `freeml boards`, or a .toml file."
)
@data_option("Samples to find ranges with and to measure accuracy; a model that is quantized already needs none.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), metavar="OUT", help="Folder to write.")
@split_option()
@samples_option("Measure accuracy on at most N samples, evenly spread; all by default.")
@capacitor_option
@click.option(
    "--nvm",
    type=click.Choice(["atomic", "torn", "unordered", "torn-unordered"]),
    help="What a power loss may do to writes, instead of what the board's NVM guarantees.",
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Plan with the costs that `freeml profile` measured, instead of the board file's.",
)
@toolchain_option
@bounds_options
@click.option(
    "--exits",
    default="none",
    show_default=True,
    metavar="WHERE",
    help="Answers on the way: auto, names of nodes a,b, outputs (those that the model came with), or none.",
)
@click.option(
    "--exit-head",
    type=click.Choice(list(HEADS)),
    default="shared",
    show_default=True,
    help="What is trained behind them.",
)
@click.option(
    "--policy",
    default="searched",
    show_default=True,
    metavar="POLICY",
    help=f"When an exit is the end: {policies_in_words()}.",
)
@click.option("--name", metavar="NAME", help="Prefix of everything in the C; from the model's file name by default.")
@click.option(
    "--dump-ir", type=click.Path(path_type=Path), metavar="DIR", help="Write the graph's text after each pass there."
)
@json_option
@click.pass_context
def compile_command(
    ctx: click.Context,
    /,
    model: str,
    board: str,
    data_spec: str | None,
    out: Path,
    split: str,
    samples: int | None,
    capacitor: str | None,
    nvm: str | None,
    profile: Path | None,
    toolchain: Toolchain,
    exits: str,
    exit_head: Kind,
    policy: str,
    name: str | None,
    dump_ir: Path | None,
    **small: Any,
) -> None:
    """Compile MODEL, an .onnx, .tflite or .pt2 file or package.module:function, to integer C in OUT.

    Ranges come from the calibration part of the data, accuracy from --split. OUT is replaced only when everything
    succeeded. With a bound, such as --target-kb, the network is made small first, as `freeml compress` does it, and is
    in OUT as model/small.onnx, too.

    With --exits the network answers at several depths, each answer with a confidence; heads are trained on the data.
    Bounds are about the network without its exits: what these take comes on top, and is said where it breaks a bound.

    \b
    Example:
      freeml compile model.onnx --board host --data mnist -o out
      freeml verify out --data mnist
    """
    from freeml.board.board import load_board
    from freeml.cli.compress import made_small, show_compression
    from freeml.errors import FreemlError
    from freeml.exits.deploy import ExitOptions, check_exits
    from freeml.frontend.load import load_model
    from freeml.output.folder import check_target
    from freeml.pipeline import CompileOptions, compile_model, optimise
    from freeml.units import parse_capacitor

    _check_read(ctx, exits, small)
    capacitor_uf = None if capacitor is None else parse_capacitor(capacitor)
    options = CompileOptions(
        board=board,
        name=name,
        split=split,
        samples=samples,
        capacitor_uf=capacitor_uf,
        nvm=nvm,
        profile=profile,
        toolchain=toolchain,
        exits=ExitOptions.parse(exits, exit_head, policy, small["seed"]),
    )
    terminal = ctx.ensure_object(Terminal)
    bounds, found = bounds_of(small), None
    if bounds is not None:
        check_target(out)
        if options.exits is not None:
            options.exits.choice(load_board(board))
            check_exits(optimise(load_model(model), name or "network"), options.exits, data_spec)
        how = {"board": board, "samples": samples, "toolchain": toolchain, "name": name}
        found = made_small(ctx, model, data_spec, bounds, out, small, file=None, **how)
    with terminal.steps() as progress, TemporaryDirectory() as folder:
        source = model
        if found is not None:
            source = str(Path(folder) / f"{Path(model).stem}.onnx")
            Path(source).write_bytes(found.model)
        beside = {} if found is None else {"model/small.onnx": found.model}
        try:
            result = compile_model(
                source, out, data=data_spec, options=options, progress=progress, dump_dir=dump_ir, beside=beside
            )
        except FreemlError as error:
            if found is not None:
                _keep(Path(source), out, error)
            raise
    said, warnings = result.manifest.as_dict(), list[str]()
    made: dict[str, Any] = {}
    if found is not None:
        from freeml.compression import exceeded_by_exits

        warnings = exceeded_by_exits(found, result)
        made = {"compression": found.as_dict(), "warnings": [*said["warnings"], *found.warnings, *warnings]}
    terminal.result({**said, **made, "out": str(out)})
    if not terminal.as_json:
        if found is not None:
            show_compression(terminal, found)
        show_manifest(terminal, result.manifest)
        terminal.warn(warnings)
        show_written(terminal, out, data_spec)


def _keep(small: Path, out: Path, error: FreemlError) -> None:
    """The small network beside OUT, where OUT cannot be: it took training. The error says where it is."""
    from freeml.firmware.toolchain import replace_file

    file = out.with_name(f"{out.name}.small.onnx")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(small, file)
        error.hint = f"{error.hint}; the small network is kept as {file}".removeprefix("; ")


def _check_read(ctx: click.Context, exits: str, small: Mapping[str, Any]) -> None:
    """Raise BadData for an option of exits or of bounds that was given, where there are none."""
    if exits == "none":
        refuse_unread(ctx, ("exit_head", "policy"), "is of exits, and there are none", "ask for some with --exits auto")
    if exits == "outputs":
        refuse_unread(
            ctx, ("exit_head",), "is of exits that are trained, and these came with the model", "leave it out"
        )
    if bounds_of(small) is None:
        # Heads of exits are trained, too.
        how = {"keep", "method", "time_text", "workspace", "resume", "seed"} - ({"seed"} if exits != "none" else set())
        refuse_unread(ctx, how, "is of networks made small, and no bound is given", "give one, such as --target-kb 16")


def show_manifest(terminal: Terminal, manifest: Manifest) -> None:
    """Memory, accuracy, quantization, layers."""
    from freeml.cli import tables

    title = f"{manifest.name} for board {manifest.board.name}"
    terminal.show(tables.heading(title, f"{manifest.macs:,} macs, {manifest.params:,} parameters"))
    terminal.show(tables.memory(manifest), tables.tiles(manifest))
    if manifest.exits:
        note = f"{manifest.exits.how}; policy {manifest.exits.policy}"
        terminal.show(tables.heading("Exits", note), tables.exits(manifest.exits))
    if manifest.kernel_cycles and manifest.kernel_cycles.warning:
        terminal.show(f"note: {manifest.kernel_cycles.warning}")
    rating = manifest.accuracy
    if rating.of_int8 is not None or (rating.mae is not None and rating.mae.of_int8 is not None):
        note = f"{rating.samples:,} samples of {rating.data}, split {rating.split}"
        terminal.show(tables.heading("Accuracy", note), tables.accuracies(rating))
        if manifest.exits and (policy := manifest.exits.policy) != f"fixed:{len(manifest.exits.at)}":
            terminal.show(
                f"of the whole network: policy {policy} may stop before, freeml verify says how right it is then"
            )
    else:
        why = rating.note or "no samples were given with --data"
        terminal.show(tables.heading("Accuracy", f"not measured: {why}"))
    quantization = manifest.quantization
    if quantization.errors:
        terminal.show(tables.heading("Quantization", "error of the output on held-back calibration samples"))
        terminal.show(tables.candidates(quantization))
        rule = f"; {quantization.rule}" if quantization.rule else ""
        terminal.show(f"{quantization.samples:,} samples gave the ranges{rule}")
    else:
        terminal.show(tables.heading("Quantization", quantization.method))
    rows: Sequence[LayerEntry] = manifest.layers
    note = f"{len(rows)} steps"
    if len(rows) > _MOST_LAYERS:
        least = sorted((row.macs for row in rows), reverse=True)[_MOST_LAYERS - 1]
        rows = [row for row in rows if row.macs >= max(1, least)][:_MOST_LAYERS]
        note += f"; the {len(rows)} with most macs are shown, freeml.json has all"
    terminal.show(tables.heading("Layers", note), tables.layers(rows))
    terminal.warn(manifest.warnings)


def show_written(terminal: Terminal, out: Path, data_spec: str | None) -> None:
    """Where the result lies, and what to do next."""
    from freeml.cli import tables

    again = ["freeml", "verify", str(out), *(["--data", data_spec] if data_spec else [])]
    terminal.show(tables.heading("Written"))
    click.echo(f"{out}\ncheck it with: {shlex.join(again)}")
