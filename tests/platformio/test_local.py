"""freeml's local platform: PlatformIO builds, measures, runs and tests a firmware without its registry or a network."""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from freeml import CompileOptions, compile_model
from freeml.errors import ToolMissing
from freeml.exits.deploy import ExitOptions
from freeml.firmware import pio as pio_module
from freeml.firmware.build import build_firmware, memory_map
from freeml.firmware.elf import read_firmware
from freeml.firmware.pio import Home, set_up
from freeml.output.folder import read_output
from tests.platformio.conftest import Folder, pio

EXITS = Path(__file__).resolve().parents[2] / "benchmarks" / "exits" / "models" / "digits.onnx"
ELF = Path(".pio", "build", "local", "firmware.elf")
BOARDS = ["nucleo_l476rg", "msp430fr5994"]


@dataclass(frozen=True)
class Built:
    folder: Path
    printed: str


@pytest.fixture(scope="module")
def built(compiled: Folder, home: Home, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """built(board): a folder after `pio run -t size`, which tests may build on but not change."""
    work = tmp_path_factory.mktemp("a place with blanks")

    @functools.cache
    def built_once(board: str) -> Built:
        folder = shutil.copytree(compiled(board), work / board)
        ran = pio(home, folder, "run", "-e", "local", "-t", "size")
        assert ran.code == 0, ran.out
        return Built(folder, ran.out)

    return built_once


@pytest.mark.parametrize("board", BOARDS)
def test_pio_run_gives_the_firmware_of_freeml_build(board: str, built: Callable[[str], Built], tmp_path: Path) -> None:
    output = read_output(built(board).folder)
    expected = build_firmware(output, tmp_path / "a.elf").firmware
    found = read_firmware(output.folder / ELF, memory_map(output))
    # PlatformIO links objects in another order: what it pads between them differs, nothing else.
    assert abs(found.size.text_bytes - expected.size.text_bytes) < 4 * 20
    assert replace(found.size, text_bytes=0) == replace(expected.size, text_bytes=0)
    assert {name: n for name, (_, n) in found.symbols.items()} == {name: n for name, (_, n) in expected.symbols.items()}


@pytest.mark.parametrize("board", BOARDS)
def test_the_size_target_tells_the_bytes_of_each_memory(board: str, built: Callable[[str], Built], home: Home) -> None:
    folder, printed = built(board).folder, built(board).printed
    memory = memory_map(read_output(folder))
    flash_bytes = memory.flash_bytes + memory.far_bytes
    size = read_firmware(folder / ELF, memory).size
    assert f"flash {size.flash_bytes:9} of {flash_bytes} bytes" in printed
    assert f"ram   {size.ram_bytes:9} of {memory.ram_bytes} bytes" in printed
    assert f"nvm   {size.nvm_bytes:9} of {memory.nvm_bytes} bytes" in printed
    checked = pio(home, folder, "run", "-e", "local").out
    assert "Compiling" not in checked
    assert "Linking" not in checked
    assert f"used {size.flash_bytes} bytes from {flash_bytes} bytes" in checked
    assert f"used {size.ram_bytes} bytes from {memory.ram_bytes} bytes" in checked


@pytest.mark.parametrize("board", BOARDS)
def test_the_upload_target_runs_the_firmware_on_the_emulated_board(
    board: str, built: Callable[[str], Built], home: Home
) -> None:
    ran = pio(home, built(board).folder, "run", "-e", "local", "-t", "upload")
    assert ran.code == 0, ran.out
    found = re.findall(r"^sample (\d): outputs (?:-?\d+ ){5}\.\.\.: right; [\d,]+ instructions", ran.out, re.MULTILINE)
    assert found == ["0", "1", "2"]


def test_a_changed_source_alone_is_compiled_again(copied: Folder, home: Home) -> None:
    folder = copied("qemu_m4")
    assert pio(home, folder, "run").out.count("Compiling") > 10
    before = (folder / ELF).read_bytes()
    main = folder / "firmware" / "main.c"
    main.write_text(main.read_text() + "\n/* changed */\n")
    again = pio(home, folder, "run").out
    assert re.findall(r"Compiling \S+", again) == ["Compiling .pio/build/local/src/firmware/main.o"]
    assert (folder / ELF).read_bytes() == before


def test_the_upload_target_fails_where_an_answer_is_wrong(copied: Folder, home: Home) -> None:
    folder = copied("qemu_m4")
    main = folder / "firmware" / "main.c"
    assert main.read_text().count("        fml_board_shown =") == 1
    main.write_text(main.read_text().replace("fml_board_shown =", "outputs[0][0] ^= 1;\n        fml_board_shown ="))
    ran = pio(home, folder, "run", "-e", "local", "-t", "upload")
    assert ran.code == 1
    assert "not what the interpreter says" in ran.out


@pytest.mark.parametrize("board", ["qemu_m0", *BOARDS])
def test_pio_test_runs_the_self_test_on_the_emulated_board(board: str, copied: Folder, home: Home) -> None:
    folder = copied(board)
    ran = pio(home, folder, "test", "-e", "local", "--junit-output-path", "j.xml")
    assert ran.code == 0, ran.out
    assert re.findall(r"^sample (\d): PASS", ran.out, re.MULTILINE) == [str(k) for k in range(8)]
    assert "8 test cases: 8 succeeded" in ran.out
    suites = ElementTree.parse(folder / "j.xml").getroot()
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("8", "0", "0")
    symbols = read_firmware(folder / ELF, memory_map(read_output(folder))).symbols
    assert symbols["fml_selftest_inputs"][1] == 8 * 64
    assert symbols["fml_selftest_outputs"][1] == 8 * 10


def test_pio_test_knows_what_each_exit_says(home: Home, tmp_path: Path) -> None:
    """An answer that ends at an exit has a class and no outputs; random samples end at both depths."""
    exits = ExitOptions("outputs", policy="global:0.95")
    options = CompileOptions(board="qemu_m4", samples=1, exits=exits)
    compile_model(EXITS, tmp_path / "out", data="digits", options=options)
    graph, source = read_output(tmp_path / "out").graph, tmp_path / "out" / "test" / "test_selftest" / "selftest.c"
    assert len(graph.exits) == 1
    ran = pio(home, tmp_path / "out", "test", "-e", "local")
    assert ran.code == 0, ran.out
    assert "8 test cases: 8 succeeded" in ran.out
    head, classes = source.read_text().split("classes[SAMPLES][1] = {", 1)
    rows, rest = classes.split("};", 1)
    wrong = re.sub(r"\d+", lambda found: str(int(found[0]) + 1), rows)
    source.write_text(head + "classes[SAMPLES][1] = {" + wrong + "};" + rest)
    ran = pio(home, tmp_path / "out", "test", "-e", "local")
    assert ran.code == 1, ran.out
    assert "reported status -120" in ran.out


def test_the_self_test_is_in_no_firmware_but_its_own(built: Callable[[str], Built]) -> None:
    for board in BOARDS:
        memory = memory_map(read_output(built(board).folder))
        assert not [name for name in read_firmware(built(board).folder / ELF, memory).symbols if "selftest" in name]


def test_pio_test_fails_at_the_sample_whose_answer_differs(copied: Folder, home: Home) -> None:
    folder = copied("qemu_m4")
    source = folder / "test" / "test_selftest" / "selftest.c"
    head, answers = source.read_text().split("fml_selftest_outputs[SAMPLES][OUTPUT_BYTES] = {")
    rows = answers.split("\n")
    rows[3] = re.sub(r"-?\d+ }", lambda found: f"{int(found[0][:-2]) ^ 1} }}", rows[3])
    source.write_text(head + "fml_selftest_outputs[SAMPLES][OUTPUT_BYTES] = {" + "\n".join(rows))
    ran = pio(home, folder, "test", "-e", "local")
    assert ran.code == 1, ran.out
    verdicts = dict(re.findall(r"^sample (\d): (PASS|FAIL|SKIP)", ran.out, re.MULTILINE))
    assert list(verdicts.values()) == ["PASS", "PASS", "FAIL", *["SKIP"] * 5]
    assert "reported status -120" in ran.out


def test_a_home_is_made_once_and_repaired_when_the_platform_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = set_up(tmp_path / "core")
    link = next((home.core / "platforms").glob("*.pio-link"))
    monkeypatch.setattr(pio_module, "run_pio", None)  # nothing is left to do
    assert set_up(tmp_path / "core") == home
    monkeypatch.undo()
    found = json.loads(link.read_text())
    found["spec"]["uri"] = "symlink:///where/it/was"
    link.write_text(json.dumps(found))
    assert set_up(tmp_path / "core") == home
    assert json.loads(link.read_text())["spec"]["uri"] == f"symlink://{home.platform}"


def test_nothing_is_left_in_the_platform_or_the_users_own_platformio(built: Callable[[str], Built], home: Home) -> None:
    platform = {path.name for path in home.platform.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert built(BOARDS[0]).printed
    assert platform == {"platform.json", "platform.py", "main.py", "emulate.py"}
    assert {path.name for path in (home.core / "packages").iterdir()} == {"tool-scons"}


def test_another_version_of_scons_is_refused_with_the_one_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pio_module, "_scons_version", lambda: ("4.50203.0", "5.2.3"))
    with pytest.raises(ToolMissing, match=r"works with scons 5\.2\.3, found scons 4") as caught:
        set_up(tmp_path / "core")
    assert caught.value.hint == "pip install scons==5.2.3"
