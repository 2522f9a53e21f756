"""`freeml simulate` as a command and as a function: one JSON, the same twice, and errors that say what to change."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import freeml
from freeml import CompileOptions, compile_model
from freeml.cli import main
from freeml.errors import BadBoard
from freeml.output.folder import read_output
from freeml.sim.life.costs import load_of
from freeml.sim.life.network import profile_of

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
ENERGY = ("harvested", "used", "stored", "leaked", "clipped", "converted")
STACK = ("compute", "reexecute", "commit", "restore", "boot", "sleep", "sense", "report", "decide")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulate") / "out"
    compile_model(DIGITS, out, data="digits", options=CompileOptions(board="msp430fr5994", samples=1, capacitor_uf=33))
    return out


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traces") / "walk.csv"
    assert (
        main(["traces", "synth", "markov", "--seed", "1", "--duration", "40", "--power", "900", "-o", str(path)]) == 0
    )
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    code = main(["simulate", *arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert ("error" in found) == (code == 1)
    return found


def test_the_json_has_counts_latency_outages_energy_and_r(
    digits: Path, walk: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ("--trace", str(walk), "--data", "digits", "--arrivals", "every:0.3s", "--capacitor", "33uF")
    events = tmp_path / "events.csv"
    found = run(capsys, str(digits), *options, "--events", str(events))
    assert found["events"] == found["inferences"] + found["missed"] + found["unfinished"] == 134
    assert found["unfinished"] in (0, 1)
    assert found["exits"] == [found["inferences"]]
    assert found["boots"] > 1
    assert found["inferences"] > 10
    assert found["accuracy"] == found["correct"] / found["inferences"] > 0.85
    assert 0 < found["latency_s"]["p50"] <= found["latency_s"]["p95"]
    assert found["outages"]["count"] >= found["boots"]
    assert set(found["energy_uj"]) == set(ENERGY)
    assert set(found["stack_uj"]) == set(STACK)
    parts = [found["energy_uj"][name] for name in ENERGY]
    assert parts[0] == pytest.approx(sum(parts[1:]), rel=1e-9)
    assert found["energy_uj"]["used"] == pytest.approx(sum(found["stack_uj"].values()), rel=1e-9)
    expected = found["delivered_uw"] / (found["full_uj"] * found["events"] / found["duration_s"])
    assert found["R"] == pytest.approx(expected)
    rows = list(csv.DictReader(events.open()))
    said = [row["what"] for row in rows]
    assert said.count("boot") == found["boots"]
    assert said.count("answer") == found["inferences"]
    assert said.count("missed") == found["missed"]
    assert sum(row["right"] == "right" for row in rows) == found["correct"]
    assert [float(row["time_s"]) for row in rows] == sorted(float(row["time_s"]) for row in rows)


def test_the_function_says_what_the_command_says_and_says_it_again(
    digits: Path, walk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--trace", str(walk), "--data", "digits", "--arrivals", "poisson:0.2s:4", "--duration", "20s")
    found = run(capsys, str(digits), *options)
    for _ in range(2):
        same = freeml.simulate(digits, trace=walk, data="digits", arrivals="poisson:0.2s:4", duration_s=20).as_json()
        assert {name: found[name] for name in same} == json.loads(json.dumps(same))


def test_a_longer_period_raises_r_and_nothing_else_of_the_trace(digits: Path, walk: Path) -> None:
    often, seldom = (freeml.simulate(digits, trace=walk, arrivals=f"every:{period}s") for period in (0.2, 2.0))
    assert often.r is not None
    assert seldom.r == pytest.approx(10 * often.r, rel=0.25)  # what comes in depends a little on how full it is
    assert often.full_uj == seldom.full_uj


def test_the_table_of_costs_is_an_inference_as_the_plan_has_it(digits: Path) -> None:
    output = read_output(digits)
    load = load_of(output, profile_of(output, lambda _: None))
    assert load.steps == output.manifest.tiles.steps.n_steps
    assert [row.stack for row in load.rows][:1] + [row.stack for row in load.rows][-2:] == ["sense", "decide", "report"]
    assert 0.7 < load.active_s * 16e6 / 389_224 < 1.6  # benchmarks/results/costs.txt: cycles of digits on this board


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--converter", "direct", "--v-on", "9"), "clamp at 3.6 V keeps it below 9 V"),
        (("--capacitor", "10mF"), "it settles at 0.778 V, short of 3 V"),
        (("--capacitor", "150uF"), "the trace ends before the capacitor is charged"),
    ],
)
def test_why_a_device_was_never_on_is_said(
    options: tuple[str, ...], says: str, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = digits.parent / "weak.csv"
    trace.write_text("time_s,voltage_v,current_ua\n0,2.5,100\n1,2.5,100\n")
    found = run(capsys, str(digits), "--trace", str(trace), "--data", "digits", *options)
    assert found["boots"] == found["inferences"] == 0
    assert says in found["why_never_on"]


def test_the_capacitor_is_that_of_the_plan_where_none_is_said(digits: Path, walk: Path) -> None:
    assert freeml.simulate(digits, trace=walk, duration_s=1.0).capacitor_uf == 33
    said = freeml.simulate(digits, trace=walk, duration_s=1.0, circuit=freeml.Circuit(capacitor_uf=47))
    assert said.capacitor_uf == 47


def test_a_short_trace_is_repeated_and_that_is_said(digits: Path, walk: Path) -> None:
    found = freeml.simulate(digits, trace=[walk, walk], duration_s=100.0)
    assert found.lived.duration_s == pytest.approx(100.0)
    assert any("repeated" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--arrivals", "often"), "back-to-back"),
        (("--policy", "clever"), "always-full"),
        (("--load", "nowhere.toml"), "either a compiled folder or a load"),
        (("--duration", "-3"), "no time above 0"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_simulated_is_said_with_what_to_change(
    options: tuple[str, ...], says: str, digits: Path, walk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, str(digits), "--trace", str(walk), *options)
    assert says in " ".join(found.values())


def test_a_board_without_energy_model_is_refused(tmp_path: Path, walk: Path) -> None:
    compile_model(DIGITS, tmp_path / "out", data="digits", options=CompileOptions(samples=1))
    with pytest.raises(BadBoard, match="no energy model"):
        freeml.simulate(tmp_path / "out", trace=walk)


@pytest.mark.parametrize(
    ("option", "value"), [("--data", "digits"), ("--timekeeper", None)], ids=("samples", "timekeeper")
)
def test_a_load_refuses_what_it_does_not_read(
    option: str, value: str | None, tmp_path: Path, walk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "load.toml"
    path.write_text("[device]\nv_on_v=3.0\nv_off_v=2.0\n[[task]]\nname='a'\nus=1\nua=1")
    given = [
        "--trace",
        str(walk),
        "--load",
        str(path),
        "--capacitor",
        "47uF",
        option,
        *([] if value is None else [value]),
    ]
    found = run(capsys, *given)
    assert found["where"] == option
    assert "does not read this" in found["error"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "device"),
        ("[device]\nv_on_v = 2.0\nv_off_v = 3.0\n[[task]]\nname='a'\nus=1\nua=1", "above v_off_v"),
        ("[device]\nv_on_v = 3.0\nv_off_v = 2.0\n[[task]]\nname='a'\nus=0\nua=1", "task.0.us"),
        ("[device]\nv_on_v = 3.0\nv_off_v = 2.0\nv_of = 1.0\n[[task]]\nname='a'\nus=1\nua=1", "v_of"),
        (
            "[device]\nv_on_v=3.0\nv_off_v=2.0\n[[task]]\nname='a'\nus=1\nua=1\nas='report'\n[[task]]\nname='b'\nus=1\nua=1",
            "a is a report, and tasks follow it",
        ),
        (
            "[device]\nv_on_v=3.0\nv_off_v=2.0\n[[task]]\nname='a'\nus=1\nua=1\nas='commit'",
            "a is the last task",
        ),
        ("\x00", "not a load of tasks"),
    ],
)
def test_a_load_that_is_none_is_refused_with_the_entry(
    text: str, says: str, tmp_path: Path, walk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "load.toml"
    path.write_text(text)
    found = run(capsys, "--trace", str(walk), "--load", str(path), "--capacitor", "47uF")
    assert says in found["error"]


def test_tables_for_people_fit_a_line(digits: Path, walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["simulate", str(digits), "--trace", str(walk), "--arrivals", "every:1s"]) == 0
    text = capsys.readouterr().out
    assert "Capacitor, V" in text
    assert "reexecute" in text
    assert max(len(line) for line in text.splitlines()) <= 100
