"""What is in an MSP430 folder, what compilers and linkers make of it, and what is said where it does not fit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

import freeml.firmware.build as build_module
import freeml.firmware.toolchain as toolchain_module
from freeml import CompileOptions, compile_model
from freeml.board.board import load_board
from freeml.errors import DoesNotFit, ToolFailed, ToolMissing
from freeml.firmware.build import build_firmware, find_cross_compiler, memory_map
from freeml.firmware.elf import read_segments
from freeml.output.folder import read_output
from freeml.plan.protocol import ARENA
from freeml.sim.check import random_dataset, verify_output
from tests.cli.runner import freeml
from tests.linker_map import MapSection, read_map, region_bytes
from tests.msp430_firmware.conftest import MIDDLE, TOOLCHAINS, WIDE, Compiled
from tests.msp430_firmware.networks import calibration, dense_network

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(
    ("network", "board"), [("digits", "msp430fr5994"), (WIDE, "msp430fr5994"), (MIDDLE, "msp430fr5969")]
)
def test_the_size_report_equals_the_sections_of_the_file(
    network: str | tuple[int, ...], board: str, toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    output = compiled(network, board)
    size = build_firmware(output, tmp_path / "a.elf", toolchain).firmware.size  # type: ignore[arg-type]
    with (tmp_path / "a.elf").open("rb") as file:
        elf = ELFFile(file)
        sections = {s.name: int(s["sh_size"]) for s in elf.iter_sections() if s["sh_flags"] & 2 and s["sh_size"]}
        loaded = sum(int(s["p_filesz"]) for s in elf.iter_segments() if s["p_type"] == "PT_LOAD")
    assert size.far_bytes == sections.pop(".far")
    assert size.nvm_bytes == sections.pop(".nvm")
    assert size.nvm_bytes - (ARENA + output.manifest.memory.arena_bytes) in range(4)
    assert size.text_bytes == sum(sections.pop(name, 0) for name in (".text", ".near", ".sig", ".reset"))
    assert size.data_bytes == sections.pop(".data", 0)
    assert size.bss_bytes == sections.pop(".bss", 0) + sections.pop(".noinit")
    assert not sections
    assert size.flash_bytes == loaded


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_the_linkers_map_has_the_sections_of_the_file(toolchain: str, compiled: Compiled, tmp_path: Path) -> None:
    firmware = build_firmware(compiled(MIDDLE, "msp430fr5969"), tmp_path / "a.elf", toolchain)  # type: ignore[arg-type]
    with (tmp_path / "a.elf").open("rb") as file:
        sections = {
            s.name: MapSection(int(s["sh_addr"]), int(s["sh_size"]))
            for s in ELFFile(file).iter_sections()
            if s["sh_flags"] & 2 and s["sh_size"]
        }
    text = (tmp_path / "a.map").read_text()
    listed = read_map(text)
    assert {name: listed[name] for name in sections} == sections
    assert "fml_nvm.o" in text
    assert str(Path.home()) not in text
    taken = region_bytes(listed, firmware.memory)
    size = firmware.firmware.size
    assert taken["far"] == size.far_bytes == 600
    assert taken["flash"] == size.text_bytes - 18 + size.nvm_bytes  # 18: signatures and reset vector


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_what_is_flashed_lies_in_fram_and_leaves_the_signatures_blank(
    toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    output = compiled(MIDDLE, "msp430fr5969")
    firmware = build_firmware(output, tmp_path / "a.elf", toolchain).firmware  # type: ignore[arg-type]
    image = {address + k: byte for address, data in firmware.segments for k, byte in enumerate(data)}
    assert read_segments(tmp_path / "a.elf", "EM_MSP430") == firmware.segments
    assert all(0x4400 <= address < 0x13FF6 for address in image)
    assert all(image[address] == 0xFF for address in range(0xFF80, 0xFF90))
    assert not set(range(0xFF90, 0xFFFE)) & set(image)
    assert image[0xFFFE] | image[0xFFFF] << 8 == firmware.symbols["fml_reset"][0]
    nvm = range(firmware.symbols["fml_nvm_start"][0], firmware.symbols["fml_nvm_end"][0])
    assert nvm.start % 4 == 0
    assert not set(nvm) & set(image)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(
    ("network", "board", "near", "far"),
    [("digits", "msp430fr5994", 0, 1864), (WIDE, "msp430fr5994", 0, 76_224), (MIDDLE, "msp430fr5969", 24_000, 600)],
)
def test_weights_follow_one_another_from_the_beginning_of_far_memory_then_in_near(
    network: str | tuple[int, ...],
    board: str,
    near: int,
    far: int,
    toolchain: str,
    compiled: Compiled,
    tmp_path: Path,
) -> None:
    """In the ELF: each descriptor begins with the address of its table, and the table's numbers are there."""
    output = compiled(network, board)
    memory = load_board(board).memory_map
    assert memory is not None
    firmware = build_firmware(output, tmp_path / "a.elf", toolchain).firmware  # type: ignore[arg-type]
    image = {address + k: byte for address, data in firmware.segments for k, byte in enumerate(data)}
    with (tmp_path / "a.elf").open("rb") as file:
        symtab = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(symtab, SymbolTableSection)
        at = {symbol.name: int(symbol["st_value"]) for symbol in symtab.iter_symbols() if symbol.name}
    name = output.graph.name
    text = (output.folder / f"{name}_weights.h").read_text()
    begun = r"FML_WEIGHTS_BEGIN\((\w+), (\d+)\)(.*?)FML_WEIGHTS_END"
    sizes, numbers = {}, {}
    for table, n, inside in re.findall(begun, text, re.DOTALL):
        sizes[table] = int(n)
        slices = re.findall(r"FML_WEIGHTS_SLICE\(\w+, \w+, \d+, (\d+)\)(.*?)FML_WEIGHTS_SLICE_END", inside, re.DOTALL)
        assert all(int(n) <= 32_000 for n, _ in slices)
        numbers[table] = [int(code) & 0xFF for _, codes in slices for code in re.findall(r"-?\d+", codes)]
    described = re.findall(r"FML_WITH_WEIGHTS\(\w+, (\w+), \.\w+, (\w+)\)", (output.folder / f"{name}.c").read_text())
    tables: dict[str, int] = {}
    for descriptor, table in described:
        address = sum(image[at[descriptor] + k] << 8 * k for k in range(4))
        assert tables.setdefault(table, address) == address
        assert [image[address + k] for k in range(sizes[table])] == numbers[table]
    assert tables.keys() == sizes.keys()
    spans = sorted((address, address + sizes[table] + sizes[table] % 2) for table, address in tables.items())
    beyond = [span for span in spans if span[0] >= memory.far_base]
    below = [span for span in spans if span[0] < memory.far_base]
    assert sum(end - begin for begin, end in beyond) == far
    assert sum(end - begin for begin, end in below) == near
    assert all(end - begin > memory.far_bytes - far for begin, end in below), "there was room beyond"
    assert [begin for begin, _ in beyond] == [memory.far_base, *(end for _, end in beyond)][: len(beyond)]
    assert beyond[-1][1] <= memory.far_base + memory.far_bytes
    if below:  # behind what runs first
        assert [begin for begin, _ in below[1:]] == [end for _, end in below[:-1]]
        assert memory.flash_base <= below[0][0]
        assert below[-1][1] <= memory.flash_base + memory.flash_bytes


