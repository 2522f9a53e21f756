"""Finds the defects of stamps and values of a recording, and repairs them where that is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from freeml.energy.defects import Defects
from freeml.energy.recording import MOST_SAMPLES, Curves, Floats, Recording
from freeml.errors import BadData

Bools = npt.NDArray[np.bool_]

_GAP = 1.5  # steps that are longer than that many usual ones have lost a sample
_JUMP = 10  # beyond that a counter leapt
_FILLED = 10  # steps of a gap that a straight line fills
_REGULAR = 0.9  # share of steps near the usual one, from which on a recording has a usual step at all
_NEVER_NEGATIVE = (
    "power_w",
    "voltage_v",
    "current_a",
    "open_voltage_v",
    "short_current_a",
    "illuminance_lux",
    "irradiance_w_m2",
)

# What stays as it is where nothing is delivered.
_PARAMETERS = ("source_resistance_ohm", "saturation_current_a", "exponent_per_v")


def is_regular(recording: Recording) -> bool:
    """Whether samples are as a rule one usual step apart, so that a longer step is a gap."""
    steps = np.diff(recording.time_s)
    if len(steps) < 2 or not recording.step_s:
        return False
    near = np.abs(steps - recording.step_s) <= 0.1 * recording.step_s
    return bool(near.mean() >= _REGULAR)


def _leaps(recording: Recording) -> tuple[Bools, Bools, Bools, Bools]:
    """Of each sample (n,): whether its stamp goes back, repeats, leaps forward as a counter does, leaves a gap."""
    n = len(recording)
    steps = np.diff(recording.time_s, prepend=recording.time_s[:1] - (recording.step_s or 1.0))
    back, repeat = steps < 0, steps == 0
    jump, gap = np.zeros(n, bool), np.zeros(n, bool)
    if is_regular(recording):
        far = steps > _GAP * recording.step_s
        # What goes back right before or after did not lose samples: the clock was wrong for a while.
        beside_back = np.zeros(n, bool)
        beside_back[1:] |= back[:-1]
        beside_back[:-1] |= back[1:]
        leapt = steps > _JUMP * recording.step_s if recording.clock == "counter" else np.zeros(n, bool)
        jump = far & (leapt | beside_back)
        gap = far & ~jump
    return back, repeat, jump, gap


def find(recording: Recording) -> Recording:
    """The same recording with the defects of its stamps and values among its defects."""
    found = Defects()
    found.extend(recording.defects)
    back, repeat, jump, gap = _leaps(recording)
    for rule, where in (("back", back), ("repeat", repeat), ("jump", jump), ("gap", gap)):
        for index in np.flatnonzero(where):
            step_s = float(recording.time_s[index] - recording.time_s[index - 1])
            found.add(rule, int(recording.lines[index]), _about_step(rule, step_s, recording))
    for name, values in recording.columns.items():
        if name in _NEVER_NEGATIVE:
            _find_negative(found, recording, name, values)
    return replace(recording, defects=found)


def _about_step(rule: str, step_s: float, recording: Recording) -> str:
    usual = f"where a step is {recording.step_s:g} s"
    if rule == "repeat":
        return "the stamp of the line above once more"
    if rule == "back":
        summer = recording.clock == "calendar" and abs(step_s + 3600 - recording.step_s) < 1
        return f"the stamp goes back {-step_s:.6g} s {usual}{': the end of summer time?' if summer else ''}"
    if rule == "jump":
        return f"the stamp leaps {step_s:.6g} s {usual}"
    missing = round(step_s / recording.step_s) - 1
    return f"{step_s:.6g} s without a sample {usual}: {missing} are missing"


def _find_negative(found: Defects, recording: Recording, name: str, values: Floats) -> None:
    """One defect for each run of samples below zero."""
    below = values < 0
    if not below.any():
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[False], below, [False]]).astype(np.int8)))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        lowest = float(values[first:end].min())
        found.add(
            "negative",
            int(recording.lines[first]),
            f"{name} is below zero, down to {lowest:g}",
            last_line=int(recording.lines[end - 1]),
            samples=int(end - first),
        )


def repair(recording: Recording) -> Recording:
    """A recording without defects: stamps strictly ascending, at least two samples, nothing below zero.

    Raises BadData where nothing is left.
    """
    back, repeat, jump, _ = _leaps(recording)
    steps = np.diff(recording.time_s, prepend=recording.time_s[:1])
    usual = recording.step_s
    steps[back | jump] = usual
    steps[0] = 0.0
    kept = ~repeat
    if kept.sum() < 2 or not usual:
        what = "stamps never rise" if len(recording) > 1 else "one sample is no trace"
        hint = "sort the rows by time" if back.any() else ""
        raise BadData(f"{what}: no two samples at different times are left", where=recording.kind, hint=hint)
    time_s = np.cumsum(steps)[kept]
    mended = {
        name: np.maximum(values[kept], 0.0) if name in _NEVER_NEGATIVE else values[kept]
        for name, values in recording.columns.items()
    }
    curves = recording.curves and Curves(recording.curves.voltage_v, recording.curves.current_a[kept])
    whole = replace(recording, time_s=time_s, columns=mended, curves=curves, lines=recording.lines[kept])
    return _without_gaps(whole) if is_regular(whole) else whole


def _without_gaps(recording: Recording) -> Recording:
    """Short gaps filled in a straight line; in long ones, one sample of nothing a step after the last."""
    usual = recording.step_s
    steps = np.diff(recording.time_s)
    lost = np.where(steps > _GAP * usual, np.rint(steps / usual).astype(np.int64) - 1, 0)
    if not lost.any():
        return recording
    long = lost > _FILLED
    more = np.where(long, 1, lost)
    if len(recording) + int(more.sum()) > MOST_SAMPLES:
        raise BadData(f"filling gaps would make more than {MOST_SAMPLES:,} samples", where=recording.kind)
    after = np.repeat(np.flatnonzero(more), more[more > 0])  # the sample before each new one
    nth = np.concatenate([np.arange(1, count + 1) for count in more[more > 0]])
    share = nth / (lost[after] + 1.0)
    new_s = np.where(long[after], recording.time_s[after] + usual, recording.time_s[after] + share * steps[after])
    order = np.argsort(np.concatenate([np.arange(len(recording)), after + share]), kind="stable")

    def filled(values: Floats, name: str = "current_a") -> Floats:
        shares = share.reshape(-1, *[1] * (values.ndim - 1))
        between = values[after] + shares * (values[after + 1] - values[after])
        between[long[after]] = values[after][long[after]] if name in _PARAMETERS else 0.0
        return np.concatenate([values, between])[order]

    curves = recording.curves and Curves(recording.curves.voltage_v, filled(recording.curves.current_a))
    return replace(
        recording,
        time_s=np.concatenate([recording.time_s, new_s])[order],
        columns={name: filled(values, name) for name, values in recording.columns.items()},
        lines=np.concatenate([recording.lines, recording.lines[after]])[order],
        curves=curves,
    )
