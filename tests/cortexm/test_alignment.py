"""Unaligned accesses: the emulated cores refuse what silicon refuses, and take what it takes."""

from __future__ import annotations

import numpy as np
import pytest
from capstone import arm

from freeml.errors import ToolFailed
from freeml.sim.cortexm.cycles import decoder
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.cortexm.native import library
from tests.cortexm.conftest import Compiled, firmware_of

# On ARMv7-M and ARMv8-M (DDI 0403, A3.2.1; DDI 0553, B7.3): %0 is a pointer, to a multiple of 4 and N
REFUSED = {
    "ldmia %0, {r4, r5, r6}": 1,
    "ldmia %0!, {r4, r5}": 2,
    "ldmdb %0, {r4, r5}": 2,
    "stmia %0!, {r4, r5}": 2,
    "stmdb %0, {r4, r5}": 1,
    "ldrd r4, r5, [%0]": 2,
    "ldrd r4, r5, [%0, #8]": 1,
    "strd r4, r5, [%0]": 1,
    "strd r4, r5, [%0], #8": 2,
    "ldrex r4, [%0]": 2,
    "strex r4, r5, [%0]": 1,
    "ldrexh r4, [%0]": 1,
    "strexh r4, r5, [%0]": 1,
}
TAKEN = {"ldr r4, [%0]": 1, "str r4, [%0, #4]": 2, "ldrh r4, [%0]": 3, "strh r4, [%0]": 1, "ldrexb r4, [%0]": 1}
CHECKED_NAMES = (
    "ldm",
    "stm",
    "ldrd",
    "strd",
    "ldrex",
    "strex",
    "lda",
    "stl",
    "vldr",
    "vstr",
    "vldm",
    "vstm",
    "fldm",
    "fstm",
)
BYTES = ("ldrexb", "strexb", "ldab", "stlb", "ldaexb", "stlexb")


def run(compiled: Compiled, board: str, instruction: str, offset_bytes: int) -> str:
    """One inference of a firmware that begins with the instruction; what the emulator says, "" where nothing."""
    output = compiled("digits", board)
    main = output.folder / "firmware" / "main.c"
    code = f"""    static uint32_t words[8];
    volatile uint8_t *at = (volatile uint8_t *)(words + 4) + {offset_bytes};
    __asm__ volatile("{instruction}" : "+l"(at) : : "r4", "r5", "r6", "memory");
    for (;;) {{"""
    main.write_text(main.read_text().replace("    for (;;) {", code, 1))
    built = firmware_of(output)
    engine = CortexMEngine(built.firmware.path, built.memory)
    engine.power_on()
    try:
        engine.infer(bytes(64))
    except ToolFailed as error:
        return error.what
    return ""


@pytest.mark.parametrize("instruction", REFUSED)
def test_an_unaligned_address_that_every_m4_refuses_is_a_fault(instruction: str, copied: Compiled) -> None:
    assert "unaligned access to 0x2000" in run(copied, "qemu_m4", instruction, REFUSED[instruction])


@pytest.mark.parametrize("instruction", ["ldmia %0, {r4, r5, r6}", "strd r4, r5, [%0]", "ldrex r4, [%0]"])
def test_so_it_is_on_an_m33(instruction: str, copied: Compiled) -> None:
    assert "unaligned access to 0x3800" in run(copied, "qemu_m33", instruction, REFUSED[instruction])


@pytest.mark.parametrize("instruction", TAKEN)
def test_an_unaligned_address_that_every_m4_takes_is_none(instruction: str, copied: Compiled) -> None:
    assert run(copied, "qemu_m4", instruction, TAKEN[instruction]) == ""


@pytest.mark.parametrize("instruction", ["ldmia %0!, {r4, r5}", "strd r4, r5, [%0]", "ldrexh r4, [%0]"])
def test_an_aligned_address_is_taken(instruction: str, copied: Compiled) -> None:
    assert run(copied, "qemu_m4", instruction, 4) == ""


