"""A firmware with exits lives: tuned on one trace, on another all engines take the same exits by the folder's table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from freeml import CompileOptions, compile_model, simulate
from freeml.cli import main
from freeml.errors import BadData
from freeml.exits.deploy import ExitOptions
from freeml.ir.interpret import interpret
from freeml.output.folder import read_output
from freeml.resources import resource
from freeml.sim.life.samples import outcomes_of, samples_of
from freeml.sim.life.setting import Setting
from freeml.sim.life.tune import SLACK
from tests.cli.test_report import figures

MODEL = Path(__file__).resolve().parents[2] / "benchmarks" / "exits" / "models" / "digits.onnx"
EVENTS = "every:0.3s"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("exits")
    exits = ExitOptions(exits="outputs")
    options = CompileOptions(board="msp430fr5994", samples=1, capacitor_uf=33, exits=exits)
    compile_model(MODEL, work / "out", data="digits", options=options)
    for seed in ("1", "2"):
        asked = ["--seed", seed, "--duration", "40", "--power", "400", "-o", str(work / f"{seed}.csv")]
        assert main(["traces", "synth", "rf-walk", *asked]) == 0
    return work


def test_what_is_tuned_on_a_trace_is_what_every_engine_does_on_another(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    told = ["--data", "digits", "--trace", str(folder / "2.csv"), "--arrivals", EVENTS, "--json"]
    assert main(["tune", str(out), *told]) == 0
    said = json.loads(capsys.readouterr().out)
    rows = said["policies"]
    assert set(rows) == {"always-full", "best-fixed", "confidence", "energy", "tuned"}
    assert all(row["correct"] <= said["bound"]["correct"] for row in rows.values())
    assert rows["tuned"]["correct"] >= (1 - SLACK) * rows["always-full"]["correct"]
    asked = {"trace": folder / "1.csv", "arrivals": EVENTS, "data": "digits", "samples": 150}
    lives = {name: simulate(out, engine=name, **asked) for name in ("fast", "host", "board")}  # type: ignore[arg-type]
    fast = lives["fast"].lived
    assert fast.inferences > 20
    for life in lives.values():
        assert life.policy == "own"
        # A table has a decision's dearest way, which samples seldom take: two answers of some seventy.
        assert all(abs(a - b) <= 2 for a, b in zip(life.lived.exits, fast.exits, strict=True))
        assert life.lived.energy.used_j == pytest.approx(fast.energy.used_j, rel=0.03)
        assert life.lived.stack_j["decide"] > 0
    with pytest.raises(BadData, match="whose table is another one"):
        simulate(out, engine="host", policy="always-full", **asked)  # type: ignore[arg-type]


def test_the_table_of_another_folder_is_a_policy_by_its_name(folder: Path, tmp_path: Path) -> None:
    asked = {"trace": folder / "1.csv", "arrivals": EVENTS, "data": "digits", "samples": 20}
    own = simulate(folder / "out", **asked)  # type: ignore[arg-type]
    named = simulate(folder / "out", policy=str(folder / "out"), **asked)  # type: ignore[arg-type]
    assert named.lived.exits == own.lived.exits
    plain = Path(resource("examples", "digits", "digits.onnx"))
    compile_model(plain, tmp_path / "out", data="digits", options=CompileOptions(board="msp430fr5994", samples=1))
    with pytest.raises(BadData, match="has no exits, and so no table"):
        simulate(folder / "out", policy=str(tmp_path / "out"), **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["fast", "host"])
def test_a_report_has_each_fixed_depth_beside_the_policy_of_the_folder(folder: Path, engine: str) -> None:
    page = folder / "report.html"
    told = ["--data", "digits", "--samples", "50", "--trace", str(folder / "1.csv"), "--arrivals", EVENTS]
    assert main(["report", str(folder / "out"), *told, "--engine", engine, "-o", str(page)]) == 0
    bars = figures(page.read_text(encoding="utf-8"))["policies"]["data"][0]["y"]
    assert bars == ["own", "always-full", "fixed:1", *(["bound"] if engine == "fast" else [])]


def test_without_data_a_table_decides_on_the_sample_that_the_other_engines_are_shown(folder: Path) -> None:
    graph = read_output(folder / "out").graph
    (port,), exit_value = graph.inputs, graph.exits[0].value
    codes = np.frombuffer(samples_of(graph, None, 0).codes[0], np.int8).reshape(1, *graph.types[port.value].shape)
    said = interpret(graph, {port.value: codes}, [exit_value])[exit_value]
    assert outcomes_of(graph, None, 0).scores[0, 0].tolist() == said.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("asked", "said"),
    [(["--arrivals", "back-to-back"], "no bound"), (["--arrivals", EVENTS, "--duration", "100d"], "would be repeated")],
)
def test_what_no_policy_can_be_tuned_on_is_refused_before_any_lives(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: list[str], said: str
) -> None:
    monkeypatch.setattr(Setting, "live", lambda *_, **__: pytest.fail("it lives"))
    told = ["--data", "digits", "--samples", "20", "--trace", str(folder / "2.csv"), "--json"]
    assert main(["tune", str(folder / "out"), *told, *asked]) == 1
    assert said in json.loads(capsys.readouterr().out)["error"]
