"""Three engines live the same life on every board: answers, losses of power and energy, with costs from three places.

    python -m benchmarks.energy_engines --output benchmarks/results/energy_engines.txt
    python -m benchmarks.energy_engines --boards nucleo_l476rg --models digits

The ten Mementos traces joined, straight into the capacitor, an event each 0.7 s. Capacitors are smaller than those of
the boards' files: behind a BQ25570, whose cold start passes 5 % up to 1.8 V, these traces are over before 470 uF are
charged.
fast: a line for each layer. host: each step at its own price. board: each instruction.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from freeml import Circuit, CompileOptions, Simulated, compile_model, simulate
from freeml.energy.read import read_trace
from freeml.energy.trace import Trace
from freeml.sim.life.network import ENGINES

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
BOARDS = ("msp430fr5994", "nucleo_l476rg", "nucleo_l073rz", "nucleo_u575zi_q", "nrf52840_dk")
MODELS = {"digits": 47.0, "har": 100.0}
N_TRACES = 10
MOST_ENERGY = 0.03  # of difference

HEAD = (
    f"{'board':16} {'model':7} {'engine':6} {'boots':>6} {'answers':>8} {'right':>6} {'steps lost':>10} {'used uJ':>9} "
    f"{'off fast %':>10}"
)


def mementos(data: Path) -> list[Trace]:
    """All ten, repaired."""
    folder = data / "traces" / "mementos_rf"
    return [read_trace(folder / f"{number}.txt.gz", on_defect="repair") for number in range(1, N_TRACES + 1)]


def lives(board: str, model: str, traces: list[Trace], work: Path) -> dict[str, Simulated]:
    """Each engine's."""
    capacitor_uf = MODELS[model]
    options = CompileOptions(board=board, samples=1, capacitor_uf=capacitor_uf)
    out = work / f"{board}-{model}"
    compile_model(EXAMPLES / model / f"{model}.onnx", out, data=model, options=options)
    around = Circuit(capacitor_uf=capacitor_uf, converter="direct")
    asked = {"data": model, "samples": 100, "arrivals": "every:0.7s", "seed": 3, "circuit": around}
    return {name: simulate(out, trace=traces, engine=name, **asked) for name in ENGINES}  # type: ignore[arg-type]


def differ(found: dict[str, Simulated]) -> list[str]:
    """What is further apart than one answer a trace, or 3 % of energy."""
    fast, wrong = found["fast"].lived, []
    for name in ("host", "board"):
        other = found[name].lived
        if abs(other.inferences - fast.inferences) > N_TRACES:
            wrong.append(f"{name}: {other.inferences} answers, {fast.inferences} by fast")
        if any(abs(a - b) > N_TRACES for a, b in zip(other.exits, fast.exits, strict=True)):
            wrong.append(f"{name}: exits {other.exits}, {fast.exits} by fast")
        if abs(other.energy.used_j / fast.energy.used_j - 1) > MOST_ENERGY:
            wrong.append(f"{name}: energy {100 * (other.energy.used_j / fast.energy.used_j - 1):.1f} % apart")
    return wrong


def rows(board: str, model: str, found: dict[str, Simulated]) -> list[str]:
    """A line an engine."""
    lines, fast = [], found["fast"].lived
    for name, one in found.items():
        lived = one.lived
        apart = 100 * (lived.energy.used_j / fast.energy.used_j - 1)
        lines.append(
            f"{board:16} {model:7} {name:6} {lived.boots:6} {lived.inferences:8} {lived.right:6} {lived.redone:10} "
            f"{lived.energy.used_j * 1e6:9.0f} {apart:10.2f}"
        )
    return lines + [f"WRONG: {one}" for one in differ(found)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--boards", nargs="+", default=list(BOARDS), choices=list(BOARDS))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    args = parser.parse_args()
    traces = mementos(Path(os.environ["FREEML_DATA"]))
    lines = ["python -m benchmarks.energy_engines", "", HEAD]
    sys.stdout.write(HEAD + "\n")
    with tempfile.TemporaryDirectory() as work:
        for board in args.boards:
            for model in args.models:
                made = rows(board, model, lives(board, model, traces, Path(work)))
                lines += made
                sys.stdout.write("\n".join(made) + "\n")
                sys.stdout.flush()
    if args.output:
        args.output.write_text("\n".join(lines) + "\n")
    return int(any(line.startswith("WRONG") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
