"""Cycles and code words of every form of instruction equal TI's tables (SLAU367P chapter 4), zero wait states."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from freeml.sim.msp430.chip import Limits, StopReason
from tests.msp430.assembler import ADDRESS, ROTATES, TWO, assemble
from tests.msp430.machine import DATA, START, boot, set_registers, write_words

SOURCES = {
    "Rn": ["r5", "#1"],
    "@Rn": ["@r6", "@r6+"],
    "#N": ["#=0x1234"],
    "x(Rn)": ["2(r6)", f"ede:{DATA + 2}", f"&{DATA + 2}"],
}
MEMORY = ["4(r7)", f"ede:{DATA + 20}", f"&{DATA + 20}"]

# source: (to Rm, to PC, to memory), each (cycles, words); the tables of MSP430-CYCLES-ENERGY.md section 1
FORMAT_I = {
    "Rn": ((1, 1), (3, 1), (4, 2)),
    "@Rn": ((2, 1), (4, 1), (5, 2)),
    "#N": ((2, 2), (3, 2), (5, 3)),
    "x(Rn)": ((3, 2), (5, 2), (6, 3)),
}
EXTENDED_BW = {
    "Rn": ((2, 2), (4, 2), (5, 3)),
    "@Rn": ((3, 2), (5, 2), (6, 3)),
    "#N": ((3, 3), (4, 3), (6, 4)),
    "x(Rn)": ((4, 3), (6, 3), (7, 4)),
}
EXTENDED_A = {
    "Rn": ((2, 2), (4, 2), (7, 3)),
    "@Rn": ((4, 2), (6, 2), (9, 3)),
    "#N": ((3, 3), (4, 3), (8, 4)),
    "x(Rn)": ((5, 3), (7, 3), (10, 4)),
}
LESS_TO_MEMORY = ("mov", "bit", "cmp")
LESS_TO_PC = ("mov", "add", "sub")


def two_operands() -> Iterator[tuple[str, int, int]]:
    tables = [("", FORMAT_I), (".b", FORMAT_I), ("x", EXTENDED_BW), ("x.b", EXTENDED_BW), ("x.a", EXTENDED_A)]
    for name in TWO:
        for suffix, table in tables:
            for kind, (to_register, to_pc, to_memory) in table.items():
                for source in SOURCES[kind]:
                    yield f"{name}{suffix} {source}, r8", *to_register
                    for target in MEMORY:
                        less = (2 if suffix == "x.a" else 1) if name in LESS_TO_MEMORY else 0
                        yield f"{name}{suffix} {source}, {target}", to_memory[0] - less, to_memory[1]
                    if name not in ("bit", "cmp"):
                        less = "x" in suffix and kind in ("#N", "x(Rn)") and name in LESS_TO_PC
                        yield f"{name}{suffix} {source}, pc", to_pc[0] - less, to_pc[1]


def one_operand() -> Iterator[tuple[str, int, int]]:
    ways = {"r5": 0, "@r6": 1, "@r6+": 1, "2(r6)": 2, f"ede:{DATA + 2}": 2, f"&{DATA + 2}": 3}
    shift = ((1, 1), (3, 1), (4, 2), (4, 2))
    shift_x = ((2, 2), (4, 2), (5, 3), (5, 3))
    shift_a = ((2, 2), (6, 2), (7, 3), (7, 3))
    for name in ("rra", "rrc", "swpb", "sxt"):
        for text, way in ways.items():
            yield f"{name} {text}", *shift[way]
            yield f"{name}x {text}", *shift_x[way]
            yield f"{name}x.a {text}", *shift_a[way]
            if name in ("rra", "rrc"):
                yield f"{name}.b {text}", *shift[way]
                yield f"{name}x.b {text}", *shift_x[way]
    for text, way in ways.items():
        yield f"push {text}", *((3, 1), (3, 1), (4, 2), (4, 2))[way]
        yield f"push.b {text}", *((3, 1), (3, 1), (4, 2), (4, 2))[way]
        yield f"call {text}", *((4, 1), (4, 1), (5, 2), (6, 2))[way]
        yield f"pushx {text}", *((4, 2), (4, 2), (5, 3), (5, 3))[way]
        yield f"pushx.b {text}", *((4, 2), (4, 2), (5, 3), (5, 3))[way]
        yield f"pushx.a {text}", *((5, 2), (6, 2), (7, 3), (7, 3))[way]
    yield from [("push #=0x1234", 3, 2), ("push #4", 3, 1), ("call #=0x5000", 4, 2)]
    yield from [("pushx #=0x1234", 4, 3), ("pushx.a #=0x12345", 5, 3), ("pushx 2(sp)", 6, 3), ("pushx.a 2(sp)", 8, 3)]


def twenty_bits() -> Iterator[tuple[str, int, int]]:
    calla = {"r5": (5, 1), "@r6": (6, 1), "@r6+": (6, 1), "#0x5000": (5, 2), "2(r6)": (5, 2), "2(sp)": (6, 2)}
    for text, expected in {**calla, f"&{DATA}": (7, 2), f"ede:{DATA}": (7, 2)}.items():
        yield f"calla {text}", *expected
    for name in ROTATES:
        for n in range(1, 5):
            yield f"{name}.w #{n}, r8", n, 1
            yield f"{name}.a #{n}, r8", n, 1
    for n in range(1, 13):
        yield f"pushm.w #{n}, r15", 2 + n, 1
        yield f"pushm.a #{n}, r15", 2 + 2 * n, 1
        yield f"popm.w #{n}, r15", 2 + n, 1
        yield f"popm.a #{n}, r15", 2 + 2 * n, 1
    for name in ADDRESS:
        yield f"{name} r5, r8", 1, 1
        yield f"{name} #0x12344, r8", 2 if name == "mova" else 3, 2
        if name != "cmpa":
            yield f"{name} r5, pc", 3, 1
            yield f"{name} #0x12344, pc", 3, 2
    for text in MEMORY[0], MEMORY[2]:
        yield f"mova r5, {text}", 4, 2
    for text in ("@r6", "@r6+"):
        yield f"mova {text}, r8", 3, 1
        yield f"mova {text}, pc", 5, 1
    for text in ("2(r6)", f"&{DATA}"):
        yield f"mova {text}, r8", 4, 2
        yield f"mova {text}, pc", 6, 2


def the_rest() -> Iterator[tuple[str, int, int]]:
    for name in ("jne", "jeq", "jnc", "jc", "jn", "jge", "jl", "jmp"):
        yield f"{name} 2", 2, 1
    yield from [("ret", 4, 1), ("reti", 5, 1), ("nop", 1, 1), ("mova @sp+, pc", 5, 1), ("mov @sp+, r8", 2, 1)]
    yield from [("movx @sp+, r8", 3, 2), ("movx.a @sp+, r8", 4, 2), (f"movx.a @sp+, &{DATA}", 7, 3)]


FORMS = [*two_operands(), *one_operand(), *twenty_bits(), *the_rest()]


def measure(text: str, repeat: int = 1) -> tuple[int, int, int]:
    """Cycles, code words, and cycles without bus access of one instruction."""
    words = assemble(text, START, repeat=repeat)
    chip = boot(b"".join(word.to_bytes(2, "little") for word in words))
    set_registers(chip, {"r5": 0x5000, "r6": DATA, "r7": DATA + 16, "r8": 0x4321})
    write_words(chip, DATA, [0x5000, 0, 0x5000, 0, 0x5000] + [0] * 20)
    before = chip.counters()
    stop = chip.run(Limits(instructions=1))
    assert stop.reason == StopReason.INSTRUCTIONS, (text, stop)
    after = chip.counters()
    return after.cycles - before.cycles, len(words), after.idle_cycles - before.idle_cycles


@pytest.mark.parametrize("group", [two_operands, one_operand, twenty_bits, the_rest])
def test_every_form_takes_the_cycles_and_words_of_the_guide(group: object) -> None:
    assert callable(group)
    wrong = [
        f"{text}: {measure(text)[:2]}, guide ({cycles}, {words})"
        for text, cycles, words in group()
        if measure(text)[:2] != (cycles, words)
    ]
    assert wrong == []


def test_the_table_covers_more_than_a_thousand_forms() -> None:
    assert len(FORMS) > 1000
    assert len({text for text, *_ in FORMS}) == len(FORMS)


@pytest.mark.parametrize("n", [1, 2, 7, 16])
@pytest.mark.parametrize("text", ["addx r5, r8", "movx.a r5, r8", "rrax r8", "rrcx.a r8"])
def test_a_repeated_register_instruction_takes_one_cycle_more_per_repetition(text: str, n: int) -> None:
    assert measure(text, repeat=n)[:2] == (n + 1, 2)


def test_in_16_bit_instructions_every_cycle_is_one_access_but_where_the_guide_idles() -> None:
    for text in ("mov r5, r8", "add @r6+, r8", "add 2(r6), 4(r7)", "cmp #=0x1234, 4(r7)", "rra @r6", f"rrc &{DATA}"):
        assert measure(text)[2] == 0, text
    idle = {"jmp 2": 1, "push r5": 1, "mov #=0x5000, pc": 1, "mov r5, pc": 2, "call #=0x5000": 1, "call r5": 2}
    for text, cycles in {**idle, "ret": 2, "reti": 2}.items():
        assert measure(text)[2] == cycles, text


def test_power_up_takes_4_cycles() -> None:
    assert boot(["nop"]).counters().cycles == 4
