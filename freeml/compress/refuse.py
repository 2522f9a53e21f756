"""What is said where bounds cannot be kept: which binds, by how much, and the best that was found."""

from __future__ import annotations

from collections.abc import Mapping

from freeml.compress.cost import FIGURE, OPTION
from freeml.compress.job import Job
from freeml.compress.types import Compressed
from freeml.errors import DoesNotFit


def refuse_early(job: Job, found: Mapping[str, float]) -> None:
    """Raise DoesNotFit, before anything is trained, where a bound is broken by the least network that there could be.

    found: how many times it exceeds each bound, with the fewest values that weights can have
    """
    name = max(found, key=lambda key: found[key], default=None)
    if name is None or found[name] <= 1:
        return
    what, unit = OPTION[name]
    limit = job.bounds.limits().get(name)
    said = f"a bound of {limit:,g} {unit}" if limit is not None else f"what {job.board.name} has"
    kept = f", with {', '.join(job.bounds.keep)} kept," if job.bounds.keep else ""
    needed = found[name] * (limit or 1)
    takes = _said(needed, unit)
    asks = takes if limit is not None else f"{found[name]:.3g} times as much"
    raise DoesNotFit(
        f"{what}: {said} cannot be reached: one channel a layer and three values a weight{kept} take {asks}",
        region=what,
        needed=int(needed) + 1,
        available=int(limit or 1),
        hint=f"give a bound well above {takes}" if limit is not None else "choose a larger board",
    )


def refuse_if_broken(job: Job, result: Compressed, skip: tuple[str, ...] = ()) -> None:
    """Raise DoesNotFit where a finished network breaks a bound, with what was found. skip: bounds that do not count."""
    for name, limit in job.bounds.limits().items():
        if name in skip or name == "time_s":
            continue
        figure = result.accuracy.drop_points if name == "max_drop_points" else getattr(result.cost, FIGURE[name])
        if figure is not None and figure > limit:
            what, unit = OPTION[name]
            raise DoesNotFit(
                f"{what} of {limit:,g} {unit} was not reached: the best found has {_said(figure, unit)} with "
                f"{100 * result.accuracy.small_int8:.2f} % {result.kind} on the calibration split",
                region=what,
                needed=int(figure) + 1,
                available=int(limit),
                hint=f"give a bound above {_said(figure, unit)}, or more time to train",
            )


def _said(figure: float, unit: str) -> str:
    return f"{figure:,.0f} {unit}" if unit == "bytes" else f"{figure:,.4g} {unit}"
