"""Timer_A0 beyond its period, and ADC12_B's vector: SLAU367P sections 25.2.4, 25.2.6 and 34.2.14."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import StopReason
from tests.msp430.assembler import program
from tests.msp430.machine import HALT, boot, read_word, write_words

STOP_WATCHDOG = "mov #0x5A80, &0x15C"
HANDLER = 0x9000
CONTINUOUS, UP = 0x0224, 0x0214
CAPTURE, SYNCHRONOUS, BOTH_EDGES, RISING, FALLING, GND, VCC = 0x100, 0x800, 0xC000, 0x4000, 0x8000, 0x2000, 0x3000
IFG, OVERFLOW, INPUT, IE = 1, 2, 8, 0x10


def machine(*lines: str, handler: list[str] | None = None, vector: int = 0xFFE8) -> Msp430:
    chip = boot([STOP_WATCHDOG, *lines, HALT])
    chip.write_memory(HANDLER, program(handler or ["reti"], HANDLER))
    write_words(chip, vector, [HANDLER])
    for register in (8, 9, 10):
        chip.set_register(register, 0)
    return chip


def test_the_guide_s_software_capture_copies_the_counter() -> None:
    set_up = [f"mov #={CAPTURE | SYNCHRONOUS | GND | BOTH_EDGES}, &0x344", f"mov #={CONTINUOUS}, &0x340"]
    chip = machine(*set_up, *["nop"] * 20, "xor #0x1000, &0x344", "mov &0x354, r8", "mov &0x350, r9", "mov &0x344, r10")
    chip.run()
    assert 20 <= chip.register(8) < chip.register(9) < 35
    assert chip.register(10) & (IFG | OVERFLOW | INPUT) == IFG | INPUT


@pytest.mark.parametrize(("edges", "captured"), [(0, []), (RISING, [1]), (FALLING, [2]), (BOTH_EDGES, [1, 2])])
def test_only_the_chosen_edges_capture(edges: int, captured: list[int]) -> None:
    lines = [f"mov #={CAPTURE | GND | edges}, &0x346"]
    lines += ["mov #1, &0x350", "xor #0x1000, &0x346", "mov &0x356, r8", "mov #2, &0x350", "xor #0x1000, &0x346"]
    chip = machine(*lines, "mov &0x356, r9")
    chip.run()
    assert [chip.register(r) for r in (8, 9)] == [1 if 1 in captured else 0, captured[-1] if captured else 0]
    assert bool(read_word(chip, 0x346) & IFG) == bool(captured)


def test_a_capture_before_the_last_was_read_sets_cov() -> None:
    toggle = "xor #0x1000, &0x344"
    set_up = f"mov #={CAPTURE | GND | BOTH_EDGES}, &0x344"
    for lines, overflow in [([toggle, toggle], OVERFLOW), ([toggle, "mov &0x354, r8", toggle], 0)]:
        chip = machine(set_up, *lines)
        chip.run()
        assert read_word(chip, 0x344) & OVERFLOW == overflow


def test_entering_capture_mode_captures_nothing_and_pins_are_a_fault() -> None:
    chip = machine(f"mov #={GND}, &0x344", f"mov #={CAPTURE | VCC | BOTH_EDGES}, &0x344")
    chip.run()
    assert read_word(chip, 0x344) & (IFG | INPUT) == INPUT
    stop = machine(f"mov #={CAPTURE | BOTH_EDGES}, &0x344").run()
    assert (stop.reason, stop.text.endswith("0x00344")) == (StopReason.FAULT, True)


def test_a_capture_interrupts_and_ta0iv_names_its_register() -> None:
    handler = ["add &0x36E, r9", "reti"]
    lines = [f"mov #={CAPTURE | GND | BOTH_EDGES | IE}, &0x346", "eint", "xor #0x1000, &0x346", "nop", "nop"]
    chip = machine(*lines, handler=handler)
    chip.run()
    assert (chip.register(9), chip.counters().interrupts) == (4, 1)


def test_three_compare_registers_give_their_intervals_in_continuous_mode() -> None:
    handler = ["mov &0x36E, r6", "mov &0x350, 0(r7)", "add #2, r7", "add r6, r9", "reti"]
    lines = ["mov #60, &0x354", "mov #120, &0x356", "mov #0x10, &0x344", "mov #0x10, &0x346", "mov #0x1C80, r7", "eint"]
    chip = machine(*lines, f"mov #={CONTINUOUS}, &0x340", *["nop"] * 160, handler=handler)
    chip.run()
    assert chip.register(9) == 2 + 4
    first, second = (read_word(chip, a) for a in (0x1C80, 0x1C82))
    assert 60 < first < 80
    assert second - first == pytest.approx(60, abs=2)


def test_in_up_mode_a_compare_value_beyond_ccr0_is_never_reached_and_0_is_with_the_overflow() -> None:
    lines = ["mov #50, &0x352", "mov #51, &0x354", f"mov #={UP}, &0x340", *["nop"] * 70]
    chip = machine(*lines)
    chip.run()
    assert [read_word(chip, a) & IFG for a in (0x342, 0x344, 0x346, 0x340)] == [1, 0, 1, 1]


def test_any_access_of_ta0iv_resets_the_highest_enabled_flag() -> None:
    flags = ["mov #0x11, &0x344", "mov #0x11, &0x346", "mov #3, &0x340"]
    chip = machine(*flags, *[f"mov &0x36E, r{r}" for r in (4, 5, 6, 8)])
    chip.run()
    assert [chip.register(r) for r in (4, 5, 6, 8)] == [2, 4, 14, 0]
    chip = machine(*flags, "mov #0, &0x36E", "mov &0x36E, r4")
    chip.run()
    assert chip.register(4) == 4


def test_clearing_taifg_does_not_disturb_the_count() -> None:
    def at_end(line: str) -> int:
        chip = machine(
            "mov #0x0124, &0x340", *["nop"] * 200, line, *["nop"] * 400, "mov &0x350, r8"
        )  # 244 cycles a tick
        chip.run()
        return chip.register(8)

    assert at_end("bic #1, &0x340") == at_end("bic #1, &0x1C80") == 2


ADC = ["mov #0x200, &0x802", "mov #3, &0x820"]
CONVERT = ["bis #0x13, &0x800", *["nop"] * 50]


def converter(*lines: str, handler: list[str] | None = None) -> Msp430:
    chip = machine(*ADC, *lines, handler=handler, vector=0xFFEC)
    chip.set_analog_mv(3, 1500)
    return chip


def test_adc12ifg0_stays_when_adc12iv_is_read_and_goes_with_the_result() -> None:
    chip = converter("mov #1, &0x812", *CONVERT, "mov &0x818, r4", "mov &0x818, r5", "mov &0x860, r6", "mov &0x818, r8")
    chip.run()
    assert [chip.register(r) for r in (4, 5, 6, 8)] == [12, 12, 2048, 0]


def test_a_conversion_interrupts() -> None:
    chip = converter("mov #1, &0x812", "eint", *CONVERT, handler=["add &0x818, r9", "mov &0x860, r8", "reti"])
    chip.run()
    assert (chip.register(9), chip.register(8), chip.counters().interrupts) == (12, 2048, 1)


def test_a_result_over_an_unread_one_and_a_start_too_early_have_flags_that_reading_adc12iv_resets() -> None:
    early = ["bis #0x0F13, &0x800", "bis #0x13, &0x800", *["nop"] * 120]
    chip = converter("mov #0x30, &0x816", *CONVERT, *early, *[f"mov &0x818, r{r}" for r in (4, 5, 6)])
    chip.run()
    assert [chip.register(r) for r in (4, 5, 6)] == [2, 4, 0]


def test_a_result_that_was_read_is_not_overrun_by_the_next() -> None:
    for between, flags in [("mov &0x860, r8", 0), ("nop", 0x10)]:
        chip = converter(*CONVERT, between, *CONVERT)
        chip.run()
        assert read_word(chip, 0x810) == flags


def test_writing_adc12iv_clears_every_flag_and_what_is_not_modelled_is_a_fault() -> None:
    chip = converter(*CONVERT, *CONVERT, "mov #0, &0x818")
    chip.run()
    assert [read_word(chip, a) for a in (0x80C, 0x80E, 0x810)] == [0, 0, 0]
    for line in ("mov #0x210, &0x802", "mov #0, &0x804", "mov #0x2003, &0x820"):
        stop = converter(line, *CONVERT).run()
        assert (stop.reason, "ADC12" in stop.text) == (StopReason.FAULT, True)
    for line in ("mov #2, &0x812", "mov #1, &0x814", "mov #0x40, &0x816"):
        assert converter(line).run().reason == StopReason.FAULT
