"""`pio run -t upload` on a compiled folder. The whole output is kept beside the firmware."""

from __future__ import annotations

import configparser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from freeml.errors import BadOutput
from freeml.firmware.build import memory_map
from freeml.firmware.pio import LOCAL_ENV, find_pio, own_pio, run_pio, set_up
from freeml.firmware.troubles import explain
from freeml.output.folder import read_output

_STEPS = (
    ("Tool Manager: Installing", "download tools"),
    ("Platform Manager: Installing", "download the platform"),
    ("Downloading", "download"),
    ("Compiling", "compile"),
    ("Linking", "link"),
    ("Checking size", "measure"),
    ("Configuring upload", "look for the board"),
    ("Uploading", "write the firmware to the board"),
    ("Running", "run the firmware on the emulated board"),
)


@dataclass(frozen=True, slots=True)
class Flashed:
    """A finished upload: environment of platformio.ini, the log, and what the board or its tool printed."""

    environment: str
    board: str
    log: Path
    printed: tuple[str, ...]


def flash(
    folder: Path, env: str | None = None, port: str | None = None, progress: Callable[[str], None] = lambda _: None
) -> Flashed:
    """Build a compiled folder with PlatformIO and write the firmware to its board.

    env   environment of platformio.ini; the board's own by default, "local" for the emulated one
    port  serial port or probe, where PlatformIO is not to choose
    Raises BadOutput for a folder without firmware, ToolMissing, ToolFailed with what went wrong and what helps.
    """
    memory_map(read_output(folder))
    chosen, board = _environment(folder, env)
    if chosen == LOCAL_ENV:
        progress("prepare PlatformIO")
        variables, command = set_up().environment, own_pio()
    else:
        variables, command = {}, find_pio()
    arguments = ["run", "--environment", chosen, "--target", "upload"]
    arguments += ["--upload-port", port] if port else []
    log = folder / "build" / "flash.log"
    ran = run_pio([*command, *arguments], folder, variables, lambda line: _tell(line, progress))
    log.parent.mkdir(exist_ok=True)
    log.write_text(ran.output, encoding="utf-8")
    if ran.code != 0:
        raise explain(ran.output, chosen, log)
    return Flashed(chosen, board, log, _after_upload(ran.output))


def _environment(folder: Path, env: str | None) -> tuple[str, str]:
    """The environment of platformio.ini to use, and its board. Raises BadOutput."""
    ini = configparser.ConfigParser(interpolation=None)
    try:
        ini.read_string((folder / "platformio.ini").read_text(encoding="utf-8"))
        chosen = env or ini["platformio"]["default_envs"]
        names = [section.removeprefix("env:") for section in ini.sections() if section.startswith("env:")]
        if chosen in names:
            return chosen, ini[f"env:{chosen}"]["board"]
    except (OSError, KeyError, configparser.Error) as error:
        raise BadOutput(
            "the folder has no platformio.ini that freeml wrote", where=str(folder), hint="compile the model again"
        ) from error
    raise BadOutput(
        f"platformio.ini has no environment {chosen!r}", where=str(folder), hint=f"--env is one of {', '.join(names)}"
    )


def _tell(line: str, progress: Callable[[str], None]) -> None:
    for begin, step in _STEPS:
        if line.startswith(begin):
            progress(step)


def _after_upload(output: str) -> tuple[str, ...]:
    """What was printed between the start of the upload and PlatformIO's last words."""
    lines = output.splitlines()
    start = next((k for k, line in enumerate(lines) if line.startswith(("Uploading", "Running"))), len(lines))
    end = next((k for k, line in enumerate(lines) if "[SUCCESS]" in line), len(lines))
    return tuple(line.rstrip() for line in lines[start + 1 : end] if line.strip())
