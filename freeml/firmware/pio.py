"""PlatformIO: how it is called, and how it gets along without its registry.

Real boards are built and flashed by the user's own PlatformIO, which downloads compilers and upload tools. The emulated
board needs none of that: a platform of ours (platformio/platform-freeml) in a home of its own, below freeml's cache, so
that the user's PlatformIO is left as it is. PlatformIO runs SCons from a package of its registry; that package is SCons
itself, which pip has installed here, behind a file that starts it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeml.errors import ToolFailed, ToolMissing
from freeml.firmware.host import cache_dir
from freeml.firmware.toolchain import replace_file
from freeml.resources import resource

INSTALL_HINT = "pip install 'freeml[firmware]'"
LOCAL_ENV = "local"
_SCONS = "tool-scons"
_START_SCONS = "import SCons.Script\n\nSCons.Script.main()\n"


@dataclass(frozen=True, slots=True)
class Home:
    """A PlatformIO home in which the platform `freeml` is installed.

    core      what PLATFORMIO_CORE_DIR is set to
    platform  where the platform's files are
    """

    core: Path
    platform: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a PlatformIO that uses this home, and asks nobody for anything."""
        return {
            "PLATFORMIO_CORE_DIR": str(self.core),
            "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
            "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        }


def own_pio() -> tuple[str, ...]:
    """The PlatformIO of this Python, the one that can run the platform `freeml`. Raises ToolMissing."""
    if not _beside():
        raise ToolMissing("PlatformIO is not installed beside freeml", hint=INSTALL_HINT)
    return (sys.executable, "-m", "platformio")


def find_pio() -> tuple[str, ...]:
    """The user's PlatformIO: on PATH, beside freeml, or where its editor extension puts it. Raises ToolMissing."""
    for name in ("pio", "platformio"):
        if path := shutil.which(name):
            return (path,)
    if _beside():
        return own_pio()
    for part in ("bin/pio", "Scripts/pio.exe"):
        of_editor = Path.home() / ".platformio" / "penv" / part
        if of_editor.is_file():
            return (str(of_editor),)
    raise ToolMissing("PlatformIO is not installed", hint=INSTALL_HINT)


def _beside() -> bool:
    """Whether pip installed PlatformIO here; the checkout's own folder `platformio` does not count."""
    try:
        return bool(importlib.metadata.version("platformio"))
    except importlib.metadata.PackageNotFoundError:
        return False


def set_up(core: Path | None = None) -> Home:
    """Make a home for the local platform, or bring one up to date; takes no network. Raises ToolMissing, ToolFailed.

    core: where; below the cache folder by default.
    """
    pio = own_pio()
    home = Home((core or cache_dir() / "platformio").resolve(), resource("platformio", "platform-freeml"))
    try:
        (home.core / "platforms").mkdir(parents=True, exist_ok=True)
        _put_scons(home.core / "packages" / _SCONS)
        _link_platform(home, pio)
    except OSError as error:
        hint = "set FREEML_CACHE to a folder that can be written"
        raise ToolFailed(
            f"cannot prepare PlatformIO: {error.strerror}", where=str(error.filename), hint=hint
        ) from error
    return home


def _put_scons(folder: Path) -> None:
    """The package tool-scons: installed SCons, as the registry would have wrapped it."""
    version, wanted = _scons_version()
    try:
        if json.loads((folder / ".piopm").read_text())["version"] == version:
            return
    except (OSError, ValueError, KeyError):
        pass
    try:
        installed = importlib.metadata.version("scons")
    except importlib.metadata.PackageNotFoundError:
        installed = ""
    if installed != wanted:
        found = f"scons {installed}" if installed else "no scons"
        raise ToolMissing(
            f"this PlatformIO works with scons {wanted}, found {found}", hint=f"pip install scons=={wanted}"
        )
    spec = {"owner": "platformio", "id": None, "name": _SCONS, "requirements": None, "uri": None}
    files = {
        "scons.py": _START_SCONS,
        "package.json": json.dumps({"name": _SCONS, "version": version, "system": "*"}),
        ".piokeep": "",  # PlatformIO removes packages that it thinks unnecessary
        ".piopm": json.dumps({"type": "tool", "name": _SCONS, "version": version, "spec": spec}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write(folder / name, text)


def _scons_version() -> tuple[str, str]:
    """What PlatformIO calls the version of SCons that it works with, and what SCons calls it: 4.41101.0 and 4.11.1."""
    from platformio.dependencies import get_core_dependencies

    version = str(get_core_dependencies()[_SCONS]).lstrip("~^=>")
    digits = version.split(".")[1]
    return version, f"{digits[0]}.{int(digits[1:3])}.{int(digits[3:5])}"


def _link_platform(home: Home, pio: Sequence[str]) -> None:
    """Have PlatformIO know the platform where it is. A link to where it was breaks every command: it goes first."""
    uri = f"symlink://{home.platform}"
    found = False
    for link in (home.core / "platforms").glob("*.pio-link"):
        try:
            right = json.loads(link.read_text())["spec"]["uri"] == uri
        except (OSError, ValueError, KeyError, TypeError):
            right = False
        if not right:
            link.unlink(missing_ok=True)
        found = found or right
    if found:
        return
    command = [*pio, "pkg", "install", "--global", "--skip-dependencies", "--platform", uri]
    with tempfile.TemporaryDirectory(prefix="freeml-pio-") as work:
        done = run_pio(command, Path(work), home.environment)
    if done.code != 0:
        raise ToolFailed("PlatformIO does not take the local platform", where=uri, hint=_last_line(done.output))


def _write(path: Path, text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="freeml-pio-") as work:
        new = Path(work, path.name)
        new.write_text(text)
        replace_file(new, path)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run of PlatformIO ended, and all it printed."""

    code: int
    output: str


def run_pio(
    command: Sequence[str],
    folder: Path,
    environment: dict[str, str] | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> Ran:
    """Run PlatformIO in a folder and hear every line as it comes. Raises ToolMissing where it does not start."""
    lines = []
    full = {**os.environ, "PLATFORMIO_NO_ANSI": "true", "PYTHONUNBUFFERED": "1", **(environment or {})}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise ToolMissing(
            f"PlatformIO does not start: {error.strerror}", where=command[0], hint=INSTALL_HINT
        ) from error
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            on_line(line.rstrip())
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return Ran(code, "".join(lines))


def _last_line(output: str) -> str:
    """The last line with something to read."""
    lines = [line.strip(" =-*") for line in output.splitlines()]
    return next((line for line in reversed(lines) if line), "PlatformIO said nothing")
