"""MPY32: operands of 8 to 32 bits in all modes against integers, and the cycles until each result word is ready."""

from __future__ import annotations

import random

import pytest

from freeml.sim.msp430.chip import Msp430, StopReason
from tests.msp430.machine import HALT, boot, read_word

MPY32 = 0x4C0
STOP_WATCHDOG = "mov #0x5A80, &0x15C"
MODES = ["MPY", "MPYS", "MAC", "MACS"]
RESULTS = 0x1C00
READ_ALL = [f"mov &{MPY32 + 0x24 + 2 * k}, &{RESULTS + 2 * k}" for k in range(4)] + [
    f"mov &{MPY32 + 0x0E}, &{RESULTS + 8}",
    f"mov &{MPY32 + 0x2C}, &{RESULTS + 10}",
]


def run(lines: list[str]) -> Msp430:
    chip = boot([STOP_WATCHDOG, *lines, HALT])
    stop = chip.run()
    assert stop.reason == StopReason.CPU_OFF, stop
    return chip


def preset(value: int) -> list[str]:
    return [f"mov #={value >> 16 * k & 0xFFFF}, &{MPY32 + 0x24 + 2 * k}" for k in range(4)]


def operand(bits: int, value: int, register: int) -> list[str]:
    """Writes to a 16-bit register (its low word where the operand is longer) and the high word after it."""
    if bits == 8:
        return [f"mov.b #={value}, &{register}"]
    if bits == 16:
        return [f"mov #={value}, &{register}"]
    move = "mov.b" if bits == 24 else "mov"
    return [f"mov #={value & 0xFFFF}, &{register}", f"{move} #={value >> 16}, &{register + 2}"]


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


