"""The rows of ARCHITECTURE.md, checked by parsing imports; what packages do without; a file is one idea, said once."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path

import pytest

from tests.code_map import code_map, of_page, sentence

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "freeml"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_data" not in path.relative_to(PACKAGE).parts)


def rows(document: str) -> list[tuple[str, ...]]:
    """The table of layers, from the bottom: the modules and packages of each row."""
    section = document.split("## Layers", 1)[1].split("\n## ", 1)[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [tuple(re.findall(r"`(\w+)(?:\.py|/)`", cell)) for cell in first_cells]


ROWS = rows((ROOT / "ARCHITECTURE.md").read_text())
ROW_OF = {name: number for number, names in enumerate(ROWS) for name in names}

MOST_LINES = 400
# Longer than that, and why for now.
LONG = {
    "benchmarks/cycles/design.py": "one table of networks that reach every loop of every kernel",
    "freeml/sim/cortexm/engine.py": "the emulated Cortex-M behind the whole interface of an engine",
    "tests/codegen/test_codegen.py": "one claim per kind of generated text",
    "tests/cortexm/test_engine.py": "one claim per device of the emulated boards",
    "tests/kernels/cases.py": "one generator of cases per kernel",
    "tests/quantize/test_quantize.py": "one claim per rule of quantization",
    "tests/tiles/test_tiles.py": "one claim per rule of tiles",
}

MOST_ALIKE = 10
# Files of which each two share a longer run of lines, and why for now.
ALIKE: Mapping[str, tuple[str, ...]] = {}

# Who may import a library that is large, optional, or belongs to one job. Paths are prefixes below freeml/.
ONLY_IN = {
    "torch": ("frontend/torch/", "train/"),
    "tensorly": ("compress/",),
    "click": ("cli/",),
    "matplotlib": ("cli/frontier.py",),
    "rich": ("cli/",),
    "jinja2": ("codegen/emit.py",),
    "onnx": ("frontend/onnx/",),
    "onnxslim": ("frontend/onnx/",),
    "tflite": ("frontend/tflite/",),
    "pooch": ("data/",),
    "sklearn": ("data/",),
    "PIL": ("data/",),
    "elftools": ("firmware/",),
    "h5py": ("energy/readers/shepherd.py", "energy/write.py"),
    "unicorn": ("sim/",),
    "capstone": ("sim/",),
    "pydantic": (
        "board/",
        "output/",
        "sim/",
        "energy/",
    ),
    "ctypes": ("firmware/", "sim/"),
    "plotly": ("report/",),
    "subprocess": ("firmware/", "cli/doctor.py"),
}


@dataclass(frozen=True)
class Import:
    name: str  # "freeml.ir.graph", "numpy"
    line: int


def is_module(name: str) -> bool:
    place = ROOT / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


parsed = cache(ast.parse)
"""A file as Python reads it, once for all tests of a run."""


def imports(path: Path) -> tuple[Import, ...]:
    """Every import of a file, also those inside functions and under TYPE_CHECKING."""
    return _imports(path, path.read_text())


@cache
def _imports(path: Path, text: str) -> tuple[Import, ...]:
    return tuple(_each_import(path, text))


def _each_import(path: Path, text: str) -> Iterator[Import]:
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}:{node.lineno}: imports are absolute"
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                # "from freeml import board" names a module, "from freeml import compile_model" a value of one
                inner = f"{node.module}.{alias.name}"
                is_inner = node.module.split(".")[0] == "freeml" and is_module(inner)
                yield Import(inner if is_inner else node.module, node.lineno)


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def violations(path: Path) -> list[str]:
    """What a file imports that is neither of its own package nor of a row above."""
    own = package_of(path)
    found = []
    for item in imports(path):
        parts = item.name.split(".")
        if parts[0] != "freeml":
            continue
        target = parts[1] if len(parts) > 1 else "__init__"
        if target != own and ROW_OF[target] >= ROW_OF[own]:
            found.append(f"{place(path)}:{item.line} imports {item.name}")
    return found


def test_every_module_stands_in_exactly_one_row() -> None:
    names = [name for row in ROWS for name in row]
    assert sorted(names) == sorted({package_of(path) for path in MODULES})


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_imports_only_its_own_package_and_rows_above(path: Path) -> None:
    assert violations(path) == []


def test_an_import_of_a_lower_row_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    path = PACKAGE / "ir" / "graph.py"
    real = Path.read_text
    lines = "\nfrom freeml import pipeline\nimport freeml.plan.counts\nfrom freeml.passes import rewrite\n"
    monkeypatch.setattr(Path, "read_text", lambda self: real(self) + (lines if self == path else ""))
    assert [text.split()[-1] for text in violations(path)] == [
        "freeml.pipeline",
        "freeml.plan.counts",
        "freeml.passes.rewrite",
    ]


# They check what kernels/ says of kernels, or say themselves what ops mean.
SECOND_OPINIONS = sorted(
    [*PACKAGE.glob("ir/*.py"), *PACKAGE.glob("plan/verify*.py"), PACKAGE / "quantize" / "lower.py"],
)


@pytest.mark.parametrize("path", SECOND_OPINIONS, ids=place)
def test_second_opinions_know_nothing_of_the_kernels(path: Path) -> None:
    assert [item.name for item in imports(path) if item.name.startswith("freeml.kernels")] == []


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Modules that import each other in a circle, the first again at the end; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def module_graph() -> dict[str, set[str]]:
    """What each module of the package imports of it, by file."""
    graph = {}
    for path in MODULES:
        name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        graph[name] = {item.name for item in imports(path) if item.name.split(".")[0] == "freeml"} - {name}
    return graph


def test_no_module_imports_itself_through_others() -> None:
    assert circle(module_graph()) == []


def test_a_circle_would_be_seen() -> None:
    graph = module_graph()
    graph["freeml.ir.types"].add("freeml.ir.verify")
    assert {"freeml.ir.types", "freeml.ir.verify"} <= set(circle(graph))


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_imported_only_where_its_job_is(library: str) -> None:
    strays = [
        f"{place(path)}:{item.line}"
        for path in MODULES
        if not path.relative_to(PACKAGE).as_posix().startswith(ONLY_IN[library])
        for item in imports(path)
        if item.name.split(".")[0] == library
    ]
    assert strays == []


def test_the_code_map_is_what_every_module_says_of_itself() -> None:
    """Readers find a function by it: mended by python -m tests.code_map --write."""
    assert of_page((ROOT / "ARCHITECTURE.md").read_text()).strip() == code_map().strip()


def test_a_module_that_the_code_map_forgets_would_be_seen() -> None:
    planner = f"- `planner.py` {sentence(PACKAGE / 'plan' / 'planner.py')}\n"
    page = of_page((ROOT / "ARCHITECTURE.md").read_text())
    assert planner in page
    assert page.replace(planner, "").strip() != code_map().strip()


@pytest.mark.parametrize("path", [p for p in MODULES if package_of(p) == "energy"], ids=place)
def test_energy_is_physics_and_knows_no_network(path: Path) -> None:
    assert {item.name.split(".")[1] for item in imports(path) if item.name.startswith("freeml.")} <= {
        "board",
        "energy",
        "errors",
        "units",
    }


IO_NAMES = {"open", "Path", "os", "shutil", "tempfile", "pathlib", "subprocess", "print"}


@pytest.mark.parametrize("path", [p for p in MODULES if package_of(p) == "ir"], ids=place)
def test_the_ir_touches_no_file_and_prints_nothing(path: Path) -> None:
    tree = parsed(path.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {item.name.split(".")[0] for item in imports(path)}
    assert not (used | imported) & IO_NAMES


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(parsed(path.read_text())), f"{place(path)} has no docstring"


# Reached by another way than the command line or `import freeml`, and which.
REACHED_ELSEWHERE = {
    "freeml.compress.gaps": "the published way to store sparse rows, for comparing with it",
    "freeml.train.augment": "benchmarks of compression, and whoever calls freeml.compress",
    "freeml.train.global_exit": "comparison with the published exits",
    "freeml.codegen.samples": "samples that a board's firmware replays, for tests and whoever has the board",
    "freeml.firmware.output": "scripts that were written against the name of before",
    "freeml.profile": "scripts that were written against the name of before",
    "freeml.sim.board": "scripts that were written against the name of before",
    "freeml.sim.interrupts": "benchmarks/interrupts.py",
    "freeml.sim.selftest": "the local platform of PlatformIO",
}


def test_no_module_is_there_for_tests_alone() -> None:
    graph = module_graph()
    reached: set[str] = set()
    frontier = {"freeml", "freeml.__main__"}
    while frontier:
        reached |= frontier
        frontier = {name for module in frontier for name in graph.get(module, ())} - reached
    modules = {name for name in graph if not (ROOT / name.replace(".", "/")).is_dir()}
    assert modules - reached == REACHED_ELSEWHERE.keys()


def sources(*folders: str) -> list[Path]:
    """Files of the project that people write."""
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".c", ".h", ".S", ".jinja") and not {"golden", "_data"} & set(path.parts)
    ]


def test_no_file_holds_more_than_one_idea() -> None:
    """The longer ones are named, with a reason, and lose their place there when they have become shorter."""
    files = sources("freeml", "runtime_c", "templates", "platformio", "benchmarks", "examples", "tests")
    assert len(files) > 400
    assert {place(path) for path in files if len(path.read_text().splitlines()) > MOST_LINES} == LONG.keys()


def told(path: Path) -> list[str]:
    """Lines of a file without blanks, imports, includes and licences."""
    text, skipped = path.read_text(), set()
    if path.suffix == ".py":
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in skipped]
    return [line for line in lines if line and not line.startswith(("#include", "/* SPDX", "# SPDX"))]


def alike(files: Mapping[str, list[str]]) -> set[tuple[str, str]]:
    """Two files that both hold a run of more than MOST_ALIKE lines; the same file twice, where it holds it twice."""
    where = defaultdict(list)
    for name, lines in files.items():
        for first in range(len(lines) - MOST_ALIKE):
            where[tuple(lines[first : first + MOST_ALIKE + 1])].append(name)
    return {pair for names in where.values() for pair in combinations(names, 2)}


def test_no_run_of_lines_stands_twice() -> None:
    """Files that share one are named, with a reason, and lose their place there when they share none any more."""
    found = alike({place(path): told(path) for path in sources("freeml", "runtime_c")})
    known = {pair for names in ALIKE.values() for pair in combinations(names, 2)}
    assert found == known


def test_a_run_of_lines_that_is_copied_would_be_seen() -> None:
    path = PACKAGE / "ir" / "graph.py"
    lines = told(path)
    assert alike({"a": lines[20:31], "b": ["x = 1", *lines[20:31]]}) == {("a", "b")}
    assert alike({"a": [*lines[20:31], *lines[20:31]]}) == {("a", "a")}
    assert alike({"a": lines[20:30], "b": lines[20:30]}) == set()


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_errors_have_a_type_and_warnings_are_not_printed(path: Path) -> None:
    """`raise Exception` tells nobody what to do, and print belongs to the command line."""
    for node in ast.walk(parsed(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            assert node.exc.func.id not in ("Exception", "BaseException"), f"{place(path)}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and package_of(path) != "cli":
            assert node.func.id != "print", f"{place(path)}:{node.lineno}"


def test_start_up_imports_no_framework() -> None:
    """`freeml --help` answers at once: torch, onnx, tflite and jinja2 load when they are needed."""
    script = "import sys, freeml, freeml.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "onnx", "tflite", "jinja2", "sklearn", "scipy", "onnxslim", "h5py"} & set(done.stdout.split())
