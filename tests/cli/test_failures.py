"""Every way to fail says what, where and what to change, ends with the right code, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from freeml.errors import FreemlError
from tests.cli.models import tiny_model, write_model
from tests.cli.runner import AS_IN_A_TERMINAL, content, freeml, refused
from tests.effort import PATIENCE_S


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder of its own for -o: nothing may appear in it, staging folders included."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_a_missing_model_is_named(empty: Path) -> None:
    refused("compile", "nope.onnx", "-o", empty / "c", says="nope.onnx")
    refused("inspect", "nope.onnx", says="no such model file")
    refused("analyze", empty, "--board", "host", says="this is a folder")
    assert not content(empty)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.onnx", b"", "a.onnx"),
        ("a.onnx", b"no model at all", "a.onnx"),
        ("a.tflite", b"TFL3", "a.tflite"),
        ("a.pt", b"\x80\x04", "can run code"),
        ("a.xyz", b"", "no model format"),
        ("a", b"", "no model format"),
    ],
)
def test_what_is_no_model_is_refused(name: str, data: bytes, says: str, tmp_path: Path, empty: Path) -> None:
    (tmp_path / name).write_bytes(data)
    refused("compile", tmp_path / name, "-o", empty / "c", says=says)
    assert not list(empty.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "samples are needed"),
        (["--data", "digit"], "did you mean digits?"),
        (["--data", "nope.npz"], "no such file"),
        (["--data", "no_such_module:function"], "no_such_module"),
        (["--data", "digits"], "the samples are (1, 8, 8)"),
        (["--data", "digits", "--split", "tst"], "no split 'tst'"),
        (["--data", "digits", "--board", "msp"], "there is no board 'msp'"),
        (["--data", "digits", "--board", "nope.toml"], "there is no board 'nope.toml'"),
    ],
)
def test_a_wrong_option_is_explained(options: list[str], says: str, model: Path, empty: Path) -> None:
    refused("compile", model, "-o", empty / "c", *options, says=says)
    assert not list(empty.iterdir())


def test_a_board_that_is_too_small_is_an_error_in_bytes(
    model: Path, samples: Path, empty: Path, tmp_path: Path
) -> None:
    board = tmp_path / "mini.toml"
    board.write_text(
        'name = "mini"\ntitle = "A board"\nfamily = "host"\n'
        '[memory]\nflash_bytes = { value = 100, source = "assumed: a test" }\n'
    )
    refused("compile", model, "--data", samples, "--board", board, "-o", empty / "c", says="mini has 100")
    assert not list(empty.iterdir())
    assert freeml("boards", "show", board, "--json").json["memory"]["flash_bytes"]["value"] == 100
    board.write_text("name = 3")
    refused("boards", "show", board, says="mini.toml")


def test_foreign_files_are_never_overwritten(model: Path, samples: Path, empty: Path) -> None:
    (empty / "thesis.txt").write_text("years of work")
    refused("compile", model, "--data", samples, "-o", empty, says="files that freeml did not write")
    assert content(empty) == {"thesis.txt": b"years of work"}


def test_an_output_path_that_is_a_file_is_refused(model: Path, samples: Path, empty: Path) -> None:
    (empty / "c").write_text("a file")
    refused("compile", model, "--data", samples, "-o", empty / "c", says="the name of a file")
    refused("compile", model, "--data", samples, "-o", empty / "c" / "d", says="c")
    assert content(empty) == {"c": b"a file"}


def test_a_folder_without_permission_is_refused(model: Path, samples: Path) -> None:
    refused("compile", model, "--data", samples, "-o", "/proc/freeml-test", says="/proc/freeml-test")


def test_a_good_output_survives_a_failed_compile(model: Path, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    assert freeml("compile", model, "--data", samples, "-o", out).code == 0
    good = content(tmp_path)
    (tmp_path / "bad.onnx").write_bytes(model.read_bytes()[:200])
    good["bad.onnx"] = model.read_bytes()[:200]
    refused("compile", tmp_path / "bad.onnx", "--data", samples, "-o", out, says="bad.onnx")
    refused("compile", model, "--data", "digits", "-o", out, says="samples")
    assert content(tmp_path) == good
    assert freeml("verify", out).code == 0


def test_a_failure_while_writing_keeps_the_old_output(
    model: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "c"
    assert freeml("compile", model, "--data", samples, "-o", out).code == 0
    good = content(tmp_path)
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "main.c":
            raise OSError(28, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    refused("compile", model, "--data", samples, "-o", out, says="No space left on device")
    monkeypatch.undo()
    assert content(tmp_path) == good


def test_what_is_no_compiled_folder_cannot_be_verified(compiled: Path, tmp_path: Path) -> None:
    refused("verify", tmp_path / "nope", says="not a folder that `freeml compile` wrote")
    refused("verify", tmp_path, says="freeml.json is missing")
    for name in ("freeml.json", "model/int8.graph", "model/float.graph"):
        for damaged in (b"", b"[]", content(compiled)[name][:-40]):
            folder = tmp_path / "damaged"
            for path, data in content(compiled).items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(damaged if path == name else data)
            refused("verify", folder, says="hint")


def test_c_that_does_not_compile_is_an_error_of_the_compiler(compiled: Path, tmp_path: Path) -> None:
    for path, data in content(compiled).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data + b"\nbroken\n" if path == "tiny.c" else data)
    refused("verify", tmp_path, says="could not compile")


def test_verify_data_must_fit_the_model(compiled: Path) -> None:
    refused("verify", compiled, "--data", "digits", says="(1, 8, 8)")
    refused("verify", compiled, "--data", "nope", says="no data set")


def test_unknown_data_sets_are_refused() -> None:
    refused("data", "get", "nope", says="no data set is called 'nope'")
    refused("data", "show", "nope", says="no data set")


def test_inspect_errors_needs_samples(model: Path) -> None:
    refused("inspect", model, "--errors", says="samples are needed")


@pytest.mark.parametrize(
    "args",
    [
        ["compile"],
        ["compile", "a.onnx"],
        ["compile", "a.onnx", "-o", "x", "--samples", "0"],
        ["compile", "a.onnx", "-o", "x", "--samples", "many"],
        ["frobnicate"],
        ["verify"],
        ["verify", "x", "--frobnicate"],
        ["inspect", "a.onnx", "--errors", "--text"],
        ["boards", "show"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(args: list[str]) -> None:
    ran = freeml(*args)
    assert ran.code == 2
    assert "Usage:" in ran.err
    assert "Traceback" not in ran.err


def test_names_in_a_file_cannot_reach_the_terminal_as_control_codes(tmp_path: Path, empty: Path) -> None:
    proto = tiny_model()
    proto.graph.node[0].op_type = "Evil\x1b[2J\n" * 3000
    (tmp_path / "evil.onnx").write_bytes(proto.SerializeToString())
    ran = refused("compile", tmp_path / "evil.onnx", "-o", empty / "c", says="error")
    assert "\x1b" not in ran.err
    assert max(map(len, ran.err.splitlines())) < 700


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (RecursionError("deep"), "nested too deeply"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "the package torch is not installed"),
        (MemoryError(), "not enough memory"),
        (PermissionError(13, "Permission denied", "x.onnx"), "Permission denied"),
        (FreemlError("a\nb\n", where="w", hint="h"), "a b"),
    ],
)
def test_what_libraries_raise_becomes_an_error_for_people(
    raised: Exception, says: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise raised

    monkeypatch.setattr("freeml.frontend.load.load_model", fail)
    refused("inspect", model, says=says)


def test_a_bug_is_called_a_bug_and_shows_its_traceback_on_request(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("freeml.frontend.load.load_model", fail)
    ran = freeml("inspect", model)
    assert ran.code == 1
    assert "internal error: KeyError" in ran.err
    assert "FREEML_TRACEBACK=1" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("FREEML_TRACEBACK", "1")
    assert "Traceback" in freeml("inspect", model).err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_interrupting_ends_with_130_in_one_line_and_writes_nothing(empty: Path, tmp_path: Path) -> None:
    """Quantization is made to last for ever; the signal comes while it does."""
    write_model(tmp_path / "tiny.onnx")
    code = (
        "import sys, time, freeml.pipeline as p\n"
        "def slow(*_, **__):\n    print('busy', flush=True); time.sleep(3600)\n"
        "p.quantize = slow\n"
        "from freeml.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    samples = tmp_path / "samples.npz"
    np.savez(samples, x=np.zeros((20, 1, 6, 6), np.float32))
    command = ["compile", str(tmp_path / "tiny.onnx"), "--data", str(samples), "-o", str(empty / "c")]
    process = subprocess.Popen(
        [sys.executable, "-c", AS_IN_A_TERMINAL + code, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert err.strip().splitlines() == ["error: interrupted; nothing was written"]
    assert not list(empty.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_leaves_is_no_error_on_the_screen() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "freeml", "data", "--json"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert not done.stderr


def test_a_terminal_without_unicode_gets_question_marks_not_a_traceback() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "freeml", "doctor"]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0
    assert not done.stderr
    listed = subprocess.run([*command, "--json"], capture_output=True, env=environment, check=True)
    assert json.loads(listed.stdout)["ok"]
