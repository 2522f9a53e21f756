"""The mutants of benchmarks/mutants: each has its place, names a check that exists, and never meets the original."""

from __future__ import annotations

import ast
import functools
import shutil
from pathlib import Path

import pytest

from benchmarks.mutants.mutant import ROOT, BadMutant, Mutant, table


@functools.cache
def claims_of(file: str) -> set[str]:
    """Names of the tests in a file, those of classes as class::test."""
    found = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return {name for name in found if name.split("::")[-1].startswith("test_")}


@pytest.mark.parametrize("mutant", table().values(), ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place_and_names_a_check_there_is(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    assert mutant.applied_to(text) != text
    for node in mutant.check:
        file, _, test = node.partition("::")
        assert (ROOT / file).exists(), f"{mutant.name}: there is no {file}"
        assert not test or test.split("[")[0] in claims_of(file), f"{mutant.name}: there is no {node}"


def test_a_mutant_whose_place_is_gone_or_not_the_only_one_is_stale() -> None:
    mutant = Mutant("m", "freeml/units.py", "a", "b", "breaks", ("tests",))
    assert mutant.applied_to("-a-") == "-b-"
    for text in ("", "aa"):
        with pytest.raises(BadMutant, match="m is stale"):
            mutant.applied_to(text)


def test_a_mutant_is_never_written_into_the_project_itself(tmp_path: Path) -> None:
    mutant = next(iter(table().values()))
    before = (ROOT / mutant.file).read_text()
    with pytest.raises(BadMutant, match="for a copy"):
        mutant.apply(ROOT)
    assert (ROOT / mutant.file).read_text() == before
    (tmp_path / mutant.file).parent.mkdir(parents=True)
    shutil.copy(ROOT / mutant.file, tmp_path / mutant.file)
    assert mutant.apply(tmp_path).read_text() == mutant.applied_to(before)


def test_no_mistake_can_be_switched_on_in_the_c_that_users_get() -> None:
    shipped = [*(ROOT / "runtime_c").rglob("*.*"), *(ROOT / "templates").rglob("*.*"), *(ROOT / "freeml").rglob("*.c")]
    assert len(shipped) > 100
    assert [path.name for path in shipped if b"TEST_BUG" in path.read_bytes()] == []
