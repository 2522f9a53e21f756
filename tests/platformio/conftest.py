"""Compiled folders as PlatformIO projects, and a PlatformIO that reaches no network."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from freeml import CompileOptions, compile_model
from freeml.firmware.pio import Home, own_pio, set_up
from tests.effort import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits" / "digits.onnx"
# A board that PlatformIO knows, as a board file of a user's own: the addresses are those of qemu_m4.
KNOWN = '\n[platformio]\nplatform = "ststm32"\nboard = "nucleo_l476rg"\n'
Folder = Callable[[str], Path]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """compiled(board): the digits network for a board by name, or "known" for a file; nobody changes the folders."""
    work = tmp_path_factory.mktemp("platformio")
    (work / "known.toml").write_text((ROOT / "boards" / "qemu_m4.toml").read_text() + KNOWN)

    @functools.cache
    def compiled_once(board: str) -> Path:
        named = str(work / "known.toml") if board == "known" else board
        compile_model(DIGITS, work / board, data="digits", options=CompileOptions(board=named, samples=1))
        return work / board

    return compiled_once


@pytest.fixture
def copied(compiled: Folder, tmp_path: Path) -> Folder:
    """The same, as a copy that a test may change."""
    return lambda board: shutil.copytree(compiled(board), tmp_path / f"{board} copy")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A PlatformIO home that this test run made."""
    return set_up(tmp_path_factory.mktemp("pio") / "core")


@dataclass(frozen=True)
class Pio:
    code: int
    out: str


@functools.cache
def _unshare() -> tuple[str, ...]:
    """What takes the network away, where this system lets a user do so; a dead proxy does it everywhere."""
    command = ("unshare", "-rn")
    allowed = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if allowed and allowed.returncode == 0 else ()


def pio(home: Home, folder: Path, *args: str) -> Pio:
    """Run PlatformIO in a folder without network."""
    nowhere = "http://127.0.0.1:9"
    environment = {**os.environ, **home.environment, "PLATFORMIO_NO_ANSI": "true"}
    environment |= {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere}
    command = [*_unshare(), *own_pio(), *args]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Pio(done.returncode, done.stdout)
