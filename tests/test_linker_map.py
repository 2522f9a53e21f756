"""The manifest's sizes are those of the linker's own map, byte for byte, on every family and with every compiler."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from freeml import CompileOptions, compile_model
from freeml.board.core import MSP430
from freeml.errors import BadOutput, ToolFailed
from freeml.firmware.build import Build, build_firmware
from freeml.firmware.stored import account
from freeml.firmware.toolchain import find_msp430_gcc
from freeml.output.folder import Output, read_output
from tests.linker_map import read_arrays, read_map, region_bytes
from tests.msp430.oracle import find_toolchain

find_toolchain()  # unpacks the archive into the cache folder, where there is one

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.onnx"
CASES = [
    *((board, "zig") for board in ("qemu_m0", "qemu_m4", "qemu_m33", "nucleo_l476rg", "msp430fr5994", "msp430fr5969")),
    *(
        pytest.param(
            (board, "gcc"),
            marks=pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="apt-get install gcc-arm-none-eabi"),
        )
        for board in ("qemu_m0", "qemu_m4", "nucleo_l476rg")
    ),
    pytest.param(
        ("msp430fr5994", "gcc"),
        marks=pytest.mark.skipif(find_msp430_gcc() is None, reason="no msp430-elf-gcc: FREEML_MSP430_TOOLCHAIN"),
    ),
]


@dataclass(frozen=True)
class Linked:
    """A compiled folder, its firmware, and the linker's map."""

    output: Output
    built: Build
    map_text: str


@pytest.fixture(scope="module", params=CASES)
def linked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Linked:
    board, toolchain = request.param
    folder = tmp_path_factory.mktemp("linked")
    options = CompileOptions(board=board, samples=1, toolchain=toolchain)
    compile_model(DIGITS, folder / "out", data="digits", options=options)
    output = read_output(folder / "out")
    built = build_firmware(output, folder / "digits.elf", toolchain)
    return Linked(output, built, (folder / "digits.map").read_text())


def test_the_manifest_says_what_the_linker_says(linked: Linked) -> None:
    said, memory = linked.output.manifest.memory, linked.built.memory
    assert linked.output.manifest.compiler == linked.built.compiler.version
    sections = read_map(linked.map_text)
    taken = dict(region_bytes(sections, memory))
    data = sum(s.n_bytes for name, s in sections.items() if name.startswith(".data"))
    nvm = sections[".nvm"].n_bytes
    flash = taken["flash"] + data + taken.get("far", 0)
    if memory.family is MSP430:
        # Near FRAM holds the NVM image as well; signatures and vectors lie behind what may be used.
        last = memory.flash_base + memory.flash_bytes
        flash += sum(s.n_bytes for s in sections.values() if last <= s.address < 0x10000) - nvm
    assert said.flash_bytes == flash
    assert said.nvm_bytes == nvm
    assert said.sram_bytes == taken["ram"] + said.stack_bytes
    assert said.code_bytes == flash - said.weights_bytes


def test_stored_bytes_and_tables_are_the_arrays_of_the_map(linked: Linked) -> None:
    """Scales are 3 bytes and biases 4 of each of 34 channels."""
    found = account(linked.built.firmware.path, "digits")
    arrays = {name: size for name, size in read_arrays(linked.map_text).items() if name.startswith("digits_")}
    by_word: dict[str, int] = {}
    for name, size in arrays.items():
        word = re.sub(r"_\d+$", "", name).rsplit("_", 1)[-1]
        by_word[word] = by_word.get(word, 0) + size
    assert found.stored.weights == by_word["weight"] >= 8 * 9 + 16 * 72 + 640
    assert found.stored.scales == by_word["mult"] + by_word["shift"] == 3 * 34
    assert found.stored.biases == by_word["bias"] == 4 * 34
    assert (found.stored.indices, found.stored.codebooks, found.stored.restart, found.decoder_bytes) == (0, 0, 0, 0)
    code = by_word["compute"]
    words = (
        4 * 3 if linked.built.memory.family is MSP430 else 0
    )  # addresses of weights, which have no name of their own
    if any(name == "digits_conv1" and size > 0 for name, size in arrays.items()):
        words = 0  # GNU's map has them with their descriptors
    assert found.stored.total + found.table_bytes == sum(arrays.values()) - code + words


def test_a_network_that_a_firmware_does_not_have_is_refused(linked: Linked, tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="no symbols"):
        account(linked.built.firmware.path, "digit")
    (tmp_path / "text.elf").write_text("nothing of an ELF")
    with pytest.raises(BadOutput, match="not an ELF"):
        account(tmp_path / "text.elf", "digits")


def test_a_text_that_is_no_map_is_refused() -> None:
    with pytest.raises(ToolFailed, match="no format"):
        read_map("nothing of a map")
