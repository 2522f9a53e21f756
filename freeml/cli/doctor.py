"""`freeml doctor`: what is installed, what is missing, how to get it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal, printable
from freeml.version import __version__

_OLDEST_PYTHON = (3, 10)

# Distribution, module, what needs it; all of them are dependencies of the package.
_REQUIRED = (
    ("numpy", "numpy", "the reference interpreter"),
    ("onnx", "onnx", "ONNX models"),
    ("tflite", "tflite", "TFLite models"),
    ("click", "click", "this command line"),
    ("rich", "rich", "tables and progress"),
    ("pydantic", "pydantic", "board files"),
    ("jinja2", "jinja2", "C templates"),
    ("pyelftools", "elftools", "sizes of code and stack"),
    ("pooch", "pooch", "downloads"),
    ("scikit-learn", "sklearn", "the digits of the demo"),
    ("scipy", "scipy", "the data set har"),
    ("pillow", "PIL", "the data set cifar10-jpeg"),
    ("h5py", "h5py", "recordings of harvested energy"),
)
_OPTIONAL = (
    ("torch", "torch", "torch models, networks made small, exits that are trained", "pip install 'freeml[compress]'"),
    ("tensorly", "tensorly", "layers separated (compress)", "pip install 'freeml[compress]'"),
    ("matplotlib", "matplotlib", "the frontier as a picture (compress --plot)", "pip install 'freeml[compress]'"),
    ("plotly", "plotly", "figures of the report (report)", "pip install 'freeml[report]'"),
    ("capstone", "capstone", "cycles of emulated Cortex-M boards", "pip install 'freeml[firmware]'"),
    ("ziglang", "ziglang", "a C compiler that pip installs", "pip install 'freeml[firmware]'"),
    ("unicorn", "unicorn", "emulated Cortex-M boards (verify --engine board)", "pip install 'freeml[firmware]'"),
    ("platformio", "platformio", "writing firmware to boards (flash)", "pip install 'freeml[firmware]'"),
    ("scons", "SCons", "PlatformIO without its registry (flash)", "pip install 'freeml[firmware]'"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that freeml may use.

    status   ok, missing (an optional thing), broken (freeml does not work without it)
    found    version or place
    hint     how to get it; empty where it is there
    """

    name: str
    needed_for: str
    status: str
    found: str
    hint: str = ""


@click.command("doctor", short_help="Show what is installed and what is missing.")
@json_option
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Show what is installed, what is missing, and how to get it.

    The exit code is 0 if models can be compiled and verified, even where something optional is missing.

    \b
    Example:
      freeml doctor
      freeml doctor --json
    """
    terminal = ctx.ensure_object(Terminal)
    groups = {"Programs": _programs(), "Packages": _packages(), "Data": _data()}
    healthy = all(check.status != "broken" for checks in groups.values() for check in checks)
    terminal.result(
        {"ok": healthy, "checks": [{"group": g, **asdict(c)} for g, checks in groups.items() for c in checks]}
    )
    if not terminal.as_json:
        _show(terminal, groups, healthy)
    if not healthy:
        ctx.exit(1)


def _programs() -> list[Check]:
    here = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, _OLDEST_PYTHON))
    python = Check("Python", "everything", "ok", here)
    if sys.version_info[:2] < _OLDEST_PYTHON:
        python = Check("Python", "everything", "broken", here, f"install Python {wanted} or newer")
    return [Check("freeml", "", "ok", __version__), python, _compiler(), _cache()]


def _compiler() -> Check:
    """A compiler counts when it has built a library with the standard headers."""
    import tempfile

    from freeml.errors import FreemlError
    from freeml.firmware.toolchain import find_host_compiler

    needed = "building and measuring the C"
    try:
        compiler = find_host_compiler()
        with tempfile.TemporaryDirectory(prefix="freeml-doctor-") as work:
            source = Path(work, "probe.c")
            source.write_text(
                "#include <stdint.h>\n#include <stdio.h>\nint32_t probe(void);\nint32_t probe(void) { return 1; }\n"
            )
            compiler.compile([source], [], Path(work, "probe.so"))
    except FreemlError as error:
        return Check("C compiler", needed, "broken", error.what, error.hint or "pip install ziglang")
    return Check("C compiler", needed, "ok", compiler.version)


def _cache() -> Check:
    import tempfile

    from freeml.firmware.host import cache_dir

    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder):
            pass
    except OSError as error:
        hint = "set FREEML_CACHE to a folder that can be written"
        return Check("cache folder", "keeping built C", "missing", f"{folder}: {error.strerror}", hint)
    return Check("cache folder", "keeping built C", "ok", str(folder))


def _packages() -> list[Check]:
    checks = []
    for name, module, needed_for in _REQUIRED:
        version = _version(name, module)
        hint = "" if version else f"pip install {name}"
        checks.append(Check(name, needed_for, "ok" if version else "broken", version, hint))
    for name, module, needed_for, hint in _OPTIONAL:
        version = _version(name, module)
        checks.append(Check(name, needed_for, "ok" if version else "missing", version, "" if version else hint))
    return checks


def _version(name: str, module: str) -> str:
    """The version of a package, empty if it cannot be found; importing all of them would take seconds."""
    import importlib.metadata
    import importlib.util

    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a mere folder of that name, as a checkout has one of platformio
        return ""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "without version"


def _data() -> list[Check]:
    import os

    try:
        from freeml.data.catalogue import catalogue
        from freeml.data.folders import data_root

        root = str(data_root())
        entries = [(entry, entry.present) for entry in catalogue()]
    except ImportError as error:
        return [Check("data sets", "named data sets", "missing", "", f"pip install {error.name}")]
    where = "FREEML_DATA" if os.environ.get("FREEML_DATA") else "set FREEML_DATA to use another"
    checks = [Check("data folder", where, "ok", root)]
    for entry, present in entries:
        found = "present" if present else ""
        hint = "" if present else f"freeml data get {entry.name}"
        checks.append(Check(entry.name, entry.description, "ok" if present else "missing", found, hint))
    return checks


def _show(terminal: Terminal, groups: dict[str, list[Check]], healthy: bool) -> None:
    from rich.text import Text

    from freeml.cli import tables

    marks = {"ok": ("✓", "green"), "missing": ("-", "yellow"), "broken": ("✗", "bold red")}
    for group, checks in groups.items():
        made = tables.table("", "name", "", "for", elastic=(3, 2))
        made.show_header = False
        for check in checks:
            mark, style = marks[check.status]
            said = check.found if check.status == "ok" else "; ".join(filter(None, (check.found, check.hint)))
            made.add_row(Text(mark, style=style), check.name, printable(said), tables.clipped(check.needed_for, 44))
        terminal.show(tables.heading(group), made)
    verdict = (
        "freeml can compile and verify models here"
        if healthy
        else "freeml does not work here yet: see the lines marked ✗"
    )
    terminal.show("", Text(verdict, style="bold green" if healthy else "bold red"))
