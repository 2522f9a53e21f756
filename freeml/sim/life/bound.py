"""More right answers than any policy can give on a trace: bound.h says what it knows and what it is let off.

It knows labels as well as coming energy. One that knew energy alone would bound policies on average only, and what is
asserted in every run has to hold in every run.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeml.energy.converter import Piece
from freeml.energy.supply import Capacitor, Comparator, Supply
from freeml.errors import BadData
from freeml.sim.life.load import Load
from freeml.sim.life.native import BoundStruct, SamplesStruct, library
from freeml.sim.life.outcomes import RIGHT, Outcomes
from freeml.sim.life.run import Arrivals, samples_of_piece
from freeml.sim.life.supply import doubles, struct_of


@dataclass(frozen=True, slots=True)
class Bound:
    """The most right answers; `lifted`: so many of them, at most, came of states that were made one; 0 where none was.

    duration_s  of the trace
    """

    right: int
    lifted: float
    duration_s: float

    @property
    def correct_per_hour(self) -> float:
        """Right answers an hour."""
        return self.right / self.duration_s * 3600

    def as_json(self) -> dict[str, float]:
        """The JSON of it."""
        return {"correct": self.right, "lifted": self.lifted}


def bound_of(
    pieces: Sequence[Piece], supply: Supply, load: Load, outcomes: Outcomes, arrivals: Arrivals, duration_s: float
) -> Bound:
    """Of a load that lives on pieces of a trace. Raises BadData where events have no times, or answers no labels."""
    if arrivals.times_s is None:
        raise BadData(
            f"events that come {arrivals.text} have no bound",
            where="--arrivals",
            hint="every:T, poisson:T:SEED, file:F",
        )
    if not outcomes.has_labels:
        raise BadData("without labels nobody knows what is right", where="--data")
    made, kept = struct_of(_let_off(supply))
    structs = [samples_of_piece(piece) for piece in pieces]
    array = (SamplesStruct * len(structs))(*(struct for struct, _ in structs))
    first_right = np.where(outcomes.right == RIGHT, 1, 0)
    first_right = np.where(first_right.any(axis=1), first_right.argmax(axis=1) + 1, 0).astype(np.int32)
    order = np.ascontiguousarray(outcomes.order, np.int32)
    costs = [cost_of(load, depth) for depth in range(1, load.depths + 1)]
    (times_s, at_times), (charge_c, at_charge), (time_s, at_time) = (
        doubles(values) for values in (arrivals.times_s, [one[0] for one in costs], [one[1] for one in costs])
    )
    bound = BoundStruct(
        supply=made,
        pieces=ctypes.addressof(array),
        n_pieces=len(structs),
        arrivals_s=at_times,
        n_arrivals=len(times_s),
        charge_c=at_charge,
        time_s=at_time,
        first_right=first_right.ctypes.data,
        order=order.ctypes.data,
        n_samples=len(order),
        end_s=duration_s,
    )
    library().fml_bound(ctypes.byref(bound))
    del kept, charge_c, time_s
    if bound.overflowed:
        raise BadData("the bound needs more states than it has room for", hint="a shorter trace, or fewer events")
    return Bound(int(bound.best), float(bound.lifted), duration_s)


def cost_of(load: Load, depth: int) -> tuple[float, float]:
    """Charge in C and time in s of one answer at an exit, from the capture to the report, all else apart."""
    rows = [row for row in load.rows[:-1] if row.depth <= depth] + [load.rows[-1]]
    return sum(row.n * row.charge_c for row in rows), sum(row.n * row.struct().time_s for row in rows)


def _let_off(supply: Supply) -> Supply:
    """The same without anything that takes charge beside answers. Efficiency and clamp stay."""
    whole = supply.capacitor
    capacitor = Capacitor(whole.capacitance_f, 0.0, float("inf"), whole.clamp_v)
    comparator = Comparator(supply.comparator.v_on_v, supply.comparator.v_off_v)
    return Supply(capacitor, comparator, diode_v=supply.diode_v, voltage_v=supply.voltage_v)
