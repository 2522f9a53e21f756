"""Converters against those of shepherd-core, which steps at 100 kHz in the fixed point of its firmware.

    python -m benchmarks.energy_shepherd --output benchmarks/results/energy_shepherd.txt

A constant source, a capacitor of 100 uF, a constant load: edges of the output and energy at the load, of a diode and of
a BQ25570. Efficiencies there are rounded to 1/256 at the input and to 1/16 of the inverse at the output, and columns of
currents begin at twice what their table says; sources and loads are such that neighbours differ little.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from freeml.energy.boost import BQ25570, bq25570_buck
from freeml.energy.charge import DIODE_V
from freeml.energy.source import Operating
from freeml.energy.supply import Capacitor, Comparator, Lines, Supply

STEP_S = 1e-5
CAPACITOR = Capacitor(100e-6, insulation_ohm=1e9)
START_V = 2.0


@dataclass(frozen=True)
class Case:
    """A converter, its source, its load and how long."""

    name: str
    volts: float
    amperes: float
    load_a: float
    seconds: float
    v_on_v: float
    v_off_v: float


@dataclass(frozen=True)
class Run:
    """When the output switched, in s, and energy at the load in J up to then: whole bursts, whenever the run ends."""

    edges_s: tuple[float, ...]
    used_j: tuple[float, ...]


CASES = (
    Case("diode", 0.0, 1e-3, 3e-3, 3.0, 2.8, 2.1),
    Case("BQ25570", 1.1, 5e-3, 8e-3, 3.0, 3.0, 2.4),
    Case("BQ25570", 0.6, 3e-3, 8e-3, 3.0, 3.0, 2.4),
)


def ours(case: Case) -> Run:
    """By `freeml.energy.supply`."""
    switch = Comparator(case.v_on_v, case.v_off_v)
    if case.name == "diode":
        supply = Supply(CAPACITOR, switch, diode_v=DIODE_V, voltage_v=START_V)
        supply.offer_lines(Lines([0.0, 9.0, 9.001], [case.amperes, case.amperes, 0.0]))
    else:
        supply = Supply(CAPACITOR, switch, ldo=bq25570_buck(2.2), voltage_v=START_V)
        supply.offer_lines(BQ25570.lines(Operating(np.array([case.volts]), np.array([case.amperes])), 0))
    clock_s, edges, used_j = 0.0, [], []
    while clock_s < case.seconds:
        took_s, event = supply.advance(case.load_a, case.seconds - clock_s)
        clock_s += took_s
        if event != "time":
            edges.append(clock_s)
            used_j.append(supply.energy.used_j)
    supply.check()
    return Run(tuple(edges), tuple(used_j))


def theirs(case: Case) -> Run:
    """By shepherd-core, the same circuit."""
    from shepherd_core.data_models.base.calibration import CalibrationEmulator
    from shepherd_core.data_models.content.virtual_source_config import VirtualSourceConfig
    from shepherd_core.data_models.content.virtual_storage_config import VirtualStorageConfig
    from shepherd_core.vsource.virtual_source_model import VirtualSourceModel

    storage = VirtualStorageConfig.capacitor(
        C_uF=CAPACITOR.capacitance_f * 1e6, V_rated=6.3, SoC_init=START_V / 6.3, R_leak_Ohm=CAPACITOR.insulation_ohm
    )
    same = {"storage": storage, "C_output_uF": 0.0, "interval_check_thresholds_ms": 0.0}
    same |= {"V_intermediate_enable_output_threshold_mV": case.v_on_v * 1e3}
    same |= {"V_intermediate_disable_output_threshold_mV": case.v_off_v * 1e3}
    base = "diode+capacitor" if case.name == "diode" else "BQ25570s"
    config = VirtualSourceConfig(inherit_from=base, enable_feedback_to_hrv=False, **same)
    model = VirtualSourceModel(config, CalibrationEmulator())
    source: Callable[[], int] = lambda: int(case.volts * 1e6)  # noqa: E731 - one of two
    if case.name == "diode":  # a current source stands at the capacitor's voltage, behind the diode
        source = lambda: int(model.cnv.V_mid_uV + DIODE_V * 1e6)  # noqa: E731 - the other
    load_na, edges, used_j, sum_j = 0, [], [], 0.0
    for step in range(round(case.seconds / STEP_S)):
        out_uv = model.iterate_sampling(V_inp_uV=source(), I_inp_nA=int(case.amperes * 1e9), I_out_nA=load_na)
        was_on, load_na = load_na > 0, int(case.load_a * 1e9) if out_uv > 100_000 else 0
        if was_on != (load_na > 0):
            edges.append(step * STEP_S)
            used_j.append(sum_j)
        sum_j += out_uv * 1e-6 * load_na * 1e-9 * STEP_S
    return Run(tuple(edges), tuple(used_j))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    head = f"{'converter':10} {'source':>12} {'load':>6} {'edges':>11} {'used, mJ':>15} {'':>7} {'last edge, s':>17}"
    text = [
        "python -m benchmarks.energy_shepherd",
        "",
        f"{'':31} shepherd-core and freeml, up to the last edge of both",
        head,
    ]
    for case in CASES:
        there, here = theirs(case), ours(case)
        last = min(len(there.edges_s), len(here.edges_s)) - 1
        source = f"{case.volts:g} V {case.amperes * 1e3:g} mA"
        edges = f"{len(there.edges_s)} {len(here.edges_s)}"
        used = f"{there.used_j[last] * 1e3:.4f} {here.used_j[last] * 1e3:.4f}"
        share = f"{100 * (here.used_j[last] / there.used_j[last] - 1):+.2f} %"
        at = f"{there.edges_s[last]:.4f} {here.edges_s[last]:.4f}"
        text.append(
            f"{case.name:10} {source:>12} {case.load_a * 1e3:>3g} mA {edges:>11} {used:>15} {share:>8} {at:>17}"
        )
    sys.stdout.write("\n".join(text) + "\n")
    if args.output:
        args.output.write_text("\n".join(text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
