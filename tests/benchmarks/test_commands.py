"""Figures are made again by a command: each one of `benchmarks` answers --help, and each result names its own."""

from __future__ import annotations

import argparse
import importlib
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
_PARTS = [file.relative_to(ROOT).with_suffix("").parts for file in sorted(ROOT.glob("benchmarks/**/*.py"))]
FILES = {  # a package is called by its __main__
    ".".join(part for part in parts if part not in ("__init__", "__main__")): ROOT.joinpath(*parts).with_suffix(".py")
    for parts in sorted(_PARTS, key=lambda parts: parts[-1] == "__main__")
}
COMMANDS = [name for name, file in FILES.items() if '\nif __name__ == "__main__":\n' in file.read_text()]
RESULTS = sorted(ROOT.glob("benchmarks/results/*"))
_FIRST_LINES = 8


class Taken(Exception):
    """A parser took its arguments: nothing is measured behind it."""


def run(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [name, *arguments])
    monkeypatch.delitem(sys.modules, f"{name}.__main__" if FILES[name].stem == "__main__" else name, raising=False)
    runpy.run_module(name, run_name="__main__")


def commands_in(text: str) -> list[list[str]]:
    """Module and arguments of each command; what follows a # behind it is a remark."""
    return [shlex.split(line, comments=True) for line in re.findall(r"python -m (benchmarks[.\w]*\b.*)", text)]


def test_each_module_of_benchmarks_is_imported() -> None:
    assert len(COMMANDS) > 30
    for name in FILES:
        importlib.import_module(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_answers_help_and_measures_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measures(*_: object, **__: object) -> NoReturn:
        pytest.fail(f"{name} --help begins to measure")

    monkeypatch.setattr(tempfile, "mkdtemp", measures)
    monkeypatch.setattr(subprocess, "Popen", measures)
    with pytest.raises(SystemExit) as end:
        run(name, ["--help"], monkeypatch)
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: "), "and prints nothing else"


@pytest.mark.parametrize("result", RESULTS, ids=lambda path: path.name)
def test_a_result_begins_with_the_command_that_makes_it(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture is drawn by the command of the text beside it."""
    text = result.with_suffix(".txt").read_text(encoding="utf-8")
    found = commands_in("\n".join(text.splitlines()[:_FIRST_LINES]))
    assert found, f"none of the first {_FIRST_LINES} lines of {result.name} is a command"
    parse = argparse.ArgumentParser.parse_args

    def taken(*args: object, **kwargs: object) -> NoReturn:
        parse(*args, **kwargs)  # type: ignore[call-overload]
        raise Taken

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", taken)
    for name, *arguments in found:
        assert name in COMMANDS, f"{result.name}: there is no {name}"
        with pytest.raises(Taken):
            run(name, arguments, monkeypatch)
