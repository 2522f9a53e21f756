"""What clang calls for products, quotients and shifts gives Python's results, on the emulator."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from freeml.board.board import load_board
from freeml.firmware.elf import read_firmware
from freeml.firmware.msp430 import compiler_flags
from freeml.firmware.toolchain import find_zig
from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Limits, StopReason

HAL = Path(__file__).resolve().parents[2] / "runtime_c" / "hal" / "msp430fr59xx"
STACK, BACK = 0x3000, 0x3F00
OPS: dict[str, Callable[[int, int], int]] = {
    "mul": lambda a, b: a * b,
    "quot": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "rem": lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1),
    "left": lambda a, b: a << b,
    "right": lambda a, b: a >> b,
}
C_OPS = {"mul": "*", "quot": "/", "rem": "%", "left": "<<", "right": ">>"}
TYPES = {"u16": (16, False), "i16": (16, True), "u32": (32, False), "i32": (32, True)}
FUNCTIONS = [(op, name) for op in OPS for name in TYPES if (op, name) not in (("left", "i16"), ("left", "i32"))]


def c_text() -> str:
    lines = ["#include <stdint.h>"]
    types = {"u16": "uint16_t", "i16": "int16_t", "u32": "uint32_t", "i32": "int32_t", "u64": "uint64_t"}
    for op, name in [*FUNCTIONS, ("mul", "u64")]:
        second = types[name] if op in ("mul", "quot", "rem") else "uint16_t"
        # Signed products wrap as unsigned ones do; in C they must not.
        inner = f"(u{types[name]})" if op == "mul" and name[0] == "i" else ""
        body = f"({types[name]})({inner}a {C_OPS[op]} {inner}b)"
        lines += [f"{types[name]} {op}_{name}({types[name]} a, {second} b);"]
        lines += [f"{types[name]} {op}_{name}({types[name]} a, {second} b) {{ return {body}; }}"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int]:
    """called(function, type, a, b): the value that C gets."""
    work = tmp_path_factory.mktemp("libcalls")
    (work / "ops.c").write_text(c_text())
    (work / "link.ld").write_text("SECTIONS { .text 0x4000 : { KEEP(*(.text .text.*)) } }\n")
    compiler = find_zig()
    assert compiler is not None
    options = [
        "-std=c99",
        "-O2",
        "-ffreestanding",
        "-nostdlib",
        "-fno-asynchronous-unwind-tables",
        "-Wl,-e,mul_u16",
        "-T",
        "link.ld",
    ]
    sources = ["ops.c", str(HAL / "fml_libcalls.c")]
    command = [*compiler.command, *compiler_flags(compiler, "msp430x"), *options, *sources, "-o", "a.elf"]
    subprocess.run(command, cwd=work, check=True)
    memory = load_board("msp430fr5994").memory_map
    assert memory is not None
    firmware = read_firmware(work / "a.elf", memory)
    chip = Msp430()
    for address, content in firmware.segments:
        chip.write_memory(address, content)

    def call(op: str, name: str, a: int, b: int) -> int:
        chip.reset(3)  # or the watchdog barks
        bits = int(name[1:])
        low = [a >> shift & 0xFFFF for shift in range(0, bits, 16)]
        low += [b >> shift & 0xFFFF for shift in range(0, bits if op in ("mul", "quot", "rem") else 16, 16)]
        for register, word in enumerate(low[:4], start=12):
            chip.set_register(register, word)
        kept = {register: random.Random(register).getrandbits(16) for register in range(4, 11)}
        for register, value in kept.items():
            chip.set_register(register, value)
        chip.set_register(1, STACK)
        chip.write_memory(STACK, b"".join(word.to_bytes(2, "little") for word in [BACK, *low[4:]]))
        chip.set_register(0, firmware.symbols[f"{op}_{name}"][0])
        stop = chip.run(Limits(instructions=100_000, breakpoint=BACK))
        assert (stop.reason, stop.pc) == (StopReason.BREAKPOINT, BACK)
        assert {register: chip.register(register) for register in kept} == kept
        assert chip.register(1) == STACK + 2
        return sum((chip.register(12 + k) & 0xFFFF) << 16 * k for k in range(bits // 16))

    return call


def numbers(rng: random.Random, bits: int, signed: bool, n: int) -> list[int]:
    """Edges, and random ones of every magnitude."""
    edges = [0, 1, 2, 3, 255, 256, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1, 2 ** (bits // 2), 0xAAAA]
    values = edges + [rng.getrandbits(rng.randrange(1, bits + 1)) for _ in range(n)]
    values += [(-value) % 2**bits for value in values]
    return [value - 2**bits if signed and value >> (bits - 1) else value for value in values]


@pytest.mark.parametrize(("op", "name"), FUNCTIONS)
def test_each_call_gives_pythons_result(op: str, name: str, called: Callable[..., int]) -> None:
    bits, signed = TYPES[name]
    rng = random.Random(f"{op} {name}")
    values = numbers(rng, bits, signed, 40)
    if op in ("left", "right"):
        pairs = [(a, shift) for a in values for shift in {0, 1, bits - 1, rng.randrange(bits), rng.randrange(bits)}]
    else:
        pairs = [(a, b) for a in values[:22] for b in values[:22]] + [(rng.choice(values), b) for b in values]
    for a, b in pairs:
        if (op in ("quot", "rem") and b == 0) or (signed and b == -1 and a == -(2 ** (bits - 1))):
            continue  # undefined in C
        assert called(op, name, a, b) == OPS[op](a, b) % 2**bits, (a, b)


def test_products_of_64_bits_are_pythons(called: Callable[..., int]) -> None:
    rng = random.Random(64)
    values = numbers(rng, 64, False, 30)
    for _ in range(400):
        a, b = rng.choice(values), rng.choice(values)
        assert called("mul", "u64", a, b) == a * b % 2**64, (a, b)
