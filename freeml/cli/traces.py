"""`freeml traces`: what is in a recorded trace, other formats of it, synthetic ones, a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.charge import charge_command
from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal, printable
from freeml.cli.trace_options import ABOVE_ZERO, cell_of, on_defect_option, told_of, told_options

if TYPE_CHECKING:
    from freeml.energy.read import Found
    from freeml.energy.recording import Recording
    from freeml.energy.told import Told
    from freeml.energy.trace import Trace

_SYNTHETIC = ("rf-walk", "indoor-day", "sun-cloud", "kinetic", "markov")
_LIGHT = ("cell", "cell_area_cm2", "cell_efficiency", "lux_per_w_m2")
_SHOWN = 12  # defects
_IN_JSON = 1000


# What `freeml traces` lists; each is known by its content.
FORMATS = {
    "Shepherd": "HDF5: ivsample (ivtrace), ivcurve, isc_voc",
    "Mementos": "ms, a tab, V over 30 kohm",
    "Ekho": "I-V surfaces, .ivs or text",
    "IVonne": "one diode a sample: a,b,c,time",
    "Condor": "light logs (ActLumus), lux",
    "SURFRAD": "days of a station, W/m^2",
    "declared": "a preamble declares columns and rate: c = Current I (mA)",
    "table": "units in the header: time_s, power_uw, voltage_mv, current_ma, lux, [W/m^2]",
}


@click.group("traces", invoke_without_command=True, short_help="Look at, convert and make traces of harvested energy.")
@json_option
@click.pass_context
def traces(ctx: click.Context) -> None:
    """Read recorded traces of harvested energy, convert them, make synthetic ones; alone, list the formats.

    Files may be packed with gzip, bzip2, xz or zip. What a file does not say is asked for, never guessed.

    \b
    Example:
      freeml traces
      freeml traces info walk.csv
      freeml traces synth rf-walk --seed 1 -o walk.csv
    """
    if ctx.invoked_subcommand is None:
        _list(ctx.ensure_object(Terminal))


def _list(terminal: Terminal) -> None:
    terminal.result({"formats": FORMATS, "synthetic": list(_SYNTHETIC)})
    if not terminal.as_json:
        from freeml.cli import tables

        shown = tables.table("format", "what", elastic=(1,))
        for name, what in FORMATS.items():
            shown.add_row(name, what)
        terminal.show(shown, tables.heading("Synthetic", ", ".join(_SYNTHETIC)))


@traces.command("info")
@click.argument("file", type=click.Path(path_type=Path))
@told_options
@on_defect_option("report")
@json_option
@click.pass_obj
def info_command(terminal: Terminal, /, file: Path, on_defect: Any, **options: Any) -> None:
    """Show what FILE holds: format, samples, means as recorded, power, each defect with line and rule.

    \b
    Example:
      freeml traces info walk.csv
      freeml traces info office.txt.zip --cell curves.csv:AM1417
    """
    from freeml.energy.read import read_recording

    told = told_of(options)
    found = read_recording(file, told, on_defect)
    described = _described(found, told, file)
    terminal.result(described)
    if not terminal.as_json:
        _show(terminal, described, file)


def _described(found: Found, told: Told, file: Path) -> dict[str, Any]:
    """The JSON of `info`."""
    from freeml.energy.defects import REPAIRS
    from freeml.energy.derive import derive, needs

    recorded, used = found.recorded, found.used
    lacks = needs(recorded, told)
    defects = list(recorded.defects)
    return {
        "file": str(file),
        "format": recorded.kind,
        "clock": recorded.clock,
        "samples": len(recorded),
        "step_s": recorded.step_s,
        "recorded_span_s": float(recorded.time_s[-1] - recorded.time_s[0]),
        "means": {name: recorded.mean(name) for name in recorded.columns},
        "highest": {name: float(values.max()) for name, values in recorded.columns.items()},
        "needs": lacks or None,
        "power": None if lacks else _power(derive(recorded, told, file.name)),
        "used": None if used is recorded or lacks else _power(derive(used, told, file.name)),
        "notes": list(recorded.notes) if lacks else list(derive(recorded, told, file.name).notes),
        "defect_counts": dict(recorded.defects.counts),
        "defect_samples": dict(recorded.defects.samples),
        "defects": [asdict(one) | {"repair": REPAIRS[one.rule]} for one in defects[:_IN_JSON]],
    }


def _power(trace: Trace) -> dict[str, Any]:
    """What a trace gives at its maximum power point."""
    power_w = trace.power_w()
    return {
        "source": trace.source.name,
        "samples": len(trace),
        "duration_s": trace.duration_s,
        "mean_uw": float(power_w.mean()) * 1e6,
        "highest_uw": float(power_w.max()) * 1e6,
        "energy_uj": trace.energy_j() * 1e6,
    }


def _show(terminal: Terminal, described: dict[str, Any], file: Path) -> None:
    from freeml.cli import tables

    span = f"{described['samples']:,} samples, {described['step_s']:g} s apart"
    terminal.show(tables.heading(file.name, f"{described['format']}; {span}"))
    shown = tables.table("recorded", "mean", "highest", right=(1, 2))
    for name, mean in described["means"].items():
        shown.add_row(name, f"{mean:.4g}", f"{described['highest'][name]:.4g}")
    terminal.show(shown)
    made = tables.table("power", "samples", "seconds", "mean uW", "highest uW", "energy uJ", right=(1, 2, 3, 4, 5))
    for title, key in (("as recorded", "power"), ("repaired", "used")):
        if one := described[key]:
            figures = (one["duration_s"], one["mean_uw"], one["highest_uw"], one["energy_uj"])
            made.add_row(f"{title}: {one['source']}", f"{one['samples']:,}", *(f"{value:,.6g}" for value in figures))
    terminal.show(made)
    for note in described["notes"]:
        terminal.show(printable(note))
    if described["needs"]:
        terminal.show(printable(f"power: {described['needs']}"))
    if described["defects"]:
        found = tables.table("line", "rule", "samples", "what", right=(0, 2), elastic=(3,))
        for one in described["defects"][:_SHOWN]:
            found.add_row(str(one["line"]), one["rule"], f"{one['samples']:,}", one["what"])
        all_of_them = ", ".join(f"{rule} {count:,}" for rule, count in described["defect_counts"].items())
        terminal.show(tables.heading("Defects", f"{all_of_them}; --on-defect repair mends them"), found)


@traces.command("convert")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@told_options
@on_defect_option("report")
@click.option("--as", "kind", type=click.Choice(["ivsample", "ivcurve", "isc_voc"]), help="What a Shepherd file holds.")
@json_option
@click.pass_obj
def convert_command(terminal: Terminal, /, file: Path, output: Path, on_defect: Any, kind: Any, **options: Any) -> None:
    """Write FILE as OUTPUT: a table (.csv) or a Shepherd recording (.h5).

    \b
    Example:
      freeml traces convert 1.txt.gz walk.csv --on-defect repair
    """
    from freeml.energy.derive import derive
    from freeml.energy.read import read_recording

    _check_output(output, kind)
    told = told_of(options)
    found = read_recording(file, told, on_defect)
    trace = derive(found.used, told, file.name)
    defects = found.recorded.defects
    mended = "repaired" if on_defect == "repair" else "left as recorded: --on-defect repair mends them"
    warnings = [f"{count:,} times {rule}, {mended}" for rule, count in defects.counts.items()]
    _write(output, trace, kind)
    terminal.result({"output": str(output), **_power(trace), "notes": list(trace.notes), "warnings": warnings})
    terminal.warn(warnings)
    if not terminal.as_json:
        from freeml.cli import tables

        terminal.show(tables.heading(str(output), f"{len(trace):,} samples, {trace.duration_s:g} s"))
        for note in trace.notes:
            terminal.show(printable(note))


def _check_output(output: Path, kind: str | None) -> None:
    from freeml.errors import FreemlError

    if output.suffix.lower() not in (".csv", ".h5", ".hdf5"):
        raise FreemlError(f"{output.name} is no kind of file that freeml writes", where="OUTPUT", hint=".csv or .h5")
    if not output.parent.is_dir():
        raise FreemlError("there is no such folder to write to", where=str(output.parent), hint="make it first")
    if kind and output.suffix.lower() == ".csv":
        raise FreemlError("--as is for Shepherd files", where=str(output), hint="name an .h5 file")


def _write(output: Path, trace: Trace | Recording, kind: Any) -> None:
    """A file that is whole or not there."""
    from freeml.energy.trace import Trace
    from freeml.energy.write import write_shepherd, write_table

    unfinished = output.with_name(f".{output.name}.part")
    try:
        if output.suffix.lower() == ".csv" or not isinstance(trace, Trace):
            write_table(trace, unfinished)
        else:
            write_shepherd(trace, unfinished, kind)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


@traces.command("synth")
@click.argument("kind", type=click.Choice(_SYNTHETIC))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help=".csv or .h5.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--duration", "duration_s", type=ABOVE_ZERO, metavar="S")
@click.option("--step", "step_s", type=ABOVE_ZERO, metavar="S", help="Between samples.")
@click.option("--power", "power_uw", type=ABOVE_ZERO, metavar="UW", help="rf-walk: at 1 m; markov: while on.")
@click.option("--on", "on_s", type=ABOVE_ZERO, default=1.0, metavar="S", help="markov: mean time on.")
@click.option("--off", "off_s", type=ABOVE_ZERO, default=1.0, metavar="S", help="markov: mean time off.")
@click.option("--accelerometer", type=click.Path(path_type=Path), metavar="NPZ", help="kinetic: acc, acc_scale_g, fs.")
@click.option("--mass", "mass_g", type=ABOVE_ZERO, default=10.0, metavar="G", help="kinetic.")
@click.option("--resonance", "resonance_hz", type=ABOVE_ZERO, default=2.5, metavar="HZ", help="kinetic.")
@click.option("--damping", type=ABOVE_ZERO, default=0.1, metavar="X", help="kinetic: share of critical damping.")
@click.option("--cell-voltage", "cell_voltage_v", type=ABOVE_ZERO, metavar="V", help="Of power in an .h5 file.")
@click.option("--cell", callback=cell_of, metavar="CSV[:NAME]", help="Light through a cell of I-V curves.")
@click.option("--cell-area", "cell_area_cm2", type=ABOVE_ZERO, metavar="CM2")
@click.option("--cell-efficiency", type=click.FloatRange(0, 1, min_open=True), metavar="X")
@click.option("--lux-per-w-m2", type=ABOVE_ZERO, metavar="LUX")
@json_option
@click.pass_obj
def synth_command(
    terminal: Terminal, /, kind: str, output: Path, power_uw: float | None, mass_g: float, **options: Any
) -> None:
    """Make a synthetic trace; the same options give the same bytes. Light without a cell is written as light.

    \b
    Example:
      freeml traces synth rf-walk --seed 1 -o walk.csv
    """
    from freeml.energy import synth
    from freeml.energy.derive import derive, needs
    from freeml.energy.told import Told

    _check_output(output, None)
    cell = {name: options.pop(name) for name in ("cell_voltage_v", *_LIGHT)}
    watts = None if power_uw is None else power_uw * 1e-6
    recording = synth.make(kind, synth.Asked(power_w=watts, mass_kg=mass_g / 1000, **options))
    told = Told(**cell)
    as_light = (
        bool(needs(recording, told)) and not any(cell[name] for name in _LIGHT) and output.suffix.lower() == ".csv"
    )
    made = recording if as_light else derive(recording, told, output.name)
    _write(output, made, None)
    means = {name: recording.mean(name) for name in recording.columns}
    power = {} if as_light else _power(made)  # type: ignore[arg-type]
    terminal.result({"output": str(output), "samples": len(made), "means": means, **power, "notes": list(made.notes)})
    if not terminal.as_json:
        from freeml.cli import tables

        terminal.show(tables.heading(str(output), f"{len(made):,} samples, {recording.step_s:g} s apart"))
        for note in made.notes:
            terminal.show(printable(note))


@traces.command("plot")
@click.argument("file", type=click.Path(path_type=Path))
@told_options
@on_defect_option("report")
@click.option(
    "--from", "from_s", type=click.FloatRange(min=0), default=0.0, metavar="S", help="Where the picture starts."
)
@click.option("--seconds", type=ABOVE_ZERO, metavar="S", help="How long it is; the whole trace by default.")
@json_option
@click.pass_obj
def plot_command(
    terminal: Terminal, /, file: Path, on_defect: Any, from_s: float, seconds: float | None, **options: Any
) -> None:
    """Draw FILE in the terminal: power over time, or what was recorded where that is no power yet.

    \b
    Example:
      freeml traces plot walk.csv --from 10 --seconds 5
    """
    from freeml.cli.chart import chart
    from freeml.energy.derive import derive, needs
    from freeml.energy.read import read_recording

    told = told_of(options)
    used = read_recording(file, told, on_defect).used
    if needs(used, told):
        name, values = next(iter(used.columns.items()))
    else:
        name, values = "power_uw", derive(used, told, file.name).power_w() * 1e6
    drawn = chart(used.time_s, values, from_s=from_s, seconds=seconds, width=terminal.width)
    terminal.result({"file": str(file), "quantity": name, **drawn.as_json()})
    if not terminal.as_json:
        from freeml.cli import tables

        terminal.show(tables.heading(file.name, f"{name}, {drawn.from_s:g} to {drawn.to_s:g} s"), "\n".join(drawn.rows))


traces.add_command(charge_command)
