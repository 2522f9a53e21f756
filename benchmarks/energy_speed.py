"""How fast a life is simulated, by each engine.

    python -m benchmarks.energy_speed --output benchmarks/results/energy_speed.txt

Takes traces and HAR of FREEML_DATA. Samples: the ten Mementos traces joined and repeated to two million samples of
1 ms. Steps: a load of a million steps an event, on power without end. TUHHx: 194 days with the HAR network, an event
each 2.56 s. Real time: how many seconds of the ten Mementos traces pass in one. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from freeml import CompileOptions, Simulated, compile_model, simulate
from freeml.energy.read import read_trace
from freeml.energy.source import Operating
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.output.folder import read_output
from freeml.sim.life.network import profile_of
from freeml.sim.life.simulate import Circuit

HAR = Path(__file__).resolve().parents[1] / "examples" / "har" / "har.onnx"
CELL_V = 2.0  # at which TUHHx's milliamperes are taken
TASKS = """
name = "steps"
[device]
v_on_v = 2.8
v_off_v = 1.9
[[task]]
name = "SENSE"
us = 100
ua = 900
as = "sense"
[[task]]
name = "TILE"
us = 100
ua = 900
times = 1000000
[[task]]
name = "SEND"
us = 100
ua = 900
as = "report"
"""


def timed(said: str, work: str, found: Simulated, seconds: float, amount: float, unit: str) -> str:
    lived = found.lived
    counted = f"{lived.boots:,} boots, {lived.inferences:,} inferences, {lived.steps:,} steps"
    return f"{said:6} {work:34} {seconds:8.2f} s {amount / seconds:14,.0f} {unit:22} {counted}"


def timed_run(said: str, work: str, amount: float, unit: str, **options: object) -> str:
    start = time.process_time()
    found = simulate(**options)  # type: ignore[arg-type]
    return timed(said, work, found, time.process_time() - start, amount, unit)


def mementos(data: Path) -> list[Trace]:
    folder = data / "traces" / "mementos_rf"
    return [read_trace(folder / f"{number}.txt.gz", on_defect="repair") for number in range(1, 11)]


def rows(data: Path, work: Path) -> list[str]:
    traces = mementos(data)
    duration_s = sum(trace.duration_s for trace in traces)
    samples = sum(len(trace) for trace in traces)
    found = [f"{len(traces)} Mementos traces: {samples:,} samples, {duration_s:.1f} s"]
    (work / "steps.toml").write_text(TASKS)
    compile_model(HAR, work / "har", data="har", options=CompileOptions(board="msp430fr5994", samples=1))
    har = read_output(work / "har")
    profile_of(har, lambda _: None)
    times = 2_000_000 // samples + 1
    for converter in ("direct", "bq25570"):
        around = Circuit(converter=converter)
        found.append(
            timed_run(
                "fast", f"samples of 1 ms, {converter}", times * samples, "samples/s",
                out=har, trace=traces * times, arrivals="every:2.56s", circuit=around,
            )
        )  # fmt: skip
    strong = Trace("strong", np.arange(2e6) * 1e-3, 1e-3, Operating(np.full(2_000_000, 3.3), np.full(2_000_000, 0.1)))
    around = Circuit(capacitor_uf=100, converter="direct", clamp_v=3.4)
    for title, trace in (("steps of 100 us, samples of 1 ms", strong), ("steps of 100 us, one of 500 s", calm())):
        found.append(
            timed_run(
                "fast", title, trace.duration_s * 1e4, "steps/s",
                trace=trace, load_file=work / "steps.toml", arrivals="back-to-back", circuit=around,
            )
        )  # fmt: skip
    tuhh = read_trace(data / "traces" / "tuhh_solar" / "TUHHx.txt.gz", Told(cell_voltage_v=CELL_V))
    found.append(
        timed_run(
            "fast", "TUHHx with HAR, every:2.56s", tuhh.duration_s, "times real time",
            out=har, trace=tuhh, arrivals="every:2.56s", data="har",
        )
    )  # fmt: skip
    for engine in ("fast", "host", "board"):
        found.append(
            timed_run(
                engine, "ten Mementos traces with HAR", duration_s, "times real time",
                out=har, trace=traces, arrivals="every:2.56s", engine=engine,
            )
        )  # fmt: skip
    return found


def calm() -> Trace:
    return Trace("calm", np.array([0.0, 500.0]), 500.0, Operating(np.full(2, 3.3), np.full(2, 0.1)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        text = ["python -m benchmarks.energy_speed", "", *rows(Path(os.environ["FREEML_DATA"]), Path(work))]
    sys.stdout.write("\n".join(text) + "\n")
    if args.output:
        args.output.write_text("\n".join(text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
