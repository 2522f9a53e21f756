"""Random instructions on gdb's `msp430-elf-run` and on the emulator: the differential test and its masks.

    python -m tests.msp430.oracle 1000000        # so many instructions, from seed 0

A case loads R4-R15, sets C, Z and N, runs ten random instructions and pushes SR and R4-R15 on a result stack, which the
simulator's host call writes to stdout. Masks, each a documented defect or simplification of that simulator (MSP430.md
section 2, MSP430-CYCLES-ENERGY.md section 7) or undefined by the guide:

- V is bit 7 instead of 8, never set by SUB and CMP in all forms, RRC sets it: not compared, and no random JGE or JL;
- other flags are compared as instructions leave them in registers, and C, Z, N at the end of a case, after an AND;
- SXT leaves bits 19:16 and takes a stale C; SWPBX.A and SXTX have no third opinion; DADD is undefined for what is not
  BCD: not generated;
- `@Rn+` in Format II increments twice; `@Rn+` and the same register in the destination is unspecified: not generated;
- words at odd addresses are read unaligned, the device ignores bit 0: not generated;
- symbolic sources of ADD and SUB read wrongly; the multiplier aborts on bytes: no PC-relative operand, no I/O.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from freeml.firmware.host import cache_dir
from freeml.sim.msp430.chip import Limits, StopReason
from tests.msp430.assembler import TWO_NAMES, assemble
from tests.msp430.machine import boot

ARCHIVE = Path(__file__).resolve().parents[3] / "shared" / "toolchain" / "msp430-elf-gcc-12.2-linux-x86_64.tar.xz"
CODE, RESULTS_TOP, DATA, DATA_BYTES = 0x10000, 0x43F00, 0x2000, 256
INSTRUCTIONS, CASES, RECORD_BYTES = 10, 900, 50
POINTERS, EVEN, VALUES = range(4, 8), range(4, 7), range(8, 16)  # R7 points to bytes
INITIAL_DATA = bytes((37 * k + 11) & 0xFF for k in range(DATA_BYTES))
LINKER_SCRIPT = f"""OUTPUT_ARCH(msp430)
ENTRY(_start)
SECTIONS {{ .text {CODE:#x} : {{ *(.text) }} .data {DATA:#x} : {{ *(.data) }} /DISCARD/ : {{ *(*) }} }}
"""


def find_toolchain() -> Path | None:
    """The folder with msp430-elf-as, -ld and -run: FREEML_MSP430_TOOLCHAIN, or the archive, unpacked once."""
    chosen = os.environ.get("FREEML_MSP430_TOOLCHAIN")
    home = Path(chosen) if chosen else cache_dir() / "msp430-elf-toolchain"
    if not chosen and not home.is_dir() and ARCHIVE.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as work, tarfile.open(ARCHIVE) as archive:
            archive.extractall(work, filter="data")
            try:
                (Path(work) / "msp430-elf-toolchain").rename(home)
            except OSError:
                if not home.is_dir():  # another process was not faster
                    raise
    return home / "bin" if (home / "bin" / "msp430-elf-run").exists() else None


@dataclass(frozen=True)
class Case:
    registers: dict[int, int]
    flags: int
    lines: list[str]
    repeats: list[int]


def source(rng: random.Random, size: str, destination: str) -> str:
    step = 2 if size == "" else 4 if size == "a" else 1
    pointer = 7 if size == "b" else rng.choice(EVEN)
    return rng.choice(
        [
            f"r{rng.choice(VALUES)}",
            f"#{rng.choice([0, 1, 2, 4, 8, -1])}",
            f"#={rng.getrandbits(20 if size == 'a' else 16)}",
            f"@r{pointer}",
            f"@r{pointer}" if f"(r{pointer})" in destination else f"@r{pointer}+",
            f"{rng.randrange(-16, 16) * max(step, 2)}(r{pointer})",
            f"&{DATA + rng.randrange(DATA_BYTES // 4) * 4}",
        ]
    )


def target(rng: random.Random) -> str:
    value = f"r{rng.choice(VALUES)}"
    offset = rng.randrange(-16, 16) * 4
    return rng.choice([value, value, f"{offset}(r{rng.choice(EVEN)})", f"&{DATA + rng.randrange(60) * 4}"])


def instruction(rng: random.Random) -> str:
    kind = rng.randrange(10)
    if kind < 7:
        name = rng.choice([name for name in TWO_NAMES if name != "dadd"])
        size = rng.choice(["", "", "b", "x", "xb", "xa"])
        width = size.removeprefix("x")
        full = name + ("x" if "x" in size else "") + (f".{width}" if width else "")
        destination = target(rng)
        return f"{full} {source(rng, width, destination)}, {destination}"
    if kind == 7:
        name = rng.choice(["rra", "swpb", "rrax", "rrax.a", "rra.b", "rrc", "rrcx", "rrcx.a", "swpbx"])
        register = f"r{rng.choice(VALUES)}"
        memory = f"{rng.randrange(-16, 16) * 4}(r{rng.choice(EVEN)})"
        return f"{name} {rng.choice([register, memory, f'@r{rng.choice(EVEN)}'])}"
    if kind == 8:
        name = rng.choice(["rrcm", "rram", "rlam", "rrum"])
        return f"{name}.{rng.choice('wa')} #{rng.randrange(1, 5)}, r{rng.choice(VALUES)}"
    name, value = rng.choice(["mova", "adda", "suba", "cmpa"]), rng.choice(VALUES)
    operand = rng.choice([f"#{rng.getrandbits(20)}", f"r{rng.choice(VALUES)}"])
    if name == "mova" and rng.random() < 0.5:
        pointer, offset = rng.choice(EVEN), rng.randrange(-8, 8) * 4
        memory = rng.choice(
            [f"@r{pointer}", f"@r{pointer}+", f"{offset}(r{pointer})", f"&{DATA + 4 * rng.randrange(60)}"]
        )
        return f"mova {memory}, r{value}" if "@" in memory or rng.random() < 0.5 else f"mova r{value}, {memory}"
    return f"{name} {operand}, r{value}"


def random_case(rng: random.Random) -> Case:
    pointers = {k: DATA + 80 + rng.randrange(24) * 4 for k in POINTERS}
    registers = pointers | {k: rng.getrandbits(20) for k in VALUES}
    lines = [instruction(rng) for _ in range(INSTRUCTIONS)]
    repeats = [rng.choice([1, 1, 2, 16]) if "x" in line.split()[0] else 1 for line in lines]
    return Case(registers, rng.getrandbits(3), lines, repeats)


def words_of(case: Case) -> list[int]:
    """Set-up, the instructions, and the push of the record. SR is read after an AND made the flags comparable."""
    words: list[int] = []
    for index, value in case.registers.items():
        words += assemble(f"mova #{value}, r{index}")
    words += assemble(f"mov #={case.flags}, sr")
    for line, repeat in zip(case.lines, case.repeats, strict=True):
        words += assemble(line, repeat=repeat)
    words += assemble("pushm.a #12, r15")
    return words + assemble("and r8, r9") + assemble("push sr")


def image(cases: list[Case]) -> tuple[list[int], int]:
    """Code of all cases; address of the instruction at which the emulator stops."""
    words = assemble(f"mova #{RESULTS_TOP}, r1")
    for case in cases:
        words += words_of(case)
    stop = CODE + 2 * len(words)
    for number, first, size in (
        (5, RESULTS_TOP - len(cases) * RECORD_BYTES, len(cases) * RECORD_BYTES),
        (5, DATA, DATA_BYTES),
    ):
        words += assemble("mov #1, r12") + assemble(f"mova #{first}, r13") + assemble(f"mova #{size}, r14")
        words += assemble(f"call #={0x180 + number}")
    words += assemble("mov #0, r12") + assemble(f"call #={0x181}")
    return words, stop


def on_simulator(tools: Path, words: list[int], work: Path) -> bytes:
    """What gdb's simulator writes to stdout: result stack, then the data area."""
    text = ".section .text\n.global _start\n_start:\n" + "".join(f".word {word}\n" for word in words)
    data = ",".join(str(byte) for byte in INITIAL_DATA)
    (work / "t.s").write_text(f'{text}.section .data,"aw"\n.byte {data}\n')
    run = [str(tools / "msp430-elf-as"), "-mcpu=430xv2", "-ml", "-o", "t.o", "t.s"]
    subprocess.run(run, cwd=work, check=True)
    (work / "t.ld").write_text(LINKER_SCRIPT)
    link = [str(tools / "msp430-elf-ld"), "-T", "t.ld", "--no-warn-rwx-segments", "-o", "t.elf", "t.o"]
    subprocess.run(link, cwd=work, check=True)
    return subprocess.run([str(tools / "msp430-elf-run"), "t.elf"], cwd=work, check=True, capture_output=True).stdout


def on_emulator(words: list[int], stop: int, n_cases: int) -> bytes:
    chip = boot(["mov #0x5A80, &0x15C", f"mova #{CODE}, pc"])
    chip.write_memory(CODE, b"".join(word.to_bytes(2, "little") for word in words))
    chip.write_memory(DATA, INITIAL_DATA)
    came = chip.run(Limits(breakpoint=stop))
    assert came.reason == StopReason.BREAKPOINT, came
    size = n_cases * RECORD_BYTES
    return chip.read_memory(RESULTS_TOP - size, size) + chip.read_memory(DATA, DATA_BYTES)


def compare(tools: Path, seed: int, n_cases: int = CASES) -> list[str]:
    """Differences of one random batch, as text."""
    rng = random.Random(seed)
    return differences(tools, [random_case(rng) for _ in range(n_cases)], f"seed {seed}")


def differences(tools: Path, cases: list[Case], label: str) -> list[str]:
    """Flags C, Z, N and R4-R15 after each case, the data area after all, one line per difference."""
    words, stop = image(cases)
    with tempfile.TemporaryDirectory() as work:
        expected = on_simulator(tools, words, Path(work))
    got = on_emulator(words, stop, len(cases))
    assert len(expected) == len(got), (len(expected), len(got))
    found = []
    for k, case in enumerate(cases):
        at = (len(cases) - 1 - k) * RECORD_BYTES
        theirs, ours = expected[at : at + RECORD_BYTES], got[at : at + RECORD_BYTES]
        if theirs[0] & 7 != ours[0] & 7:
            found.append(f"{label} case {k}: flags {theirs[0]:02x}, emulator {ours[0]:02x}: {case}")
        for index in range(12):
            a, b = (int.from_bytes(x[2 + 4 * index : 6 + 4 * index], "little") for x in (theirs, ours))
            if a != b:
                found.append(f"{label} case {k}: r{index + 4} {a:05x}, emulator {b:05x}: {case}")
    if expected[-DATA_BYTES:] != got[-DATA_BYTES:]:
        found.append(f"{label}: data area differs")
    return found


if __name__ == "__main__":
    bin_dir = find_toolchain()
    assert bin_dir, "no toolchain"
    n_batches = -(-int(sys.argv[1]) // (INSTRUCTIONS * CASES))
    found = [line for seed in range(n_batches) for line in compare(bin_dir, seed)]
    print("\n".join(found[:20]))
    print(f"{n_batches * INSTRUCTIONS * CASES} instructions, {len(found)} differences")
