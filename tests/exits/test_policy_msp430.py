"""fml_policy.c where an int has 16 bits: on the emulated MSP430, by each compiler there is, as numpy says it."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from freeml.exits.policy import ExitRow, Policy, PolicyKind
from freeml.ir.confidence import Softness, confidence
from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Limits, StopReason
from tests.kernels.library import INCLUDE, RUNTIME
from tests.msp430_kernels.device import PROGRAM, Build, builds

HERE = Path(__file__).parent
BLOCK = 0xB800
_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2", "-ffreestanding", "-nostdlib")


def firmware(build: Build, folder: Path) -> Path:
    elf = folder / f"{build.name}.elf"
    sources = (PROGRAM / "start.S", HERE / "policy_main.c", RUNTIME / "src" / "fml_policy.c")
    command = [*build.command, *_FLAGS, "-ffunction-sections", "-Wl,--gc-sections", f"-Wl,-T,{PROGRAM / 'link.ld'}"]
    command += [f"-I{INCLUDE}", f"-I{RUNTIME / 'src'}", *map(str, sources), *build.library, "-o", str(elf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return elf


@pytest.mark.parametrize("build", builds(), ids=lambda build: build.name)
def test_an_msp430_computes_confidence_as_it_is_defined(build: Build, tmp_path: Path) -> None:
    chip, rng = Msp430("fr5994"), np.random.default_rng(0)
    chip.load_elf(firmware(build, tmp_path))
    for trial in range(40):
        k = (2, 10, 12, 256)[trial % 4]
        scores = np.rint(rng.normal(scale=2.0 ** rng.uniform(2, 28), size=(1, k))).astype(np.int32)
        softness = Softness(int(rng.integers(0, 65_536)), int(rng.integers(8, 40)))
        threshold = int(rng.integers(0, 2**15 + 1))
        row = ExitRow(softness, threshold, next_uj=100_000)
        raw = Policy(PolicyKind.CONFIDENCE_OR_ENERGY, (row,), k).to_bytes()
        energy_uj = 99_999 if trial % 3 == 0 else 100_000
        chip.write_memory(BLOCK, raw + struct.pack("<IIHHHHHH", energy_uj, 0, k, 9, 0, 0, 0, 0) + scores.tobytes())
        chip.reset(7)
        assert chip.run(Limits(cycles=50_000_000)).reason == StopReason.CPU_OFF
        found = struct.unpack("<HHHHH", chip.read_memory(BLOCK + len(raw) + 10, 10))
        wanted = confidence(scores, softness)
        stops = int(wanted.shares[0] >= threshold or energy_uj < 100_000)
        numbers = (stops, wanted.classes[0], wanted.shares[0], wanted.entropies[0], wanted.published[0])
        assert found == numbers
