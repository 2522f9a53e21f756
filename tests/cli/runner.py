"""Run the command line inside this process and keep what it printed."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeml.cli import main

# Interrupts arrive: who runs the tests in the background, or under a supervisor, may ignore or block them.
AS_IN_A_TERMINAL = (
    "import signal\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})\n"
)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What was printed to standard output, which must be one JSON object and nothing else."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


def freeml(*args: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(arg) for arg in args])
    return Ran(code, out.getvalue(), err.getvalue())


def refused(*args: object, says: str) -> Ran:
    """Exit code 1, nothing on standard output, at most three lines on standard error, no traceback."""
    ran = freeml(*args)
    assert ran.code == 1, ran
    assert not ran.out
    lines = ran.err.splitlines()
    assert lines[0].startswith("error: ")
    assert [line[:6] for line in lines[1:]] in ([], ["   at:"], [" hint:"], ["   at:", " hint:"])
    assert "internal error" not in ran.err
    assert says in ran.err, ran.err
    in_json = freeml(*args, "--json")
    assert in_json.code == 1
    assert in_json.json["error"] == lines[0].removeprefix("error: ")
    assert set(in_json.json) == {"error", "where", "hint"}
    assert not in_json.err
    return ran


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
