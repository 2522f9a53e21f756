"""What starts a DMA transfer, in which order, and what follows it: SLAU367P sections 11.2.3 to 11.2.11."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.types import StopReason
from tests.msp430.dma import (
    ABORT,
    ADC12,
    BLOCK,
    BOTH_UP,
    BURST,
    CHAIN,
    DST_BYTE,
    DST_UP,
    EN,
    EXTERNAL,
    IE,
    IFG,
    LEVEL,
    MPY,
    REPEATED,
    REQ,
    SINGLE,
    SRC_BYTE,
    SRC_UP,
    TA0CCR0,
    TA0CCR2,
    TARGET,
    TIMER_EACH_100,
    UCA0RX,
    UCA0TX,
    at,
    machine,
    request,
    run_to,
    set_up,
    words,
)
from tests.msp430.machine import DATA, ONE_WAIT_16_MHZ, STACK, boot, read_word, write_words


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    lines = ["mov #30, &0x352", "mov #0x10, &0x342", "eint", *set_up(BLOCK | BOTH_UP, 60), "mov #0x0214, &0x340"]
    chip = machine([*lines, request(), "nop", "nop"], handler=["mov &0x510, r9", "reti"], vector=0xFFEA)
    chip.run()
    assert chip.register(9) & (IFG | EN) == IFG
    assert chip.counters().interrupts == 1


def test_a_watchdog_expires_in_the_middle_of_a_block() -> None:
    chip = boot([*set_up(BLOCK, 0xFFFF), request(), "nop"])
    assert chip.run().text == "watchdog expired"
    assert chip.counters().cycles == pytest.approx(32768, abs=2)


def test_dmaiv_tells_the_highest_enabled_flag_and_resets_it() -> None:
    lines = [*set_up(BLOCK | IE, 1, channel=4), *set_up(BLOCK | IE, 1, channel=2), *set_up(BLOCK, 1, channel=0)]
    lines += [request(4), request(2), request(0), "nop", "mov &0x50E, r6", "mov &0x50E, r7", "mov &0x50E, r8"]
    chip = machine(lines)
    chip.run()
    assert [chip.register(r) for r in (6, 7, 8)] == [6, 10, 0]
    assert [bool(read_word(chip, at(c)) & IFG) for c in (0, 2, 4)] == [True, False, False]
    chip = machine([*lines[:-3], "mov #0, &0x50E"])
    chip.run()
    assert [bool(read_word(chip, at(c)) & IFG) for c in (0, 2, 4)] == [True, False, True]


def test_the_end_of_a_block_interrupts_through_the_dma_vector() -> None:
    handler = ["add &0x50E, r9", "reti"]
    chip = machine(["eint", *set_up(BLOCK | IE, 3, channel=5), request(5), "nop", "nop"], handler=handler)
    chip.run()
    assert (chip.register(9), chip.register(1), chip.counters().interrupts) == (12, STACK, 1)


def test_channel_0_goes_first_unless_round_robin_made_it_the_last() -> None:
    def order(control4: int) -> list[int]:
        """Three channels copy the counter of a timer at each of its flags: a later one copies more."""
        lines = [f"mov #{control4}, &0x508"]
        for c in range(3):
            lines += set_up(REPEATED | DST_UP, 2, channel=c, source=0x350, target=TARGET + 4 * c, trigger=TA0CCR0)
        chip = machine([*lines, *TIMER_EACH_100, *["nop"] * 250])
        chip.run()
        return words(chip, 6)

    fixed = order(0)
    assert fixed[0] < fixed[2] < fixed[4]
    assert fixed[1] < fixed[3] < fixed[5]
    assert order(2) == fixed  # the channel that came last was the lowest of its own accord


def test_round_robin_puts_the_channel_that_was_served_behind_the_others() -> None:
    for control4, first in [(0, 0), (2, 1)]:
        lines = [f"mov #{control4}, &0x508", *set_up(BLOCK, 1), request(), "nop"]
        for c in (0, 1):
            lines += set_up(SINGLE, 1, channel=c, source=0x350, target=TARGET + 2 * c, trigger=TA0CCR0)
        chip = machine([*lines, *TIMER_EACH_100, *["nop"] * 120])
        chip.run()
        times = words(chip, 2)
        assert times.index(min(times)) == first


def test_a_channel_triggers_the_next_of_its_three_when_its_flag_rises() -> None:
    lines = set_up(BLOCK | BOTH_UP, 2, channel=5)
    lines += set_up(BLOCK | BOTH_UP, 2, channel=3, target=0x2100, trigger=CHAIN)
    lines += set_up(BLOCK | BOTH_UP, 2, channel=4, target=0x2200, trigger=CHAIN)
    chip = machine([*lines, request(5), "nop"])
    for target in (0x2100, 0x2200):
        write_words(chip, target, [0] * 3)
    chip.run()
    assert [words(chip, 3, a) for a in (TARGET, 0x2100, 0x2200)] == [[1, 2, 0]] * 3


def test_each_timer_flag_moves_a_word_while_the_cpu_sleeps_and_the_last_one_wakes_it() -> None:
    lines = [*set_up(SINGLE | BOTH_UP | IE, 5, trigger=TA0CCR0), *TIMER_EACH_100, "bis #0x18, sr", "mov #1, r10"]
    chip = machine(lines, handler=["mov &0x50E, r9", "bic #0x10, 0(sp)", "reti"])
    chip.run()
    assert (words(chip, 6), chip.register(9), chip.register(10)) == ([1, 2, 3, 4, 5, 0], 2, 1)
    n = chip.counters()
    assert n.interrupts == 1
    assert 500 < n.cycles < 580
    assert n.sleep_cycles == pytest.approx(500 - 5 * 5, abs=12)  # 5 cycles each with the CPU off
    assert read_word(chip, 0x342) & 1 == 0


def test_a_transfer_with_the_cpu_off_takes_5_cycles() -> None:
    slept = []
    for n in (2, 3):
        lines = [*set_up(SINGLE | BOTH_UP | IE, n, trigger=TA0CCR0), *TIMER_EACH_100, "bis #0x18, sr", "nop"]
        chip = machine(lines, handler=["mov &0x50E, r9", "bic #0x10, 0(sp)", "reti"])
        chip.run()
        slept.append(chip.counters().sleep_cycles)
    assert slept[1] - slept[0] == 100 - 5


def test_transfers_that_wake_nobody_still_happen_in_time_while_something_else_may_wake_the_cpu() -> None:
    watchdog = ["mov #1, &0x100", "mov #0x5A1E, &0x15C"]  # interval of 512 cycles
    lines = [*set_up(REPEATED | DST_UP, 8, source=0x350, trigger=TA0CCR0), *TIMER_EACH_100, *watchdog, "bis #0x18, sr"]
    chip = machine(lines, handler=["mov #0x5A80, &0x15C", "bic #0x10, 0(sp)", "reti"], vector=0xFFF2)
    chip.run()
    assert sum(word > 0 for word in words(chip, 8)) == 5  # the count, at each flag within 512 cycles
    assert chip.counters().interrupts == 1


def test_the_start_of_a_transfer_resets_the_uart_flag_that_triggered_it() -> None:
    for trigger, kick, flag in [(UCA0RX, b"k", 1), (UCA0TX, b"", 2)]:
        edge = ["bic #2, &0x5DC", "bis #2, &0x5DC"] if trigger == UCA0TX else ["nop", "nop"]
        chip = machine(["mov #0x80, &0x5C0", *set_up(SINGLE, 1, trigger=trigger), *edge, *["nop"] * 4])
        run_to(chip, 10)
        chip.uart_input(kick)
        chip.run()
        assert (words(chip, 1), read_word(chip, 0x5DC) & flag) == ([1], 0)


def test_a_trigger_during_its_own_block_is_ignored() -> None:
    control = BLOCK | REPEATED | DST_UP | SRC_BYTE | DST_BYTE
    chip = machine(["mov #0x80, &0x5C0", *set_up(control, 2, source=0x5CC, trigger=UCA0RX), *["nop"] * 20])
    run_to(chip, 10)
    chip.uart_input(b"abcd")
    chip.run()
    assert chip.read_memory(TARGET, 4) == b"ab\0\0"
    assert read_word(chip, 0x5DC) & 1  # c waits


def test_a_flag_that_was_set_already_triggers_no_next_channel() -> None:
    first = set_up(BLOCK | IFG, 1)
    chip = machine([*first, *set_up(BLOCK, 1, channel=1, target=0x2100, trigger=CHAIN), request(), "nop"])
    write_words(chip, 0x2100, [0])
    chip.run()
    assert (words(chip, 1), words(chip, 1, 0x2100)) == ([1], [0])


def test_out_of_lpm3_a_transfer_takes_5_us_more() -> None:
    wake = ["mov #1, r10"]
    spent = []
    for mode in (0x18, 0xD8):  # LPM0 and LPM3, timer from ACLK
        lines = [*ONE_WAIT_16_MHZ, *set_up(SINGLE | BOTH_UP | IE, 1, trigger=TA0CCR0)]
        lines += ["mov #2, &0x352", "mov #0x0114, &0x340", f"bis #{mode:#x}, sr", *wake]
        chip = machine(lines, handler=["bic #0xF0, 0(sp)", "bic #4, &0x510", "reti"])
        chip.run()
        assert chip.register(10) == 1
        spent.append(chip.counters().cycles)
    assert spent[1] - spent[0] == 5 * 16


def test_a_sleeping_cpu_lets_a_burst_finish() -> None:
    chip = machine([*set_up(BURST | BOTH_UP, 30), request(), "bis #0xF0, sr"])
    assert chip.run().reason == StopReason.CPU_OFF
    assert words(chip, 31) == [*range(1, 31), 0]


def test_a_repeated_burst_that_nothing_ends_does_not_keep_a_stopped_device_running() -> None:
    chip = machine([*set_up(BURST | REPEATED | BOTH_UP, 30), request(), "bis #0xF0, sr"])
    assert chip.run().reason == StopReason.CPU_OFF


def test_a_timer_flag_triggers_only_when_it_rises_and_its_interrupt_is_off() -> None:
    run_out = ["nop"] * 150
    already_set = [*TIMER_EACH_100, *run_out, "mov #4, &0x340", *set_up(SINGLE, 1, trigger=TA0CCR0), "nop", "nop"]
    interrupting = ["mov #0x10, &0x342", *set_up(SINGLE, 1, trigger=TA0CCR0), *TIMER_EACH_100, *run_out]
    by_software = [*set_up(SINGLE, 1, trigger=TA0CCR2), "bis #1, &0x346", "nop"]
    for lines, moved in [(already_set, 0), (interrupting, 0), (by_software, 1)]:
        chip = machine(lines)
        chip.run()
        assert words(chip, 1) == [moved]


def test_a_conversion_triggers_and_its_flag_goes_when_the_result_is_moved() -> None:
    lines = [
        *set_up(SINGLE, 1, source=0x860, trigger=ADC12),
        "mov #0x200, &0x802",
        "mov #3, &0x820",
        "mov #0x13, &0x800",
    ]
    chip = machine([*lines, *["nop"] * 60])
    chip.set_analog_mv(3, 1500)
    chip.run()
    assert (words(chip, 1), read_word(chip, 0x80C)) == ([2048], 0)
    chip = machine([*lines[:-1], "mov #1, &0x80C", "nop", "nop"])
    chip.run()
    assert words(chip, 1) == [0]  # a flag set by software triggers nothing


def test_received_bytes_are_moved_one_by_one() -> None:
    control = SINGLE | DST_UP | SRC_BYTE | DST_BYTE
    chip = machine(["mov #0x80, &0x5C0", *set_up(control, 6, source=0x5CC, trigger=UCA0RX), *["nop"] * 40])
    run_to(chip, 10)
    chip.uart_input(b"abcdef")
    chip.run()
    assert chip.read_memory(TARGET, 7) == b"abcdef\0"
    assert read_word(chip, 0x5DC) & 1 == 0


def test_a_text_is_sent_by_dma_after_a_first_edge_of_uctxifg() -> None:
    control = SINGLE | SRC_UP | SRC_BYTE | DST_BYTE
    lines = ["mov #0x80, &0x5C0", *set_up(control, 5, target=0x5CE, trigger=UCA0TX)]
    chip = machine([*lines, "bic #2, &0x5DC", "bis #2, &0x5DC", *["nop"] * 40])
    chip.write_memory(DATA, b"hello")
    chip.run()
    assert chip.uart_output() == b"hello"


@pytest.mark.parametrize("op", ["mov r6, &0x4C8", "mov r6, &0x4E2"])
def test_the_ready_multiplier_has_its_product_fetched_when_it_is_there(op: str) -> None:
    operands = ["mov #0x1234, r6"]
    wide = op.endswith("4E2")
    operands += ["mov r6, &0x4D0", "mov r6, &0x4D2", "mov r6, &0x4E0"] if wide else ["mov r6, &0x4C0"]
    chip = machine([*set_up(BLOCK | BOTH_UP, 4, source=0x4E4, trigger=MPY), *operands, op, "nop", "nop"])
    chip.run()
    value = 0x12341234**2 if wide else 0x1234**2
    assert words(chip, 4) == [value >> 16 * i & 0xFFFF for i in range(4)]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (set_up(SINGLE, 1, trigger=EXTERNAL), "DMA trigger that is not modelled, DMAxTSEL 0x0001F"),
        (set_up(SINGLE, 1, channel=3, trigger=UCA0RX), "DMA trigger that is not modelled, DMAxTSEL 0x0000E"),
        (set_up(SINGLE | LEVEL, 1), "level sensitivity"),
        (set_up(SINGLE | ABORT, 1), "DMAABORT"),
        (set_up(SINGLE | REQ, 1), "DMAEN and DMAREQ set by one write"),
        ([*set_up(SINGLE, 1), "mov #1, &0x500"], "DMAxTSEL changed while DMAEN is set"),
        (["mov #1, &0x508"], "ENNMI"),
        (["mov.b #4, &0x51A"], "byte write to a DMA address or size register 0x0051A"),
        (["mov #1, &0x50A"], "not modelled 0x0050A"),
        ([*set_up(BLOCK, 1, source=0x3C00), request(), "nop"], "read of unmapped address 0x03C00 by DMA channel 0"),
        ([*set_up(BLOCK, 1, target=0x5000 + 0x40000), request(), "nop"], "0x45000 by DMA channel 0"),
    ],
)
def test_what_the_guide_leaves_open_or_nothing_drives_is_a_fault(lines: list[str], text: str) -> None:
    stop = machine(lines).run()
    assert stop.reason == StopReason.FAULT
    assert text in stop.text


def test_an_fr5969_has_three_channels() -> None:
    chip = machine([*set_up(BLOCK | BOTH_UP, 2, channel=2), request(2), "nop"], part="fr5969")
    chip.run()
    assert words(chip, 3) == [1, 2, 0]
    stop = machine(["mov #0, &0x540"], part="fr5969").run()
    assert (stop.reason, stop.text.endswith("0x00540")) == (StopReason.FAULT, True)


def test_a_request_to_a_disabled_channel_is_forgotten() -> None:
    chip = machine(["mov #1, &0x510", *set_up(BLOCK | BOTH_UP, 2), "nop", "nop"])
    chip.run()
    assert words(chip, 1) == [0]
