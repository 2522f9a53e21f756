"""Three engines live the same life, with costs from three places: a table of layers, each step, each instruction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from freeml import Circuit, CompileOptions, Simulated, compile_model, simulate
from freeml.energy.read import read_trace
from freeml.energy.trace import Trace
from freeml.errors import ToolFailed
from freeml.sim.life.network import ENGINES
from freeml.sim.life.on_host import HostEngine

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
N_TRACES = 10


@dataclass(frozen=True)
class Case:
    """A network, its board, its capacitor, and the converter before that."""

    network: str
    board: str
    capacitor_uf: float
    converter: str


# Other boards: `python -m benchmarks.energy_engines`. A Cortex-M's 470 uF are not charged when these traces end.
CASES = (Case("digits", "nucleo_l073rz", 47, "direct"), Case("har", "msp430fr5994", 100, "direct"))


@pytest.fixture(params=CASES, ids=lambda case: case.network)
def lives(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data_dir: Path
) -> dict[str, Simulated]:
    """Each engine's life on all ten Mementos traces joined."""
    case: Case = request.param
    if case not in _LIVES:
        out = tmp_path_factory.mktemp("engines") / case.network
        options = CompileOptions(board=case.board, samples=1, capacitor_uf=case.capacitor_uf)
        compile_model(EXAMPLES / case.network / f"{case.network}.onnx", out, data=case.network, options=options)
        asked = {"data": case.network, "samples": 100, "arrivals": "every:0.7s", "seed": 3}
        around = Circuit(capacitor_uf=case.capacitor_uf, converter=case.converter)
        _LIVES[case] = {
            engine: simulate(out, trace=mementos(data_dir), engine=engine, circuit=around, **asked)  # type: ignore[arg-type]
            for engine in ENGINES
        }
    return _LIVES[case]


_LIVES: dict[Case, dict[str, Simulated]] = {}


def mementos(data_dir: Path) -> list[Trace]:
    folder = data_dir / "traces" / "mementos_rf"
    return [read_trace(folder / f"{number}.txt.gz", on_defect="repair") for number in range(1, N_TRACES + 1)]


def test_engines_agree_on_answers_within_one_a_trace_and_on_energy_within_3_percent(
    lives: dict[str, Simulated],
) -> None:
    fast = lives["fast"].lived
    assert fast.inferences > 30
    assert fast.redone > 20
    for engine in ("host", "board"):
        other = lives[engine].lived
        assert abs(other.inferences - fast.inferences) <= N_TRACES, engine
        for of_other, of_fast in zip(other.exits, fast.exits, strict=True):
            assert abs(of_other - of_fast) <= N_TRACES, engine
        assert other.energy.used_j == pytest.approx(fast.energy.used_j, rel=0.03), engine
        assert other.energy.harvested_j == pytest.approx(fast.energy.harvested_j, rel=0.03), engine
        for stack in ("compute", "report", "boot"):
            assert other.stack_j[stack] == pytest.approx(fast.stack_j[stack], rel=0.05), (engine, stack)


def test_their_costs_come_from_different_places(lives: dict[str, Simulated]) -> None:
    """From the profile's lines, from the price of each step, from each instruction: so no two are the same."""
    said = {engine: lives[engine].costs for engine in ENGINES}
    assert "a table" in said["fast"]
    assert "each step" in said["host"]
    assert "each instruction" in said["board"]
    for stack in ("compute", "sense"):
        spent = {round(lives[engine].lived.stack_j[stack], 12) for engine in ENGINES}
        assert len(spent) == len(ENGINES), stack


def test_answers_are_those_of_the_generated_c(lives: dict[str, Simulated]) -> None:
    for engine in ENGINES:
        lived = lives[engine].lived
        assert lived.right / lived.inferences > 0.9, engine
        assert lived.unknown == 0


def test_what_fails_in_a_device_ends_the_simulation_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = CompileOptions(board="msp430fr5994", samples=1, capacitor_uf=33)
    compile_model(EXAMPLES / "digits" / "digits.onnx", tmp_path / "out", data="digits", options=options)
    trace = tmp_path / "trace.csv"
    trace.write_text("time_s,power_uw\n" + "".join(f"{second},5000\n" for second in range(20)))

    def fail(*_: object) -> None:
        raise ToolFailed("the sensor is gone")

    monkeypatch.setattr(HostEngine, "start", fail)
    with pytest.raises(ToolFailed, match="the sensor is gone"):
        simulate(tmp_path / "out", trace=trace, engine="host")
