"""Set-up shared by the DMA tests: instructions that prepare a channel, and a device that runs them."""

from __future__ import annotations

from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Counters, Limits, StopReason
from tests.msp430.assembler import program
from tests.msp430.machine import DATA, HALT, boot, read_word, write_words

STOP_WATCHDOG = "mov #0x5A80, &0x15C"
TARGET = 0x2000
HANDLER = 0x9000
REQ, ABORT, IE, IFG, EN, LEVEL, SRC_BYTE, DST_BYTE = 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80
SRC_DOWN, SRC_UP, DST_DOWN, DST_UP = 0x200, 0x300, 0x800, 0xC00
SINGLE, BLOCK, BURST, REPEATED = 0, 0x1000, 0x2000, 0x4000
BOTH_UP = SRC_UP | DST_UP
TA0CCR0, TA0CCR2, UCA0RX, UCA0TX, ADC12, MPY, CHAIN, EXTERNAL = 1, 2, 14, 15, 26, 29, 30, 31
TIMER_EACH_100 = ["mov #99, &0x352", "mov #0x0214, &0x340"]


def at(channel: int, register: int = 0) -> int:
    return 0x510 + 16 * channel + register


def set_up(
    control: int, size: int, *, channel: int = 0, source: int = DATA, target: int = TARGET, trigger: int = 0
) -> list[str]:
    """Instructions up to DMAEN."""
    return [
        f"mov.b #={trigger}, &{0x500 + channel:#x}",
        f"mova #{source:#x}, r5",
        f"mova r5, &{at(channel, 2):#x}",
        f"mova #{target:#x}, r5",
        f"mova r5, &{at(channel, 6):#x}",
        f"mov #={size}, &{at(channel, 10):#x}",
        f"mov #={control | EN}, &{at(channel):#x}",
    ]


def request(channel: int = 0) -> str:
    return f"bis #1, &{at(channel):#x}"


def machine(
    lines: list[str], *, part: str = "fr5994", handler: list[str] | None = None, vector: int = 0xFFE4
) -> Msp430:
    """The program after the watchdog is held; words 1, 2, 3, ... at DATA and zeros at TARGET."""
    chip = boot([STOP_WATCHDOG, *lines, HALT], part=part, at=0x4400)
    write_words(chip, DATA, list(range(1, 65)))
    write_words(chip, TARGET, [0] * 64)
    chip.write_memory(HANDLER, program(handler or ["reti"], HANDLER))
    write_words(chip, vector, [HANDLER])
    chip.set_register(9, 0)
    return chip


def words(chip: Msp430, n: int, address: int = TARGET) -> list[int]:
    return [read_word(chip, address + 2 * i) for i in range(n)]


def run_to(chip: Msp430, instructions: int) -> Counters:
    assert chip.run(Limits(instructions=instructions)).reason == StopReason.INSTRUCTIONS
    return chip.counters()
