"""Networks compiled for the emulated boards, each once in a test run; nobody changes the folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.power_loss.models import source
from freeml import CompileOptions, compile_model
from freeml.firmware.build import Build, build_firmware
from freeml.output.folder import Output, read_output
from freeml.sim.board_device import emulator_for
from freeml.sim.on_board import OnBoard

CORES = {"qemu_m0": "cortex-m0plus", "qemu_m4": "cortex-m4", "qemu_m33": "cortex-m33"}
TOOLCHAINS = [
    "zig",
    pytest.param(
        "gcc",
        marks=pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="apt-get install gcc-arm-none-eabi"),
    ),
]
Compiled = Callable[..., Output]
_BUILT: dict[tuple[Path, str], Build] = {}


def firmware_of(output: Output, toolchain: str = "zig") -> Build:
    """The firmware of a folder; of one that nobody changes, built once."""
    if output.folder.name == "copy":
        return build_firmware(output, output.folder.with_suffix(".elf"), toolchain)
    key = (output.folder, toolchain)
    if key not in _BUILT:
        _BUILT[key] = build_firmware(output, output.folder.parent / f"{output.folder.name}-{toolchain}.elf", toolchain)
    return _BUILT[key]


def on_board(output: Output, toolchain: str = "zig") -> OnBoard:
    """OnBoard.start with such a firmware."""
    built = firmware_of(output, toolchain)
    return OnBoard.of(output, emulator_for(output, built.firmware.path, built.memory), built)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """compiled(network, board, capacitor_uf=None): networks of benchmarks.power_loss."""
    work = tmp_path_factory.mktemp("cortexm")
    done: dict[tuple[str, str, float | None], Output] = {}

    def compiled_once(name: str, board: str, capacitor_uf: float | None = None) -> Output:
        key = (name, board, capacitor_uf)
        if key not in done:
            model, data = source(name, work)
            out = work / f"{name}-{board}-{capacitor_uf}"
            options = CompileOptions(name=name, board=board, capacitor_uf=capacitor_uf, samples=1)
            compile_model(model, out, data=data, options=options)
            done[key] = read_output(out)
        return done[key]

    return compiled_once


@pytest.fixture
def copied(compiled: Compiled, tmp_path: Path) -> Compiled:
    """The same, as a copy that a test may change."""

    def copy(name: str, board: str, capacitor_uf: float | None = None) -> Output:
        folder = compiled(name, board, capacitor_uf).folder
        return read_output(shutil.copytree(folder, tmp_path / "copy"))

    return copy
