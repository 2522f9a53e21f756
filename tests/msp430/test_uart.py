"""eUSCI_A0 as a UART: SLAU367P chapter 30, claim by claim."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Limits, StopReason
from tests.msp430.assembler import program
from tests.msp430.machine import HALT, STACK, boot, read_word, write_words

STOP_WATCHDOG = "mov #0x5A80, &0x15C"
HANDLER = 0x9000
RUN, RESET = "mov #0x80, &0x5C0", "mov #0x81, &0x5C0"
STATW, RXBUF, TXBUF, IE, IFG, IV = 0x5CA, 0x5CC, 0x5CE, 0x5DA, 0x5DC, 0x5DE
RX, TX, START, COMPLETE = 1, 2, 4, 8
OVERRUN, ANY_ERROR = 0x20, 4
WAIT_AND_READ = ["bit #1, &0x5DC", "jeq -6", "mov.b &0x5CC, r6", "mov.b r6, 0(r7)", "add #1, r7"]


def receiver(*lines: str, handler: list[str] | None = None) -> Msp430:
    chip = boot([STOP_WATCHDOG, RUN, *lines, HALT])
    chip.write_memory(HANDLER, program(handler or ["reti"], HANDLER))
    write_words(chip, 0xFFF0, [HANDLER])
    chip.set_register(7, 0x2000)
    chip.set_register(9, 0)
    return chip


def test_a_polling_loop_reads_all_bytes_in_order() -> None:
    chip = receiver(*WAIT_AND_READ * 5)
    chip.uart_input(b"abc")
    chip.uart_input(b"de")
    assert chip.run().reason == StopReason.CPU_OFF
    assert chip.read_memory(0x2000, 5) == b"abcde"
    assert chip.counters().instructions < 40


def test_a_loop_that_waits_goes_on_when_the_byte_comes() -> None:
    chip = receiver(*WAIT_AND_READ)
    assert chip.run(Limits(instructions=100)).reason == StopReason.INSTRUCTIONS
    chip.uart_input(b"z")
    assert chip.run(Limits(instructions=100)).reason == StopReason.CPU_OFF
    assert chip.read_memory(0x2000, 1) == b"z"


def test_reading_the_buffer_resets_ucrxifg_and_lets_the_next_byte_in() -> None:
    chip = receiver("mov &0x5DC, r4", "mov &0x5CC, r5", "mov &0x5DC, r6", "mov &0x5CC, r8", "mov &0x5DC, r9")
    chip.uart_input(b"12")
    chip.run()
    assert [chip.register(r) & RX for r in (4, 6, 9)] == [1, 1, 0]
    assert bytes([chip.register(5), chip.register(8)]) == b"12"


def test_each_byte_interrupts_once_and_wakes_the_cpu() -> None:
    handler = ["add &0x5DE, r9", "mov.b &0x5CC, r6", "mov.b r6, 0(r7)", "add #1, r7", "bic #0x10, 0(sp)", "reti"]
    chip = receiver("mov #1, &0x5DA", "bis #0x18, sr", "mov #5, r10", handler=handler)
    assert chip.run().reason == StopReason.CPU_OFF
    chip.uart_input(b"xyz")
    chip.run()
    assert chip.read_memory(0x2000, 3) == b"xyz"
    assert (chip.register(9), chip.register(10), chip.register(1)) == (3 * 2, 5, STACK)
    assert chip.counters().interrupts == 3


def test_bytes_wait_until_the_module_is_out_of_reset_and_through_a_power_failure() -> None:
    chip = receiver(*WAIT_AND_READ * 2)
    chip.uart_input(b"pqr")
    chip.run(Limits(instructions=1))
    assert read_word(chip, IFG) & RX == 0
    chip.run(Limits(instructions=4))
    assert chip.register(6) == ord("p")
    chip.reset(9)
    chip.set_register(7, 0x2000)
    chip.run(Limits(instructions=6))
    assert chip.register(6) == ord("r")  # q was in the buffer and is lost


def test_a_byte_before_the_last_was_read_is_an_overrun_that_reading_clears() -> None:
    chip = receiver("nop", "mov &0x5CA, r4", "mov &0x5CC, r5", "mov &0x5CA, r6")
    chip.run(Limits(instructions=2))
    chip.uart_input(b"ab", paced=False)
    chip.run()
    assert chip.register(4) == OVERRUN | ANY_ERROR
    assert (chip.register(5), chip.register(6)) == (ord("b"), 0)


def test_without_flow_control_the_module_must_be_ready_and_no_byte_is_late() -> None:
    chip = receiver("mov &0x5CA, r4")
    with pytest.raises(ValueError, match="UCSWRST"):
        chip.uart_input(b"a", paced=False)
    chip.run(Limits(instructions=2))
    chip.uart_input(b"a", paced=False)
    chip.run()
    assert (chip.register(4), read_word(chip, IFG) & RX) == (0, RX)


def test_more_than_the_queue_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="4096"):
        receiver().uart_input(bytes(4097))


def test_ucswrst_resets_the_receiver_and_sets_uctxifg() -> None:
    chip = receiver("mov #3, &0x5DA", "bic #2, &0x5DC", RESET)
    chip.run(Limits(instructions=2))
    chip.uart_input(b"ab", paced=False)
    chip.run()
    assert (read_word(chip, IE), read_word(chip, IFG) & (RX | TX), read_word(chip, STATW)) == (0, TX, 0)


def test_a_byte_from_before_ucswrst_is_no_overrun_after_it() -> None:
    chip = receiver("nop", RESET, RUN, "nop")
    for n_instructions in (3, 2):
        chip.run(Limits(instructions=n_instructions))
        chip.uart_input(b"a", paced=False)
    chip.run()
    assert (read_word(chip, STATW), read_word(chip, IFG) & RX) == (0, RX)


def test_uca0iv_tells_enabled_flags_by_priority_and_reading_resets_one() -> None:
    reads = [f"mov &{IV:#x}, r{r}" for r in (4, 5, 6, 8, 9)]
    for enabled, expected in [(15, [2, 4, 6, 8, 0]), (6, [4, 6, 0, 0, 0]), (0, [0] * 5)]:
        chip = receiver(f"mov #={enabled}, &{IE:#x}", f"mov #15, &{IFG:#x}", *reads)
        chip.run()
        assert [chip.register(r) for r in (4, 5, 6, 8, 9)] == expected


def test_writing_uca0iv_clears_every_flag() -> None:
    chip = receiver("mov #15, &0x5DC", "mov #0, &0x5DE")
    chip.run()
    assert read_word(chip, IFG) == 0


def test_an_interrupt_handler_sends_a_text_byte_by_byte() -> None:
    handler = ["mov &0x5DE, r6", "mov.b @r7+, &0x5CE", "add #1, r9", "cmp #4, r9", "jne 4", "bic #2, &0x5DA", "reti"]
    chip = receiver("eint", "mov #2, &0x5DA", *["nop"] * 4, handler=handler)
    chip.write_memory(0x2000, b"text")
    chip.run()
    assert chip.uart_output() == b"text"
    assert chip.register(6) == 4


def test_a_sent_byte_leaves_uctxifg_and_uctxcptifg_set() -> None:
    chip = receiver("bic #2, &0x5DC", "mov #65, &0x5CE", "mov &0x5DC, r4")
    chip.run()
    assert (chip.register(4), chip.uart_output()) == (TX | COMPLETE, b"A")


def test_the_receive_buffer_is_read_only() -> None:
    chip = receiver("nop", "mov #1, &0x5CC", "mov &0x5CC, r4")
    chip.run(Limits(instructions=2))
    chip.uart_input(b"k")
    chip.run()
    assert chip.register(4) == ord("k")


def test_a_saved_state_knows_whether_the_byte_was_read() -> None:
    chip = receiver("nop", "mov.b &0x5CC, r4", "nop")
    chip.run(Limits(instructions=2))
    chip.uart_input(b"k")
    state = chip.save()
    chip.run()
    chip.load(state)
    assert read_word(chip, IFG) & RX
    chip.uart_input(b"l")
    chip.run()
    assert (chip.register(4), read_word(chip, RXBUF)) == (ord("k"), ord("l"))


@pytest.mark.parametrize("control", [0x0100, 0x0200, 0x0400, 0x1000, 0x0008, 0x0002])
def test_other_modes_of_the_module_are_a_fault(control: int) -> None:
    stop = boot([STOP_WATCHDOG, f"mov #={control | 0x80}, &0x5C0", HALT]).run()
    assert stop.reason == StopReason.FAULT
    assert "UCA0CTLW0" in stop.text
    assert boot([STOP_WATCHDOG, "mov #0x80, &0x5CA", HALT]).run().reason == StopReason.FAULT
