"""When events come: `every:T`, `poisson:T:SEED`, `file:F`, `back-to-back`, `each-boot`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData
from freeml.sim.life.run import Arrivals
from freeml.units import parse_time_s

Floats = npt.NDArray[np.float64]

TIMELESS = ("back-to-back", "each-boot")  # when the device is ready: nobody knows before

_MOST = 100_000_000
_HEADERS = {"time_s": 1.0, "time_ms": 1e3, "time_us": 1e6}  # of a file's first column, and how many are a second
_HINT = "every:2.56s, poisson:10s:SEED, file:times.csv, back-to-back or each-boot"


def arrivals_of(text: str, duration_s: float, seed: int = 0) -> Arrivals:
    """Within so many seconds. Raises BadData.

    >>> arrivals_of("every:2.5s", 10.0).times_s.tolist()
    [0.0, 2.5, 5.0, 7.5]
    """
    kind, _, rest = text.strip().partition(":")
    if kind in TIMELESS and not rest:
        return Arrivals(kind, each_boot=kind == "each-boot")
    if kind == "every" and rest:
        period_s = parse_time_s(rest, f"--arrivals {text}")
        return Arrivals(text, np.arange(_count(duration_s / period_s, text), dtype=np.float64) * period_s)
    if kind == "poisson" and rest:
        mean, _, own = rest.partition(":")
        if own and not own.isdecimal():
            raise BadData(f"{own!r} is no seed", where=f"--arrivals {text}", hint=_HINT)
        return Arrivals(
            text, _poisson(parse_time_s(mean, f"--arrivals {text}"), duration_s, int(own) if own else seed, text)
        )
    if kind == "file" and rest:
        return Arrivals(text, _file(Path(rest), duration_s))
    raise BadData(f"no events come {text!r}", where="--arrivals", hint=_HINT)


def _count(events: float, where: str) -> int:
    if events > _MOST:
        raise BadData(
            f"{events:.3g} events", where=f"--arrivals {where}", hint=f"a longer period: {_MOST:,} events are the most"
        )
    return int(np.ceil(events - 1e-9))


def _poisson(mean_s: float, duration_s: float, seed: int, where: str) -> Floats:
    rng = np.random.default_rng(seed)
    times_s = np.zeros(0)
    while not len(times_s) or times_s[-1] < duration_s:
        more = rng.exponential(mean_s, max(16, _count(duration_s / mean_s, where) // 4 + 16))
        times_s = np.concatenate([times_s, (times_s[-1] if len(times_s) else 0.0) + np.cumsum(more)])
    return times_s[times_s < duration_s]


def _a_second(header: str, path: Path) -> float:
    """In the unit of a column of times. Raises BadData for a header that says none: a wrong guess is wrong by 1000."""
    if header.lower() not in _HEADERS:
        raise BadData(
            f"the header {header[:40]!r} names no unit of time that is known here",
            where=f"{path}:1",
            hint=f"call the first column {', '.join(_HEADERS)}; without a header, times are seconds",
        )
    return _HEADERS[header.lower()]


def _file(path: Path, duration_s: float) -> Floats:
    """Times, one a line, rising: seconds, or in the unit of a header; further columns are passed over."""
    a_second = 1.0
    times_s: list[float] = []
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise BadData(error.strerror or "cannot be read", where=str(path)) from error
    for number, line in enumerate(lines, 1):
        field = line.split(",")[0].strip()
        if not field:
            continue
        try:
            time_s = float(field) / a_second
        except ValueError:
            if number == 1:
                a_second = _a_second(field.strip("\"'"), path)
                continue
            raise BadData(f"{field[:40]!r} is no time", where=f"{path}:{number}") from None
        if not np.isfinite(time_s) or time_s < 0 or (times_s and time_s < times_s[-1]):
            raise BadData(f"{field[:40]} does not come after the time before it", where=f"{path}:{number}")
        times_s.append(time_s)
    if not times_s:
        raise BadData("no time of an event", where=str(path), hint="seconds from the start of the trace, one a line")
    return np.array([time_s for time_s in times_s if time_s < duration_s])
