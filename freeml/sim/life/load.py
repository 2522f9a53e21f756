"""What a device does, as stretches of work at a constant current each: what engines go through row by row."""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeml.sim.life.native import STACK, WorkStruct

_LEAST_S = 1e-9  # a stretch of work takes some time, or its current had no end


@dataclass(frozen=True, slots=True)
class Work:
    """So many steps that are alike and follow one another.

    time_s, charge_c  of one of them, the commit at its end included
    commit_share      of that charge, what the commit takes
    stack             of native.STACK: "sense" is the first row of an inference, "report" its last
    depth             the exit that comes next: 1 for a network that has one
    row               number of the row, for logs
    """

    time_s: float
    charge_c: float
    commit_share: float = 0.0
    n: int = 1
    stack: str = "compute"
    depth: int = 1
    row: int = 0

    def plus(self, time_s: float, charge_c: float) -> Work:
        """The same with something that it does besides."""
        total_c = self.charge_c + charge_c
        share = self.commit_share * self.charge_c / total_c if total_c > 0 else 0.0
        return replace(self, time_s=self.time_s + time_s, charge_c=total_c, commit_share=share)

    def struct(self) -> WorkStruct:
        """This stretch of work as C has it."""
        return WorkStruct(
            time_s=max(self.time_s, _LEAST_S),
            charge_c=self.charge_c,
            commit_share=self.commit_share,
            n=self.n,
            stack=STACK.index(self.stack),
            depth=self.depth,
            row=self.row,
        )


NOTHING = Work(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Load:
    """A device.

    boot      of the hardware, from the moment the supply is switched on
    restore   of the software: finding where it was; `first`: at the first boot ever
    rows      of one inference, or of what else it does for an event; the last one reports
    sleep_a   while it waits for an event
    forgets   whether a loss of power takes all progress along
    meter     one reading of the capacitor: part of each row that decides
    basis     where its figures come from, in words
    """

    name: str
    boot: Work
    restore: Work
    first: Work
    rows: tuple[Work, ...]
    sleep_a: float
    forgets: bool = False
    basis: str = ""

    @property
    def depths(self) -> int:
        """Exits that it has."""
        return max(row.depth for row in self.rows)

    @property
    def full_c(self) -> float:
        """Charge of one boot and all rows, once."""
        return self.boot.charge_c + self.restore.charge_c + sum(row.n * row.charge_c for row in self.rows)

    @property
    def active_s(self) -> float:
        """Time of the same."""
        return self.boot.time_s + self.restore.time_s + sum(row.n * row.time_s for row in self.rows)

    @property
    def steps(self) -> int:
        """Of one inference to its full depth."""
        return sum(row.n for row in self.rows)
