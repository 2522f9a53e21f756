"""Units and quantities of column names: `power_uw`, `Global PSP [W/m^2]`, `Voltage (mV)`. None is ever supplied."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SI = {
    "time": {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0},
    "power": {"w": 1.0, "kw": 1e3, "mw": 1e-3, "uw": 1e-6, "nw": 1e-9},
    "voltage": {"v": 1.0, "mv": 1e-3, "uv": 1e-6},
    "current": {"a": 1.0, "ma": 1e-3, "ua": 1e-6, "na": 1e-9},
    "illuminance": {"lux": 1.0, "lx": 1.0, "klux": 1e3, "klx": 1e3},
    "irradiance": {
        **dict.fromkeys(("w/m2", "w_m2", "w_per_m2", "wm-2", "wm2", "w m-2", "w/m**2"), 1.0),
        **dict.fromkeys(("mw/cm2", "mw_cm2", "mw_per_cm2"), 10.0),
    },
    "resistance": {"ohm": 1.0, "kohm": 1e3},
    "exponent": {"per_v": 1.0, "1/v": 1.0},
}
_BY_UNIT = {unit: (quantity, factor) for quantity, units in _SI.items() for unit, factor in units.items()}
_BY_EXACT_UNIT = {"MW": ("power", 1e6), "kWp": None, "MV": ("voltage", 1e6)}
_NAMES = {
    "time": "time_s",
    "power": "power_w",
    "voltage": "voltage_v",
    "current": "current_a",
    "illuminance": "illuminance_lux",
    "irradiance": "irradiance_w_m2",
    "resistance": "source_resistance_ohm",
    "exponent": "exponent_per_v",
}
_SPECIAL = (
    ("voltage", r"open|voc", "open_voltage_v"),
    ("current", r"short|isc", "short_current_a"),
    ("current", r"photo", "photo_current_a"),
    ("current", r"saturation", "saturation_current_a"),
)
_PLAIN = str.maketrans(dict[str, str | int | None]({"µ": "u", "μ": "u", "²": "2", "^": "", "Ω": "ohm", "·": " "}))
KNOWN = "s ms us, W mW uW, V mV, A mA uA, lux, W/m^2"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column is: the name of its values in SI units, and what to multiply with."""

    name: str
    factor: float


def unit_of(text: str) -> tuple[str, float] | None:
    """Quantity and factor of a unit as people write it.

    >>> unit_of("mW"), unit_of("W/m^2"), unit_of("furlong")
    (('power', 0.001), ('irradiance', 1.0), None)
    """
    text = text.strip()
    if text in _BY_EXACT_UNIT:
        return _BY_EXACT_UNIT[text]
    plain = text.translate(_PLAIN)
    return _BY_UNIT.get(plain.lower())


def meaning(column: str, unit: str | None = None) -> Meaning | None:
    """What the name of a column says, or a unit that the user gives it; None without a unit that is known.

    >>> meaning("power_uw"), meaning("Global CM3 (cor) [W/m^2]").name, meaning("ac_power")
    (Meaning(name='power_w', factor=1e-06), 'irradiance_w_m2', None)
    """
    base, found = _split(column)
    known = unit_of(unit) if unit is not None else found
    if known is None:
        return None
    quantity, factor = known
    for of, pattern, name in _SPECIAL:
        if quantity == of and re.search(pattern, base):
            return Meaning(name, factor)
    return Meaning(_NAMES[quantity], factor)


def _split(column: str) -> tuple[str, tuple[str, float] | None]:
    """The name without its unit, and what the unit is."""
    text = column.strip()
    bracketed = re.fullmatch(r"(.*?)[\s_]*[\[(]\s*([^\[\]()]+?)\s*[\])]", text)
    if bracketed:
        return bracketed[1].lower(), unit_of(bracketed[2])
    low = text.lower()
    parts = re.split(r"[_\s]+", text)
    for length in (3, 2, 1):
        unit = "_".join(parts[-length:])
        if text.isupper() and unit in _BY_EXACT_UNIT:  # POWER_MW may be either
            return low, None
        known = unit_of(unit) if len(parts) >= length else None
        # a lone letter is a unit only behind a name: `a` is a column of somebody's
        if known and (len(parts) > length or known[0] == "illuminance"):
            return "_".join(parts[:-length]).lower(), known
    return low, None
