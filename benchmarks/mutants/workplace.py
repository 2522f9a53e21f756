"""A copy of the project in which a mutant lives while its check runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutants.mutant import ROOT, Mutant
from benchmarks.mutants.processor import session_s

SKIPPED = (".git", ".venv", "venv", "build", "dist", "out", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info")
DATA = ROOT.parent / "shared" / "data"
WAITS = 10  # so many times its processor time a check may take by the clock: the machine may have other work
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run of tests ended.

    how      "passed"; else how the first failing test failed: assertion, refusal, build, exception, crash, timeout,
             or "broken": it could not be run
    node     the test that failed
    detail   its first line
    tests    every line of the reporter
    """

    how: str
    node: str
    detail: str
    seconds: float
    tests: tuple[dict[str, Any], ...]


class Workplace:
    """A copy of the working tree as it is, for one check at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.root = folder / "project"
        self._report, self._told = folder / "report.jsonl", folder / "told.txt"
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(*SKIPPED), symlinks=True)

    @contextlib.contextmanager
    def with_mistake(self, mutant: Mutant) -> Iterator[None]:
        """The copy has the mistake, and does not have it afterwards. Raises BadMutant."""
        path = self.root / mutant.file
        right = path.read_bytes()
        try:
            mutant.apply(self.root)
            yield
        finally:
            path.write_bytes(right)

    def run(self, nodes: Sequence[str], limit_s: float, *, to_the_end: bool = False) -> Ran:
        """Run tests of the copy on the copy. limit_s: of processor time. to_the_end: also after a failure."""
        self._report.write_text("")
        shutil.rmtree(
            self.root / ".hypothesis", ignore_errors=True
        )  # what failed for one mutant is no hint for the next
        options = ["-q", "-p", "no:cacheprovider", "-p", "benchmarks.mutants.reporter", "--hypothesis-seed=0"]
        options += [] if to_the_end else ["-x"]
        begin = time.monotonic()
        with self._told.open("w") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, *nodes],
                cwd=self.root,
                env=self._environment(),
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        late = _too_late(process, limit_s)
        seconds = time.monotonic() - begin
        tests = tuple(json.loads(line) for line in self._report.read_text().splitlines())
        if late:
            return Ran("timeout", "", late, seconds, tests)
        return _judged(process.returncode, self._told.read_text(errors="replace"), seconds, tests)

    def _environment(self) -> dict[str, str]:
        """Python finds the copy first. No bytecode: its clock is too coarse to see a file change twice in a second."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
        return {
            **environment,
            "PYTHONPATH": str(self.root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "FREEML_DATA": os.environ.get("FREEML_DATA", str(DATA)),
            "MUTANTS_REPORT": str(self._report),
        }


def _too_late(process: subprocess.Popen[bytes], limit_s: float) -> str:
    """Wait for a process that leads a session. Why it was ended; empty if it came to its end."""
    begin, late = time.monotonic(), ""
    while not late:
        try:
            process.wait(timeout=_LOOK_S)
            return ""
        except subprocess.TimeoutExpired:
            if (session_s(process.pid) or 0.0) > limit_s:
                late = f"not done after {limit_s:.0f} s of processor time"
            elif time.monotonic() - begin > WAITS * limit_s:
                late = f"not done after {WAITS * limit_s:.0f} s"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return late


def _judged(code: int, told: str, seconds: float, tests: tuple[dict[str, Any], ...]) -> Ran:
    failed = [test for test in tests if test["outcome"] == "failed"]
    if failed and code == 1:
        return Ran(failed[0]["how"], failed[0]["node"], failed[0]["detail"], seconds, tests)
    if code < 0:
        return Ran("crash", "", signal.Signals(-code).name, seconds, tests)
    if code == 0:
        ran = any(test["outcome"] == "passed" and test["when"] == "call" for test in tests)
        skipped = [test["node"] for test in tests if test["outcome"] == "skipped"]
        if ran and not skipped:
            return Ran("passed", "", "", seconds, tests)
        return Ran("broken", "", f"skipped: {skipped[0]}" if skipped else "no test ran", seconds, tests)
    detail = failed[0]["detail"] if failed else " ".join(told.split())[-200:]
    return Ran("broken", "", detail, seconds, tests)
