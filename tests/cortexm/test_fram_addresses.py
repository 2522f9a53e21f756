"""All of an SPI FRAM can be reached: networks of the other tests use its first kilobytes."""

from __future__ import annotations

import pytest

from tests.cortexm.conftest import Compiled
from tests.cortexm.test_real_boards import replaced, samples_of, started

TELLS_ADDRESSES_APART = """    extern void fml_board_fault(void);
    fml_board_start();
    for (uint8_t k = 0; k < 8; k++) {
        fml_hal_nvm_write((void *)(FML_BOARD_NVM_BASE + FML_BOARD_NVM_BYTES / 8u * k + 100u), &k, 1);
    }
    for (uint8_t k = 0; k < 8; k++) {
        uint8_t found;
        fml_hal_nvm_read(&found, (void *)(FML_BOARD_NVM_BASE + FML_BOARD_NVM_BYTES / 8u * k + 100u), 1);
        if (found != k) {
            fml_board_fault();
        }
    }"""


@pytest.mark.parametrize("board", ["nucleo_l476rg", "nrf52840_dk"])
def test_a_transfer_reaches_every_address_of_the_chip(board: str, copied: Compiled) -> None:
    """Bytes whose addresses differ in the upper bits alone are different bytes."""
    output = replaced(copied("digits", board), "main.c", "    fml_board_start();", TELLS_ADDRESSES_APART)
    _, (codes, *_), (expected, *_) = samples_of(output)
    assert started(output, board).infer(codes).outputs == expected
