"""Run the checks of mutants, each in a copy that has the mistake, and judge what came of it."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutants.mutant import BadMutant, Mutant
from benchmarks.mutants.workplace import Ran, Workplace

LEAST_S, START_S = 60.0, 20.0  # a mutant has at least so long; pytest and its imports take no longer than the other
MOST_S = 3600.0  # for all checks without a mistake
SLOWER = 5  # a mutant's check may take so many times what the right one does
# all of processor time


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a mutant.

    verdict   killed; survived; equivalent (it survives, and the reason is known); or why it counts for nothing: stale,
              unsound (its check fails without it), broken (the check could not be run: a typing mistake, an import),
              otherwise (the check failed, but not in the way that is claimed), no equivalent (it is killed after all)
    how       as Ran.how
    node      the test that failed
    """

    name: str
    file: str
    breaks: str
    check: tuple[str, ...]
    verdict: str
    how: str
    node: str
    detail: str
    seconds: float

    @property
    def is_explained(self) -> bool:
        """Killed as claimed, or alive for a reason."""
        return self.verdict in ("killed", "equivalent")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run_all(
    mutants: Sequence[Mutant],
    jobs: int = 1,
    limit_s: float | None = None,
    on_row: Callable[[Row], None] = lambda _: None,
) -> list[Row]:
    """One row for each mutant, in their order. limit_s: processor time of each, in place of a multiple."""
    with tempfile.TemporaryDirectory(prefix="freeml-mutants-") as work:
        every = [Workplace(Path(work) / str(k)) for k in range(jobs)]
        seconds, unsound = sound(every, mutants)
        places: queue.Queue[Workplace] = queue.Queue()
        for place in every:
            places.put(place)

        def one(mutant: Mutant) -> Row:
            if mutant.name in unsound:
                return _row(mutant, "unsound", Ran("broken", "", unsound[mutant.name], 0.0, ()))
            limit = limit_s or max(LEAST_S, START_S + SLOWER * seconds[mutant.name])
            mine = places.get()
            try:
                return judge(mine, mutant, limit)
            finally:
                places.put(mine)

        rows = []
        with ThreadPoolExecutor(jobs) as pool:
            for row in pool.map(one, mutants):
                rows.append(row)
                on_row(row)
        return rows


def sound(places: Sequence[Workplace], mutants: Sequence[Mutant]) -> tuple[dict[str, float], dict[str, str]]:
    """Run all checks once without any mistake: mutant -> processor time in s, and mutant -> why it is worth
    nothing."""
    nodes = sorted({node for mutant in mutants for node in mutant.check})  # those of a file share what it builds
    share = -(-len(nodes) // len(places)) or 1
    shares = [nodes[first : first + share] for first in range(0, len(nodes), share)]
    with ThreadPoolExecutor(len(places)) as pool:
        tests = [test for found in pool.map(_whole, places, shares) for test in found]
    seconds, unsound = {}, {}
    for mutant in mutants:
        own = [test for test in tests if any(_selects(node, test["node"]) for node in mutant.check)]
        seconds[mutant.name] = sum(test.get("cpu_s", 0.0) for test in own)
        bad = [test for test in own if test["outcome"] != "passed"]
        if bad:
            unsound[mutant.name] = f"without the mistake, {bad[0]['outcome']}: {bad[0]['node']}"
        elif mutant.check and not any(test["when"] == "call" for test in own):
            unsound[mutant.name] = f"no such test: {' '.join(mutant.check)}"
    return seconds, unsound


def _whole(place: Workplace, nodes: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """How each of some tests ends."""
    ran = place.run(nodes, MOST_S, to_the_end=True)
    if ran.tests:
        return ran.tests
    # pytest runs nothing where one of its arguments selects nothing
    return tuple(test for node in nodes for test in place.run((node,), MOST_S, to_the_end=True).tests)


def _selects(node: str, test: str) -> bool:
    """Whether an argument of pytest selects a test: the same, or a file, folder or function with its parameters."""
    return test == node or test.startswith((f"{node}::", f"{node}[", f"{node.rstrip('/')}/"))


def judge(place: Workplace, mutant: Mutant, limit_s: float) -> Row:
    """Run the check of one mutant, and compare what happens with what its row claims."""
    try:
        with place.with_mistake(mutant):
            ran = place.run(mutant.check, limit_s) if mutant.check else Ran("passed", "", "", 0.0, ())
    except BadMutant as error:
        return _row(mutant, "stale", Ran("broken", "", str(error), 0.0, ()))
    return _row(mutant, _verdict(mutant, ran), ran)


def _verdict(mutant: Mutant, ran: Ran) -> str:
    if ran.how == "passed":
        return "equivalent" if mutant.equivalent else "survived"
    if ran.how == "broken":
        return "broken"
    if mutant.equivalent:
        return "no equivalent"
    return "killed" if ran.how == mutant.dies else "otherwise"


def _row(mutant: Mutant, verdict: str, ran: Ran) -> Row:
    told = mutant.equivalent if verdict == "equivalent" else ran.detail
    return Row(
        mutant.name, mutant.file, mutant.breaks, mutant.check, verdict, ran.how, ran.node, told, round(ran.seconds, 1)
    )


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts, and all rows."""
    return {
        "mutants": len(rows),
        "killed": sum(row.verdict == "killed" for row in rows),
        "survivors_explained": sum(row.verdict == "equivalent" for row in rows),
        "survivors_unexplained": sum(not row.is_explained for row in rows),
        "rows": [row.as_json() for row in rows],
    }


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table as text."""
    yield f"{'mutant':52} {'file':46} {'verdict':11} {'by':10} test"
    for row in rows:
        test = row.node or " ".join(row.check)
        yield f"{row.name:52} {row.file:46} {row.verdict:11} {row.how:10} {test}".rstrip()
    for row in rows:
        if row.verdict != "killed":
            yield f"{row.name} {row.verdict}: {row.detail}"
    told = summary(rows)
    yield (
        f"{told['mutants']} mutants, {told['killed']} killed, {told['survivors_explained']} equivalent, "
        f"{told['survivors_unexplained']} unexplained"
    )
