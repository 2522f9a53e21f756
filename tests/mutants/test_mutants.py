"""A dozen mutants of benchmarks/mutants on every change, each of another kind; and what the runner takes for a kill."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.mutants.mutant import ROOT, Mutant, table
from benchmarks.mutants.runner import judge, sound, summary
from benchmarks.mutants.workplace import WAITS, Workplace

QUICK = [mutant for mutant in table().values() if mutant.quick]
LIMIT_S = 300.0
UNITS = Mutant(
    "no-unit-of-a-capacitance",
    "freeml/units.py",
    '"""',
    '"""',
    "",
    ("tests/tiles/test_units.py::test_what_is_no_capacitance_is_refused_with_an_example",),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_a_mistake_is_noticed_by_the_check_that_claims_it(mutant: Mutant, place: Workplace) -> None:
    row = judge(place, mutant, LIMIT_S)
    assert row.verdict == "killed", row


def test_quick_mutants_are_of_all_kinds() -> None:
    areas = {mutant.file.split("/")[0] + "/" + mutant.file.split("/")[1] for mutant in QUICK}
    assert len(QUICK) == 15
    assert areas >= {"runtime_c/src", "runtime_c/kernels", "runtime_c/hal", "freeml/plan", "freeml/codegen"}


def small(place: Workplace, old: str, new: str, **changed: str) -> tuple[str, str]:
    """Verdict and kind of death of a change of freeml/units.py."""
    row = judge(place, replace(UNITS, old=old, new=new, **changed), LIMIT_S)
    assert (place.root / UNITS.file).read_text() == (ROOT / UNITS.file).read_text()
    return row.verdict, row.how


def test_a_mutant_counts_as_killed_only_by_the_death_it_claims(place: Workplace) -> None:
    first = "from __future__ import annotations\n"
    text = (ROOT / UNITS.file).read_text()
    assert text.count(first) == 1
    assert small(place, first, first + "# nothing\n") == ("survived", "passed")
    assert small(place, first, first + "# nothing\n", equivalent="a comment") == ("equivalent", "passed")
    assert small(place, first, first + "import no_such_module\n") == ("broken", "broken")
    assert small(place, first, first + "def (\n") == ("broken", "broken")
    assert small(place, first, first + "import os\nos.kill(os.getpid(), 11)\n") == ("otherwise", "crash")
    assert small(place, first, first + "import os\nos.kill(os.getpid(), 11)\n", dies="crash") == ("killed", "crash")
    assert small(place, "no such text", "") == ("stale", "broken")


def test_a_check_that_does_not_end_is_stopped(place: Workplace) -> None:
    first = "from __future__ import annotations\n"
    row = judge(place, replace(UNITS, old=first, new=first + "while True:\n    pass\n"), 3.0)
    assert (row.verdict, row.how) == ("otherwise", "timeout")


def test_a_check_that_waits_for_the_machine_is_not_stopped_but_one_that_waits_for_ever_is(place: Workplace) -> None:
    first, waits = "from __future__ import annotations\n", "import time\ntime.sleep({})\n"
    row = judge(place, replace(UNITS, old=first, new=first + waits.format(6)), 5.0)
    assert (row.how, row.seconds > 6) == ("passed", True)
    row = judge(place, replace(UNITS, old=first, new=first + waits.format(3600)), 1.0 / WAITS)
    assert (row.verdict, row.how) == ("otherwise", "timeout")


def test_a_child_that_does_not_end_is_stopped_with_its_parent(place: Workplace) -> None:
    first, child = "from __future__ import annotations\n", "[sys.executable, '-c', 'while True: pass']"
    row = judge(place, replace(UNITS, old=first, new=f"{first}import subprocess, sys\nsubprocess.run({child})\n"), 3.0)
    assert (row.how, row.detail) == ("timeout", "not done after 3 s of processor time")


def test_a_check_that_fails_without_a_mistake_or_is_not_there_is_worth_nothing(place: Workplace) -> None:
    (place.root / "tests" / "test_that_fails.py").write_text("def test_it() -> None:\n    assert False\n")
    failing = replace(UNITS, name="failing", check=("tests/test_that_fails.py::test_it",))
    seconds, unsound = sound([place], [UNITS, failing])
    assert unsound.keys() == {"failing"}
    assert seconds[UNITS.name] >= 0
    missing = replace(UNITS, name="missing", check=("tests/tiles/test_units.py::test_that_nobody_wrote",))
    assert sound([place], [missing])[1].keys() == {"missing"}


def test_a_summary_counts_what_nobody_explains(place: Workplace) -> None:
    rows = [judge(place, replace(UNITS, old="no such text", new=""), 1.0)]
    told = summary(rows)
    assert (told["mutants"], told["killed"], told["survivors_unexplained"]) == (1, 0, 1)
    assert told["rows"][0]["verdict"] == "stale"
