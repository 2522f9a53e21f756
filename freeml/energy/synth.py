"""Synthetic traces: the same seed gives the same bytes. Each says what a sensor would record; a cell comes from `Told`.

No figure here was measured at a place: they are parameters with defaults, and a trace names those it was made with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from freeml.energy.recording import MOST_SAMPLES, Floats, Recording
from freeml.errors import BadData

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a synthetic trace is made with; None stands for the default of its kind."""

    seed: int = 0
    duration_s: float | None = None
    step_s: float | None = None
    power_w: float | None = None
    on_s: float = 1.0
    off_s: float = 1.0
    accelerometer: Path | None = None
    mass_kg: float = 0.01
    resonance_hz: float = 2.5
    damping: float = 0.1


def make(kind: str, asked: Asked) -> Recording:
    """A trace of a kind of KINDS. Raises BadData for parameters that give none."""
    return KINDS[kind](asked)


def _times(asked: Asked, duration_s: float, step_s: float) -> tuple[Floats, float]:
    step = step_s if asked.step_s is None else asked.step_s
    duration = duration_s if asked.duration_s is None else asked.duration_s
    if not (0 < step < float("inf") and step <= duration < float("inf")):
        raise BadData(f"{duration:g} s in steps of {step:g} s is no trace", where="--duration, --step")
    n = round(duration / step)
    if not 2 <= n <= MOST_SAMPLES:
        raise BadData(f"{n:,} samples", where="--duration, --step", hint=f"2 to {MOST_SAMPLES:,}")
    return np.asarray(np.arange(n) * step, np.float64), step


def _recording(kind: str, time_s: Floats, step_s: float, name: str, values: Floats, note: str) -> Recording:
    lines = np.arange(1, len(time_s) + 1)
    return Recording(f"synthetic: {kind}", time_s, "counter", step_s, {name: values}, lines, notes=(note,))


def _smooth(noise: Floats, step_s: float, constant_s: float) -> Floats:
    """White noise through a first-order low pass, of variance 1: what changes within a time constant."""
    from scipy.signal import lfilter

    keep = float(np.exp(-step_s / constant_s))
    state = np.asarray(lfilter([np.sqrt(1 - keep * keep)], [1.0, -keep], noise))
    start = np.asarray(keep ** np.arange(1, len(noise) + 1)) * (noise[0] if len(noise) else 0.0)
    return np.asarray(state + start)


def rf_walk(asked: Asked) -> Recording:
    """Walking by a reader: power falls with the square of a distance that wanders, times Rician fading."""
    time_s, step_s = _times(asked, 60.0, 1e-3)
    rng = np.random.default_rng(asked.seed)
    at_1m_w = 200e-6 if asked.power_w is None else asked.power_w
    period_s, closest_m, farthest_m = 20.0, 0.5, 2.5
    swing = np.sin(
        2 * np.pi * (time_s / period_s + rng.random()) + 0.8 * _smooth(rng.standard_normal(len(time_s)), step_s, 5.0)
    )
    distance_m = np.sqrt(closest_m**2 + (farthest_m * swing) ** 2)
    fading_s, line_of_sight = 0.05, 4.0  # coherence at walking pace; Rician K
    real, imaginary = (_smooth(rng.standard_normal(len(time_s)), step_s, fading_s) for _ in range(2))
    gain = ((np.sqrt(2 * line_of_sight) + real) ** 2 + imaginary**2) / (2 * line_of_sight + 2)
    note = f"{at_1m_w * 1e6:g} uW at 1 m, {closest_m} to {farthest_m} m, Rician K {line_of_sight:g}, seed {asked.seed}"
    return _recording("walking by a reader", time_s, step_s, "power_w", at_1m_w * gain / distance_m**2, note)


