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


def _file(path: Path, duration_s: float) -> Floats:
    """Seconds, one a line, rising; a header and further columns are passed over."""
    times_s: list[float] = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BadData(error.strerror or "cannot be read", where=str(path)) from error
    for number, line in enumerate(lines, 1):
        field = line.split(",")[0].strip()
        if not field:
            continue
        try:
            time_s = float(field)
        except ValueError:
            if number == 1:
                continue
            raise BadData(f"{field[:40]!r} is no time in seconds", where=f"{path}:{number}") from None
        if not np.isfinite(time_s) or time_s < 0 or (times_s and time_s < times_s[-1]):
            raise BadData(f"{field[:40]} does not come after the time before it", where=f"{path}:{number}")
        times_s.append(time_s)
    if not times_s:
        raise BadData("no time of an event", where=str(path), hint="seconds from the start of the trace, one a line")
    return np.array([time_s for time_s in times_s if time_s < duration_s])
