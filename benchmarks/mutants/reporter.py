"""A plugin of pytest that writes how each test ended, one line of JSON each, to the file named in MUTANTS_REPORT."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

NOT_RUN = ImportError | SyntaxError | NameError  # a slip in the mutant's spelling


def how(error: BaseException) -> str:
    """The word for an exception: what kind of end a test met."""
    from freeml.errors import FreemlError, ToolFailed, ToolMissing

    if isinstance(error, NOT_RUN | ToolMissing):
        return "broken"
    if isinstance(error, ToolFailed) and _raised_in(error).parent.name == "firmware":
        return "build"
    ours = type(error).__module__.partition(".")[0] == "freeml"
    if isinstance(error, FreemlError) or ours:
        return "refusal"
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return "assertion"
    return "exception"


def _raised_in(error: BaseException) -> Path:
    """The file in which an exception was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return Path(trace.tb_frame.f_code.co_filename if trace else "")


def _first_line(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}".strip()
    return text.splitlines()[0][:200]


class _Clock:
    """Processor time of this process and of its children that have ended."""

    def __init__(self) -> None:
        self._before_s = 0.0

    def since_the_last_s(self) -> float:
        """Since this was asked last."""
        times = os.times()
        now_s = times.user + times.system + times.children_user + times.children_system
        before_s, self._before_s = self._before_s, now_s
        return now_s - before_s


_clock = _Clock()


def _write(line: dict[str, Any]) -> None:
    with Path(os.environ["MUTANTS_REPORT"]).open("a") as file:
        file.write(json.dumps(line) + "\n")


def pytest_configure() -> None:
    """Hypothesis need not shrink what failed: one failure is enough, and the smallest one costs minutes."""
    from hypothesis import Phase, settings

    settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None, deadline=None)
    settings.load_profile("mutants")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    line = {"node": item.nodeid, "outcome": report.outcome, "cpu_s": _clock.since_the_last_s(), "when": call.when}
    if report.failed and call.excinfo is not None:
        line |= {"how": how(call.excinfo.value), "detail": _first_line(call.excinfo.value)}
    _write(line)
    return report


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        detail = str(report.longrepr).strip().splitlines()[-1][:200]
        _write({"node": report.nodeid, "outcome": "failed", "when": "collect", "how": "broken", "detail": detail})
