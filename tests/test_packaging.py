"""What users get: the wheel, installed where no checkout is in sight, compiles a model to C that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{done.stderr[-2000:]}\n(hatchling is a development dependency: pip install -e .[dev])"
    )
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed in it, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_carries_all_that_the_compiler_reads(wheel: Path) -> None:
    inside = set(names(wheel))
    shipped = [
        *(path for path in (ROOT / "templates").rglob("*.*") if path.suffix in (".jinja", ".py")),
        *(path for path in (ROOT / "platformio").rglob("*.*") if path.suffix in (".json", ".py")),
        *(path for path in (ROOT / "runtime_c").rglob("*.[ch]") if path.parts[-2] != "test"),
        *(ROOT / "boards").glob("*.toml"),
        ROOT / "examples" / "digits" / "digits.onnx",
    ]
    assert len(shipped) > 20
    missing = [str(path) for path in shipped if f"freeml/_data/{path.relative_to(ROOT).as_posix()}" not in inside]
    assert missing == []
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "freeml").rglob("*.py")]
    assert [name for name in modules if name not in inside] == []


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    strays = [n for n in names(wheel) if n.startswith(("tests/", "benchmarks/", "examples/")) or "__pycache__" in n]
    assert strays == []
    tops = {name.split("/")[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"freeml"}


def test_the_wheel_names_its_command_and_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "freeml = freeml.cli:main" in archive.read(entry).decode()
        assert any("licenses/LICENSE" in name or name.endswith("/LICENSE") for name in archive.namelist())


# An editable install has put the checkout on the path of this very interpreter.
SCRIPT = f"""
import json, sys
sys.path[:] = [place for place in sys.path if place != {str(ROOT)!r}]
import freeml
from freeml.resources import resource

result = freeml.compile_model(str(resource("examples", "digits", "digits.onnx")), sys.argv[1], data="digits")
print(json.dumps({{"where": freeml.__file__, "int8": result.manifest.accuracy.of_int8, "path": sys.path}}))
"""


def test_the_installed_wheel_compiles_the_demo_model_without_the_checkout(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    environment = {**os.environ, "PYTHONPATH": str(site), "FREEML_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-P" if sys.version_info >= (3, 11) else "-B", "-c", SCRIPT, str(out)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["where"].startswith(str(site))
    assert str(ROOT) not in told["path"]
    assert told["int8"] > 0.9
    made = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"digits.c", "digits.h", "digits_weights.h", "main.c", "Makefile", "freeml.json"} <= made
    assert any(name.startswith("runtime/") for name in made)
    assert not [path for path in out.rglob("*.[ch]") if str(site) in path.read_text() or str(ROOT) in path.read_text()]


def test_the_installed_command_answers(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "freeml", "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1].count(".") == 2