def indoor_day(asked: Asked) -> Recording:
    """Lux at a desk: daylight through a window, and lamps that people switch on and off between 8 and 18."""
    time_s, step_s = _times(asked, _DAY_S, 10.0)
    rng = np.random.default_rng(asked.seed)
    hour = time_s % _DAY_S / 3600
    window = 400.0 * np.maximum(np.sin(np.pi * (hour - 6.5) / 11.5), 0.0) * ((hour > 6.5) & (hour < 18))
    window *= np.exp(0.4 * _smooth(rng.standard_normal(len(time_s)), step_s, 1800.0))
    lamps = np.zeros(len(time_s))
    for day in range(int(time_s[-1] // _DAY_S) + 1):
        begin, end = 8 + 0.5 * rng.standard_normal(), 18 + 0.7 * rng.standard_normal()
        lunch = 12 + 0.3 * rng.standard_normal()
        today = time_s // _DAY_S == day
        lamps[today & (hour > begin) & (hour < end) & ~((hour > lunch) & (hour < lunch + 0.75))] = 350.0
    shade = np.exp(0.08 * _smooth(rng.standard_normal(len(time_s)), step_s, 20.0))  # people that move
    note = f"lamps of 350 lux, a window of 400 lux at noon, seed {asked.seed}"
    return _recording("indoor day", time_s, step_s, "illuminance_lux", (window + lamps) * shade, note)


def sun_cloud(asked: Asked) -> Recording:
    """W/m^2 of a day of 12 hours of sun under clouds that come and go."""
    time_s, step_s = _times(asked, _DAY_S, 10.0)
    rng = np.random.default_rng(asked.seed)
    hour = time_s % _DAY_S / 3600
    clear = 1000.0 * np.maximum(np.sin(np.pi * (hour - 6) / 12), 0.0) * ((hour > 6) & (hour < 18))
    cloudy = _on_off(rng, time_s, step_s, on_s=900.0, off_s=1500.0)
    through = np.where(cloudy, 0.25, 1.0) * np.exp(0.1 * _smooth(rng.standard_normal(len(time_s)), step_s, 60.0))
    note = f"1000 W/m^2 at noon, clouds of 900 s that let a quarter through, every 2400 s, seed {asked.seed}"
    return _recording("sun with cloud", time_s, step_s, "irradiance_w_m2", clear * through, note)


def markov(asked: Asked) -> Recording:
    """A source that is on or off, for times of exponential distribution."""
    time_s, step_s = _times(asked, 60.0, 0.01)
    rng = np.random.default_rng(asked.seed)
    if not (asked.on_s > 0 and asked.off_s > 0):
        raise BadData("mean times on and off are above zero", where="--on, --off")
    watts = 200e-6 if asked.power_w is None else asked.power_w
    on = _on_off(rng, time_s, step_s, on_s=asked.on_s, off_s=asked.off_s)
    note = f"{watts * 1e6:g} uW for {asked.on_s:g} s, nothing for {asked.off_s:g} s on average, seed {asked.seed}"
    return _recording("on-off Markov", time_s, step_s, "power_w", np.where(on, watts, 0.0), note)


def _on_off(rng: np.random.Generator, time_s: Floats, step_s: float, *, on_s: float, off_s: float) -> Floats:
    """Whether it is on (n,), from a state of its stationary distribution."""
    first_on = rng.random() < on_s / (on_s + off_s)
    end = float(time_s[-1]) + step_s
    pairs = int(end / (on_s + off_s) * 1.5) + 16
    edges: Floats = np.zeros(0)
    while not len(edges) or edges[-1] < end:
        stays = rng.exponential(1.0, 2 * pairs)
        stays[::2] *= on_s if first_on else off_s
        stays[1::2] *= off_s if first_on else on_s
        edges = np.concatenate([edges, (edges[-1] if len(edges) else 0.0) + np.cumsum(stays)])
    flips = np.searchsorted(edges, time_s, side="right")
    return np.asarray(flips % 2 == (0 if first_on else 1))


def kinetic(asked: Asked) -> Recording:
    """What a mass on a spring with a damper that is the generator gives, shaken as an accelerometer recorded.

    Relative velocity answers the acceleration of the frame as s / (s^2 + 2 d w s + w^2) (Williams and Yates 1996),
    discretised by the bilinear rule; half of the damping is electrical. No stop limits the travel of the mass.
    """
    from scipy.signal import bilinear, lfilter

    shaken, rate_hz = _acceleration(asked)
    if not (asked.mass_kg > 0 and 0 < asked.resonance_hz < rate_hz / 2 and 0 < asked.damping < 10):
        raise BadData(
            f"a resonance of {asked.resonance_hz:g} Hz at {rate_hz:g} samples a second", where="--resonance, --damping"
        )
    w = 2 * np.pi * asked.resonance_hz
    b, a = bilinear([1.0, 0.0], [1.0, 2 * asked.damping * w, w * w], rate_hz)
    velocity = lfilter(b, a, shaken - shaken[0])
    power_w = asked.damping * w * asked.mass_kg * velocity**2
    step_s = 1 / rate_hz if asked.step_s is None else asked.step_s
    group = max(1, round(step_s * rate_hz))
    means = power_w[: len(power_w) // group * group].reshape(-1, group).mean(axis=1)
    if len(means) < 2:
        raise BadData("the accelerometer data are shorter than two steps", where=str(asked.accelerometer))
    note = f"{asked.mass_kg * 1e3:g} g at {asked.resonance_hz:g} Hz, damping {asked.damping:g}, half of it electrical"
    time_s = np.asarray(np.arange(len(means)) * (group / rate_hz), np.float64)
    return _recording("mass on a spring", time_s, group / rate_hz, "power_w", means, note)


def _acceleration(asked: Asked) -> tuple[Floats, float]:
    """Acceleration in m/s^2 along the axis that moves most, and samples a second."""
    path = asked.accelerometer
    if path is None:
        raise BadData("no accelerometer data", where="--accelerometer", hint="an .npz with acc (n, 3), acc_scale_g, fs")
    try:
        with np.load(path, allow_pickle=False) as file:
            rate_hz, scale_g = float(file["fs"]), float(file["acc_scale_g"])
            raw = np.asarray(file["acc"])
    except Exception as error:  # numpy raises what zip, header and cast say as many types
        raise BadData(
            f"no accelerometer data: {error}", where=str(path), hint="keys acc (n, 3), acc_scale_g, fs"
        ) from None
    most = len(raw) if asked.duration_s is None else min(len(raw), round(asked.duration_s * rate_hz))
    if raw.ndim != 2 or raw.dtype.kind not in "iuf" or most < 2 or not rate_hz > 0:
        raise BadData(f"acc has shape {raw.shape}, {raw.dtype}", where=str(path), hint="(n, 3), of numbers")
    values = raw[:most].astype(float) * (scale_g * 9.80665)
    return values[:, int(np.argmax(values.var(axis=0)))], rate_hz


KINDS: dict[str, Callable[[Asked], Recording]] = {
    "rf-walk": rf_walk,
    "indoor-day": indoor_day,
    "sun-cloud": sun_cloud,
    "kinetic": kinetic,
    "markov": markov,
}
