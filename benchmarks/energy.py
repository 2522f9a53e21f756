"""Correct answers an hour of three networks with exits on recorded energy, by how much of it there is, by policy.

    python -m benchmarks.energy --output benchmarks/results/energy.txt
    python -m benchmarks.energy --networks har --traces mementos jogging

R is mean power into the capacitor for the power that a full answer at each event would take; the period of events sets
it, the trace is as it is. Board msp430fr5994 with its own 100 uF behind a BQ25570, costs of each step by the plan.
Policies, each the C of the runtime: always-full; the fixed depth that is best on this very trace; confidence, energy
and tuned, which `freeml.sim.life.tune` found on calibration samples and another trace (TRACES), at the same R; the
bound knows all energy to come and what is right, and is let off boots, sleep and repetition. Every life is within it,
asserted. lost: share of used energy in steps that a loss of power cut off; ends: share of answers at each depth.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.energy_networks import Deciding, deciding
from freeml.energy.converter import converter_of
from freeml.energy.read import read_trace
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.exits.policy import Policy
from freeml.sim.life.arrivals import arrivals_of
from freeml.sim.life.bound import cost_of
from freeml.sim.life.joined import joined
from freeml.sim.life.outcomes import Outcomes
from freeml.sim.life.policies import exits_of_load
from freeml.sim.life.run import Arrivals
from freeml.sim.life.setting import Setting
from freeml.sim.life.simulate import Circuit, around
from freeml.sim.life.tune import Judged, check_bound, tune, worth

BOARD, CONVERTER = "msp430fr5994", "bq25570"
RATIOS = (0.1, 0.3, 1.0, 3.0)
NETWORKS = {"har": ("har_cnn", "har", 1500), "kws": ("kws", "kws", 600), "mnist": ("mnist", "mnist", 1500)}
_TRIES = 2
_HOUR_S, _DAY_S = 3600.0, 86_400.0
_LITTLE = 0.3  # of R
_CHEAP = 0.3  # of the full answer's energy


@dataclass(frozen=True)
class Part:
    """Files of the data folder, and the stretch of each that is lived; lasts_s: repeated for so long."""

    files: tuple[str, ...]
    from_s: float = 0.0
    to_s: float = float("inf")
    lasts_s: float | None = None


@dataclass(frozen=True)
class Recorded:
    """Where policies are judged, where they are tuned, and what the files do not say."""

    test: Part
    tune: Part
    said: str
    told: Callable[[Path], Told] = lambda _: Told()


def _mementos(numbers: range) -> tuple[str, ...]:
    return tuple(f"mementos_rf/{number}.txt.gz" for number in numbers)


_JOGGING, _TUHH = ("shepherd_jogging/jogging_10m.csv.gz",), ("tuhh_solar/TUHHx.txt.gz",)
TRACES = {
    "mementos": Recorded(
        Part(_mementos(range(6, 11)), lasts_s=10 * _HOUR_S),
        Part(_mementos(range(1, 6)), lasts_s=2 * _HOUR_S),
        "traces 6 to 10, repeated for ten hours; tuned on 1 to 5, two hours",
    ),
    "jogging": Recorded(
        Part(_JOGGING, 308.0, 616.0, lasts_s=10 * _HOUR_S),
        Part(_JOGGING, 0.0, 308.0, lasts_s=2 * _HOUR_S),
        "a cell at the wrist, the second half for ten hours; tuned on the first half, two hours",
    ),
    "light": Recorded(
        Part(("lightlogr_wearable/205_actlumus_Log_1020_20230904101707532.txt.zip",), 0.0, 7 * _DAY_S),
        Part(("lightlogr_wearable/cyepiamb_CW35_Log_1431_20230904081953614.txt.zip",), 0.0, 2 * _DAY_S),
        "worn light, an AM1417 cell, a week; tuned on two days of another person",
        lambda data: Told(cell=(data / "hardware" / "iv_curves.csv", "AM1417")),
    ),
    "nrel": Recorded(
        Part(("nrel_bms/2023jun.txt.gz",), 0.0, _DAY_S),
        Part(("nrel_bms/2023jan.txt.gz",), 0.0, _DAY_S),
        "global irradiance, 0.05 cm^2 at 15 %, a day of June; tuned on a day of January",
        lambda _: Told(cell_area_cm2=0.05, cell_efficiency=0.15),
    ),
    "tuhh": Recorded(
        Part(_TUHH, 0.0, _DAY_S),
        Part(_TUHH, 10 * _DAY_S, 11 * _DAY_S),
        "a solar cell at 2 V, a twentieth of it, a day; tuned on another one",
        lambda _: Told(cell_voltage_v=2.0, scale=0.05),
    ),
}


def read(part: Part, told: Told, data: Path) -> list[Trace]:
    """The traces of a part."""
    whole = [read_trace(data / "traces" / file, told, "repair") for file in part.files]
    return [one if part.to_s == float("inf") else one.between(part.from_s, part.to_s) for one in whole]


def setting_of(network: Deciding, outcomes: Outcomes, part: Part, told: Told, data: Path) -> Setting:
    """A network on a part, with no events yet."""
    between = converter_of(CONVERTER)
    capacitor, switch, _ = around(network.board, None, Circuit())
    switch = between.comparator(switch)
    traces = read(part, told, data)
    lasts_s = part.lasts_s or sum(trace.duration_s for trace in traces)
    return Setting(
        list(joined(traces, between, lasts_s)),
        lasts_s,
        capacitor,
        switch,
        between.diode_v,
        network.load,
        outcomes,
        exits_of_load(network.load, network.softness, network.n_classes, switch.middle_v),
        Arrivals("none yet"),
    )


def at_ratio(setting: Setting, ratio: float) -> tuple[Setting, float]:
    """The same with events of a period that makes R what is asked, as near as two lives come; and the R reached."""
    full_j = setting.load.full_c * setting.middle_v
    period_s = setting.duration_s / 100
    for _ in range(_TRIES + 1):
        made = setting.with_arrivals(arrivals_of(f"every:{period_s:.9g}s", setting.duration_s))
        lived = made.live(made.exits.fixed(setting.load.depths), log_what=0)
        period_s = ratio * full_j / (lived.energy.delivered_j / lived.duration_s)
        assert made.arrivals.times_s is not None
        reached = lived.energy.delivered_j / (full_j * len(made.arrivals.times_s))
    return made, reached


def judged(test: Setting, known: Setting) -> list[Judged]:
    """Each family's policy, tuned elsewhere, lives on the test trace."""
    found = tune(known)
    exits = test.exits

    def judge(family: str, policy: Policy) -> Judged:
        return Judged(family, policy, test.live(policy, log_what=0))

    fixed = [judge(f"fixed:{depth}", exits.fixed(depth)) for depth in range(1, test.load.depths + 1)]
    tuned = [judge(family, found.of_family[family].policy) for family in ("confidence", "energy", "tuned")]
    return [replace(fixed[-1], family="always-full"), max(fixed, key=worth), *tuned]


