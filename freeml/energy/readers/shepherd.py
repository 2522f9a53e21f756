"""Shepherd recordings (HDF5): ivsample (ivtrace), ivcurve, isc_voc, brought down to a rate on import.

Group `data` with datasets time, voltage, current of raw integers; value = raw * gain + offset, their attributes, in s,
V, A. Its attribute `datatype` says what they are (absent: ivsample), `window_samples` how long a curve is. Source:
docs/user/data_format.md of github nes-lab/shepherd. Files are read in pieces: an hour at 100 kHz is
360 million samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freeml.energy.defects import Defects
from freeml.energy.recording import Curves, Floats, Recording, usual_step_s
from freeml.energy.told import Told
from freeml.errors import BadData

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_KEPT = 4_000_000  # samples; what is longer is brought down to fewer
_MOST_READ = 4_000_000_000
_PIECE = 1 << 20
_MOST_CHUNK_BYTES = 1 << 28
_MOST_RATIO = 5000  # a constant column packs to less than a thousandth
_CURVE_POINTS = 64
_MOST_CURVES = 250_000
_KINDS = {
    "ivsample": "ivsample",
    "ivtrace": "ivsample",
    "ivcurve": "ivcurve",
    "ivsurface": "ivcurve",
    "isc_voc": "isc_voc",
}


@dataclass(frozen=True, slots=True)
class _Data:
    """The datasets, as functions from a range of samples to values in SI units."""

    path: Path
    kind: str
    window: int
    n: int
    time_s: Callable[[int, int], Floats]
    voltage_v: Callable[[int, int], Floats]
    current_a: Callable[[int, int], Floats]

    @property
    def step_s(self) -> float:
        """Between raw samples, from the first of them."""
        return usual_step_s(self.time_s(0, min(self.n, 1000)))


def is_plain(path: Path) -> bool:
    """Whether the file itself is HDF5, not something that unpacks to it."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read(path: Path, told: Told, repairing: bool) -> Recording:  # noqa: ARG001 - every reader is called alike
    """Samples, at the file's rate or the one that is asked for. Raises BadData."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            data = _opened(path, file)
            return _curves(data, told) if data.kind == "ivcurve" else _samples(data, told)
    except BadData:
        raise
    except Exception as error:  # h5py raises what the C library says as nearly any type
        text = " ".join(str(error).split())[:200]
        raise BadData(f"the HDF5 file is damaged: {text}", where=str(path), hint="fetch or record it again") from None


def _opened(path: Path, file: Any) -> _Data:
    group = file.get("data")
    if group is None or not all(name in group for name in ("time", "voltage", "current")):
        raise BadData("no group `data` with time, voltage and current: no Shepherd recording", where=str(path))
    said = _text(group.attrs.get("datatype", "ivsample"))
    kind = _KINDS.get(said)
    if kind is None:
        raise BadData(f"the datatype {said[:40]!r} is none that freeml reads", where=str(path), hint=", ".join(_KINDS))
    sets = [group[name] for name in ("time", "voltage", "current")]
    sizes = {len(one) for one in sets}
    if any(len(one.shape) != 1 or one.dtype.kind not in "iuf" for one in sets) or len(sizes) != 1:
        raise BadData("time, voltage and current are not three columns of equal length", where=str(path))
    n = sizes.pop()
    for one in sets:
        _check_stored(path, one)
    window = int(group.attrs.get("window_samples", 0))
    if not 2 <= n <= _MOST_READ:
        raise BadData(f"{n:,} samples", where=str(path), hint=f"2 to {_MOST_READ:,}")
    if kind == "ivcurve" and not 2 <= window <= min(n, _PIECE):
        raise BadData(f"window_samples is {window}: no length of a curve", where=str(path))
    return _Data(path, kind, window, n, *(_values(path, one) for one in sets))


def _check_stored(path: Path, dataset: Any) -> None:
    """Refuses what lies in other files, and sizes that a few damaged bytes claim."""
    name = dataset.name
    if dataset.is_virtual or dataset.external:
        raise BadData(f"{name} lies in other files", where=str(path), hint="copy the recording into one file")
    chunk = int(np.prod(dataset.chunks or (1,), dtype=np.float64)) * dataset.dtype.itemsize
    claimed, stored = len(dataset) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if chunk > _MOST_CHUNK_BYTES or claimed > _MOST_RATIO * max(stored, 1):
        raise BadData(f"{name} claims {claimed:,} bytes, of which {stored:,} are there", where=str(path))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _values(path: Path, dataset: Any) -> Callable[[int, int], Floats]:
    """Raw numbers with gain and offset; time without a gain is in ns, as old recordings have it."""
    name = dataset.name.rsplit("/", 1)[-1]
    if "gain" not in dataset.attrs and name != "time":
        raise BadData(f"{name} has no gain: its unit is not known", where=str(path))
    gain = float(dataset.attrs.get("gain", 1e-9))
    offset = float(dataset.attrs.get("offset", 0.0))
    if not np.isfinite([gain, offset]).all() or gain == 0:
        raise BadData(f"gain {gain:g} and offset {offset:g} of {name}", where=str(path), hint="they give no values")

    def read_range(first: int, last: int) -> Floats:
        return np.asarray(dataset[first:last], np.float64) * gain + offset

    return read_range


def _group_size(data: _Data, told: Told) -> int:
    """How many raw samples become one."""
    least = -(-data.n // MOST_KEPT)
    if told.rate_hz is None or not data.step_s:
        return least
    return max(least, round(1.0 / (told.rate_hz * data.step_s)), 1)


def _samples(data: _Data, told: Told) -> Recording:
    """Means of groups; current is that of the mean power, so that energy stays what it is."""
    size = _group_size(data, told)
    piece = max(1, _PIECE // size) * size
    times, volts, amperes = [], [], []
    for first in range(0, data.n, piece):
        last = min(data.n, first + piece)
        last -= (last - first) % size if last == data.n and last - first > size else 0
        time_s, v, i = (read(first, last) for read in (data.time_s, data.voltage_v, data.current_a))
        if size > 1 and (last - first) % size == 0:
            rows_v, rows_i = v.reshape(-1, size), i.reshape(-1, size)
            time_s, v = time_s[::size], rows_v.mean(axis=1)
            power = (rows_v * rows_i).mean(axis=1)
            own = rows_i.mean(axis=1)
            i = own if data.kind == "isc_voc" else np.divide(power, v, out=own, where=v != 0)
        elif size > 1:
            break
        times.append(time_s)
        volts.append(v)
        amperes.append(i)
    if not times:
        raise BadData(f"{data.n:,} samples are fewer than one at this rate", where=str(data.path), hint="raise --rate")
    names = ("open_voltage_v", "short_current_a") if data.kind == "isc_voc" else ("voltage_v", "current_a")
    columns = dict(zip(names, (np.concatenate(volts), np.concatenate(amperes)), strict=True))
    return _recording(data, np.concatenate(times), columns, size, None)


def _curves(data: _Data, told: Told) -> Recording:
    """Each window as a curve on one grid; of several that become one, the mean current at each voltage."""
    windows = data.n // data.window
    size = max(-(-windows // _MOST_CURVES), 1)
    if told.rate_hz is not None and data.step_s:
        size = max(size, round(1.0 / (told.rate_hz * data.step_s * data.window)))
    step = max(1, _PIECE // data.window)
    top_v = max(
        float(data.voltage_v(first * data.window, min(windows, first + step) * data.window).max())
        for first in range(0, windows, step)
    )
    if not 0 < top_v < 1e4:
        raise BadData(f"curves up to {top_v:g} V", where=str(data.path))
    grid = np.linspace(0.0, top_v, _CURVE_POINTS)
    times, currents = [], []
    for first in range(0, windows - windows % size if windows >= size else 0, size):
        rows = []
        for at in range(first, first + size):
            v, i = (read(at * data.window, (at + 1) * data.window) for read in (data.voltage_v, data.current_a))
            order = np.argsort(v, kind="stable")
            rows.append(np.interp(grid, v[order], i[order], right=0.0))
        times.append(data.time_s(first * data.window, first * data.window + 1)[0])
        currents.append(np.mean(rows, axis=0))
    if not times:
        raise BadData(f"{windows} curves are fewer than one at this rate", where=str(data.path), hint="raise --rate")
    held = np.maximum(np.array(currents), 0.0)
    at = np.argmax(held * grid, axis=1)
    columns = {"voltage_v": grid[at], "current_a": held[np.arange(len(at)), at]}
    return _recording(data, np.array(times), columns, size * data.window, Curves(grid, held))


def _recording(data: _Data, stamps: Floats, columns: dict[str, Floats], size: int, curves: Curves | None) -> Recording:
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise BadData(f"{name} has values that are no numbers", where=str(data.path))
    if not np.isfinite(stamps).all():
        raise BadData("time has values that are no numbers", where=str(data.path))
    time_s = stamps - stamps[0]
    notes: tuple[str, ...] = ()
    of_one = data.window if curves is not None else 1
    if size > of_one:
        notes = (f"{data.n:,} samples, each {size // of_one} of which became one mean",)
    step_s = usual_step_s(time_s) or size * data.step_s
    lines = np.arange(len(time_s), dtype=np.int64) * size + 1
    return Recording(f"Shepherd {data.kind}", time_s, "counter", step_s, columns, lines, Defects(), curves, notes)
