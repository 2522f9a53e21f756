"""Interrupts have the numbers of TI's headers, which the parts count from different addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeml.board.board import load_board
from freeml.firmware.build import build_firmware
from tests.msp430_firmware.conftest import TOOLCHAINS, Compiled

# Number and address, as the comment beside it has it: msp430fr5994.h and msp430fr5969.h, lowest and highest included.
HEADERS = {
    "msp430fr5994": {"LEA": (18, 0xFFB4), "DMA": (42, 0xFFE4), "EUSCI_A0": (48, 0xFFF0), "WDT": (49, 0xFFF2)},
    "msp430fr5969": {"AES256": (31, 0xFFCC), "DMA": (43, 0xFFE4), "USCI_A0": (49, 0xFFF0), "WDT": (50, 0xFFF2)},
}
SYSTEM_NMI = {"msp430fr5994": 54, "msp430fr5969": 55}


@pytest.mark.parametrize("board", HEADERS)
def test_numbers_are_those_of_the_header_of_the_part(board: str) -> None:
    memory = load_board(board).memory_map
    assert memory is not None
    for number, address in HEADERS[board].values():
        assert memory.vector(number) == address
    assert memory.vector(memory.interrupts[0]) == 0xFF90
    assert memory.interrupts[-1] == SYSTEM_NMI[board]
    assert memory.vector(SYSTEM_NMI[board]) == 0xFFFC


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("board", HEADERS)
def test_a_handler_of_the_watchdog_timer_stands_in_its_vector(
    board: str, toolchain: str, copied: Compiled, tmp_path: Path
) -> None:
    output = copied((6, 5, 3), board)
    number, address = HEADERS[board]["WDT"]
    main = output.folder / "firmware" / "main.c"
    main.write_text(
        main.read_text() + '\n#include "fml_interrupt_msp430.h"\n'
        f"FML_INTERRUPT({number}, fml_test_tick);\nvoid fml_test_tick(void) {{\n}}\n"
    )
    firmware = build_firmware(output, tmp_path / "a.elf", toolchain).firmware  # type: ignore[arg-type]
    image = {at + k: byte for at, data in firmware.segments for k, byte in enumerate(data)}
    assert image[address] | image[address + 1] << 8 == firmware.symbols["fml_interrupt_fml_test_tick"][0]
    assert not set(range(0xFF90, 0xFFFE)) & set(image) - {address, address + 1}
