"""A compiled folder as a PlatformIO project: what is in it, and that the options for real boards build a firmware."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from platformio.project.config import ProjectConfig

from freeml import CompileOptions, compile_model
from freeml.board.board import board_names, load_board
from freeml.board.core import MSP430
from freeml.firmware.build import build_firmware, memory_map
from freeml.firmware.elf import read_firmware
from freeml.firmware.pio import Home
from freeml.firmware.toolchain import find_zig
from freeml.output.folder import read_output
from freeml.sim.selftest import run_samples
from tests.cli.runner import content
from tests.msp430.oracle import find_toolchain
from tests.platformio.conftest import DIGITS, ROOT, Folder, pio
from tests.platformio.standin import StandIn, stm32, timsp430

PROJECT = ("platformio.ini", "freeml_link.py", "test/test_custom_runner.py", "test/test_selftest/selftest.c")
needs_arm_gcc = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="apt-get install gcc-arm-none-eabi")
FIRMWARE_BOARDS = [name for name in board_names() if load_board(name).memory_map]
SUPPORTS = {load_board(name).cpu.support: name for name in FIRMWARE_BOARDS}  # type: ignore[union-attr]
"""One board for each folder of runtime_c/hal."""


def test_a_folder_for_the_host_is_no_project(compiled: Folder) -> None:
    assert not {*PROJECT, "boards"} & {str(path.relative_to(compiled("host"))) for path in compiled("host").rglob("*")}


def _checked(board: str, folder: Path, config: dict[str, dict[str, object]]) -> None:
    assert all((folder / name).is_file() for name in PROJECT)
    known = load_board(board).platformio
    environments = [section for section in config if section.startswith("env:")]
    assert environments == ([f"env:{known.board}"] if known else []) + ["env:local"]
    assert config["platformio"]["default_envs"] == [known.board if known else "local"]
    assert config["env:local"]["platform"] == "freeml"
    assert (folder / "boards" / f"{config['env:local']['board']}.json").is_file()
    if known:
        own = config[f"env:{known.board}"]
        assert (own["platform"], own["board"]) == (known.platform, known.board)
        assert "framework" not in own
        assert own["extra_scripts"] == ["pre:freeml_link.py"]


@pytest.mark.parametrize("board", ["nucleo_l476rg", "msp430fr5994"])
def test_pio_project_config_reads_the_project(board: str, compiled: Folder, home: Home) -> None:
    ran = pio(home, compiled(board), "project", "config", "--json-output")
    assert ran.code == 0, ran.out
    _checked(board, compiled(board), {section: dict(options) for section, options in json.loads(ran.out)})


@pytest.mark.parametrize("board", SUPPORTS.values())
def test_every_kind_of_board_with_firmware_has_a_project(board: str, compiled: Folder) -> None:
    config = ProjectConfig(str(compiled(board) / "platformio.ini"))
    config.validate()
    _checked(board, compiled(board), {section: dict(config.items(section)) for section in config.sections()})


def test_no_file_of_a_project_names_a_path_of_this_machine(compiled: Folder) -> None:
    for board in ("known", "qemu_m0"):
        folder = compiled(board)
        for path in (*PROJECT, f"boards/freeml_{'qemu_m4' if board == 'known' else board}.json"):
            text = (folder / path).read_text()
            for place in (folder.parent, ROOT, Path.home()):
                assert str(place) not in text


def test_compiling_again_gives_the_same_project(compiled: Folder, tmp_path: Path) -> None:
    compile_model(DIGITS, tmp_path / "out", data="digits", options=CompileOptions(board="qemu_m0", samples=1))
    found = content(tmp_path / "out")
    assert {name: found[name] for name in (*PROJECT, "boards/freeml_qemu_m0.json")} == {
        name: (compiled("qemu_m0") / name).read_bytes() for name in (*PROJECT, "boards/freeml_qemu_m0.json")
    }


def test_the_emulated_board_hides_no_board_of_platformio(compiled: Folder) -> None:
    assert [path.name for path in (compiled("known") / "boards").iterdir()] == ["freeml_qemu_m4.json"]


def test_a_board_of_ones_own_is_in_its_project(compiled: Folder) -> None:
    text = (compiled("known") / "platformio.ini").read_text()
    assert "[env:nucleo_l476rg]\nplatform = ststm32\nboard = nucleo_l476rg\n" in text
    assert "default_envs = nucleo_l476rg\n" in text


# --- the options for real boards -------------------------------------------------------------------------------------


def _built_by(stand_in: StandIn, folder: Path, home: Home, tmp_path: Path) -> Path:
    stand_in.install(home, tmp_path)
    ran = pio(home, folder, "run", "-e", stand_in.board, "-t", "upload")
    assert ran.code == 0, ran.out
    assert f"uploaded .pio/build/{stand_in.board}/firmware.hex" in ran.out
    assert "main.c" not in ran.out.replace("firmware/main", "")
    return folder / ".pio" / "build" / stand_in.board / "firmware.elf"


@needs_arm_gcc
def test_ststm32_builds_the_firmware_of_freeml_build_with_gcc(copied: Folder, home: Home, tmp_path: Path) -> None:
    folder = copied("nucleo_l476rg")
    elf = _built_by(stm32(), folder, home, tmp_path)
    output = read_output(folder)
    found = read_firmware(elf, memory_map(output))
    built = build_firmware(output, tmp_path / "a.elf", "gcc").firmware
    sizes = {name: n_bytes for name, (_, n_bytes) in built.symbols.items()}
    assert {name: n_bytes for name, (_, n_bytes) in found.symbols.items() if name in sizes} == sizes
    assert (found.size.nvm_bytes, found.size.ram_bytes) == (built.size.nvm_bytes, built.size.ram_bytes)
    assert all(verdict.passed for verdict in run_samples(output, elf, memory_map(output)))


def test_timsp430_builds_a_firmware_that_is_right(copied: Folder, home: Home, tmp_path: Path) -> None:
    tools = find_toolchain()
    if tools is None:
        pytest.skip("needs msp430-elf-gcc: set FREEML_MSP430_TOOLCHAIN to its folder")
    folder = copied("msp430fr5994")
    elf = _built_by(timsp430(tools / "msp430-elf-gcc"), folder, home, tmp_path)
    output = read_output(folder)
    assert all(verdict.passed for verdict in run_samples(output, elf, memory_map(output)))


# --- C as an old compiler takes it -----------------------------------------------------------------------------------


def _ini_flags(folder: Path) -> list[str]:
    found = re.search(r"build_flags =\n((?:    .*\n)+)", (folder / "platformio.ini").read_text())
    assert found
    return found[1].split()


def _strict(
    compiler: str, board: str, folder: Path, work: Path, sources: Sequence[Path]
) -> subprocess.CompletedProcess[str]:
    """Compile sources of a project with its options, as ISO C99 and not a word more."""
    memory = load_board(board).memory_map
    assert memory is not None
    core = memory.core
    if compiler == "zig":
        zig = find_zig()
        assert zig is not None
        triple = "msp430-freestanding-eabi" if memory.family is MSP430 else "thumb-freestanding-eabi"
        cpu = "msp430+hwmultf5" if memory.family is MSP430 else core.replace("-", "_") + "+dsp" * (core == "cortex-m33")
        command = [*zig.command, "-target", triple, f"-mcpu={cpu}"]
    elif memory.family is MSP430:
        tools = find_toolchain()
        if tools is None:
            pytest.skip("needs msp430-elf-gcc: set FREEML_MSP430_TOOLCHAIN to its folder")
        command = [str(tools / "msp430-elf-gcc"), "-mcpu=msp430xv2"]
    else:
        command = ["arm-none-eabi-gcc", "-mthumb", f"-mcpu={core}", "-mfloat-abi=soft"]
    flags = [f"-I{folder / flag[2:]}" if flag.startswith("-I") else flag for flag in _ini_flags(folder)]
    command += [*flags, "-O0", "-pedantic-errors", "-Werror", "-c", *map(str, sources)]
    return subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("compiler", ["zig", pytest.param("gcc", marks=needs_arm_gcc)])
@pytest.mark.parametrize("board", SUPPORTS.values())
def test_every_source_is_c99_without_anything_newer(
    board: str, compiler: str, compiled: Folder, tmp_path: Path
) -> None:
    """What GCC 4.6 takes, as far as newer compilers can tell: ISO C99 and attributes; nothing of C11, no extension."""
    folder = compiled(board)
    sources = [path for part in ("runtime", "firmware") for path in sorted((folder / part).glob("*.c"))]
    sources += [folder / "digits.c", folder / "test" / "test_selftest" / "selftest.c"]
    done = _strict(compiler, board, folder, tmp_path, sources)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("compiler", ["zig", pytest.param("gcc", marks=needs_arm_gcc)])
@pytest.mark.parametrize(
    "newer",
    [
        '_Static_assert(1, "C11");',
        "struct outer { struct { int a; }; }; extern struct outer o; struct outer o = {.a = 1};",
        "extern int b; int b = 0b101;",
    ],
)
def test_what_is_newer_would_be_seen(newer: str, compiler: str, copied: Folder, tmp_path: Path) -> None:
    folder = copied("qemu_m0")
    source = folder / "test" / "test_selftest" / "selftest.c"
    source.write_text(source.read_text() + newer + "\n")
    assert "selftest.c" in _strict(compiler, "qemu_m0", folder, tmp_path, [source]).stderr
