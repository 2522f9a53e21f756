"""An interrupt from outside on an emulated Cortex-M: stacking and return, as DDI 0403, B1.5.6 to B1.5.8 has them."""

from __future__ import annotations

import struct

import pytest
from unicorn import arm_const as arm

from benchmarks.interrupts import SYSTICK, add_handler
from freeml.errors import ToolFailed
from freeml.sim.cortexm import exception as cortexm_exception
from freeml.sim.cortexm.engine import CortexMEngine
from tests.cortexm.conftest import Compiled, firmware_of


def engine_of(compiled: Compiled, board: str) -> CortexMEngine:
    """Within an inference of a firmware with a handler."""
    output = compiled("digits", board)
    add_handler(output)
    built = firmware_of(output)
    engine = CortexMEngine(built.firmware.path, built.memory)
    engine.power_on()
    engine.run_to(engine.symbols["fml_boot"][0])
    return engine


@pytest.mark.parametrize("misaligned", [0, 4])
@pytest.mark.parametrize("it_bits", [0, 0x0600_FC00 & 0x0400_8800])
def test_a_frame_has_eight_words_and_begins_at_a_multiple_of_8(misaligned: int, it_bits: int, copied: Compiled) -> None:
    """An IT block and flags are kept in it; the handler begins without."""
    engine = engine_of(copied, "qemu_m4")
    uc = engine._uc
    sp = (uc.reg_read(arm.UC_ARM_REG_SP) & ~7) - misaligned
    uc.reg_write(arm.UC_ARM_REG_SP, sp)
    uc.reg_write(arm.UC_ARM_REG_XPSR, 0x0100_0000 | 0xA000_0000 | it_bits)
    before = cortexm_exception.registers(uc, 0x100)
    cortexm_exception.enter(uc, 0x100)
    frame = uc.reg_read(arm.UC_ARM_REG_SP)
    assert frame % 8 == 0
    assert sp - frame == 32 + misaligned
    *_, pc, xpsr = struct.unpack("<8I", uc.mem_read(frame, 32))
    assert pc == 0x100
    assert xpsr & 0x0600_FC00 & ~(1 << 9) == it_bits
    assert bool(xpsr & 1 << 9) == bool(misaligned)
    assert uc.reg_read(arm.UC_ARM_REG_LR) == 0xFFFF_FFF9
    assert uc.reg_read(arm.UC_ARM_REG_XPSR) & 0x0600_FC00 == 0
    for register in (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R3, arm.UC_ARM_REG_R12):
        uc.reg_write(register, 0x5555_5555)
    assert cortexm_exception.leave(uc) == 0x100
    assert cortexm_exception.registers(uc, 0x100) == before


def test_primask_keeps_interrupts_out(copied: Compiled) -> None:
    engine = engine_of(copied, "qemu_m0")
    engine._uc.reg_write(arm.UC_ARM_REG_PRIMASK, 1)
    assert engine.masks_interrupts()
    assert not engine.interrupt(SYSTICK)
    engine._uc.reg_write(arm.UC_ARM_REG_PRIMASK, 0)
    assert engine.interrupt(SYSTICK)


def test_a_handler_that_nobody_defined_is_a_fault(compiled: Compiled) -> None:
    built = firmware_of(compiled("digits", "qemu_m4"))
    engine = CortexMEngine(built.firmware.path, built.memory)
    engine.power_on()
    engine.run_to(engine.symbols["fml_boot"][0])
    with pytest.raises(ToolFailed, match="status -100"):
        engine.interrupt(SYSTICK)
