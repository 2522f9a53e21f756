"""The kernels as the processor executes them: compiled for it, called one by one under Unicorn.

The host builds of the variants have plain C in place of SIMD instructions; here are the instructions themselves. Every
buffer ends where mapped memory ends, so that one byte read or written beyond it is a fault.
"""

from __future__ import annotations

import ctypes
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from unicorn import arm_const

from freeml.firmware.toolchain import find_zig

from .cases import GENERATORS
from .choices import Seeded, splits
from .library import Bytes, Case, blank, for_variant, includes_of, parse_descriptors, sources_of

DESCRIPTORS = parse_descriptors(ctypes.c_uint32)
CORES = {
    "cortex_m0plus": ("armv6m", arm_const.UC_CPU_ARM_CORTEX_M0),
    "cortex_m4": ("armv7em", arm_const.UC_CPU_ARM_CORTEX_M4),
    "cortex_m33+dsp": ("armv7em", arm_const.UC_CPU_ARM_CORTEX_M33),
}
CASES_PER_KERNEL = 8
_PAGE, _BUFFERS, _APART, _STACK, _STACK_BYTES, _RETURN = 4096, 0x2000_0000, 0x10_0000, 0x3000_0000, 0x4000, 0x1000


def _pages(n_bytes: int) -> int:
    return -(-max(n_bytes, 1) // _PAGE) * _PAGE


class Core:
    """A core with all kernels of its variant in memory."""

    def __init__(self, core: str) -> None:
        self.variant, self._model = CORES[core]
        zig = find_zig()
        assert zig is not None, "ziglang is a development dependency: pip install ziglang"
        with tempfile.TemporaryDirectory() as work:
            elf = Path(work, "kernels.elf")
            flags = ["-target", "thumb-freestanding-eabi", f"-mcpu={core}", "-O2", "-fno-sanitize=undefined"]
            flags += ["-ffreestanding", "-fno-unroll-loops", "-fomit-frame-pointer", "-Wl,-e,fml_dense_i8"]
            flags += [f"-Wl,-u,{kernel}" for kernel in GENERATORS]
            zig.compile(sources_of(self.variant), includes_of(self.variant), elf, flags, shared=False)
            with elf.open("rb") as file:
                image = ELFFile(file)
                self._segments = [(s["p_vaddr"], s.data()) for s in image.iter_segments("PT_LOAD") if s["p_filesz"]]
                tables = [s for s in image.iter_sections() if isinstance(s, SymbolTableSection)]
                self._symbols = {s.name: s["st_value"] for table in tables for s in table.iter_symbols()}

    def run(self, case: Case, tiles: list[tuple[int, int]]) -> Bytes:
        """The output area after all tiles."""
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(self._model)
        code: set[int] = set()
        for address, content in self._segments:
            code |= set(range(address // _PAGE, (address + len(content) - 1) // _PAGE + 1))
        for page in code:
            self._uc.mem_map(page * _PAGE, _PAGE, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        for address, content in self._segments:
            self._uc.mem_write(address, content)
        self._uc.mem_map(_STACK, _STACK_BYTES)
        self._n_buffers = 0
        layer = self._argument(case)
        inputs = [self._buffer(operand.tobytes()) for operand in case.inputs]
        y = self._buffer(blank(case.expected.size).tobytes())
        arguments = [layer, *inputs, y]
        if case.scratch_bytes is not None:
            arguments.append(self._buffer(bytes(case.scratch_bytes), align=4))
        for first, n in tiles:
            arguments[1 + len(inputs)] = y + case.y_offset(first)
            self._call(self._symbols[case.kernel], [*arguments, *case.slice, first, n])
        return np.frombuffer(self._uc.mem_read(y, case.expected.size), np.uint8)

    def _argument(self, case: Case) -> int:
        constants = {name: self._buffer(np.ascontiguousarray(a).tobytes()) for name, a in case.consts.items()}
        if case.descriptor is None:
            return next(iter(constants.values()))
        layer: Any = DESCRIPTORS[case.descriptor](**case.fields)
        for name, address in constants.items():
            setattr(layer, name, address)
        return self._buffer(bytes(layer), align=4)

    def _buffer(self, content: bytes, align: int = 1) -> int:
        """Memory whose end is the end of what is mapped, as near as the alignment allows."""
        base, n_bytes = _BUFFERS + self._n_buffers * _APART, _pages(len(content))
        self._n_buffers += 1
        self._uc.mem_map(base, n_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        address = (base + n_bytes - len(content)) // align * align
        self._uc.mem_write(address, content)
        return address

    def _call(self, function: int, arguments: list[int]) -> None:
        stack = _STACK + _STACK_BYTES - 64
        for k, value in enumerate(arguments):
            if k < 4:
                self._uc.reg_write(arm_const.UC_ARM_REG_R0 + k, value)
            else:
                self._uc.mem_write(stack + 4 * (k - 4), value.to_bytes(4, "little"))
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._uc.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
        self._uc.emu_start(function | 1, _RETURN)


@cache
def core_of(name: str) -> Core:
    return Core(name)


@pytest.mark.parametrize("core", sorted(CORES))
def test_kernels_give_the_interpreters_bytes_on_the_core_itself(core: str) -> None:
    board = core_of(core)
    for kernel, generator in GENERATORS.items():
        for seed in range(CASES_PER_KERNEL):
            choices = Seeded(seed)
            case = for_variant(generator(choices), board.variant)
            tiles = splits(choices, case.n_units)
            assert np.array_equal(board.run(case, tiles), case.expected), (kernel, seed)


@pytest.mark.parametrize("core", sorted(CORES))
def test_one_byte_beyond_a_buffer_is_a_fault(core: str) -> None:
    board = core_of(core)
    case = for_variant(GENERATORS["fml_dense_i8"](Seeded(0)), board.variant)
    short = Case(**{**vars(case), "inputs": (case.inputs[0][:-1],), "alive": []})
    with pytest.raises(unicorn.UcError):
        board.run(short, [(0, case.n_units)])
