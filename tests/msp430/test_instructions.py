"""What each instruction does to registers, flags and memory, from the wording of SLAU367P."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.chip import Limits, Msp430, StopReason
from tests.msp430.assembler import assemble
from tests.msp430.machine import DATA, STACK, START, boot, read_word, set_registers, write_words

FLAGS = {"C": 1, "Z": 2, "N": 4, "V": 0x100}


def execute(
    text: str, before: dict[str, int], memory: list[int], flags: str = "", repeat: int = 1, zero: bool = False
) -> Msp430:
    words = assemble(text, START, repeat=repeat, zero_carry=zero)
    chip = boot(b"".join(word.to_bytes(2, "little") for word in words))
    set_registers(chip, {"r4": DATA, **before, "sr": sum(FLAGS[flag] for flag in flags)})
    write_words(chip, DATA, [*memory, *[0xEEEE] * (16 - len(memory))])
    stop = chip.run(Limits(instructions=1))
    assert stop.reason == StopReason.INSTRUCTIONS, stop
    return chip


def flags_of(chip: Msp430) -> str:
    return "".join(flag for flag, bit in FLAGS.items() if chip.register(2) & bit)


# instruction, registers before, flags before, register and value after, flags after
REGISTERS = [
    ("mov r5, r6", {"r5": 0xF1234}, "CZNV", "r6", 0x1234, "CZNV"),
    ("mov.b r5, r6", {"r5": 0x1234, "r6": 0xFFFFF}, "", "r6", 0x34, ""),
    ("mov #-1, r6", {}, "", "r6", 0xFFFF, ""),
    ("mov.b #-1, r6", {}, "", "r6", 0xFF, ""),
    ("mov #8, r6", {}, "", "r6", 8, ""),
    ("mov #4, r6", {}, "", "r6", 4, ""),
    ("mov #2, r6", {}, "", "r6", 2, ""),
    ("add r5, r6", {"r5": 0x7FFF, "r6": 1}, "C", "r6", 0x8000, "NV"),
    ("add r5, r6", {"r5": 0xFFFF, "r6": 1}, "", "r6", 0, "CZ"),
    ("add.b r5, r6", {"r5": 0x80, "r6": 0x1280}, "", "r6", 0, "CZV"),
    ("addc r5, r6", {"r5": 1, "r6": 2}, "C", "r6", 4, ""),
    ("addc r5, r6", {"r5": 0xFFFF, "r6": 0}, "C", "r6", 0, "CZ"),
    ("sub r5, r6", {"r5": 1, "r6": 0}, "", "r6", 0xFFFF, "N"),
    ("sub r5, r6", {"r5": 1, "r6": 0x8000}, "", "r6", 0x7FFF, "CV"),
    ("sub r5, r6", {"r5": 5, "r6": 5}, "", "r6", 0, "CZ"),
    ("subc r5, r6", {"r5": 1, "r6": 5}, "", "r6", 3, "C"),
    ("subc r5, r6", {"r5": 1, "r6": 5}, "C", "r6", 4, "C"),
    ("cmp r5, r6", {"r5": 6, "r6": 5}, "", "r6", 5, "N"),
    ("cmp.b r5, r6", {"r5": 1, "r6": 0x80}, "", "r6", 0x80, "CV"),
    ("dadd r5, r6", {"r5": 0x0999, "r6": 1}, "", "r6", 0x1000, ""),
    ("dadd r5, r6", {"r5": 0x9999, "r6": 0}, "C", "r6", 0, "CZ"),
    ("dadd.b r5, r6", {"r5": 0x58, "r6": 0x44}, "", "r6", 2, "C"),
    ("bit r5, r6", {"r5": 0x8001, "r6": 0x8000}, "V", "r6", 0x8000, "CN"),
    ("bit r5, r6", {"r5": 1, "r6": 2}, "CNV", "r6", 2, "Z"),
    ("bic r5, r6", {"r5": 0x0F0F, "r6": 0xFFFF}, "CV", "r6", 0xF0F0, "CV"),
    ("bis r5, r6", {"r5": 0x0F0F, "r6": 0xF000}, "Z", "r6", 0xFF0F, "Z"),
    ("xor r5, r6", {"r5": 0x8000, "r6": 0x8001}, "", "r6", 1, "CV"),
    ("xor r5, r6", {"r5": 0x1234, "r6": 0x1234}, "CV", "r6", 0, "Z"),
    ("and r5, r6", {"r5": 0xFF00, "r6": 0x80FF}, "V", "r6", 0x8000, "CN"),
    ("rra r6", {"r6": 0x8001}, "V", "r6", 0xC000, "CN"),
    ("rra.b r6", {"r6": 0xF80}, "C", "r6", 0xC0, "N"),
    ("rrc r6", {"r6": 2}, "CV", "r6", 0x8001, "N"),
    ("rrc r6", {"r6": 1}, "", "r6", 0, "CZ"),
    ("rrc.b r6", {"r6": 0x101}, "C", "r6", 0x80, "CN"),
    ("swpb r6", {"r6": 0xF1234}, "CV", "r6", 0x3412, "CV"),
    ("sxt r6", {"r6": 0x0180}, "V", "r6", 0xFFF80, "CN"),
    ("sxt r6", {"r6": 0xFF00}, "CN", "r6", 0, "Z"),
    ("sxt r6", {"r6": 0xFF01}, "", "r6", 1, "C"),
    ("movx.a r5, r6", {"r5": 0xABCDE}, "C", "r6", 0xABCDE, "C"),
    ("movx r5, r6", {"r5": 0xABCDE}, "", "r6", 0xBCDE, ""),
    ("movx.a #=0x54321, r6", {}, "", "r6", 0x54321, ""),
    ("movx.a #-1, r6", {}, "", "r6", 0xFFFFF, ""),
    ("addx.a r5, r6", {"r5": 0x7FFFF, "r6": 1}, "", "r6", 0x80000, "NV"),
    ("addx.a #=0xFFFFF, r6", {"r6": 1}, "", "r6", 0, "CZ"),
    ("subx.a r5, r6", {"r5": 1, "r6": 0}, "", "r6", 0xFFFFF, "N"),
    ("cmpx.a r5, r6", {"r5": 0x10000, "r6": 0x20000}, "", "r6", 0x20000, "C"),
    ("daddx.a r5, r6", {"r5": 0x99999, "r6": 1}, "", "r6", 0, "CZ"),
    ("xorx.a r5, r6", {"r5": 0x80000, "r6": 0xC0000}, "", "r6", 0x40000, "CV"),
    ("rrax.a r6", {"r6": 0x80001}, "", "r6", 0xC0000, "CN"),
    ("rrcx.a r6", {"r6": 0}, "C", "r6", 0x80000, "N"),
    ("swpbx r6", {"r6": 0xF1234}, "", "r6", 0x3412, ""),
    ("swpbx.a r6", {"r6": 0xF1234}, "", "r6", 0xF3412, ""),
    ("sxtx.a r6", {"r6": 0x80}, "", "r6", 0xFFF80, "CN"),
    ("rrcm.w #3, r6", {"r6": 0x9}, "C", "r6", 0x6001, ""),
    ("rrcm.a #1, r6", {"r6": 0x00001}, "C", "r6", 0x80000, "CN"),
    ("rram.w #4, r6", {"r6": 0x8008}, "", "r6", 0xF800, "CN"),
    ("rram.a #2, r6", {"r6": 0x80002}, "V", "r6", 0xE0000, "CN"),
    ("rrum.w #2, r6", {"r6": 0xF8001}, "C", "r6", 0x2000, ""),
    ("rrum.a #4, r6", {"r6": 0xF0008}, "", "r6", 0x0F000, "C"),
    ("mova r5, r6", {"r5": 0xABCDE}, "CV", "r6", 0xABCDE, "CV"),
    ("mova #0xFEDCA, r6", {}, "", "r6", 0xFEDCA, ""),
    ("adda r5, r6", {"r5": 0xFFFFF, "r6": 1}, "", "r6", 0, "CZ"),
    ("adda #0x7FFFF, r6", {"r6": 1}, "", "r6", 0x80000, "NV"),
    ("suba r5, r6", {"r5": 1, "r6": 0}, "", "r6", 0xFFFFF, "N"),
    ("suba #0x10000, r6", {"r6": 0x30000}, "", "r6", 0x20000, "C"),
    ("cmpa r5, r6", {"r5": 7, "r6": 7}, "", "r6", 7, "CZ"),
    ("cmpa #0x20000, r6", {"r6": 0x10000}, "", "r6", 0x10000, "N"),
]


@pytest.mark.parametrize(
    ("text", "before", "flags", "name", "value", "flags_after"),
    REGISTERS,
    ids=[f"{r[0]}-{r[2]}-{r[4]:x}" for r in REGISTERS],
)
def test_registers_and_flags(
    text: str, before: dict[str, int], flags: str, name: str, value: int, flags_after: str
) -> None:
    chip = execute(text, before, [], flags)
    assert (hex(chip.register(int(name[1:]))), flags_of(chip)) == (hex(value), flags_after)


def test_rlam_shifts_left_and_leaves_the_last_bit_in_carry() -> None:
    for text, before, after in [("rlam.w #2, r6", 0x4001, 0x0004), ("rlam.a #4, r6", 0x10001, 0x00010)]:
        chip = execute(text, {"r6": before}, [])
        assert (chip.register(6), chip.register(2) & 1) == (after, 1)


# instruction, registers before, memory before, address and words after; r4 holds DATA
MEMORY = [
    ("mov r5, 2(r4)", {"r5": 0x1234}, [], DATA + 2, [0x1234]),
    ("mov.b r5, 3(r4)", {"r5": 0x1234}, [0, 0xAAAA], DATA + 2, [0x34AA]),
    ("mov @r4, 4(r4)", {}, [0x1111], DATA + 4, [0x1111]),
    (f"mov 2(r4), &{DATA + 8}", {}, [0, 0x2222], DATA + 8, [0x2222]),
    (f"mov ede:{DATA + 2}, ede:{DATA + 6}", {}, [0, 0x3333], DATA + 6, [0x3333]),
    (f"mov &{DATA}, 2(r4)", {}, [0x4444], DATA + 2, [0x4444]),
    ("add #=0x0101, 0(r4)", {}, [0x0F0F], DATA, [0x1010]),
    ("xor.b #-1, 1(r4)", {}, [0x1234], DATA, [0xED34]),
    ("mov -2(r5), 2(r4)", {"r5": DATA + 2}, [0x5555], DATA + 2, [0x5555]),
    ("rra 2(r4)", {}, [0, 0x8002], DATA + 2, [0xC001]),
    ("rrc.b @r4", {}, [0x1203], DATA, [0x1201]),
    ("swpb @r4+", {}, [0x1234], DATA, [0x3412]),
    (f"sxt &{DATA}", {}, [0x12F0], DATA, [0xFFF0]),
    ("movx.a r5, 4(r4)", {"r5": 0xABCDE}, [], DATA + 4, [0xBCDE, 0x000A]),
    (f"movx.a &{DATA}, 4(r4)", {}, [0x5678, 0xFFF9], DATA + 4, [0x5678, 0x0009]),
    ("addx.a #1, 0(r4)", {}, [0xFFFF, 0x0001], DATA, [0x0000, 0x0002]),
    (f"movx r5, {0x20000 - 0x20000 + 6}(r4)", {"r5": 0x77}, [], DATA + 6, [0x77]),
    ("movx.b #=0x7F, -1(r5)", {"r5": DATA + 2}, [0x0000], DATA, [0x7F00]),
    ("rrax.a @r4", {}, [0x0002, 0x0008], DATA, [0x0001, 0x000C]),
    ("swpbx.a 0(r4)", {}, [0x1234, 0x0005], DATA, [0x3412, 0x0005]),
    ("sxtx.a 0(r4)", {}, [0x0080, 0x0000], DATA, [0xFF80, 0x000F]),
    ("mova r5, 4(r4)", {"r5": 0xABCDE}, [], DATA + 4, [0xBCDE, 0x000A]),
    (f"mova r5, &{DATA + 4}", {"r5": 0x12345}, [], DATA + 4, [0x2345, 0x0001]),
    ("push r5", {"r5": 0xF1234, "sp": DATA + 4}, [0, 0], DATA, [0, 0x1234]),
    ("push.b r5", {"r5": 0x1234, "sp": DATA + 4}, [0, 0xAAAA], DATA, [0, 0xAA34]),
    ("push sp", {"sp": DATA + 4}, [0, 0], DATA, [0, DATA + 4]),
    ("pushx.a r5", {"r5": 0xABCDE, "sp": DATA + 8}, [], DATA + 4, [0xBCDE, 0x000A]),
    ("pushm.w #2, r6", {"r6": 0x6666, "r5": 0x5555, "sp": DATA + 4}, [], DATA, [0x5555, 0x6666]),
    ("pushm.a #2, r6", {"r6": 0x16666, "r5": 0x25555, "sp": DATA + 8}, [], DATA, [0x5555, 2, 0x6666, 1]),
    ("call #=0x5000", {"sp": DATA + 2}, [], DATA, [START + 4]),
    ("calla #0x12344", {"sp": DATA + 4}, [], DATA, [START + 4, 0]),
]


@pytest.mark.parametrize(("text", "before", "memory", "address", "after"), MEMORY, ids=[row[0] for row in MEMORY])
def test_memory_operands(text: str, before: dict[str, int], memory: list[int], address: int, after: list[int]) -> None:
    chip = execute(text, before, memory)
    assert [read_word(chip, address + 2 * k) for k in range(len(after))] == after


# instruction, registers before, memory before, registers after
LOADS = [
    ("mov @r4+, r6", {}, [0x1234], {"r6": 0x1234, "r4": DATA + 2}),
    ("mov.b @r4+, r6", {}, [0x1234], {"r6": 0x34, "r4": DATA + 1}),
    ("movx.a @r4+, r6", {}, [0x5678, 0x0009], {"r6": 0x95678, "r4": DATA + 4}),
    ("mov.b @sp+, r6", {"sp": DATA}, [0x1234], {"r6": 0x34, "sp": DATA + 2}),
    ("mov @sp+, sp", {"sp": DATA}, [0x2000], {"sp": 0x2000}),
    ("mova @r4, r6", {}, [0x5678, 0xFFF9], {"r6": 0x95678, "r4": DATA}),
    ("mova @r4+, r6", {}, [0x5678, 9], {"r6": 0x95678, "r4": DATA + 4}),
    ("mova 2(r4), r6", {}, [0, 0x5678, 9], {"r6": 0x95678}),
    (f"mova &{DATA}, r6", {}, [0x5678, 9], {"r6": 0x95678}),
    (f"mova ede:{DATA}, r6", {}, [0x5678, 9], {"r6": 0x95678}),
    ("popm.w #2, r6", {"sp": DATA, "r5": 0xFFFFF}, [0x5555, 0x6666], {"r5": 0x5555, "r6": 0x6666, "sp": DATA + 4}),
    ("popm.a #2, r6", {"sp": DATA}, [0x5555, 2, 0x6666, 1], {"r5": 0x25555, "r6": 0x16666, "sp": DATA + 8}),
    ("ret", {"sp": DATA}, [0x5001], {"pc": 0x5000, "sp": DATA + 2}),
    ("mova @sp+, pc", {"sp": DATA}, [0x5000, 2], {"pc": 0x25000, "sp": DATA + 4}),
    ("reti", {"sp": DATA}, [0x2105, 0x5000], {"pc": 0x25000, "sr": 0x105, "sp": DATA + 4}),
    ("call @r4+", {"sp": STACK}, [0x5000], {"pc": 0x5000, "r4": DATA + 2, "sp": STACK - 2}),
    ("calla @r4+", {}, [0x5000, 1], {"pc": 0x15000, "r4": DATA + 4}),
    ("calla r5", {"r5": 0x23456}, [], {"pc": 0x23456}),
    ("calla 2(r4)", {}, [0, 0x5000, 1], {"pc": 0x15000}),
    (f"calla &{DATA}", {}, [0x5000, 1], {"pc": 0x15000}),
    (f"calla ede:{DATA}", {}, [0x5000, 1], {"pc": 0x15000}),
    ("mov r5, pc", {"r5": 0x5001}, [], {"pc": 0x5000}),
    ("mova #0x12344, pc", {}, [], {"pc": 0x12344}),
    ("mov pc, r6", {}, [], {"r6": START + 2}),
    ("mov r5, sp", {"r5": 0x2001}, [], {"sp": 0x2000}),
    ("mov #1, 0(r4)", {}, [7], {"r4": DATA}),
]


@pytest.mark.parametrize(("text", "before", "memory", "after"), LOADS, ids=[row[0] for row in LOADS])
def test_loads_and_transfers_of_control(
    text: str, before: dict[str, int], memory: list[int], after: dict[str, int]
) -> None:
    chip = execute(text, before, memory)
    names = {"pc": 0, "sp": 1, "sr": 2}
    got = {name: chip.register(names[name] if name in names else int(name[1:])) for name in after}
    assert got == after


@pytest.mark.parametrize(
    ("name", "taken", "not_taken"),
    [
        ("jne", ["", "CNV"], ["Z"]),
        ("jeq", ["Z"], ["", "CNV"]),
        ("jnc", ["", "ZNV"], ["C"]),
        ("jc", ["C"], ["ZNV"]),
        ("jn", ["N"], ["CZV"]),
        ("jge", ["", "NV"], ["N", "V"]),
        ("jl", ["N", "V"], ["", "NV"]),
        ("jmp", ["", "CZNV"], []),
    ],
)
def test_jumps_follow_their_flags(name: str, taken: list[str], not_taken: list[str]) -> None:
    for flags in taken:
        assert execute(f"{name} -16", {}, [], flags).register(0) == START - 14
    for flags in not_taken:
        assert execute(f"{name} 1022", {}, [], flags).register(0) == START + 2


def test_jumps_reach_511_words_forward_and_512_back() -> None:
    assert execute("jmp 1022", {}, []).register(0) == START + 1024


def test_a_repeat_count_in_the_word_or_in_a_register_repeats_the_register_form() -> None:
    assert execute("addx #1, r6", {"r6": 0}, []).register(6) == 1
    assert execute("addx r5, r6", {"r5": 3, "r6": 0}, [], repeat=5).register(6) == 15
    extension, op = assemble("addx r5, r6", START)
    chip = boot(b"".join(word.to_bytes(2, "little") for word in [extension | 0x80 | 7, op]))
    set_registers(chip, {"r5": 3, "r6": 0, "r7": 0xFF4})  # the low four bits count, plus one
    chip.run(Limits(instructions=1))
    assert chip.register(6) == 15


def test_zero_carry_shifts_in_zeros_and_still_leaves_the_carry_of_the_last_shift() -> None:
    chip = execute("rrcx r6", {"r6": 0x8005}, [], "C", repeat=3, zero=True)
    assert (chip.register(6), flags_of(chip)) == (0x1000, "C")


def test_indexed_addresses_wrap_in_the_lower_64_k_without_extension_word() -> None:
    chip = execute("mov 0x2C80(r5), r6", {"r5": 0xF000}, [0x1234])
    assert chip.register(6) == 0x1234


def test_an_index_is_signed_above_64_k_and_20_bits_wide_with_an_extension_word() -> None:
    chip = boot(
        b"".join(w.to_bytes(2, "little") for w in [*assemble("mov -4(r5), r6"), *assemble("movx 0x20000(r7), r8")])
    )
    set_registers(chip, {"r5": 0x20004, "r7": 0x00002})
    write_words(chip, 0x20000, [0xBEEF, 0xCAFE])
    chip.run(Limits(instructions=2))
    assert (chip.register(6), chip.register(8)) == (0xBEEF, 0xCAFE)


ILLEGAL = {
    "CALLA by an undefined mode": [0x13C0, 0],
    "between RETI and CALLA": [0x1301],
    "jump after an extension word": [0x1840, 0x3C00],
    "CALL after an extension word": [0x1840, 0x1280],
    "CALLA after an extension word": [0x1840, 0x1380, 0],
    "reserved size": [0x1800, 0x4506],
    "SWPB of an immediate": [0x10B0, 5],
    "SWPB.B": [0x10C5],
    "RRA of a constant": [0x1113],
    "@PC as source": [0x4026],
}


@pytest.mark.parametrize("words", ILLEGAL.values(), ids=ILLEGAL.keys())
def test_opcodes_the_guide_does_not_define_are_faults_that_name_themselves(words: list[int]) -> None:
    chip = boot(b"".join(word.to_bytes(2, "little") for word in words))
    stop = chip.run(Limits(instructions=1))
    assert (stop.reason, stop.pc) == (StopReason.FAULT, START)
    assert "op" in stop.text or "extension" in stop.text


def test_counters_tell_the_classes_of_instructions() -> None:
    lines = ["mov r5, r6", "rra r6", "jmp 0", "movx r5, r6", "mova r5, r6", "rlam.w #1, r6", "pushm.w #1, r6", "nop"]
    chip = boot([*lines, "calla #0x4100"])
    chip.write_memory(0x4100, bytes.fromhex("0343"))
    chip.run(Limits(instructions=10))
    n = chip.counters()
    one_each = (n.format_ii, n.jumps, n.extended, n.address, n.rotate_multiple, n.push_pop_multiple, n.calla)
    assert one_each == (1,) * 7
    assert (n.instructions, n.format_i) == (10, 3)
