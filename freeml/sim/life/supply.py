"""The supply in C, made of the one in Python: same circuit, same state, and the twin of `Supply.advance` for tests."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.energy.supply import Buck, Energy, Event, Ldo, Lines, Supply
from freeml.sim.life.native import BUCK, LDO, NO_REGULATOR, SourceStruct, SupplyStruct, library

Floats = npt.NDArray[np.float64]

_EVENTS: tuple[Event, ...] = ("time", "on", "off")


def doubles(values: Any) -> tuple[Floats, int]:
    """An array as C has it, and its address; whoever takes the address keeps the array."""
    made = np.ascontiguousarray(values, dtype=np.float64)
    return made, int(made.ctypes.data)


def struct_of(supply: Supply) -> tuple[SupplyStruct, list[Floats]]:
    """The same circuit in the same state, and the arrays that it points to."""
    kept: list[Floats] = []
    made = SupplyStruct(
        capacitance_f=supply.capacitor.capacitance_f,
        esr_ohm=supply.capacitor.esr_ohm,
        insulation_ohm=supply.capacitor.insulation_ohm,
        clamp_v=supply.capacitor.clamp_v,
        v_on_v=supply.comparator.v_on_v,
        v_off_v=supply.comparator.v_off_v,
        on_a=supply.comparator.on_a,
        off_a=supply.comparator.off_a,
        diode_v=supply.diode_v,
        regulator=NO_REGULATOR,
        voltage_v=supply.voltage_v,
        seen_v=supply.voltage_v,
        is_on=supply.is_on,
    )
    if supply.ldo is not None:
        made.output_v, made.dropout_v = supply.ldo.output_v, supply.ldo.dropout_v
        made.regulator = LDO if isinstance(supply.ldo, Ldo) else BUCK
    if isinstance(supply.ldo, Buck):
        (from_a, made.from_a), (shares, made.shares) = doubles(supply.ldo.from_a), doubles(supply.ldo.shares)
        made.n_shares = len(shares)
        kept += [from_a, shares]
    return made, kept


def energy_of(made: SupplyStruct) -> Energy:
    """Where energy went, by the C."""
    return Energy(**{name: getattr(made.energy, name) for name, *_ in type(made.energy)._fields_})


class NativeSupply:
    """A Supply whose `advance` is the C. `lines` of a source have at most two efficiencies, the first from 0 V on."""

    def __init__(self, supply: Supply) -> None:
        self.made, self._kept = struct_of(supply)
        self.offer_lines(supply.source)

    @property
    def voltage_v(self) -> float:
        """Inside, behind the ESR."""
        return float(self.made.voltage_v)

    @property
    def energy(self) -> Energy:
        """Where it went."""
        return energy_of(self.made)

    def offer_lines(self, source: Lines) -> None:
        """What the source is from now on."""
        (volts, at_v), (amperes, at_a) = doubles(source.nodes_v), doubles(source.nodes_a)
        shares = [source.share(line) for line in range(len(volts) - 1)]
        low = shares.count(shares[0])
        assert shares == [shares[0]] * low + [shares[-1]] * (len(shares) - low)
        self._lines = volts, amperes
        self.made.source = SourceStruct(at_v, at_a, 1.0, 1.0, shares[0], shares[-1], len(volts), low + 1)

    def advance(self, load_a: float, most_s: float) -> tuple[float, Event]:
        """Let time pass, as Supply.advance does."""
        event = ctypes.c_int()
        took_s = library().fml_supply_advance(ctypes.byref(self.made), load_a, most_s, ctypes.byref(event))
        assert not math.isnan(took_s)
        return float(took_s), _EVENTS[event.value]
