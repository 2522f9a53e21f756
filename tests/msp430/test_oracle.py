"""Differential test against gdb's msp430-elf-run, and the tests' assembler against GNU as."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.msp430.assembler import assemble
from tests.msp430.oracle import CASES, INSTRUCTIONS, compare, find_toolchain
from tests.msp430.test_cycles import FORMS


@pytest.fixture(scope="module")
def tools() -> Path:
    found = find_toolchain()
    if found is None:
        pytest.skip("no msp430-elf toolchain: set FREEML_MSP430_TOOLCHAIN, or put the archive in ../shared/toolchain")
    return found


def test_100000_random_instructions_give_what_gdbs_simulator_gives(tools: Path) -> None:
    n_batches = -(-100_000 // (INSTRUCTIONS * CASES))
    assert [line for seed in range(n_batches) for line in compare(tools, seed)] == []


def test_the_assembler_of_these_tests_encodes_as_gnu_as_does(tools: Path, tmp_path: Path) -> None:
    """All 16-bit, 20-bit and address forms of the cycle table but those whose spelling differs."""
    spelled = [text for text, *_ in FORMS if not any(mark in text for mark in ("ede:", "#=", "call", "nop"))]
    ours = [assemble(text) for text in spelled]
    source = "\n".join(text.replace(" ", "\t", 1) for text in spelled)
    (tmp_path / "t.s").write_text(source.replace("jmp\t2", "jmp\t$+4") + "\n")
    lines = []
    for line in (tmp_path / "t.s").read_text().splitlines():
        name, _, rest = line.partition("\t")
        lines.append(f"{name}\t$+4" if name.startswith("j") else f"{name}\t{rest}")
    (tmp_path / "t.s").write_text("\n".join(lines) + "\n")
    command = [str(tools / "msp430-elf-as"), "-mcpu=430xv2", "-ml", "-mN", "-o", "t.o", "t.s"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    command = [str(tools / "msp430-elf-objcopy"), "-O", "binary", "-j", ".text", "t.o", "t.bin"]
    subprocess.run(command, cwd=tmp_path, check=True)
    expected = b"".join(word.to_bytes(2, "little") for words in ours for word in words)
    assert (tmp_path / "t.bin").read_bytes() == expected
