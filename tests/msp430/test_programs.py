"""Whole programs: C compiled by zig, power cut at every instruction with resume, ELF loading, speed."""

from __future__ import annotations

import importlib.util
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from freeml.errors import BadOutput
from freeml.firmware.elf import read_segments
from freeml.firmware.toolchain import WARNINGS, find_host_compiler, find_zig
from freeml.sim.msp430.chip import NATIVE, SOURCES, Limits, Msp430, StopReason
from tests.msp430.machine import DATA, HALT, boot, read_word

LINKER_SCRIPT = """OUTPUT_ARCH(msp430)
ENTRY(_start)
MEMORY { RAM : ORIGIN = 0x1C00, LENGTH = 0x1000  FRAM : ORIGIN = 0x4000, LENGTH = 0xBF80
  RESET : ORIGIN = 0xFFFE, LENGTH = 2 }
PHDRS { fram PT_LOAD; ram PT_LOAD; rst PT_LOAD; }
SECTIONS {
  .resetvec : { KEEP(*(.resetvec)) } > RESET :rst
  .text : { KEEP(*(.crt0)) *(.text .text.*) *(.rodata .rodata.*) . = ALIGN(2); } > FRAM :fram
  .fram : { *(.fram) . = ALIGN(2); } > FRAM :fram
  .data : { __data_start = .; *(.data .data.*) . = ALIGN(2); __data_end = .; } > RAM AT> FRAM :ram
  __data_load = LOADADDR(.data);
  .bss (NOLOAD) : { *(.bss .bss.*) } > RAM :ram
  /DISCARD/ : { *(.comment) *(.eh_frame .eh_frame_hdr) }
}
"""
START_UP = """  .section .crt0,"ax",@progbits
  .global _start
_start:
  mov #0x5A80, &0x015C
  mov #0x2C00, r1
  mov #__data_start, r12
  mov #__data_load, r13
1: cmp #__data_end, r12
  jhs 2f
  mov @r13+, r14
  mov r14, 0(r12)
  incd r12
  jmp 1b
2: call #main
  bis #0xF0, r2
  .section .resetvec,"a",@progbits
  .word _start
"""
MAIN = """#include <stdint.h>
#define MACS (*(volatile uint16_t *)0x4C6)
#define OP2 (*(volatile uint16_t *)0x4C8)
#define RESLO (*(volatile uint16_t *)0x4CA)
#define RESHI (*(volatile uint16_t *)0x4CC)
static int16_t a[16] = {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12, 13, -14, 15, -16};
static const int16_t b[16] = {100, 200, -300, 400, 500, 600, -700, 800,
                              900, 1000, -1100, 1200, 1300, 1400, -1500, 1600};
__attribute__((section(".fram"))) volatile int32_t result = 1;
int main(void) {
    RESLO = 0;
    RESHI = 0;
    for (int i = 0; i < 16; i++) {
        a[i] = (int16_t)(a[i] + 1000);
        MACS = (uint16_t)a[i];
        OP2 = (uint16_t)b[i];
    }
    uint16_t low = RESLO;
    result = (int32_t)((uint32_t)RESHI << 16 | low);
    return (int)low;
}
"""
A = [k + 1 if k % 2 == 0 else -k - 1 for k in range(16)]
B = [100, 200, -300, 400, 500, 600, -700, 800, 900, 1000, -1100, 1200, 1300, 1400, -1500, 1600]


def test_a_c_program_compiled_by_zig_gives_the_right_answer_after_every_power_up(tmp_path: Path) -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed: pip install ziglang")
    for name, text in {"t.ld": LINKER_SCRIPT, "crt0.S": START_UP, "main.c": MAIN}.items():
        (tmp_path / name).write_text(text)
    flags = ["-target", "msp430-freestanding-eabi", "-mcpu=msp430+hwmultf5", "-O2", "-nostdlib", "-T", "t.ld"]
    flags += ["-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-Wl,--no-eh-frame-hdr"]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, "crt0.S", "main.c", "-o", "fw.elf"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    chip = Msp430("fr5994")
    chip.load_elf(tmp_path / "fw.elf")
    expected = sum((x + 1000) * y for x, y in zip(A, B, strict=True))
    for seed in (1, 2):
        chip.reset(seed)
        assert chip.run(Limits(cycles=100_000)).reason == StopReason.CPU_OFF
        assert chip.register(12) == expected & 0xFFFF
        assert chip.counters().multiplications == 16
    assert expected.to_bytes(4, "little", signed=True) in chip.read_memory(0x4000, 0x40000)


