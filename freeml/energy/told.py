"""What the user says of a recording, because its file does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Told:
    """Options of reading; None stands for what was not said.

    columns       names with units for a table without header: ("time_ms", "voltage_v")
    units         by column of the header; "" stands for the one column of values
    column        which of several columns is meant
    date_order    "dmy" or "mdy"
    step_s        between samples of a file without stamps
    rate_hz       samples a second that a Shepherd recording is brought down to
    scale         of the current at every voltage
    load_ohm      into which a voltage was recorded
    source_ohm    of the source behind such a voltage; by default that of the load
    cell_voltage_v   at which a current, or power, is delivered
    cell          table of I-V curves by illuminance, and which cell of it
    cell_area_cm2, cell_efficiency  of a cell that is known by them alone
    lux_per_w_m2  luminous efficacy of the light on a cell
    fill_factor   of a cell that is known by short current and open voltage
    """

    columns: tuple[str, ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    column: str | None = None
    date_order: str | None = None
    step_s: float | None = None
    rate_hz: float | None = None
    scale: float = 1.0
    load_ohm: float | None = None
    source_ohm: float | None = None
    cell_voltage_v: float | None = None
    cell: tuple[Path, str | None] | None = None
    cell_area_cm2: float | None = None
    cell_efficiency: float | None = None
    lux_per_w_m2: float | None = None
    fill_factor: float | None = None
