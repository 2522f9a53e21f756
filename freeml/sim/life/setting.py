"""One device on one trace, all of a life but the policy: so that many policies live the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from freeml.energy.converter import Piece
from freeml.energy.supply import Capacitor, Comparator, Supply
from freeml.exits.policy import Policy
from freeml.sim.life.bound import Bound, bound_of
from freeml.sim.life.engine import TableEngine
from freeml.sim.life.load import Load
from freeml.sim.life.native import LOG_DONE
from freeml.sim.life.outcomes import Outcomes
from freeml.sim.life.policies import Exits
from freeml.sim.life.run import Arrivals, Lived, live


@dataclass(frozen=True)
class Setting:
    """What lives, on what.

    pieces    of the trace, all of them, behind its converter
    outcomes  of the samples that events show
    exits     what tables of policies need to know
    """

    pieces: Sequence[Piece]
    duration_s: float
    capacitor: Capacitor
    comparator: Comparator
    diode_v: float
    load: Load
    outcomes: Outcomes
    exits: Exits
    arrivals: Arrivals
    keeps_time: bool = False

    @property
    def middle_v(self) -> float:
        """The voltage at which charge is counted as energy."""
        return self.comparator.middle_v

    @property
    def charge_uj(self) -> float:
        """What the capacitor gives from switched on to switched off."""
        squares = self.comparator.v_on_v**2 - self.comparator.v_off_v**2
        return 0.5e6 * self.capacitor.capacitance_f * squares

    def supply(self) -> Supply:
        """The circuit, empty."""
        return Supply(self.capacitor, self.comparator, diode_v=self.diode_v)

    def live(self, policy: Policy | None, log_what: int = LOG_DONE) -> Lived:
        """A life under a policy."""
        engine = TableEngine(self.load, self.outcomes, policy, self.keeps_time)
        return live(self.pieces, self.supply(), engine, self.load, self.arrivals, self.duration_s, log_what)

    def bound(self) -> Bound:
        """The most right answers of any policy. Raises BadData where there is none."""
        return bound_of(self.pieces, self.supply(), self.load, self.outcomes, self.arrivals, self.duration_s)

    def with_arrivals(self, arrivals: Arrivals) -> Setting:
        """The same with other events."""
        return replace(self, arrivals=arrivals)
