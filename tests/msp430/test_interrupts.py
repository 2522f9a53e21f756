"""An interrupt from outside: entry, GIE, return, as SLAU367P chapter 4.3.7 and 1.3.4 have them."""

from __future__ import annotations

from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Limits, StopReason
from tests.msp430.assembler import program
from tests.msp430.machine import STACK, boot, read_word, write_words

VECTOR = 0xFFF2
HANDLER = 0x5000
RETI = [0x1300]
EINT, DINT, NOP = "bis #8, sr", "bic #8, sr", "mov r3, r3"


def device(lines: list[str], handler: list[str], *, at: int = 0x4000) -> Msp430:
    """A program, and a handler that ends with RETI."""
    chip = boot(lines, at=at)
    code = program(handler, HANDLER) if handler else b""
    chip.write_memory(HANDLER, code)
    write_words(chip, HANDLER + len(code), RETI)
    write_words(chip, VECTOR, [HANDLER])
    return chip


def step(chip: Msp430, n: int = 1) -> None:
    assert chip.run(Limits(instructions=n)).reason is StopReason.INSTRUCTIONS


def test_it_waits_until_one_instruction_after_eint() -> None:
    chip = device([EINT, NOP, DINT, NOP], ["add #1, r10"])
    chip.set_register(10, 0)
    answers = []
    for _ in range(4):
        answers.append(chip.interrupt(VECTOR).reason)
        step(chip)
    assert chip.interrupt(VECTOR).reason is StopReason.NONE
    assert answers == [StopReason.NONE, StopReason.NONE, StopReason.RETURNED, StopReason.NONE]
    assert chip.register(10) == 1


def test_the_program_goes_on_with_its_flags_its_stack_and_20_bits_of_its_address() -> None:
    chip = device([EINT, NOP, "cmp #1, r5", NOP], ["mov #-1, r10"], at=0x12340)
    chip.set_register(0, 0x12340)
    chip.set_register(5, 1)
    step(chip, 3)
    before = chip.registers()
    assert chip.interrupt(VECTOR).reason is StopReason.RETURNED
    after = chip.registers()
    changed = [k for k in range(16) if before[4 * k : 4 * k + 4] != after[4 * k : 4 * k + 4]]
    assert changed == [10]
    assert chip.register(0) > 0x12340
    assert read_word(chip, STACK - 2) == chip.register(0) & 0xFFFF
    assert read_word(chip, STACK - 4) == 0x1000 | chip.register(2)


def test_entry_and_return_take_eleven_cycles() -> None:
    chip = device([EINT, NOP, NOP], [])
    step(chip, 2)
    before = chip.counters()
    chip.interrupt(VECTOR)
    after = chip.counters()
    assert (after.instructions - before.instructions, after.cycles - before.cycles) in ((1, 11), (1, 12))  # a line fill
    assert after.interrupts - before.interrupts == 1


def test_a_handler_that_never_returns_is_ended() -> None:
    chip = device([EINT, NOP, NOP], ["jmp -1"])
    step(chip, 2)
    assert chip.interrupt(VECTOR, 1000).reason is StopReason.INSTRUCTIONS
