"""Interrupts, Timer_A0, watchdog, UART and ADC12, as far as firmware of freeml uses them."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.chip import Limits, Msp430, StopReason
from tests.msp430.assembler import program
from tests.msp430.machine import HALT, STACK, boot, read_word, write_words

STOP_WATCHDOG = "mov #0x5A80, &0x15C"
HANDLER = 0x9000
TIMER_CCR0, TIMER_REST = 0xFFEA, 0xFFE8


def with_handler(lines: list[str], vector: int, handler: list[str]) -> Msp430:
    chip = boot([STOP_WATCHDOG, *lines])
    chip.write_memory(HANDLER, program(handler, HANDLER))
    write_words(chip, vector, [HANDLER])
    chip.set_register(9, 0)
    return chip


def timer(control: int, top: int) -> list[str]:
    return [f"mov #={top}, &0x352", "mov #0x10, &0x342", f"mov #={control}, &0x340"]


def test_ccr0_interrupts_in_up_mode_every_ccr0_plus_1_ticks_and_wakes_the_cpu() -> None:
    lines = [*timer(0x0214, 99), "bis #0x18, sr", "bis #0x18, sr", "bis #0x18, sr", "mov &0x350, r8", HALT]
    chip = with_handler(lines, TIMER_CCR0, ["add #1, r9", "bic #0x10, 0(sp)", "reti"])
    stop = chip.run()
    n = chip.counters()
    assert (stop.reason, chip.register(9), n.interrupts, n.reti) == (StopReason.CPU_OFF, 3, 3, 3)
    assert n.sleep_cycles > 200
    assert 300 < n.cycles < 380


def test_an_interrupt_takes_6_cycles_pushes_pc_and_sr_and_clears_gie() -> None:
    chip = with_handler([*timer(0x0214, 20), "eint", *["nop"] * 60, HALT], TIMER_CCR0, ["nop", "reti"])
    assert chip.run(Limits(breakpoint=HANDLER)).reason == StopReason.BREAKPOINT
    entered = chip.counters()
    assert entered.interrupts == 1
    assert (chip.register(1), chip.register(2)) == (STACK - 4, 0)
    assert read_word(chip, STACK - 4) & 8
    assert entered.idle_cycles > 0
    chip.run(Limits(instructions=2))
    assert (chip.register(1), chip.register(2) & 8) == (STACK, 8)
    assert chip.counters().cycles - entered.cycles == 1 + 5


def test_one_instruction_follows_eint_before_a_waiting_interrupt() -> None:
    lines = [*timer(0x0214, 5), *["nop"] * 20, "eint", "add #1, r10", "add #1, r10", HALT]
    chip = with_handler(lines, TIMER_CCR0, ["mov r10, r11", "mov #0, &0x342", "reti"])
    chip.set_register(10, 0)
    chip.run()
    assert (chip.register(11), chip.register(10)) == (1, 2)


def test_continuous_mode_overflows_into_the_shared_vector() -> None:
    lines = ["mov #0xFFF0, &0x350", "mov #0x0222, &0x340", "eint", *["nop"] * 40, HALT]
    chip = with_handler(lines, TIMER_REST, ["mov &0x36E, r9", "reti"])
    chip.run()
    assert chip.register(9) == 0x0E


def test_the_timer_counts_aclk_and_stands_still_without_smclk_in_lpm3() -> None:
    chip = boot([STOP_WATCHDOG, *timer(0x0114, 32), "bis #0xD8, sr", HALT])
    write_words(chip, TIMER_CCR0, [HANDLER])
    chip.write_memory(HANDLER, program(["reti"], HANDLER))
    chip.run(Limits(cycles=5000))
    assert chip.counters().sleep_cycles > 950  # 32 ticks of 32768 Hz at 1 MHz
    stuck = boot([STOP_WATCHDOG, *timer(0x0214, 99), "bis #0xD8, sr", HALT])
    assert stuck.run(Limits(cycles=5000)).reason == StopReason.CPU_OFF


def test_a_watchdog_nobody_holds_expires_after_32768_cycles() -> None:
    chip = boot(["jmp -2"])
    stop = chip.run()
    assert (stop.reason, stop.text) == (StopReason.RESET, "watchdog expired")
    assert chip.counters().cycles == pytest.approx(32768, abs=2)


def test_passwords_are_demanded() -> None:
    for lines, text in [
        (["mov #0, &0x15C"], "watchdog password"),
        (["mov #0x10, &0x140"], "FRAM controller password"),
        (["mov #0, &0x160"], "clock system password"),
        (["mov #0xA504, &0x120"], "software reset"),
    ]:
        stop = boot(lines).run()
        assert stop.reason == StopReason.RESET
        assert text in stop.text


def test_pm5ctl0_locks_the_pins_at_power_up_and_can_be_cleared() -> None:
    chip = boot([STOP_WATCHDOG, "mov &0x130, r8", "bic #1, &0x130", "mov &0x130, r9", HALT])
    chip.run()
    assert (chip.register(8), chip.register(9)) == (1, 0)


def test_uart_bytes_are_captured_once_the_module_is_out_of_reset() -> None:
    send = [f"mov.b #={byte}, &0x5CE" for byte in b"ok"]
    chip = boot([STOP_WATCHDOG, "mov.b #0x21, &0x5CE", "mov #0x80, &0x5C0", "bit #2, &0x5DC", *send, HALT])
    chip.run()
    assert chip.uart_output() == b"ok"
    assert chip.uart_output() == b""


ADC = ["mov #1, &0x1B0", "mov #0x40, &0x806", "mov #0x200, &0x802", "mov #0x11F, &0x820", "mov #0x10, &0x800"]


def test_the_adc_reads_half_the_supply_after_its_conversion_time() -> None:
    lines = [STOP_WATCHDOG, *ADC, "bis #3, &0x800", "bit #1, &0x80C", "jeq -6", "mov &0x860, r8", HALT]
    chip = boot(lines)
    chip.set_supply_mv(2000)
    chip.run()
    assert chip.register(8) == 1000 * 4096 // 1200
    assert chip.counters().io_reads > 1


def test_a_conversion_of_a_channel_that_nobody_connected_is_a_fault() -> None:
    lines = [STOP_WATCHDOG, "mov #0x200, &0x802", "mov #3, &0x820", "mov #0x13, &0x800", *["nop"] * 50, HALT]
    assert boot(lines).run().reason == StopReason.FAULT
    chip = boot(lines)
    chip.set_analog_mv(3, 1500)
    chip.run()
    assert read_word(chip, 0x860) == 2048
