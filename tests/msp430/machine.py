"""Set-up shared by the emulator's tests: a device with a few instructions at 0x4000 and known registers."""

from __future__ import annotations

from collections.abc import Mapping

from freeml.board.board import load_board
from freeml.sim.msp430.charge import charge_of
from freeml.sim.msp430.chip import Msp430
from tests.msp430.assembler import program

_CHARGE = charge_of(load_board("msp430fr5994"))
assert _CHARGE is not None
MEASURED_FR5994 = _CHARGE.per_event

START = 0x4000
DATA = 0x1C80  # in SRAM
STACK = 0x2400
HALT = "bis #0xF0, sr"
ONE_WAIT_16_MHZ = ["mov #0xA510, &0x140", "mov #0xA500, &0x160", "mov #0x48, &0x162", "mov #0, &0x166"]


def write_words(chip: Msp430, address: int, words: list[int]) -> None:
    chip.write_memory(address, b"".join(word.to_bytes(2, "little") for word in words))


def read_word(chip: Msp430, address: int) -> int:
    return int.from_bytes(chip.read_memory(address, 2), "little")


def boot(lines: list[str] | bytes, *, part: str = "fr5994", at: int = START, seed: int = 1) -> Msp430:
    """A device in which the program is the reset routine; SP is set, the rest is garbage."""
    chip = Msp430(part)  # type: ignore[arg-type]
    chip.write_memory(at, lines if isinstance(lines, bytes) else program(lines, at))
    write_words(chip, 0xFFFE, [at & 0xFFFF])
    chip.reset(seed)
    chip.set_register(0, at)
    chip.set_register(1, STACK)
    return chip


def set_registers(chip: Msp430, values: Mapping[str, int]) -> None:
    names = {"pc": 0, "sp": 1, "sr": 2}
    for name, value in values.items():
        chip.set_register(names[name] if name in names else int(name[1:]), value)