REFUSED_BY_M0 = {
    "ldr r4, [%0]": 1,
    "ldr r4, [%0, #8]": 2,
    "movs r5, #1; ldr r4, [%0, r5]": 0,
    "ldrh r4, [%0, #2]": 3,
    "movs r5, #1; ldrsh r4, [%0, r5]": 2,
    "str r4, [%0]": 3,
    "strh r4, [%0]": 1,
    "movs r5, #2; str r4, [%0, r5]": 3,
    "ldmia %0!, {r4, r5}": 1,
}
TAKEN_BY_M0 = {
    "ldrb r4, [%0]": 1,
    "strb r4, [%0]": 3,
    "movs r5, #0; ldrsb r4, [%0, r5]": 1,
    "ldrh r4, [%0]": 2,
    "movs r5, #3; ldr r4, [%0, r5]": 1,
    "movs r5, #1; strh r4, [%0, r5]": 1,
}


@pytest.mark.parametrize("instruction", REFUSED_BY_M0)
def test_an_m0_refuses_every_unaligned_address(instruction: str, copied: Compiled) -> None:
    assert "unaligned access to 0x2000" in run(copied, "qemu_m0", instruction, REFUSED_BY_M0[instruction])


@pytest.mark.parametrize("instruction", TAKEN_BY_M0)
def test_an_m0_takes_every_aligned_address(instruction: str, copied: Compiled) -> None:
    assert run(copied, "qemu_m0", instruction, TAKEN_BY_M0[instruction]) == ""


def test_the_instructions_that_an_m0_checks_are_those_that_another_disassembler_knows() -> None:
    """Every Thumb instruction of one halfword: words and halfwords in memory, but for those relative to SP and PC."""
    seen = set()
    for first in range(0xE800):
        found = next(decoder().disasm(first.to_bytes(2, "little"), 0, count=1), None)
        if found is None:
            continue
        name = found.insn_name()
        memory = [operand.mem.base for operand in found.operands if operand.type == arm.ARM_OP_MEM]
        checked = name in ("ldr", "str", "ldrh", "strh", "ldrsh") and arm_number(memory[0]) not in (13, 15)
        checked |= name in ("ldm", "stm")
        assert library().fml_needs_alignment(first, 0, 1) == checked, f"{first:04x} {name} {found.op_str}"
        seen |= {name} if checked else set()
    assert seen == {"ldr", "str", "ldrh", "strh", "ldrsh", "ldm", "stm"}


def test_the_instructions_that_are_checked_are_those_that_another_disassembler_knows() -> None:
    """Every first halfword of Thumb, each with several second ones, against capstone's names and operands."""
    rng = np.random.default_rng(0)
    seen = set()
    for first in (*range(0xC000, 0xD000), *range(0xE800, 0xEA00), *range(0xEC00, 0xEE00)):
        random = [int(word) for word in rng.integers(0, 1 << 16, 24)]
        for second in (*random, *(word & 0xF0F0 | 0x0F0F for word in random)):  # ones where exclusives should have them
            code = first.to_bytes(2, "little") + second.to_bytes(2, "little")
            found = next(decoder().disasm(code, 0, count=1), None)
            if found is None or found.insn_name().startswith("sha1") or second & 0xE00 == 0x800:
                continue  # what no Cortex-M of ours has: SHA-1, floats of 16 bits
            name, base = found.insn_name(), -1
            if name.startswith(CHECKED_NAMES) and name not in BYTES:
                operands = found.operands
                memory = [operand.mem.base for operand in operands if operand.type == arm.ARM_OP_MEM]
                register = memory[0] if memory else operands[0].reg
                base = arm_number(register)
                seen.add(name)
            assert library().fml_aligned_base(first, second) == (-1 if base in (13, 15) else base), (
                f"{code.hex()} {name}"
            )
    assert {"ldm", "stm", "ldmdb", "ldrd", "strd", "ldrex", "strex", "ldrexh", "lda", "stl", "vldr", "vstmia"} <= seen


def arm_number(register: int) -> int:
    """r0 to r15 of capstone's number."""
    special = {arm.ARM_REG_SP: 13, arm.ARM_REG_LR: 14, arm.ARM_REG_PC: 15}
    return special.get(register, register - arm.ARM_REG_R0)