def test_a_folder_for_an_msp430_still_runs_on_this_machine(compiled: Compiled) -> None:
    for network in ("digits", WIDE):
        output = compiled(network)
        assert verify_output(output, random_dataset(output.graph, 5)).mismatches == 0


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_the_same_folder_gives_the_same_bytes_wherever_it_lies(
    toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    folder = compiled("digits").folder
    made = []
    for place in (tmp_path / "one", tmp_path / "another" / "place"):
        output = read_output(shutil.copytree(folder, place))
        elf = place / "build" / "digits.elf"
        build_firmware(output, elf, toolchain)  # type: ignore[arg-type]
        made.append((elf.read_bytes(), elf.with_suffix(".map").read_bytes()))
    assert made[0] == made[1]
    for path in (tmp_path, folder, ROOT, Path.home()):
        assert str(path).encode() not in made[0][0] + made[0][1]


def test_weights_that_no_board_memory_holds_are_refused_with_figures(tmp_path: Path) -> None:
    model = dense_network(tmp_path / "huge.onnx", 1000, 400, 10)
    data = str(calibration(tmp_path / "huge.npz", 1000))
    with pytest.raises(DoesNotFit, match=r"404,000 bytes.* need 408,\d+ bytes, the board has 262,006") as caught:
        compile_model(model, tmp_path / "out", data=data, options=CompileOptions(board="msp430fr5994"))
    assert (caught.value.region, caught.value.available) == ("far", 262_006)
    assert not (tmp_path / "out").exists()


def test_constants_that_near_memory_does_not_hold_are_refused_with_figures(tmp_path: Path) -> None:
    """Seven bytes for each of 9,000 units, and what they give: all near."""
    model = dense_network(tmp_path / "flat.onnx", 8, 9_000, 4)
    data = str(calibration(tmp_path / "flat.npz", 8))
    with pytest.raises(DoesNotFit, match=r"need 72,\d+ bytes of near memory, the board has 49,024") as caught:
        compile_model(model, tmp_path / "out", data=data, options=CompileOptions(board="msp430fr5994"))
    assert (caught.value.region, caught.value.available) == ("near", 49_024)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(("region", "name"), [("FRAM", "near"), ("RAM", "sram")])
def test_a_memory_that_is_too_small_for_the_firmware_is_named_with_what_it_needs(
    region: str, name: str, toolchain: str, copied: Compiled, tmp_path: Path
) -> None:
    output = copied("digits")
    fits = build_firmware(output, tmp_path / "fits.elf", toolchain).firmware.size  # type: ignore[arg-type]
    memory = memory_map(output)
    used = {
        "near": fits.text_bytes - 18 + fits.data_bytes + fits.nvm_bytes,
        "sram": fits.ram_bytes + memory.stack_bytes,
    }
    script = output.folder / "firmware" / "link.ld"
    lacking = 300
    limit = {"near": memory.flash_bytes, "sram": memory.ram_bytes}[name]
    length = used[name] - lacking - (memory.stack_bytes if name == "sram" else 0)
    script.write_text(re.sub(rf"(?m)^(    {region} .*LENGTH = )\d+", rf"\g<1>{length}", script.read_text()))
    with pytest.raises(DoesNotFit) as caught:
        build_firmware(output, tmp_path / "a.elf", toolchain)  # type: ignore[arg-type]
    assert (caught.value.region, caught.value.available) == (name, limit)
    assert caught.value.needed - limit in range(lacking - 4, lacking + 5)
    assert not (tmp_path / "a.elf").exists()


def test_what_the_compiler_objects_to_is_told(copied: Compiled, tmp_path: Path) -> None:
    output = copied("digits")
    main = output.folder / "firmware" / "main.c"
    main.write_text(main.read_text().replace("fml_ram_t ram;", "fml_ram_t ram"))
    with pytest.raises(ToolFailed, match=r"could not build a\.elf: .*error"):
        build_firmware(output, tmp_path / "a.elf")


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory = load_board("msp430fr5994").memory_map
    monkeypatch.setattr(build_module, "find_zig", lambda: None)
    monkeypatch.setenv("FREEML_MSP430_TOOLCHAIN", str(tmp_path))
    with pytest.raises(ToolMissing, match="no msp430-elf-gcc found"):
        find_cross_compiler("gcc", memory)
    with pytest.raises(ToolMissing, match="no compiler for MSP430 found"):
        find_cross_compiler("auto", memory)


def test_gcc_is_looked_for_in_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FREEML_MSP430_TOOLCHAIN", raising=False)
    monkeypatch.setenv("FREEML_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert toolchain_module.find_msp430_gcc() is None
    program = tmp_path / "msp430-elf-toolchain" / "bin" / "msp430-elf-gcc"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'msp430-elf-gcc (GCC) 99'\n")
    program.chmod(0o755)
    found = toolchain_module.find_msp430_gcc()
    assert found is not None
    assert (found.kind, found.version) == ("gcc", "msp430-elf-gcc (GCC) 99")


def test_the_commands_build_and_run_it(copied: Compiled) -> None:
    out = copied(WIDE).folder
    name = json.loads((out / "freeml.json").read_text())["name"]
    ran = freeml("build", out, "--json")
    assert ran.code == 0, ran
    found = ran.json
    assert Path(found["elf"]) == out / "build" / f"{name}.elf"
    assert found["far_bytes"] == 76_224
    assert found["code_bytes"] + found["weights_bytes"] == found["text_bytes"] + found["far_bytes"]
    assert read_map((out / "build" / f"{name}.map").read_text())[".far"].n_bytes == 76_224
    assert freeml("build", out).code == 0
    ran = freeml("verify", out, "--engine", "board", "--samples", 3, "--json")
    assert ran.code == 0, ran
    assert (ran.json["mismatches"], ran.json["core"]) == (0, "msp430x")
    # By hand (fml_rows_mpy): two mov of 4 cycles a product; dec and jnz, 3, for eight of them: 98 and 12 times a row.
    products = 8 * 76_224 + 3 * (96 * 98 + 10 * 12)
    assert products < ran.json["cycles"] <= ran.json["cycles_max"] < 1.15 * products
    assert ran.json["charge_nc"] == pytest.approx(ran.json["cycles"] * 0.1, rel=0.3)
    assert "one inference on a msp430x" in freeml("verify", out, "--engine", "board", "--samples", 2).out
