"""The recipes of CONTRIBUTING.md: files that they name exist, are few, and nothing else knows what was added so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
# What recipes name in general: kernels' C, tests and results are not counted.
UNCOUNTED = ("runtime_c/kernels/", "tests/", "benchmarks/results/")
FOLDERS = ("freeml", "runtime_c", "templates", "boards", "benchmarks", "platformio")


def recipe(title: str) -> str:
    """The text below a heading."""
    return TEXT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def named(title: str) -> list[str]:
    """The paths that a recipe names, each once; `<what>` stands for any name."""
    paths = re.findall(
        r"`((?:freeml|runtime_c|templates|boards|tests|benchmarks)/[\w./<>*-]*|[A-Z]+\.md)`", recipe(title)
    )
    return list(dict.fromkeys(path.rstrip("/") for path in paths))


RECIPES = re.findall(r"^## (Add an? .*)$", TEXT, re.MULTILINE)


def test_there_is_a_recipe_for_each_kind_of_change() -> None:
    assert {
        "Add an operator",
        "Add a sparse format",
        "Add a kernel variant",
        "Add a pass",
        "Add a board of a known family",
        "Add a board of an unknown family",
        "Add an engine",
        "Add an exit head",
        "Add a policy",
    } <= set(RECIPES)


def test_no_recipe_stands_twice() -> None:
    assert len(RECIPES) == len(set(RECIPES))


@pytest.mark.parametrize("title", RECIPES)
def test_every_file_that_a_recipe_names_exists(title: str) -> None:
    missing = [path for path in named(title) if not any(ROOT.glob(re.sub(r"<[^>]*>", "*", path)))]
    assert missing == []


@dataclass(frozen=True)
class Example:
    """Something that was added by a recipe: what names it in code, and where, beside the files that the recipe names.

    beside  what mentions it for another reason, and which
    """

    title: str
    names: str
    own: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


EXAMPLES = [
    Example(
        "Add an operator",
        r"SoftmaxI8|softmax_i8",
        own=("freeml/kernels/softmax.py",),
        beside=(
            "freeml/ir/decision.py",  # the class of a softmax is that of the scores before it
            "benchmarks/differential/judge.py",  # how far its rounding may lead
            "freeml/compress/cost.py",  # it has a table of its own, whatever its input
            "benchmarks/mutants/table/kernels.toml",
        ),
    ),
    Example(
        "Add an operator",
        r"AvgPoolI8|avgpool_i8",
        own=("freeml/kernels/pool.py",),
        beside=("benchmarks/mutants/table/kernels.toml",),
    ),
    Example(
        "Add a sparse format",
        r"coded_rice|\bRice\b",
        own=("freeml/ir/stored_rice.py",),
        beside=("runtime_c/include/fml_coded.h",),  # prototypes of the first forms
    ),
    Example("Add a policy", r"CONFIDENCE_OR_DEADLINE|confidence_or_deadline"),
    Example("Add a pass", r"FusePad|fuse_pad", own=("freeml/passes/fuse_pad.py",)),
    Example("Add a pass", r"SkipSoftmax|skip_softmax", own=("freeml/passes/skip_softmax.py",)),
    Example("Add a board of a known family", r"nucleo_l432kc"),
    Example(
        "Add a board of a known family",
        r"nucleo_u575zi_q",
        beside=("benchmarks/energy_engines.py",),  # one of each core is simulated
    ),
]


def mentions(names: str) -> set[str]:
    """Files whose text has one of the names; not tests, results and documents."""
    found = set()
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()):
        place = path.relative_to(ROOT).as_posix()
        written = path.suffix in (".py", ".c", ".h", ".S", ".jinja", ".toml")
        if written and not place.startswith(UNCOUNTED) and re.search(names, path.read_text()):
            found.add(place)
    assert found, f"nothing mentions {names}"
    return found


def allowed(example: Example) -> set[str]:
    patterns = [re.sub(r"<[^>]*>", "*", path) for path in named(example.title)]
    files = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return files | {*example.own, *example.beside}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.names)
def test_nothing_but_the_files_of_its_recipe_knows_it(example: Example) -> None:
    assert mentions(example.names) <= allowed(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.names)
def test_what_knows_it_for_another_reason_still_does(example: Example) -> None:
    assert set(example.beside) <= mentions(example.names)


@pytest.mark.parametrize(
    ("title", "most"),
    [
        ("Add a sparse format", 12),
        ("Add an engine", 4),
        ("Add an exit head", 26),
        ("Add a pass", 2),
    ],
)
def test_few_files_are_touched(title: str, most: int) -> None:
    counted = [path for path in named(title) if not path.startswith(UNCOUNTED)]
    assert 0 < len(counted) <= most, counted


def test_a_board_of_a_known_family_is_one_file() -> None:
    """What follows in its recipe is for pins and microcontrollers that no support has."""
    one = recipe("Add a board of a known family").split("Other pins", 1)[0]
    assert re.findall(r"`(boards/[^`]*)`", one) == ["boards/<board>.toml"]
