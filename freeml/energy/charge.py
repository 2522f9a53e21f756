"""A trace through a converter into a capacitor with a constant load: how often it is on, and where energy went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freeml.energy.converter import CONVERTERS, DIODE_V, converter_of
from freeml.energy.supply import Capacitor, Comparator, Energy, Supply
from freeml.energy.trace import Trace

__all__ = ["CONVERTERS", "DIODE_V", "Charged", "charge"]


@dataclass(frozen=True, slots=True)
class Charged:
    """What happened over a trace.

    on_s, off_s  lengths of whole periods, in s
    first_on_s   None where the load never was on; `why` then says why of the best sample
    """

    first_on_s: float | None
    on_s: tuple[float, ...]
    off_s: tuple[float, ...]
    energy: Energy
    why: str


def charge(
    trace: Trace,
    capacitor: Capacitor,
    comparator: Comparator,
    converter: str,
    load_a: float,
    tracked: float | None = None,
    output_v: float | None = None,
) -> Charged:
    """Run it, from an empty capacitor.

    converter  of CONVERTERS; a charger's quiescent current comes on top of the comparator's
    tracked    share of the open voltage at which a charger holds its input, in place of its own
    output_v   of the BQ25570's step-down converter; None: the load is at the capacitor
    Raises BadData for a trace that cannot be simulated, or not by this converter.
    """
    trace.check()
    between = converter_of(converter, tracked, output_v)
    supply = Supply(capacitor, between.comparator(comparator), diode_v=between.diode_v, ldo=between.buck)
    clock_s, since_s, first_s = 0.0, 0.0, None
    periods: dict[bool, list[float]] = {True: [], False: []}
    ends_s = trace.time_s - trace.time_s[0] + trace.holds_s()
    for sample, end_s in enumerate(ends_s.tolist()):
        supply.offer_lines(between.lines(trace, sample))
        while clock_s < end_s:
            took_s, event = supply.advance(load_a, end_s - clock_s)
            clock_s = end_s if event == "time" else clock_s + took_s
            if event == "time":
                continue
            if first_s is None:
                first_s = clock_s
            else:
                periods[event == "off"].append(clock_s - since_s)
            since_s = clock_s
    supply.check()
    why = ""
    if first_s is None:
        supply.offer_lines(between.lines(trace, int(np.argmax(trace.power_w()))))
        why = supply.why_never_on() or "the trace ends before the capacitor is charged"
    return Charged(first_s, tuple(periods[True]), tuple(periods[False]), supply.energy, why)