def row(where: str, one: Judged, events: int) -> str:
    """A line of the table."""
    lived = one.lived
    used_uj = lived.energy.used_j * 1e6
    each = f"{used_uj / lived.right:9.0f}" if lived.right else f"{'-':>9}"
    lost = 100 * lived.stack_j["reexecute"] / max(lived.energy.used_j, 1e-30)
    right = 100 * lived.right / max(lived.inferences, 1)
    ends = "/".join(f"{100 * n / max(lived.inferences, 1):.0f}" for n in lived.exits[: len(one.policy.rows) + 1])
    return (
        f"{where} {one.family:12} {events:8,} {lived.inferences:8,} {right:6.1f} {lived.correct_per_hour:10.2f} "
        f"{lived.used_uj_per_hour:11.0f} {each} {lost:5.1f} {lived.boots:8,}  {ends}"
    )


HEAD = (
    f"{'':23} {'R':6} {'':12} {'':>8} {'':>8} {'right':>6} {'correct':>10} {'used':>11} {'uJ a':>9} {'lost':>5}\n"
    f"{'model':6} {'trace':9} {'ask':>4} {'got':>7} {'policy':12} {'events':>8} {'answers':>8} {'%':>6} "
    f"{'an hour':>10} {'uJ/h':>11} {'correct':>9} {'%':>5} {'boots':>8}  ends %"
)


