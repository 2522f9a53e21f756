"""What each command prints: one JSON object with the documented keys, and tables that fit 100 columns."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from freeml import __version__
from freeml.cli import COMMANDS, cli
from freeml.cli.terminal import WIDTH
from tests.cli.runner import Ran, content, freeml
from tests.effort import cpu_s

ALL = [
    [],
    *([command.name] for command in COMMANDS),
    ["boards", "list"],
    ["boards", "show"],
    ["data", "list"],
    ["data", "get"],
    ["data", "show"],
]


def pleasant(ran: Ran) -> None:
    """Exit code 0, silence on standard error, no line wider than a page, no escape sequences in a file."""
    assert ran.code == 0, ran
    assert not ran.err
    assert "\x1b" not in ran.out
    too_wide = [line for line in ran.out.splitlines() if len(line.rstrip()) > WIDTH and os.sep not in line]
    assert not too_wide


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(command: list[str]) -> None:
    ran = freeml(*command, "--help")
    pleasant(ran)
    if command:
        assert "Example:" in ran.out
        assert "--json" in ran.out


def test_version_is_the_packages() -> None:
    assert freeml("--version").out == f"freeml {__version__}\n"


def test_commands_are_listed_in_the_order_of_use() -> None:
    wanted = [
        "demo",
        "inspect",
        "analyze",
        "compress",
        "compile",
        "verify",
        "build",
        "profile",
        "simulate",
        "tune",
        "report",
        "flash",
        "traces",
        "boards",
        "data",
        "doctor",
    ]
    assert list(cli.commands) == wanted


def test_help_answers_at_once() -> None:
    heavy = ("numpy", "onnx", "rich", "pydantic", "jinja2", "torch", "sklearn", "elftools")
    code = f"import sys, freeml.cli; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    times = []
    for _ in range(3):
        start_s = cpu_s()
        subprocess.run([sys.executable, "-m", "freeml", "--help"], capture_output=True, check=True)
        times.append(cpu_s() - start_s)
    assert min(times) < 0.3 + bare_start_s()


def bare_start_s() -> float:
    """How long this machine takes for Python itself: the limit is about freeml."""
    start_s = cpu_s()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return cpu_s() - start_s


def test_compile_writes_a_folder_and_its_manifest(model: Path, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    ran = freeml("compile", model, "--board", "host", "--data", samples, "-o", out, "--json")
    assert ran.code == 0, ran
    for key in ("flash_bytes", "weights_bytes", "nvm_bytes", "sram_bytes"):
        assert isinstance(ran.json["memory"][key], int), key
    assert 0 <= ran.json["accuracy"]["float"] <= 1
    assert 0 <= ran.json["accuracy"]["int8"] <= 1
    assert ran.json["out"] == str(out)
    manifest = json.loads((out / "freeml.json").read_text())
    assert manifest == {key: value for key, value in ran.json.items() if key != "out"}
    assert ran.json["macs"] == 2 * 4 * 4 * 9 + 8 * 3
    assert ran.json["params"] == 2 * 9 + 2 + 8 * 3 + 3
    assert {"tiny.c", "tiny.h", "tiny_weights.h", "main.c", "Makefile", "freeml.json"} <= set(content(out))


def test_compile_shows_memory_accuracy_quantization_and_layers(model: Path, samples: Path, tmp_path: Path) -> None:
    ran = freeml("compile", model, "--data", samples, "-o", tmp_path / "c", "--samples", 5, "--name", "Net 2")
    pleasant(ran)
    for word in ("net_2 for board host", "flash", "nvm", "sram", "Accuracy  5 samples", "min-max", "conv", "fc"):
        assert word in ran.out, word
    assert (tmp_path / "c" / "net_2.c").is_file()


def test_compile_dumps_the_graph_after_each_pass(model: Path, samples: Path, tmp_path: Path) -> None:
    ran = freeml("compile", model, "--data", samples, "-o", tmp_path / "c", "--dump-ir", tmp_path / "ir")
    assert ran.code == 0, ran
    dumped = sorted(path.name for path in (tmp_path / "ir").iterdir())
    assert dumped[0].startswith("01-")
    assert len(dumped) > 3


def test_verify_finds_no_mismatch(compiled: Path, samples: Path) -> None:
    ran = freeml("verify", compiled, "--data", samples, "--split", "all", "--json")
    assert ran.code == 0, ran
    found = ran.json
    assert found["samples"] == 60
    assert found["mismatches"] == 0
    assert found["first_mismatch"] == ""
    assert 0 <= found["accuracy"] <= 1
    assert found["agreement"] >= 0.9
    assert 0 < found["mean_error"] <= found["max_error"]
    pleasant(freeml("verify", compiled, "--data", samples))


def test_verify_without_data_takes_random_samples_by_seed(compiled: Path) -> None:
    one, same, other = (freeml("verify", compiled, "--json", "--samples", 9, "--seed", seed).json for seed in (1, 1, 2))
    assert one == same
    assert one["mean_error"] != other["mean_error"]
    assert one["samples"] == 9
    assert one["accuracy"] is None
    ran = freeml("verify", compiled)
    pleasant(ran)
    assert "100 random samples" in ran.out


def test_verify_ends_with_1_and_names_the_layer_when_the_c_is_wrong(compiled: Path, tmp_path: Path) -> None:
    """Verified twice in one process: the second library must not be mistaken for the first."""
    damaged = tmp_path / "c"
    for name, data in content(compiled).items():
        (damaged / name).parent.mkdir(parents=True, exist_ok=True)
        (damaged / name).write_bytes(data)
    assert freeml("verify", damaged).code == 0
    weights = damaged / "tiny_weights.h"
    lines = weights.read_text().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith("    "))  # a row of numbers
    numbers = lines[first].strip().rstrip(",").split(",")
    numbers[0] = " 77" if numbers[0].strip() != "77" else " 78"
    lines[first] = "    " + ",".join(numbers) + ",\n"
    weights.write_text("".join(lines))
    ran = freeml("verify", damaged, "--json")
    assert ran.code == 1
    assert ran.json["mismatches"] > 0
    assert "sample " in ran.json["first_mismatch"]
    shown = freeml("verify", damaged)
    assert shown.code == 1
    assert "differ from the interpreter" in shown.out


def test_inspect_shows_the_float_model_without_data(model: Path) -> None:
    found = freeml("inspect", model, "--json").json
    assert found["stage"] == "float"
    assert found["quantization"] is None
    assert found["macs"] == 2 * 4 * 4 * 9 + 8 * 3
    assert found["params"] == 2 * 9 + 2 + 8 * 3 + 3
    assert [port["shape"] for port in found["inputs"]] == [[1, 6, 6]]
    assert [port["name"] for port in found["outputs"]] == ["y"]
    assert found["layers"][0]["loc"].endswith("conv")
    pleasant(freeml("inspect", model))


def test_inspect_with_data_shows_the_int8_model_of_equal_cost(model: Path, samples: Path) -> None:
    exact, coded = freeml("inspect", model, "--json").json, freeml("inspect", model, "--data", samples, "--json").json
    assert coded["stage"] == "quantized"
    assert (coded["macs"], coded["params"]) == (exact["macs"], exact["params"])
    assert coded["inputs"][0]["scale"] > 0


def test_inspect_text_is_the_graphs_text(model: Path) -> None:
    ran = freeml("inspect", model, "--text")
    assert ran.out.startswith("graph tiny : float\n")
    assert freeml("inspect", model, "--text", "--json").json["text"] == ran.out


def test_inspect_errors_lists_local_and_accumulated_error(model: Path, samples: Path) -> None:
    rows = freeml("inspect", model, "--data", samples, "--errors", "--json").json["errors"]
    assert rows
    assert set(rows[0]) == {"loc", "op", "value", "local", "accumulated", "clipped", "advice"}
    assert all(0 <= row["local"] < 0.1 for row in rows)
    ran = freeml("inspect", model, "--data", samples, "--errors")
    pleasant(ran)
    assert "accumulated" in ran.out


def test_boards_lists_and_shows_boards() -> None:
    listed = freeml("boards", "--json").json
    assert listed == freeml("boards", "list", "--json").json
    assert "host" in [board["name"] for board in listed["boards"]]
    assert freeml("boards", "show", "host", "--json").json["name"] == "host"
    pleasant(freeml("boards"))
    pleasant(freeml("boards", "show", "host"))


def test_data_lists_named_sets_and_describes_samples(samples: Path) -> None:
    listed = freeml("data", "--json").json
    assert listed == freeml("data", "list", "--json").json
    by_name = {row["name"]: row for row in listed["sets"]}
    assert by_name["digits"]["present"]
    assert by_name["mnist"]["downloadable"]
    shown = freeml("data", "show", samples, "--split", "val", "--json").json
    assert shown["split"] == "calibration"
    assert shown["inputs"][0]["shape"] == [1, 6, 6]
    assert [row["class"] for row in shown["classes"]] == [0, 1, 2]
    for command in (["data"], ["data", "show", samples], ["data", "get", "digits"]):
        pleasant(freeml(*command))
    assert freeml("data", "get", "digits", "--json").json == {"name": "digits", "files": []}


def test_doctor_is_content_with_this_machine() -> None:
    found = freeml("doctor", "--json").json
    assert found["ok"]
    assert {row["status"] for row in found["checks"]} <= {"ok", "missing"}
    assert {"Python", "numpy", "torch", "C compiler", "digits"} <= {row["name"] for row in found["checks"]}
    pleasant(freeml("doctor"))


def test_doctor_ends_with_1_where_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEML_CC", "no-such-compiler")
    ran = freeml("doctor", "--json")
    assert ran.code == 1
    broken = [row for row in ran.json["checks"] if row["status"] == "broken"]
    assert [row["name"] for row in broken] == ["C compiler"]
    assert "ziglang" in broken[0]["hint"]


def test_doctor_names_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("onnx", "torch") else find(name))
    ran = freeml("doctor", "--json")
    assert ran.code == 1
    status = {row["name"]: (row["status"], row["hint"]) for row in ran.json["checks"]}
    assert status["onnx"] == ("broken", "pip install onnx")
    assert status["torch"] == ("missing", "pip install 'freeml[compress]'")
    assert "✗  onnx" in freeml("doctor").out


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_progress_goes_to_a_terminal_and_json_stays_clean(model: Path, samples: Path, tmp_path: Path) -> None:
    screen, terminal = os.openpty()
    command = ["compile", model, "--data", samples, "-o", tmp_path / "c", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "freeml", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
        check=True,
    )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so when the other side is closed
        while part := os.read(screen, 1 << 16):
            shown += part
    os.close(screen)
    assert json.loads(done.stdout)["name"] == "tiny"
    assert b"write the output folder" in shown or b"try " in shown


def test_demo_compiles_verifies_and_shows_digits(tmp_path: Path) -> None:
    start_s = cpu_s()
    ran = freeml("demo", "-o", tmp_path / "digits")
    assert cpu_s() - start_s < 60
    pleasant(ran)
    for word in ("flash", "accuracy of the C", "says", "██"):
        assert word in ran.out, word
    assert freeml("verify", tmp_path / "digits", "--data", "digits").code == 0


def test_demo_leaves_nothing_behind_and_prints_both_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = freeml("demo", "--json").json
    assert found["verify"]["mismatches"] == 0
    assert found["verify"]["accuracy"] >= 0.97
    assert found["compile"]["accuracy"]["int8"] == found["verify"]["accuracy"]
    assert not list(tmp_path.iterdir())
