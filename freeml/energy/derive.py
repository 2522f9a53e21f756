"""From what was recorded to a source: what the file does not say is asked for, never guessed."""

from __future__ import annotations

import numpy as np

from freeml.energy.cell import Cell, read_cell
from freeml.energy.recording import Floats, Recording
from freeml.energy.source import Diode, IvCurves, Lit, Operating, Power, Source, Thevenin
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.errors import BadData


def derive(recording: Recording, told: Told, name: str) -> Trace:
    """The trace of a recording. Raises BadData that names the option that is missing."""
    source, notes = _source(recording, told, name)
    trace = Trace(name, recording.time_s, recording.step_s, source, (*recording.notes, *notes))
    return trace.scaled(told.scale)


def needs(recording: Recording, told: Told) -> str:
    """The option that a recording lacks to be a trace; empty where it lacks none."""
    try:
        _source(recording, told, "")
    except BadData as error:
        return f"{error.what}; {error.hint}"
    return ""


def _source(recording: Recording, told: Told, name: str) -> tuple[Source, tuple[str, ...]]:
    has = recording.columns
    n = len(recording)
    if recording.curves is not None:
        return IvCurves(recording.curves.voltage_v, recording.curves.current_a), ()
    if "photo_current_a" in has:
        return Diode(has["photo_current_a"], has["saturation_current_a"], has["exponent_per_v"]), ()
    if "source_resistance_ohm" in has and "open_voltage_v" in has:
        return Thevenin(has["open_voltage_v"], has["source_resistance_ohm"]), ()
    if "short_current_a" in has and "open_voltage_v" in has:
        return _of_two_ends(has["short_current_a"], has["open_voltage_v"], told)
    if "voltage_v" in has and "current_a" in has:
        return Operating(has["voltage_v"], has["current_a"]), ()
    if "power_w" in has:
        return _of_power(has["power_w"], told)
    if "voltage_v" in has:
        return _behind_load(has["voltage_v"], recording.load_ohm, told, name)
    if "current_a" in has:
        volts = _asked(
            told.cell_voltage_v, "a current alone", "--cell-voltage: at how many volts it is delivered", name
        )
        return Operating(np.full(n, volts), has["current_a"]), (f"each current is taken at {volts:g} V",)
    if "illuminance_lux" in has:
        return _of_lux(has["illuminance_lux"], told, name)
    if "irradiance_w_m2" in has:
        return _of_irradiance(has["irradiance_w_m2"], told, name)
    raise BadData("no column that a harvester gives", where=name, hint="power, voltage, current, lux or W/m^2")


def _asked(value: float | None, what: str, option: str, name: str) -> float:
    if value is None:
        raise BadData(f"{what} is no power", where=name, hint=f"say {option}")
    return value


def _of_power(power_w: Floats, told: Told) -> tuple[Source, tuple[str, ...]]:
    if told.cell_voltage_v is None:
        return Power(power_w), ()
    volts = np.full(len(power_w), told.cell_voltage_v)
    return Operating(volts, power_w / told.cell_voltage_v), (f"power is delivered at {told.cell_voltage_v:g} V",)


def _behind_load(voltage_v: Floats, load_ohm: float | None, told: Told, name: str) -> tuple[Source, tuple[str, ...]]:
    """V over a load R: a source of resistance Rs has the open voltage V (1 + Rs / R).

    Of all sources that give V into R, the one with Rs = R has the least maximum power, and that is V^2 / R.
    """
    load = _asked(
        told.load_ohm or load_ohm,
        "a voltage alone",
        "--load (of simulate: --load-ohm): the resistance, in ohm, over which it was recorded",
        name,
    )
    inner = load if told.source_ohm is None else told.source_ohm
    note = (
        f"V^2 / {load:g} ohm is power into one load, not what there is: taken as a Thevenin source of "
        f"{1 + inner / load:g} times that V behind {inner:g} ohm"
    )
    least = ", which of all that fit the recording gives least" if told.source_ohm is None else ""
    return Thevenin(voltage_v * (1 + inner / load), np.full(len(voltage_v), inner)), (note + least,)


def _of_two_ends(short_a: Floats, open_v: Floats, told: Told) -> tuple[Source, tuple[str, ...]]:
    if told.fill_factor is None:
        resistance = np.divide(open_v, short_a, out=np.full(len(open_v), 1e12), where=short_a > 0)
        note = "short current and open voltage joined by a straight line, the least that a cell gives (a quarter of "
        return Thevenin(open_v, np.maximum(resistance, 1e-9)), (f"{note}their product): --fill-factor says more",)
    x = _exponent_of(told.fill_factor)
    exponent = x / np.maximum(open_v, 1e-9)
    note = f"one diode through both ends with a fill factor of {told.fill_factor:g}"
    return Diode(short_a, np.maximum(short_a, 1e-15) / np.expm1(x), exponent), (note,)


def _exponent_of(fill_factor: float) -> float:
    """x of I / Isc = 1 - (e^(x V / Voc) - 1) / (e^x - 1) that has this fill factor; it rises with x."""
    share = np.linspace(0.0, 1.0, 4001)

    def factor(x: float) -> float:
        return float(np.max(share * (1 - np.expm1(x * share) / np.expm1(x))))

    low, high = 1e-6, 500.0
    if not factor(low) < fill_factor < factor(high):
        raise BadData(f"no cell has a fill factor of {fill_factor:g}", where="--fill-factor", hint="0.26 to 0.98")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if factor(middle) < fill_factor else (low, middle)
    return low


def _of_lux(lux: Floats, told: Told, name: str) -> tuple[Source, tuple[str, ...]]:
    if told.cell is not None:
        return _lit(read_cell(*told.cell), lux)
    efficacy = _asked(
        told.lux_per_w_m2,
        "light in lux",
        "--cell CURVES.csv[:NAME], or --cell-area, --cell-efficiency and --lux-per-w-m2",
        name,
    )
    source, notes = _of_irradiance(lux / efficacy, told, name)
    return source, (f"{efficacy:g} lux are 1 W/m^2", *notes)


def _of_irradiance(irradiance_w_m2: Floats, told: Told, name: str) -> tuple[Source, tuple[str, ...]]:
    if told.cell is not None:
        efficacy = _asked(told.lux_per_w_m2, "W/m^2 on a cell of curves by lux", "--lux-per-w-m2", name)
        source, notes = _lit(read_cell(*told.cell), irradiance_w_m2 * efficacy)
        return source, (f"1 W/m^2 is {efficacy:g} lux", *notes)
    option = "--cell-area (cm^2) and --cell-efficiency, or --cell CURVES.csv[:NAME] with --lux-per-w-m2"
    area_cm2 = _asked(told.cell_area_cm2, "light in W/m^2", option, name)
    efficiency = _asked(told.cell_efficiency, "light in W/m^2", option, name)
    note = f"power of {area_cm2:g} cm^2 at an efficiency of {efficiency:g}"
    source, notes = _of_power(irradiance_w_m2 * area_cm2 * 1e-4 * efficiency, told)
    return source, (note, *notes)


def _lit(cell: Cell, lux: Floats) -> tuple[Source, tuple[str, ...]]:
    top = float(cell.illuminance_lux[-1])
    beyond = int((lux > top).sum())
    note = f"the cell {cell.name}, measured from {cell.illuminance_lux[0]:g} to {top:g} lux"
    if beyond:
        return Lit(cell, lux), (note, f"{beyond:,} samples are brighter: current in proportion to light")
    return Lit(cell, lux), (note,)