@pytest.mark.parametrize("bits2", [8, 16, 24, 32])
@pytest.mark.parametrize("bits1", [8, 16, 24, 32])
@pytest.mark.parametrize("mode", range(4), ids=MODES)
def test_products_of_all_operand_sizes_equal_integers(mode: int, bits1: int, bits2: int) -> None:
    rng = random.Random(mode * 100 + bits1 + bits2)
    wide = max(bits1, bits2) > 16
    for a, b in [(rng.getrandbits(bits1), rng.getrandbits(bits2)) for _ in range(4)] + [
        ((1 << bits1) - 1, (1 << bits2) - 1)
    ]:
        start = rng.getrandbits(64)
        first = MPY32 + (0x10 + 4 * mode if bits1 > 16 else 2 * mode)
        lines = preset(start) + operand(bits1, a, first) + operand(bits2, b, MPY32 + (0x20 if bits2 > 16 else 8))
        chip = run([*lines, *["nop"] * 12, *READ_ALL])
        product = signed(a, bits1) * signed(b, bits2) if mode & 1 else a * b
        bits = 64 if wide else 32
        total = product + (start % (1 << bits) if mode & 2 else 0)
        words = [read_word(chip, RESULTS + 2 * k) for k in range(6)]
        assert sum(word << 16 * k for k, word in enumerate(words[: bits // 16])) == total % (1 << bits)
        negative = total >> (bits - 1) & 1
        carry = (product % (1 << bits) + (start % (1 << bits) if mode & 2 else 0)) >> bits
        assert words[4] == [0, 0xFFFF * negative, carry, 0xFFFF * negative][mode]
        assert words[5] & 1 == [0, negative, carry, carry][mode]


def test_low_word_alone_is_a_16_bit_operand() -> None:
    chip = run([f"mov #=0x8000, &{MPY32 + 0x14}", f"mov #2, &{MPY32 + 8}", "nop", "nop", *READ_ALL])
    assert [read_word(chip, RESULTS + 2 * k) for k in range(2)] == [0x0000, 0xFFFF]


START_16 = [f"mov #3, &{MPY32}", f"mov #=0x5555, &{MPY32 + 0x0A}", f"mov #7, &{MPY32 + 8}"]
POINT = [f"mov #={MPY32 + 0x0A}, r6"]


def test_reslo_read_by_an_indirect_operand_needs_one_nop_after_op2() -> None:
    assert run([*POINT, *START_16, "mov @r6, r8"]).register(8) == 0x5555
    assert run([*POINT, *START_16, "nop", "mov @r6, r8"]).register(8) == 21


def test_reslo_read_by_an_absolute_or_indexed_operand_is_ready() -> None:
    assert run([*START_16, f"mov &{MPY32 + 0x0A}, r8"]).register(8) == 21
    assert run([*POINT, *START_16, "mov 0(r6), r8"]).register(8) == 21


# result word: cycles from the write of OP2H; the table of SLAU367P 5.2
LATENCY_32 = {"32x32": {1: (8, 5), 2: (10, 5), 3: (11, 6)}, "16x32": {1: (5, 3), 2: (6, 4), 3: (7, 4)}}


@pytest.mark.parametrize("kind", LATENCY_32)
@pytest.mark.parametrize("word", [1, 2, 3])
def test_words_of_long_products_are_stale_until_their_cycle(kind: str, word: int) -> None:
    first = [f"mov #-1, &{MPY32 + 0x10}", f"mov #-1, &{MPY32 + 0x12}"] if kind == "32x32" else [f"mov #-1, &{MPY32}"]
    point = [f"mov #={MPY32 + 0x24 + 2 * word}, r6", "mov #-1, r5", *preset(0x1111_1111_1111_1111)]
    start = [f"mov r5, &{MPY32 + 0x20}", f"mov r5, &{MPY32 + 0x22}"]  # 3 cycles from one write to the other
    after_low, after_high = LATENCY_32[kind][word]
    ready = max(after_low - 3, after_high)
    product = (2**32 - 1) * (2**32 - 1 if kind == "32x32" else 2**16 - 1)
    for nops in range(10):
        value = run([*point, *first, *start, *["nop"] * nops, "mov @r6, r8"]).register(8)
        assert value == (product >> 16 * word & 0xFFFF if nops + 2 >= ready else 0x1111), nops


def test_an_operand_written_too_early_spoils_the_result_unless_writes_are_delayed() -> None:
    lines = ["mov #7, r5", *POINT, f"mov #3, &{MPY32}", f"mov #=0x5555, &{MPY32 + 0x0A}"]
    ready = [*lines, f"mov r5, &{MPY32 + 8}", f"mov r5, &{MPY32}", "nop", "mov @r6, r8"]
    assert run(ready).register(8) == 21
    long = ["mov #1, r5", *preset(0), f"mov r5, &{MPY32 + 0x10}", f"mov r5, &{MPY32 + 0x12}"]
    op2 = [f"mov r5, &{MPY32 + 0x20}", f"mov r5, &{MPY32 + 0x22}", f"mov r5, &{MPY32}", *["nop"] * 12, *READ_ALL]
    assert [read_word(run(long + op2), RESULTS + 2 * k) for k in range(3)] == [1, 0, 0]
    held = [f"mov #=0x0100, &{MPY32 + 0x2C}"]
    assert [read_word(run(held + long + op2), RESULTS + 2 * k) for k in range(3)] == [1, 2, 1]


def test_multiplications_are_counted_in_16_bit_products() -> None:
    assert run([f"mov #3, &{MPY32}", f"mov #7, &{MPY32 + 8}", f"mov #7, &{MPY32 + 8}"]).counters().multiplications == 2
    assert run([*operand(32, 5, MPY32 + 0x10), *operand(32, 6, MPY32 + 0x20)]).counters().multiplications == 4


def test_saturation_and_fractional_mode_are_faults() -> None:
    for bit in (4, 8):
        stop = boot([STOP_WATCHDOG, f"mov #{bit}, &{MPY32 + 0x2C}", HALT]).run()
        assert stop.reason == StopReason.FAULT
        assert "saturation" in stop.text
