"""The manifest's sizes are those of the linker's own map, byte for byte, on every family and with every compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from freeml import CompileOptions, compile_model
from freeml.board.core import MSP430
from freeml.errors import ToolFailed
from freeml.firmware.build import Toolchain, build_firmware
from freeml.firmware.toolchain import find_msp430_gcc
from freeml.output.folder import read_output
from tests.linker_map import read_map, region_bytes
from tests.msp430.oracle import find_toolchain

find_toolchain()  # unpacks the archive into the cache folder, where there is one

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.onnx"
CASES = [
    *((board, "zig") for board in ("qemu_m0", "qemu_m4", "qemu_m33", "nucleo_l476rg", "msp430fr5994", "msp430fr5969")),
    *(
        pytest.param(
            board,
            "gcc",
            marks=pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="apt-get install gcc-arm-none-eabi"),
        )
        for board in ("qemu_m0", "qemu_m4", "nucleo_l476rg")
    ),
    pytest.param(
        "msp430fr5994",
        "gcc",
        marks=pytest.mark.skipif(find_msp430_gcc() is None, reason="no msp430-elf-gcc: FREEML_MSP430_TOOLCHAIN"),
    ),
]


@pytest.mark.parametrize(("board", "toolchain"), CASES)
def test_the_manifest_says_what_the_linker_says(board: str, toolchain: Toolchain, tmp_path: Path) -> None:
    options = CompileOptions(board=board, samples=1, toolchain=toolchain)
    compile_model(DIGITS, tmp_path / "out", data="digits", options=options)
    output = read_output(tmp_path / "out")
    built = build_firmware(output, tmp_path / "digits.elf", toolchain)
    said, memory = output.manifest.memory, built.memory
    assert output.manifest.compiler == built.compiler.version
    sections = read_map((tmp_path / "digits.map").read_text())
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


def test_a_text_that_is_no_map_is_refused() -> None:
    with pytest.raises(ToolFailed, match="no format"):
        read_map("nothing of a map")
