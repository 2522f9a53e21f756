"""Correct answers an hour of three networks on recorded energy, by how much of it there is.

    python -m benchmarks.energy --output benchmarks/results/energy.txt
    python -m benchmarks.energy --networks har --traces mementos jogging

R is mean power into the capacitor for the power that a full answer at each event would take. It is set by the period of
events: a first life with the period that the trace's best power suggests says what comes in, two more follow it. Board
msp430fr5994 with its own capacitor, BQ25570. Of long traces, the part that TRACES names. Beside the R that was asked
for stands the one reached; lost is the share of used energy in steps that a loss of power cut off.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeml import CompileOptions, Simulated, compile_model, simulate
from freeml.data import load
from freeml.energy.read import read_trace
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.output.folder import Output, read_output

BOARD = "msp430fr5994"
RATIOS = (0.1, 0.3, 1.0, 3.0)
POLICIES = ("always-full",)
_TRIES = 3
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Network:
    """A model, its data, and how many test samples events show."""

    path: Callable[[Path], Path]
    data: str
    samples: int


@dataclass(frozen=True)
class Recorded:
    """A trace: files of the data folder, what they do not say, and how much of it is lived."""

    files: tuple[str, ...]
    told: Callable[[Path], Told]
    said: str
    most_s: float | None = None


EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NETWORKS = {
    "har": Network(lambda _: EXAMPLES / "har" / "har.onnx", "har", 1588),
    "kws": Network(lambda data: data / "models" / "kws_ref_model.tflite", "kws", 500),
    "mnist": Network(lambda data: next((data / "models" / "mnist8").glob("*.onnx")), "mnist", 2000),
}
TRACES = {
    "mementos": Recorded(
        tuple(f"mementos_rf/{number}.txt.gz" for number in range(1, 11)), lambda _: Told(), "ten traces joined"
    ),
    "jogging": Recorded(("shepherd_jogging/jogging_10m.csv.gz",), lambda _: Told(), "a cell at the wrist"),
    "light": Recorded(
        ("lightlogr_wearable/205_actlumus_Log_1020_20230904101707532.txt.zip",),
        lambda data: Told(cell=(data / "hardware" / "iv_curves.csv", "AM1417")),
        "worn light, an AM1417 cell, two days",
        2 * _DAY_S,
    ),
    "nrel": Recorded(
        ("nrel_bms/2023jun.txt.gz",),
        lambda _: Told(cell_area_cm2=0.05, cell_efficiency=0.15),
        "global irradiance of June, 0.05 cm^2 at 15 %, one day",
        _DAY_S,
    ),
    "tuhh": Recorded(
        ("tuhh_solar/TUHHx.txt.gz",),
        lambda _: Told(cell_voltage_v=2.0, scale=0.05),
        "a solar cell at 2 V, a twentieth of it, four days",
        4 * _DAY_S,
    ),
}


def read(name: str, data: Path) -> list[Trace]:
    """The traces of a name."""
    one = TRACES[name]
    return [read_trace(data / "traces" / file, one.told(data), "repair") for file in one.files]


def at_ratio(
    output: Output, network: Network, traces: Sequence[Trace], most_s: float | None, ratio: float
) -> Simulated:
    """A life whose period makes R what is asked, as near as a few tries come."""
    dataset = load(network.data, "test", limit=network.samples)
    span_s = sum(trace.duration_s for trace in traces)
    lasts_s = span_s if most_s is None else min(most_s, span_s)
    power_w = sum(trace.energy_j() for trace in traces) / span_s
    period_s = 1e-3 / power_w
    found = None
    for _ in range(_TRIES):
        found = simulate(
            output, trace=traces, data=dataset, arrivals=f"every:{period_s:.9g}s", duration_s=lasts_s, seed=1
        )
        period_s = ratio * found.full_uj / found.delivered_uw
    assert found is not None
    return found


def row(network: str, trace: str, ratio: float, policy: str, found: Simulated) -> str:
    """A line of the table."""
    lived, hours = found.lived, found.lived.duration_s / 3600
    assert found.r is not None
    used_uj = lived.energy.used_j * 1e6
    each = f"{used_uj / lived.right:9.0f}" if lived.right else f"{'-':>9}"
    lost = 100 * lived.stack_j["reexecute"] / max(lived.energy.used_j, 1e-30)
    share = 100 * lived.inferences / max(found.events, 1)
    return (
        f"{network:6} {trace:9} {ratio:4} {found.r:6.3f} {policy:12} {found.events:9,} {lived.inferences:9,} "
        f"{share:6.1f} {lived.right / hours:10.1f} {used_uj / hours:12.0f} {each} {lost:6.1f} {lived.boots:8,}"
    )


HEAD = f"""{"":23} {"R":6} {"":40} {"correct":>10} {"used":>12} {"uJ a":>9} {"lost":>6}
{"model":6} {"trace":9} {"ask":>4} {"got":>6} {"policy":12} {"events":>9} {"answers":>9} {"%":>6} \
{"an hour":>10} {"uJ/h":>12} {"correct":>9} {"%":>6} {"boots":>8}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--traces", nargs="+", default=list(TRACES), choices=list(TRACES))
    args = parser.parse_args()
    data = Path(os.environ["FREEML_DATA"])
    only = "" if args.networks == list(NETWORKS) else f" --networks {' '.join(args.networks)}"
    lines = [f"python -m benchmarks.energy{only}", ""]
    lines += [f"{name}: {TRACES[name].said}" for name in args.traces]
    lines += ["", HEAD]
    sys.stdout.write("\n".join(lines) + "\n")
    with tempfile.TemporaryDirectory() as work:
        for name in args.networks:
            network = NETWORKS[name]
            folder = Path(work) / name
            compile_model(network.path(data), folder, data=network.data, options=CompileOptions(board=BOARD, samples=1))
            output = read_output(folder)
            for trace in args.traces:
                traces = read(trace, data)
                for ratio in RATIOS:
                    for policy in POLICIES:
                        found = at_ratio(output, network, traces, TRACES[trace].most_s, ratio)
                        lines.append(row(name, trace, ratio, policy, found))
                        sys.stdout.write(lines[-1] + "\n")
                        sys.stdout.flush()
    if args.output:
        args.output.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
