"""Cost of a tile on a board, and what its capacitor gives: cycles, charge, time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TileCost:
    """Worst case of one step, in a boot of its own: restore, computing, NVM traffic, commit.

    cycles      of the processor, NVM waits included, without the time before the first instruction
    charge_pc   all of it, leakage of the capacitor excluded
    time_us     from power-on to the commit
    """

    cycles: float
    charge_pc: float
    time_us: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What a full capacitor gives one boot without any harvest."""

    capacitance_uf: float
    v_on_mv: float
    v_off_mv: float
    margin: float
    leakage_na_per_uf: float
