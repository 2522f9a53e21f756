"""What a Cortex-M does on the way into an interrupt handler and back: stacking, alignment, EXC_RETURN.

Unicorn has no NVIC. Here an interrupt comes between two instructions, in Thread mode on the main stack, without FPU
context (DDI 0403, B1.5.6 to B1.5.8). The handler runs with IPSR 0, which freeml's code never reads.
"""

from __future__ import annotations

import struct
from typing import Any

from unicorn import arm_const as arm

EXC_RETURN = 0xFFFF_FFF9
"""In LR of a handler: back to Thread mode, main stack."""
_FRAME_BYTES = 32
_PADDED = 1 << 9  # of the stacked xPSR: SP was no multiple of 8
_IT = 0x0600_FC00
_STACKED = (
    *(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3),
    *(arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR),
)
_OTHERS = (
    *(arm.UC_ARM_REG_R4, arm.UC_ARM_REG_R5, arm.UC_ARM_REG_R6, arm.UC_ARM_REG_R7, arm.UC_ARM_REG_R8),
    *(arm.UC_ARM_REG_R9, arm.UC_ARM_REG_R10, arm.UC_ARM_REG_R11, arm.UC_ARM_REG_SP, arm.UC_ARM_REG_XPSR),
    arm.UC_ARM_REG_PRIMASK,
)


def is_masked(uc: Any) -> bool:
    """Whether PRIMASK keeps interrupts out."""
    return bool(uc.reg_read(arm.UC_ARM_REG_PRIMASK) & 1)


def enter(uc: Any, pc: int) -> None:
    """Stack what the core stacks; pc: the instruction that is next. A handler may start."""
    sp, xpsr = uc.reg_read(arm.UC_ARM_REG_SP), uc.reg_read(arm.UC_ARM_REG_XPSR)
    frame = (sp - _FRAME_BYTES) & ~7
    padded = _PADDED if sp & 4 else 0
    words = [*(uc.reg_read(register) for register in _STACKED), pc & ~1, xpsr & ~_PADDED | padded]
    uc.mem_write(frame, struct.pack("<8I", *words))
    uc.reg_write(arm.UC_ARM_REG_SP, frame)
    uc.reg_write(arm.UC_ARM_REG_LR, EXC_RETURN)
    uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & ~_IT)


def leave(uc: Any) -> int:
    """Take the frame at SP back; returns the instruction that is next."""
    sp = uc.reg_read(arm.UC_ARM_REG_SP)
    *values, pc, xpsr = struct.unpack("<8I", uc.mem_read(sp, _FRAME_BYTES))
    for register, value in zip(_STACKED, values, strict=True):
        uc.reg_write(register, value)
    uc.reg_write(arm.UC_ARM_REG_SP, sp + _FRAME_BYTES | (4 if xpsr & _PADDED else 0))
    uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & ~_PADDED)
    return int(pc)


def registers(uc: Any, pc: int) -> bytes:
    """All that a program can see of the core."""
    values = (uc.reg_read(register) for register in (*_STACKED, *_OTHERS))
    return struct.pack("<18I", *values, pc)