def elf(address: int, data: bytes, machine: int = 105) -> bytes:
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, machine, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    return header + struct.pack("<IIIIIIII", 1, 84, 0x1C00, address, len(data), len(data), 5, 2) + data


def test_segments_go_to_their_load_address_as_pyelftools_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(elf(0x4000, b"abcd"))
    with path.open("rb") as file:
        theirs = [(segment["p_paddr"], segment.data()) for segment in ELFFile(file).iter_segments()]
    assert list(read_segments(path, "EM_MSP430")) == theirs
    chip = Msp430("fr5994")
    chip.load_elf(path)
    assert chip.read_memory(0x4000, 4) == b"abcd"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (elf(0x4000, b"abcd")[:60], "cut short"),
        (elf(0x4000, b"abcd")[:-1], "cut short"),
        (elf(0x4000, b"abcd", machine=40), "not a firmware"),
        (elf(0x50000, b"abcd"), "do not lie in the memory"),
    ],
)
def test_a_damaged_or_foreign_elf_is_refused(content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "fw.elf"
    path.write_bytes(content)
    with pytest.raises(BadOutput, match=what):
        Msp430("fr5994").load_elf(path)


COUNT = 0x8000
# Ten times: SRAM copy of the counter, plus one, back to FRAM in one word. Writes of one word are atomic.
RESUMABLE = [
    "mov #0x5A80, &0x15C",
    f"mov &{COUNT}, r8",
    "cmp #10, r8",
    "jeq 12",
    f"mov r8, &{DATA}",
    "add #1, r8",
    f"mov r8, &{COUNT}",
    "jmp -22",
    HALT,
]


def resumed(cut: Limits) -> tuple[int, StopReason]:
    """Result after one power failure and a run to the end."""
    chip = boot(RESUMABLE)
    chip.write_memory(COUNT, b"\0\0")
    first = chip.run(cut)
    chip.reset(99)
    assert chip.run(Limits(cycles=10_000)).reason == StopReason.CPU_OFF
    return read_word(chip, COUNT), first.reason


def test_power_cut_at_every_instruction_and_every_write_resumes_to_the_same_result() -> None:
    whole = boot(RESUMABLE)
    whole.write_memory(COUNT, b"\0\0")
    assert whole.run().reason == StopReason.CPU_OFF
    n = whole.counters()
    assert (read_word(whole, COUNT), n.fram_writes) == (10, 10)
    for k in range(1, n.instructions):
        assert resumed(Limits(instructions=k)) == (10, StopReason.INSTRUCTIONS)
    for k in range(1, n.fram_writes + 1):
        assert resumed(Limits(nvm_writes=k)) == (10, StopReason.NVM_WRITE)


def test_the_emulator_runs_25_million_instructions_per_second_or_more() -> None:
    best = 0.0
    for _ in range(3):
        chip = boot(
            ["mov #0x5A80, &0x15C", f"mov #{DATA}, r6", "mov @r6, r5", "add r5, r4", "mov r4, 2(r6)", "jmp -10"]
        )
        begin_s = time.process_time()
        chip.run(Limits(instructions=10_000_000))
        best = max(best, 10 / (time.process_time() - begin_s))
    print(f"{best:.0f} million instructions per second")
    assert best >= 25


def test_the_c_compiles_without_a_warning_under_every_compiler_here(tmp_path: Path) -> None:
    compilers = {compiler.command: compiler for compiler in (find_host_compiler(), find_zig()) if compiler}
    for compiler in compilers.values():
        compiler.compile(SOURCES, [NATIVE], tmp_path / "m.so", [*compiler.host_flags, *WARNINGS, "-O1"])
