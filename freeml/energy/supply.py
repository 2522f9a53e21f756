"""A harvester, a capacitor and what lies between it and a load, in closed form from event to event.

Source - [diode] - capacitor with ESR and leakage - comparator with hysteresis - [LDO] - load. Sources are I-V lines
between nodes, so that the capacitor's voltage is an exponential (`linear.py`) between two events: nodes of the source,
the comparator's thresholds, the clamp, the LDO's knee, the end of the time. Every joule has one place in `Energy`;
`Supply.check` asserts that they add up.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from freeml.energy import linear
from freeml.errors import BadData

Event = Literal["time", "on", "off"]

BALANCE = 1e-9  # of all energy that moved
_NEVER = math.inf
_LOG_RATIO = math.log(1.01)
_LEAST_V = 1e-3


@dataclass(frozen=True, slots=True)
class Capacitor:
    """A capacitor: insulation_ohm is leakage and self-discharge; a shunt takes what comes beyond clamp_v."""

    capacitance_f: float
    esr_ohm: float = 0.0
    insulation_ohm: float = _NEVER
    clamp_v: float = _NEVER


@dataclass(frozen=True, slots=True)
class Comparator:
    """Switches the load on at v_on and off at v_off; what it draws itself, in both states."""

    v_on_v: float
    v_off_v: float
    on_a: float = 0.0
    off_a: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.v_off_v < self.v_on_v:
            raise BadData(f"a comparator that switches on at {self.v_on_v:g} V and off at {self.v_off_v:g} V")

    @property
    def middle_v(self) -> float:
        """At which charge is counted as energy."""
        return (self.v_on_v + self.v_off_v) / 2


@dataclass(frozen=True, slots=True)
class Ldo:
    """A linear regulator: current in is current out; below output + dropout its output follows its input."""

    output_v: float
    dropout_v: float = 0.0


@dataclass(frozen=True, slots=True)
class Buck:
    """A step-down converter: power in is power out over its efficiency at that output current.

    from_a, shares  currents from which on an efficiency holds, ascending from 0, and it
    Its current at the capacitor, P / V, is a chord between voltages 1 % apart: at most 2e-5 above it.
    """

    output_v: float
    dropout_v: float
    from_a: Sequence[float]
    shares: Sequence[float]

    def share(self, load_a: float) -> float:
        """Efficiency at an output current."""
        return self.shares[bisect_right(self.from_a, load_a) - 1]

    def around(self, volts: float, up: bool) -> tuple[float, float]:
        """The two voltages between which the chord at this voltage lies."""
        at = math.floor(math.log(max(volts, _LEAST_V)) / _LOG_RATIO + (1e-9 if up else -1e-9))
        return math.exp(at * _LOG_RATIO), math.exp((at + 1) * _LOG_RATIO)


@dataclass(slots=True)
class Energy:
    """Where energy went, in J.

    harvested  out of the source at its own voltage; used by the load at its own
    stored     in the capacitor, more than at the start
    leaked     through the capacitor's insulation; clipped by the clamp
    converted  in converter, diode, LDO, comparator and series resistance
    delivered  at the capacitor's terminal, behind converter and diode; no part of the sum: all but what is lost there
    """

    harvested_j: float = 0.0
    used_j: float = 0.0
    stored_j: float = 0.0
    leaked_j: float = 0.0
    clipped_j: float = 0.0
    converted_j: float = 0.0
    delivered_j: float = 0.0

    @property
    def missing_j(self) -> float:
        """What does not add up."""
        gone = math.fsum((self.used_j, self.stored_j, self.leaked_j, self.clipped_j, self.converted_j))
        return self.harvested_j - gone

    @property
    def moved_j(self) -> float:
        """All of it, whichever way: the measure of what may be missing."""
        return max(self.harvested_j, abs(self.stored_j), self.used_j + self.leaked_j + self.converted_j)


@dataclass(frozen=True, slots=True)
class Lines:
    """A source as currents at rising voltages from 0, straight lines between, none beyond; they end at no current.

    shares  of each line, what comes out of a converter for what the harvester gives; empty: all of it
    Raises BadData where they are no such lines.
    """

    nodes_v: Sequence[float]
    nodes_a: Sequence[float]
    shares: Sequence[float] = ()

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in pairwise(self.nodes_v))
        if len(self.nodes_v) < 2 or self.nodes_v[0] != 0 or not rising or len(self.nodes_a) != len(self.nodes_v):
            raise BadData("the lines of a source start at 0 V and rise in voltage")
        if self.nodes_a[-1] != 0 or min(self.nodes_a) < 0:
            raise BadData("the lines of a source end at no current and have none below zero")

    def share(self, at: int) -> float:
        """Of a line."""
        return self.shares[at] if at < len(self.shares) else 1.0


@dataclass(frozen=True, slots=True)
class _Lines:
    """What holds until the next event: current into the capacitor is cap_a - cap_s v, terminal voltage p + q v."""

    source_a: float
    source_s: float
    load_a: float  # load's current is load_a - load_s v
    load_s: float
    output_a: float
    idle_a: float
    cap_a: float
    cap_s: float
    p: float
    q: float
    share: float


@dataclass(slots=True)
class Supply:
    """State of it all. Voltages that others see are those of the terminal, V + ESR I."""

    capacitor: Capacitor
    comparator: Comparator
    diode_v: float = 0.0
    ldo: Ldo | Buck | None = None
    voltage_v: float = 0.0  # inside, behind the ESR
    is_on: bool = False
    energy: Energy = field(default_factory=Energy)
    source: Lines = field(default_factory=lambda: Lines((0.0, 1.0), (0.0, 0.0)))
    _seen_v: float = 0.0  # at the terminal, when the present lines were drawn

    def __post_init__(self) -> None:
        least_v = self.ldo.output_v + self.ldo.dropout_v if isinstance(self.ldo, Buck) else 0.0
        if self.comparator.v_off_v < least_v - 1e-9:
            raise BadData(f"a buck converter needs {least_v:g} V, but runs down to {self.comparator.v_off_v:g} V")

    def offer(self, nodes_v: Sequence[float], nodes_a: Sequence[float]) -> None:
        """What the source is from now on: currents at rising voltages from 0, lines between, none beyond."""
        self.offer_lines(Lines(nodes_v, nodes_a))

    def offer_lines(self, source: Lines) -> None:
        """The same behind a converter."""
        self.source = source

    def advance(self, load_a: float, most_s: float) -> tuple[float, Event]:
        """Let time pass with a load on the output while it is on, until it switches or the time is over.

        Returns how long that was, in s, and what ended it.
        """
        passed = 0.0
        while passed < most_s:
            step_s, event = self._step(load_a if self.is_on else 0.0, most_s - passed)
            passed += step_s
            if event != "time":
                return passed, event
        return most_s, "time"

    def why_never_on(self) -> str:
        """Why the present source never switches the load on, with figures; empty where it does."""
        leak_s = 1.0 / self.capacitor.insulation_ohm
        v_on, drawn_a = self.comparator.v_on_v, self.comparator.off_a
        if self.capacitor.clamp_v < v_on:
            return f"the clamp at {self.capacitor.clamp_v:g} V keeps it below {v_on:g} V"
        for number, node_v in enumerate(self.source.nodes_v):
            volts = node_v - self.diode_v
            if volts >= v_on:
                return ""
            given_a, fall = self._line(number)
            left_a = given_a - fall * node_v - drawn_a - leak_s * volts
            if left_a <= 0 and volts >= 0:
                return f"it gives no more than what is drawn at {volts:.3g} V, short of {v_on:g} V"
            at_on = given_a - fall * (v_on + self.diode_v) - drawn_a - leak_s * v_on
            next_v = self.source.nodes_v[number + 1] - self.diode_v if number + 1 < len(self.source.nodes_v) else _NEVER
            if next_v >= v_on:
                settled = volts + left_a / (fall + leak_s) if fall + leak_s > 0 else _NEVER
                return "" if at_on > 0 else f"it settles at {settled:.3g} V, short of {v_on:g} V"
            end_a = self.source.nodes_a[number + 1] - drawn_a - leak_s * next_v
            if end_a <= 0 and next_v >= 0:
                settled = volts + left_a / (fall + leak_s)
                return f"it settles at {settled:.3g} V, short of {v_on:g} V"
        return f"it gives nothing above {self.source.nodes_v[-1] - self.diode_v:.3g} V, short of {v_on:g} V"

    def check(self) -> None:
        """Asserts that no energy came from nowhere or went there."""
        missing, moved = self.energy.missing_j, self.energy.moved_j
        assert abs(missing) <= BALANCE * moved, f"{missing:g} J of {moved:g} J do not add up"

    def _step(self, load_a: float, most_s: float) -> tuple[float, Event]:
        """One stretch between events."""
        up = self._slope_of(self._lines(load_a, True)) > 0
        lines = self._lines(load_a, up)
        slope = self._slope_of(lines)
        terminal_v = lines.p + lines.q * self.voltage_v
        if self._switch(terminal_v):
            return 0.0, "on" if self.is_on else "off"
        full = slope >= 0 and self.voltage_v >= self.capacitor.clamp_v
        if full or (slope <= 0 and self.voltage_v <= 0):
            self._hold(lines, most_s)
            return most_s, "time"
        k = lines.cap_s / self.capacitor.capacitance_f
        target_v = self._next_v(lines, terminal_v, slope)
        target = math.nan if target_v is None else (target_v - lines.p) / lines.q
        need_s = _NEVER if target_v is None else linear.time_to_s(slope, k, target - self.voltage_v)
        step_s = min(need_s, most_s)
        after_v = target if need_s <= most_s else self.voltage_v + linear.change_v(slope, k, step_s)
        self._book(lines, slope, k, step_s, after_v)
        self.voltage_v = after_v
        return step_s, "time"

    def _slope_of(self, lines: _Lines) -> float:
        """V/s of the voltage inside."""
        return (lines.cap_a - lines.cap_s * self.voltage_v) / self.capacitor.capacitance_f

    def _lines(self, load_a: float, up: bool) -> _Lines:
        """The lines that hold here; on a node, those above it or those below."""
        idle_a = self.comparator.on_a if self.is_on else self.comparator.off_a
        leak_s = 1.0 / self.capacitor.insulation_ohm
        esr = self.capacitor.esr_ohm
        # The terminal's voltage depends on the source's line, which depends on it: take the line at the present one.
        self._seen_v = self._terminal_guess(load_a + idle_a)
        at = self._segment(self._seen_v + self.diode_v, up)
        for _ in range(len(self.source.nodes_v) + 20):
            source_a, source_s = self._line(at)
            drawn_a, drawn_s = self._drawn(load_a, up)
            a = source_a - source_s * self.diode_v - drawn_a - idle_a
            s = source_s + leak_s - drawn_s
            if 1 + esr * s <= 0:
                raise BadData(f"a source whose current rises by {-s:g} A/V runs away behind {esr:g} ohm of a capacitor")
            cap_a, cap_s = a / (1 + esr * s), s / (1 + esr * s)
            terminal_v = self.voltage_v + esr * (cap_a - cap_s * self.voltage_v)
            found = self._segment(terminal_v + self.diode_v, up)
            moved, self._seen_v = abs(terminal_v - self._seen_v), terminal_v
            if (found == at and moved < 1e-12) or not esr:
                break
            if found == at:
                continue
            at += 1 if found > at else -1
        ends = (esr * cap_a, 1 - esr * cap_s, self.source.share(at))
        return _Lines(source_a, source_s, drawn_a, drawn_s, load_a, idle_a, cap_a, cap_s, *ends)

    def _drawn(self, load_a: float, up: bool) -> tuple[float, float]:
        """The load's line at the capacitor: (a, s) of a - s v."""
        if not isinstance(self.ldo, Buck) or not load_a:
            return load_a, 0.0
        watts = load_a * self.ldo.output_v / self.ldo.share(load_a)
        low_v, high_v = self.ldo.around(self._seen_v, up)
        fall = watts / (low_v * high_v)  # (watts / low - watts / high) / (high - low)
        return watts / low_v + fall * low_v, fall

    def _terminal_guess(self, out_a: float) -> float:
        return self.voltage_v if not self.capacitor.esr_ohm else self.voltage_v - self.capacitor.esr_ohm * out_a

    def _segment(self, source_v: float, up: bool) -> int:
        """Number of the line at a voltage of the source; len(nodes) - 1 is what lies beyond the last node."""
        edge_v = source_v + (1e-12 if up else -1e-12)
        return max(0, bisect_right(self.source.nodes_v, edge_v) - 1)

    def _line(self, at: int) -> tuple[float, float]:
        """Current at 0 V and its fall, in A and A/V, of a line."""
        if at >= len(self.source.nodes_v) - 1:
            return 0.0, 0.0
        (v0, v1), (i0, i1) = self.source.nodes_v[at : at + 2], self.source.nodes_a[at : at + 2]
        fall = (i0 - i1) / (v1 - v0)
        return i0 + fall * v0, fall

    def _switch(self, terminal_v: float) -> bool:
        """Let the comparator see the terminal."""
        if self.is_on and terminal_v <= self.comparator.v_off_v * (1 + 1e-14):
            self.is_on = False
            return True
        if not self.is_on and terminal_v >= self.comparator.v_on_v * (1 - 1e-14):
            self.is_on = True
            return True
        return False

    def _next_v(self, lines: _Lines, terminal_v: float, slope: float) -> float | None:
        """The next terminal voltage at which something changes, on the way that the voltage goes."""
        nodes, source_v = self.source.nodes_v, terminal_v + self.diode_v
        near = (bisect_right(nodes, source_v + 1e-12), bisect_left(nodes, source_v - 1e-12) - 1)  # above, below
        marks = [nodes[at] - self.diode_v for at in near if 0 <= at < len(nodes)]
        marks.append(self.comparator.v_off_v if self.is_on else self.comparator.v_on_v)
        marks += [lines.p, lines.p + lines.q * self.capacitor.clamp_v]  # empty and full, inside
        if self.ldo:
            marks.append(self.ldo.output_v + self.ldo.dropout_v)
        if isinstance(self.ldo, Buck) and lines.output_a:
            marks += self.ldo.around(terminal_v, slope > 0)
        if slope > 0:
            return min((mark for mark in marks if mark > terminal_v + 1e-12), default=None)
        return max((mark for mark in marks if mark < terminal_v - 1e-12), default=None) if slope < 0 else None

    def _book(self, lines: _Lines, slope: float, k: float, t_s: float, after_v: float) -> None:
        """Energies of a stretch, from integrals of the voltage."""
        inner_v, inner_v2 = linear.integrals(self.voltage_v, slope, k, t_s)
        of_v = lines.p * t_s + lines.q * inner_v
        of_v2 = lines.p**2 * t_s + 2 * lines.p * lines.q * inner_v + lines.q**2 * inner_v2
        cap = self.capacitor
        books = self.energy
        # At the source: (a - s (v + d)) (v + d)
        d = self.diode_v
        line_a, fall = lines.source_a, lines.source_s
        charge = (line_a - fall * d) * t_s - fall * of_v
        given_j = (line_a - fall * d) * (of_v + d * t_s) - fall * (of_v2 + d * of_v)
        if fall * t_s > cap.capacitance_f:
            charge, given_j = self._settled(lines, slope, k, t_s, after_v, of_v)
        books.harvested_j += given_j / lines.share
        books.delivered_j += given_j - charge * d
        books.converted_j += given_j * (1 / lines.share - 1)
        books.leaked_j += of_v2 / cap.insulation_ohm
        first_a = lines.cap_a - lines.cap_s * self.voltage_v
        esr_j = cap.esr_ohm * linear.integrals(first_a, -lines.cap_s * slope, k, t_s)[1]
        drawn_j = lines.load_a * of_v - lines.load_s * of_v2
        used_j = self._used(lines.output_a, drawn_j, of_v, t_s, lines.p + lines.q * (self.voltage_v + after_v) / 2)
        books.used_j += used_j
        books.converted_j += charge * d + lines.idle_a * of_v + esr_j + drawn_j - used_j
        books.stored_j += 0.5 * cap.capacitance_f * (after_v - self.voltage_v) * (after_v + self.voltage_v)

    def _settled(
        self, lines: _Lines, slope: float, k: float, t_s: float, after_v: float, of_v: float
    ) -> tuple[float, float]:
        """Charge and energy of a source on whose line the capacitor settles: its current is a small difference of large
        numbers then. The charge is what went on by Kirchhoff, each part of it at the voltage that the line says."""
        fall, cap = lines.source_s, self.capacitor
        first_a = lines.source_a - fall * (lines.p + lines.q * self.voltage_v + self.diode_v)
        _, of_a2 = linear.integrals(first_a, -fall * lines.q * slope, k, t_s)
        charge = cap.capacitance_f * (after_v - self.voltage_v) + of_v / cap.insulation_ohm
        charge += (lines.load_a + lines.idle_a) * t_s - lines.load_s * of_v
        return charge, (lines.source_a * charge - of_a2) / fall

    def _used(self, load_a: float, drawn_j: float, of_v: float, t_s: float, about_v: float) -> float:
        """Energy at the load; `about_v` tells on which side of the LDO's knee the stretch lies."""
        if self.ldo is None:
            return drawn_j
        if isinstance(self.ldo, Buck):
            return drawn_j * self.ldo.share(load_a)
        if about_v >= self.ldo.output_v + self.ldo.dropout_v:
            return load_a * self.ldo.output_v * t_s
        return load_a * (of_v - self.ldo.dropout_v * t_s)

    def _hold(self, lines: _Lines, t_s: float) -> None:
        """Full: what would charge the capacitor further is shunted. Empty: nothing draws more than comes."""
        steady = self.voltage_v
        source_v = steady + self.diode_v
        source_a = lines.source_a - lines.source_s * source_v
        leaked_a = steady / self.capacitor.insulation_ohm
        books = self.energy
        given_j = source_a * source_v * t_s
        books.harvested_j += given_j / lines.share
        books.delivered_j += source_a * steady * t_s
        books.converted_j += given_j * (1 / lines.share - 1)
        books.leaked_j += leaked_a * steady * t_s
        drawn_a = lines.load_a - lines.load_s * steady
        used_j = self._used(lines.output_a, drawn_a * steady * t_s, steady * t_s, t_s, steady) if steady > 0 else 0.0
        books.used_j += used_j
        books.converted_j += source_a * self.diode_v * t_s + (lines.idle_a + drawn_a) * steady * t_s - used_j
        books.clipped_j += (source_a - leaked_a - lines.idle_a - drawn_a) * steady * t_s
