"""The layers of ARCHITECTURE.md, checked by parsing every import, and what is deliberately absent from each layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "freeml"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_data" not in path.relative_to(PACKAGE).parts)

# A module may import its own package and lower layers, nothing else.
LAYERS = {
    "errors": 0,
    "version": 0,
    "units": 1,
    "resources": 0,
    "memory_map": 0.3,
    "cost_table": 0.6,
    "cycle_table": 0.6,
    "board": 1,
    "ir": 1,
    "frontend": 2,
    "passes": 2,
    "data": 2,
    "quantize": 2,
    "plan": 2,
    "energy": 2,
    "train": 3,
    "codegen": 3,
    "firmware": 3,
    "compress": 4,
    "exits": 4,
    "sim": 4,
    "adapt": 5,
    "distribute": 5,
    "report": 5,
    "needs": 6,
    "pipeline": 6,
    "analysis": 6.5,
    "profile": 6.5,
    "__init__": 7,
    "cli": 7,
    "__main__": 8,
}

# Who may import a library that is large, optional, or belongs to one job. Paths are prefixes below freeml/.
ONLY_IN = {
    "torch": ("frontend/torch/", "train/"),
    "click": ("cli/",),
    "rich": ("cli/",),
    "jinja2": ("codegen/emit.py",),
    "onnx": ("frontend/onnx/",),
    "onnxslim": ("frontend/onnx/",),
    "tflite": ("frontend/tflite/",),
    "pooch": ("data/",),
    "sklearn": ("data/",),
    "PIL": ("data/",),
    "elftools": ("firmware/",),
    "unicorn": ("sim/",),
    "capstone": ("sim/",),
    "pydantic": (
        "board.py",
        "memory_map.py",
        "cost_table.py",
        "cycle_table.py",
        "firmware/output.py",
        "sim/",
        "energy/",
    ),
    "ctypes": ("firmware/", "sim/"),
    "subprocess": ("firmware/", "cli/doctor.py"),
}


@dataclass(frozen=True)
class Import:
    name: str  # "freeml.ir.graph", "numpy"
    line: int


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, also those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module in ("freeml", *(f"freeml.{p}" for p in LAYERS)):
                # "from freeml import board" names a module, "from freeml import compile_model" a value of the package
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    exists = (ROOT / (inner.replace(".", "/") + ".py")).exists() or (
                        ROOT / inner.replace(".", "/")
                    ).is_dir()
                    yield Import(inner if exists else str(node.module), node.lineno)
            else:
                yield Import(str(node.module), node.lineno)


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def violations(path: Path) -> list[str]:
    """What a file imports from its own layer or above, other than its own package."""
    own = package_of(path)
    rank = LAYERS[own]
    found = []
    for item in imports(path):
        parts = item.name.split(".")
        if parts[0] != "freeml":
            continue
        target = parts[1] if len(parts) > 1 else "__init__"
        if target != own and LAYERS[target] >= rank:
            found.append(f"{place(path)}:{item.line} imports {item.name}")
    return found


def test_every_module_belongs_to_a_layer() -> None:
    assert {package_of(path) for path in MODULES} <= LAYERS.keys()


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_layer_imports_only_what_lies_below_it(path: Path) -> None:
    assert violations(path) == []


def test_an_import_of_a_higher_layer_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    path = PACKAGE / "ir" / "graph.py"
    real = Path.read_text
    lines = "\nfrom freeml import pipeline\nimport freeml.plan.cost\nfrom freeml.passes import rewrite\n"
    monkeypatch.setattr(Path, "read_text", lambda self: real(self) + (lines if self == path else ""))
    assert [text.split()[-1] for text in violations(path)] == [
        "freeml.pipeline",
        "freeml.plan.cost",
        "freeml.passes.rewrite",
    ]


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


IO_NAMES = {"open", "Path", "os", "shutil", "tempfile", "pathlib", "subprocess", "print"}


@pytest.mark.parametrize("path", [p for p in MODULES if package_of(p) == "ir"], ids=place)
def test_the_ir_touches_no_file_and_prints_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {item.name.split(".")[0] for item in imports(path)}
    assert not (used | imported) & IO_NAMES


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{place(path)} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_no_file_holds_more_than_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 600


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_errors_have_a_type_and_warnings_are_not_printed(path: Path) -> None:
    """`raise Exception` tells nobody what to do, and print belongs to the command line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            assert node.exc.func.id not in ("Exception", "BaseException"), f"{place(path)}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and package_of(path) != "cli":
            assert node.func.id != "print", f"{place(path)}:{node.lineno}"


def test_start_up_imports_no_framework() -> None:
    """`freeml --help` answers at once: torch, onnx, tflite and jinja2 load when they are needed."""
    import subprocess
    import sys

    script = "import sys, freeml, freeml.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "onnx", "tflite", "jinja2", "sklearn", "scipy", "onnxslim"} & set(done.stdout.split())
