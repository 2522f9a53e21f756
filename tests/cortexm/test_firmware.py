"""Firmware for Cortex-M: what is in a compiled folder, and what the linker makes of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import freeml.firmware.build as build_module
import freeml.firmware.link as link_module
from freeml import CompileOptions, compile_model
from freeml.board.board import load_board
from freeml.board.core import CORTEXM
from freeml.errors import BadBoard, BadOutput, DoesNotFit, ToolFailed, ToolMissing
from freeml.firmware.build import build_firmware, find_cross_compiler, memory_map
from freeml.firmware.elf import read_firmware
from freeml.firmware.link import tools_of
from freeml.output.folder import read_output
from freeml.sim.check import random_dataset, verify_output
from tests.cortexm.conftest import CORES, TOOLCHAINS, Compiled

ROOT = Path(__file__).resolve().parents[2]
BOARD = (ROOT / "boards" / "qemu_m4.toml").read_text()


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("board", CORES)
def test_the_size_report_equals_the_sections_of_the_file(
    board: str, toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    output = compiled("digits", board)
    size = build_firmware(output, tmp_path / "a.elf", toolchain).firmware.size
    with (tmp_path / "a.elf").open("rb") as file:
        elf = ELFFile(file)
        sections = {s.name: int(s["sh_size"]) for s in elf.iter_sections() if s["sh_flags"] & 2 and s["sh_size"]}
        loaded = sum(int(s["p_filesz"]) for s in elf.iter_segments() if s["p_type"] == "PT_LOAD")
        assert elf["e_machine"] == "EM_ARM"
    assert size.text_bytes == sections.pop(".text")
    assert size.nvm_bytes == sections.pop(".nvm") == output.manifest.memory.nvm_bytes
    assert size.data_bytes == sections.pop(".data", 0) == 0
    assert size.bss_bytes == sections.pop(".bss", 0) + sections.pop(".noinit")
    assert not sections
    assert size.flash_bytes == loaded
    assert size.text_bytes > output.manifest.memory.weights_bytes


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_freeml_keeps_no_state_beside_window_result_and_one_tile(
    toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    output = compiled("digits", "qemu_m4")
    firmware = build_firmware(output, tmp_path / "a.elf", toolchain).firmware
    window = sum(firmware.symbols[f"fml_window_{what}"][1] for what in ("inputs", "outputs"))
    memory = output.manifest.memory
    assert window == 64 + 10
    state = {"fml_window_valid": 4, "fml_window_result": 8, "fml_board_shown": 1}
    assert {name: firmware.symbols[name][1] for name in state} == state
    tile = memory.tile_bytes + memory.scratch_bytes
    assert firmware.symbols["sram"][1] == tile
    board = memory_map(output)
    ram = range(board.ram_base, board.ram_base + board.ram_bytes)
    named = {name for name, (address, n_bytes) in firmware.symbols.items() if address in ram and n_bytes}
    assert named == {*state, "fml_window_inputs", "fml_window_outputs", "sram", "taken"}
    counted = 8  # .bss: codes taken of the window, and one byte up to a word
    assert firmware.size.ram_bytes - window - (4 + 8) - counted - tile in range(4)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_the_same_folder_gives_the_same_bytes_wherever_it_lies(
    toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    folder = compiled("digits", "qemu_m0").folder
    made = []
    for place in (tmp_path / "one", tmp_path / "another" / "place"):
        output = read_output(shutil.copytree(folder, place))
        made.append(build_firmware(output, place / "build" / "digits.elf", toolchain).firmware.path.read_bytes())
    assert made[0] == made[1]
    for path in (tmp_path, folder, ROOT, Path.home()):
        assert str(path).encode() not in made[0]


def test_compiling_again_gives_the_same_folder(compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits", "qemu_m33")
    model = ROOT / "examples" / "digits" / "digits.onnx"
    compile_model(model, tmp_path / "out", data="digits", options=CompileOptions(board="qemu_m33", samples=1))
    for path in sorted(output.folder.rglob("*")):
        if path.is_file() and "build" not in path.relative_to(output.folder).parts:
            assert (tmp_path / "out" / path.relative_to(output.folder)).read_bytes() == path.read_bytes(), path


def test_a_folder_for_a_board_still_runs_on_this_machine(compiled: Compiled) -> None:
    output = compiled("digits", "qemu_m4")
    assert verify_output(output, random_dataset(output.graph, 20)).mismatches == 0


def test_the_folder_holds_all_that_the_firmware_needs(compiled: Compiled) -> None:
    output = compiled("digits", "qemu_m4")
    assert {path.name for path in (output.folder / "firmware").iterdir()} == {
        "main.c",
        "link.ld",
        "fml_board.h",
        "fml_board_window.h",
        "fml_board_window.c",
        "fml_sensor_cortexm.c",
        "fml_start_cortexm.c",
        "fml_mem.c",
        "fml_hal_emulated.c",
        "fml_hal_cortexm.h",
    }
    assert memory_map(output) == load_board("qemu_m4").memory_map


def test_a_folder_for_the_host_has_no_firmware(tmp_path: Path) -> None:
    compile_model(ROOT / "examples" / "digits" / "digits.onnx", tmp_path / "out", data="digits")
    assert not (tmp_path / "out" / "firmware").exists()
    with pytest.raises(BadOutput, match="no firmware for board host"):
        build_firmware(read_output(tmp_path / "out"), tmp_path / "a.elf")


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(
    ("region", "length", "name"),
    [("FLASH", 256, "flash"), ("RAM", 256, "sram"), ("RAM", 1024, "sram"), ("NVM", 128, "nvm")],
)
def test_a_memory_that_is_too_small_is_named(
    toolchain: str, region: str, length: int, name: str, copied: Compiled, tmp_path: Path
) -> None:
    output = copied("digits", "qemu_m4")
    script = output.folder / "firmware" / "link.ld"
    lines = [
        line.split("LENGTH")[0] + f"LENGTH = {length}" if line.strip().startswith(region) else line
        for line in script.read_text().splitlines()
    ]
    script.write_text("\n".join(lines) + "\n")
    with pytest.raises(DoesNotFit) as caught:
        build_firmware(output, tmp_path / "a.elf", toolchain)
    assert caught.value.region == name
    assert not (tmp_path / "a.elf").exists()


def test_what_the_compiler_objects_to_is_told(copied: Compiled, tmp_path: Path) -> None:
    output = copied("digits", "qemu_m4")
    main = output.folder / "firmware" / "main.c"
    main.write_text(main.read_text().replace("fml_ram_t ram;", "fml_ram_t ram"))
    with pytest.raises(ToolFailed, match=r"could not build a\.elf: .*error"):
        build_firmware(output, tmp_path / "a.elf")


def test_a_damaged_memory_map_is_told(copied: Compiled) -> None:
    folder = copied("digits", "qemu_m4").folder
    manifest = json.loads((folder / "freeml.json").read_text())
    del manifest["board"]["cpu"]["nvm_base"]
    (folder / "freeml.json").write_text(json.dumps(manifest))
    with pytest.raises(BadOutput, match="nvm_base"):
        read_output(folder)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "find_zig", lambda: None)
    monkeypatch.setitem(link_module._TOOLS, CORTEXM, replace(tools_of(CORTEXM), find_gcc=lambda: None))
    with pytest.raises(ToolMissing, match="no arm-none-eabi-gcc found"):
        find_cross_compiler("gcc")
    with pytest.raises(ToolMissing, match="no compiler for Cortex-M found"):
        find_cross_compiler("auto")


def test_gcc_stands_in_where_zig_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = find_cross_compiler("zig")
    monkeypatch.setattr(build_module, "find_zig", lambda: None)
    monkeypatch.setitem(link_module._TOOLS, CORTEXM, replace(tools_of(CORTEXM), find_gcc=lambda: compiler))
    assert find_cross_compiler("auto") is compiler


def test_a_file_that_is_no_firmware_is_refused(tmp_path: Path) -> None:
    memory = load_board("qemu_m4").memory_map
    assert memory is not None
    (tmp_path / "a.elf").write_text("no")
    with pytest.raises(ToolFailed, match="not an ELF file"):
        read_firmware(tmp_path / "a.elf", memory)


def test_a_firmware_of_another_board_is_refused(compiled: Compiled, tmp_path: Path) -> None:
    build_firmware(compiled("digits", "qemu_m4"), tmp_path / "a.elf")
    memory = load_board("qemu_m33").memory_map
    assert memory is not None
    with pytest.raises(ToolFailed, match="lies in no memory of the board"):
        read_firmware(tmp_path / "a.elf", memory)


# --- [cpu] of a board file -------------------------------------------------------------------------------------------

BAD = {
    "regions that overlap": (
        "nvm_base = { value = 0x2100_0000",
        "nvm_base = { value = 0x2000_1000",
        "begins within ram",
    ),
    "a base within a page": (
        "ram_base = { value = 0x2000_0000",
        "ram_base = { value = 0x2000_0010",
        "multiple of 4096",
    ),
    "a place where the core's registers are": (
        "nvm_base = { value = 0x2100_0000",
        "nvm_base = { value = 0xe000_0000",
        "must end below 0xe0000000",
    ),
    "a core nobody knows": ('core = "cortex-m4"', 'core = "cortex-m55"', "cpu.core"),
    "an NVM that is the flash": (
        "ordered = true",
        "ordered = true\nis_flash = true",
        "needs nvm_base where NVM is not",
    ),
    "another family": ('family = "cortexm"', 'family = "msp430"', "the board is of family 'msp430'"),
    "a memory without a size": ("nvm_bytes = ", "# nvm_bytes = ", "needs flash_bytes, nvm_bytes and sram_bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_cpu_is_explained(name: str, tmp_path: Path) -> None:
    old, new, says = BAD[name]
    assert old in BOARD
    (tmp_path / "bad.toml").write_text(BOARD.replace(old, new))
    with pytest.raises(BadBoard, match=says):
        load_board(str(tmp_path / "bad.toml"))


def test_a_board_file_of_ones_own_gives_a_firmware(tmp_path: Path) -> None:
    text = BOARD.replace('name = "qemu_m4"', 'name = "mine"').replace("0x2100_0000", "0x6000_0000")
    (tmp_path / "mine.toml").write_text(text)
    model = ROOT / "examples" / "digits" / "digits.onnx"
    options = CompileOptions(board=str(tmp_path / "mine.toml"), samples=1)
    compile_model(model, tmp_path / "out", data="digits", options=options)
    (tmp_path / "mine.toml").unlink()
    built = build_firmware(read_output(tmp_path / "out"), tmp_path / "a.elf")
    assert built.memory.nvm_base == 0x6000_0000
