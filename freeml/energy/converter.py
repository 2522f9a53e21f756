"""What lies between a harvester and a capacitor: nothing, a diode or a charger, by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeml.energy.boost import BQ25504, BQ25570, Boost, bq25570_buck
from freeml.energy.source import IvCurves, all_nodes, nodes
from freeml.energy.supply import Buck, Comparator, Lines
from freeml.energy.trace import Trace
from freeml.errors import BadData

Floats = npt.NDArray[np.float64]

_CHARGERS = {"bq25504": BQ25504, "bq25570": BQ25570}
DIODE_V = 0.3  # a Schottky diode at a milliampere
CONVERTERS = ("direct", "diode", *_CHARGERS)
_PIECE = 16_384  # samples


@dataclass(frozen=True, slots=True)
class Piece:
    """n samples of a trace as lines at the capacitor.

    ends_s         (n,) when each ends, from the start of the trace
    volts          (n, m) from 0, rising, or (m,) where all have one grid; amperes likewise
    split          currents before this node count times low (n,), from there on times high (n,)
    low_share, high_share  (n,) of lines before it and of the others, what comes out for what the harvester gives
    """

    ends_s: Floats
    volts: Floats
    amperes: Floats
    split: int = 0
    low: Floats | None = None
    high: Floats | None = None
    low_share: Floats | None = None
    high_share: Floats | None = None


@dataclass(frozen=True, slots=True)
class Converter:
    """One of CONVERTERS; `buck`: a step-down converter behind the capacitor."""

    name: str
    charger: Boost | None = None
    buck: Buck | None = None

    @property
    def diode_v(self) -> float:
        """What a diode takes."""
        return DIODE_V if self.name == "diode" else 0.0

    def comparator(self, comparator: Comparator) -> Comparator:
        """The same, with what the charger itself draws."""
        own_a = self.charger.quiescent_a if self.charger else 0.0
        return replace(comparator, on_a=comparator.on_a + own_a, off_a=comparator.off_a + own_a)

    def lines(self, trace: Trace, sample: int) -> Lines:
        """What one sample gives at the capacitor."""
        if self.charger is not None:
            return self.charger.lines(trace.source, sample)
        return Lines(*nodes(trace.source, sample))

    def pieces(self, trace: Trace) -> Iterator[Piece]:
        """What all samples give, some thousands at a time."""
        ends_s = trace.time_s - trace.time_s[0] + trace.holds_s()
        size = _PIECE if not isinstance(trace.source, IvCurves) else _PIECE // 8
        for first in range(0, len(trace), size):
            part = slice(first, first + size)
            source = trace.source.take(part)
            if self.charger is None:
                yield Piece(ends_s[part], *all_nodes(source))
                continue
            made = self.charger.scaled(source)
            factors = (made.low_w, made.high_w, made.low_share, made.high_share)
            yield Piece(ends_s[part], made.volts, made.amperes_per_w, made.split, *factors)


def converter_of(name: str, tracked: float | None = None, output_v: float | None = None) -> Converter:
    """By name. tracked: share of the open voltage at which a charger holds its input, in place of its own; output_v: of
    the BQ25570's step-down converter.

    Raises BadData.
    """
    if name not in CONVERTERS:
        raise BadData(f"no converter is called {name!r}", where="--converter", hint=", ".join(CONVERTERS))
    charger = _CHARGERS.get(name)
    if charger is not None and tracked is not None:
        charger = replace(charger, tracked=tracked)
    if output_v is not None and name != "bq25570":
        raise BadData(f"{name} has no step-down converter", where="--output", hint="--converter bq25570 has one")
    return Converter(name, charger, None if output_v is None else bq25570_buck(output_v))
