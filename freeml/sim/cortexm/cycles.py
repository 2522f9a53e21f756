"""Cycles of a Cortex-M by class of instruction: what `taken.cycles` of an emulated board counts.

Sources: the tables "Cortex-M0+ instruction summary" (DDI 0484, section 3.3; multiplier of one cycle, as STM32L0 has),
"Cortex-M3 instruction set summary" (DDI 0337, 3.3.1) and "Cortex-M4 instruction set summary" (DDI 0439, 3.3.1).
Arm publishes no such table for M33 and M7: both have that of the M4 here, which for the M7 is an upper bound, since its
second issue slot and its branch prediction are left out.

Assumptions: memories answer without wait states. A taken branch refills the pipeline in 1 cycle on M0+, where the
manual says so, and 2 elsewhere, where it says 1 to 3. Loads and stores are not overlapped with one another (M3 and M4
save a cycle where they can), a division takes 7 of its 2 to 12 cycles, a long multiplication of the M3 5 of its 3 to 5,
an instruction that an IT block skips takes its full time. No cycle number here was compared with silicon.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import capstone
from capstone import arm

from freeml.board.core import Core

REFILL_CYCLES: dict[Core, int] = {
    "cortex-m0plus": 1,
    "cortex-m3": 2,
    "cortex-m4": 2,
    "cortex-m7": 2,
    "cortex-m33": 2,
}
"""Of a taken branch, on top of the branch's own cycle."""

_LOADS_OF_MANY = {"ldm", "pop", "stm", "push", "stmdb", "ldmdb", "vldmia", "vstmia", "vpush", "vpop"}
_BARRIERS = {"dsb", "dmb", "isb"}
_DIVISION = 7
_LONG_PRODUCTS = {"umull", "smull", "umlal", "smlal"}


def instruction_cycles(core: Core) -> Callable[[bytes], int]:
    """cycles(code): of the instruction that the bytes begin with, a taken branch's refill left out."""
    disassembler = decoder()

    def cycles(code: bytes) -> int:
        found = next(disassembler.disasm(code, 0, count=1), None)
        return 1 if found is None else _cycles(found, core)

    return cycles


@functools.cache
def decoder() -> capstone.Cs:
    """Of Thumb instructions, with their operands."""
    thumb = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    found = capstone.Cs(capstone.CS_ARCH_ARM, thumb)
    found.detail = True
    return found


def _cycles(found: Any, core: Core) -> int:
    name = found.insn_name()
    if name in _LOADS_OF_MANY:
        return _many(found, name, core)
    if name in ("ldrd", "strd"):
        return 3
    if name.startswith(("ldr", "str")):
        return 2
    if name in _BARRIERS:
        return 3 if core == "cortex-m0plus" else 1
    if name in ("mrs", "msr"):
        return 3 if core == "cortex-m0plus" else 2
    if name == "bl" and core == "cortex-m0plus":
        return 2  # 3 with the refill
    if name in ("tbb", "tbh"):
        return 2
    if name in ("sdiv", "udiv"):
        return _DIVISION
    if core == "cortex-m3":
        return 5 if name in _LONG_PRODUCTS else 2 if name in ("mla", "mls") else 1
    return 2 if name == "mls" else 1


def _many(found: Any, name: str, core: Core) -> int:
    registers = [operand.reg for operand in found.operands if operand.type == arm.ARM_OP_REG]
    transferred = len(registers) if name in ("push", "pop") else len(registers) - 1
    if core == "cortex-m0plus" and arm.ARM_REG_PC in registers:
        return transferred + 2  # 3 + N with the refill
    return transferred + 1
