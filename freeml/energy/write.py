"""Writes a trace: a table that the table reader reads, or a Shepherd recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from freeml.energy.recording import Floats, Recording
from freeml.energy.source import Diode, IvCurves, Lit, Operating, Power, Thevenin
from freeml.energy.trace import Trace
from freeml.errors import BadData

ShepherdKind = Literal["ivsample", "ivcurve", "isc_voc"]

_POINTS = 64  # of a curve
_ROWS = 1 << 16  # written at a time


def write_table(trace: Trace | Recording, path: Path) -> None:
    """`time_s` and the columns of the source, or of a recording, with their units in the header."""
    columns = dict(trace.columns) if isinstance(trace, Recording) else trace.source.columns()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(["time_s", *columns]) + "\n")
        for first in range(0, len(trace.time_s), _ROWS):
            rows = np.column_stack([values[first : first + _ROWS] for values in (trace.time_s, *columns.values())])
            file.writelines(",".join(f"{value:.12g}" for value in row) + "\n" for row in rows.tolist())


def natural_kind(trace: Trace) -> ShepherdKind:
    """What a Shepherd file of this trace holds unless somebody says otherwise."""
    return "ivsample" if isinstance(trace.source, Operating | Power) else "ivcurve"


def write_shepherd(trace: Trace, path: Path, kind: ShepherdKind | None = None) -> None:
    """A recording of mode `harvester`: points of most power, curves of 64 points, or both ends of each curve.

    Raises BadData where the trace does not say what the kind needs, or its stamps do not ascend.
    """
    import h5py

    trace.check()
    chosen = kind or natural_kind(trace)
    time_s, voltage_v, current_a = _samples(trace, chosen)
    with h5py.File(path, "w") as file:
        file.attrs["mode"] = "harvester"
        group = file.create_group("data")
        group.attrs["datatype"] = chosen
        group.attrs["window_samples"] = _POINTS if chosen == "ivcurve" else 0
        _column(group, "time", np.rint(time_s * 1e9).astype(np.uint64), 1e-9, "s")
        for name, values, unit in (("current", current_a, "A"), ("voltage", voltage_v, "V")):
            top = float(values.max(initial=0.0))
            gain = top / (2**32 - 1) if top > 0 else 1e-9
            _column(group, name, np.rint(values / gain).astype(np.uint32), gain, unit)


def _column(group: Any, name: str, raw: Any, gain: float, unit: str) -> None:
    dataset = group.create_dataset(name, data=raw, chunks=True, compression="gzip", compression_opts=1)
    dataset.attrs["gain"] = gain
    dataset.attrs["offset"] = 0.0
    dataset.attrs["unit"] = unit
    dataset.attrs["description"] = f"{name} [{unit}] = value * gain + (offset)"


def _samples(trace: Trace, kind: ShepherdKind) -> tuple[Floats, Floats, Floats]:
    """Stamps, volts, amperes as they stand in the file."""
    source = trace.source
    if kind == "ivsample":
        return trace.time_s, *source.best()
    if kind == "isc_voc":
        return trace.time_s, _open_v(trace), source.current_a(0.0)
    grid = source.grid_v if isinstance(source, IvCurves) and len(source.grid_v) == _POINTS else None
    if grid is None:
        grid = np.linspace(0.0, float(_open_v(trace).max()), _POINTS)
    if not grid[-1] > 0:
        raise BadData("the trace gives nothing: there are no curves", where=trace.name)
    currents = np.column_stack([source.current_a(float(v)) for v in grid])
    share = np.arange(_POINTS) / _POINTS
    stamps = (trace.time_s[:, None] + share * trace.holds_s()[:, None]).ravel()
    return stamps, np.tile(grid, len(trace)), currents.ravel()


def _open_v(trace: Trace) -> Floats:
    """Open voltage (n,). Raises BadData for a source that has none."""
    source = trace.source
    if isinstance(source, Thevenin):
        return source.open_v
    if isinstance(source, Diode):
        return np.log1p(np.maximum(source.photo_a, 0.0) / source.saturation_a) / source.exponent_per_v
    if isinstance(source, IvCurves | Lit):
        grid = source.grid_v if isinstance(source, IvCurves) else source.cell.voltage_v
        highest = np.zeros(len(source))
        for volts in grid:
            highest = np.where(source.current_a(float(volts)) > 0, volts, highest)
        return highest
    raise BadData(
        f"a source known by its {source.name} has no open voltage", where=trace.name, hint="write it as ivsample"
    )