def misses(where: str, ratio: float, of: dict[str, Judged], first_share: float) -> list[str]:
    """What a line of the table falls short of."""
    right = {name: one.lived.right for name, one in of.items()}
    full, tuned = right["always-full"], right["tuned"]
    best = next(n for name, n in right.items() if name.startswith("fixed"))
    found = []
    if tuned < 0.99 * best:
        found.append(
            f"{where}: tuned {tuned:,} right, {100 * (1 - tuned / best):.1f} % below the best fixed depth {best:,}"
        )
    if ratio == RATIOS[-1] and tuned < 0.99 * full:
        found.append(f"{where}: tuned {tuned:,} right, {100 * (1 - tuned / full):.1f} % below always-full {full:,}")
    if ratio <= _LITTLE and first_share <= _CHEAP and tuned < 1.5 * full:
        found.append(f"{where}: tuned {tuned:,} right, {tuned / max(full, 1):.2f} times always-full {full:,}")
    return found


def table(network: Deciding, name: str, trace: str, data: Path) -> tuple[list[str], list[str]]:
    """The lines of a network on a trace, and what they fall short of."""
    recorded, lines, short = TRACES[trace], [], []
    told = recorded.told(data)
    test_on = setting_of(network, network.test, recorded.test, told, data)
    tune_on = setting_of(network, network.calibration, recorded.tune, told, data)
    share = depth_costs(network)[0] / network.load.full_c
    for ratio in RATIOS:
        test, reached = at_ratio(test_on, ratio)
        found = judged(test, at_ratio(tune_on, ratio)[0])
        bound = test.bound()
        check_bound(bound, found)
        assert test.arrivals.times_s is not None
        events = len(test.arrivals.times_s)
        where = f"{name:6} {trace:9} {ratio:4} {reached:7.3f}"
        lines += [row(where, one, events) for one in found]
        lines.append(
            f"{where} {'bound':12} {events:8,} {bound.right:8,} {100.0:6.1f} {bound.correct_per_hour:10.2f}   "
            f"lifted {bound.lifted:g}"
        )
        short += misses(f"{name} on {trace} at R = {ratio}", ratio, {one.family: one for one in found}, share)
    return lines, short


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--traces", nargs="+", default=list(TRACES), choices=list(TRACES))
    args = parser.parse_args()
    data = Path(os.environ["FREEML_DATA"])
    lines = ["python -m benchmarks.energy", ""]
    lines += [f"{name}: {TRACES[name].said}" for name in args.traces]
    short: list[str] = []
    for name in args.networks:
        network = deciding(*NETWORKS[name][:2], BOARD, NETWORKS[name][2])
        middle_v = around(network.board, None, Circuit())[1].middle_v
        costs = [f"{one / network.load.full_c:.3f}" for one in depth_costs(network)]
        lines += [
            "",
            f"{name}: {network.load.full_c * middle_v * 1e6:,.0f} uJ a full answer at {middle_v:g} V, boot included;",
        ]
        lines += [f"shares of that at each depth: {' '.join(costs)}", HEAD]
        sys.stdout.write("\n".join(lines[-4:]) + "\n")
        for trace in args.traces:
            made, missed = table(network, name, trace, data)
            lines += made
            short += missed
            sys.stdout.write("\n".join([*made, *missed]) + "\n")
            sys.stdout.flush()
    lines += ["", *(short or ["tuned: at least the best fixed depth less 1 % everywhere; at R = 3 full less 1 %;"])]
    if not short:
        lines.append("at R <= 0.3 at least 1.5 times full where the first exit takes at most 30 % of it")
    if args.output:
        args.output.write_text("\n".join(lines) + "\n")
    return 0


def depth_costs(network: Deciding) -> list[float]:
    """Charge of a boot and an answer at each depth."""
    load = network.load
    boot_c = load.boot.charge_c + load.restore.charge_c
    return [boot_c + cost_of(load, depth)[0] for depth in range(1, load.depths + 1)]


if __name__ == "__main__":
    sys.exit(main())
