"""The kernels as objects: sanitizers, other processors, sizes, no state."""

from __future__ import annotations

import ctypes
import io
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from freeml.firmware.host import build_host_library, build_host_program
from freeml.firmware.toolchain import Compiler, find_host_compiler, find_zig
from freeml.ir.interpret_int import requantize

from .cases import GENERATORS
from .choices import Seeded, splits
from .library import INCLUDE, SOURCES, VARIANTS, for_variant, includes_of, own_kernels, sources_of
from .record import recording

HERE = Path(__file__).parent

TARGETS = {
    "msp430": ("-target", "msp430-freestanding-eabi", "-mcpu=msp430+hwmultf5"),
    "cortex_m0": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0"),
    "cortex_m4": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"),
    "cortex_m7": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m7"),
    "cortex_m33": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m33+dsp"),
}
BUILDS = [("portable", "msp430"), ("portable", "cortex_m0"), ("portable", "cortex_m4"), ("armv6m", "cortex_m0")]
BUILDS += [("armv7em", "cortex_m4"), ("armv7em", "cortex_m7"), ("armv7em", "cortex_m33")]
every_variant = pytest.mark.parametrize("variant", VARIANTS)
M4_BYTES_OF_A_SMALL_CNN = 2048  # conv, maxpool and dense together; the promise to users is 6 kB for the whole runtime
SANITIZED_CASES_PER_KERNEL = 120


def _zig() -> Compiler:
    zig = find_zig()
    assert zig is not None, "ziglang is a development dependency: pip install ziglang"
    return zig


def _object(
    compiler: Compiler, source: Path, flags: tuple[str, ...], folder: Path, variant: str = "portable"
) -> ELFFile:
    out = folder / f"{source.stem}.o"
    compiler.compile([source], includes_of(variant), out, ["-c", "-ffreestanding", *flags], shared=False)
    return ELFFile(io.BytesIO(out.read_bytes()))


def _bytes_in(elf: ELFFile, *prefixes: str) -> int:
    return sum(section["sh_size"] for section in elf.iter_sections() if section.name.startswith(prefixes))


def _sanitized_replay(folder: Path, variant: str = "portable") -> Path:
    # zig comes without the runtime of AddressSanitizer
    sanitize = ("undefined",) if find_host_compiler().kind == "zig" else ("address", "undefined")
    sources = [*sources_of(variant), HERE / "replay.c"]
    return build_host_program(sources, includes_of(variant), folder / "replay", sanitize=sanitize, optimise="-O1")


@every_variant
def test_recorded_cases_replay_clean_under_sanitizers(variant: str, tmp_path: Path) -> None:
    program = _sanitized_replay(tmp_path, variant)
    calls = []
    for kernel in own_kernels(variant):
        for seed in range(SANITIZED_CASES_PER_KERNEL):
            choices = Seeded(seed)
            case = GENERATORS[kernel](choices)
            calls.append((for_variant(case, variant), splits(choices, case.n_units)))
    (tmp_path / "cases").write_bytes(recording(calls))
    done = subprocess.run([program, tmp_path / "cases"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stdout == f"{len(calls)} cases\n"


@every_variant
def test_the_sanitizer_run_finds_a_fault_in_a_descriptor(variant: str, tmp_path: Path) -> None:
    program = _sanitized_replay(tmp_path, variant)
    conv, dense = (for_variant(GENERATORS[name](Seeded(0)), variant) for name in ("fml_conv_i8", "fml_dense_i8"))
    faults = {"shift exponent": replace(dense, consts={**dense.consts, "shift": dense.consts["shift"] * 0})}
    if find_host_compiler().kind != "zig":
        faults["heap-buffer-overflow"] = replace(conv, scratch_bytes=(conv.scratch_bytes or 0) - 1)
    for finding, case in faults.items():
        (tmp_path / "cases").write_bytes(recording([(case, [(0, case.n_units)])]))
        done = subprocess.run([program, tmp_path / "cases"], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert finding in done.stderr


def test_requantization_in_32_bits_equals_the_64_bit_formula(tmp_path: Path) -> None:
    library = ctypes.CDLL(str(build_host_library([HERE / "requant_probe.c"], [INCLUDE], tmp_path / "probe.so")))
    rng = np.random.default_rng(1)
    n = 400_000
    edges = np.array([-(2**31), 2**31 - 1, -65537, -65536, -1, 0, 1, 65535, 65536, 2**30], np.int32)
    acc = (rng.integers(-(2**31), 2**31, n) >> rng.integers(0, 32, n)).astype(np.int32)
    acc[::5] = rng.choice(edges, acc[::5].size)
    mult = rng.integers(0, 65536, n).astype(np.uint16)
    mult[::7] = rng.choice(np.array([0, 1, 32768, 65535], np.uint16), mult[::7].size)
    shift, zp = rng.integers(1, 47, n).astype(np.uint8), rng.integers(-128, 128, n).astype(np.int8)
    # half of them where the rounding decides: products near an odd multiple of half an output step
    near = rng.random(n) < 0.5
    step = np.left_shift(np.int64(1), shift.astype(np.int64) - 1)
    target = (2 * rng.integers(-130, 130, n) + 1) * step
    close = np.clip(target // np.maximum(mult, 1) + rng.integers(-1, 2, n), -(2**31), 2**31 - 1).astype(np.int32)
    acc = np.where(near, close, acc).astype(np.int32)
    y = np.zeros(n, np.int8)
    library.probe_requant(*(ctypes.c_void_p(a.ctypes.data) for a in (acc, mult, shift, zp, y)), ctypes.c_size_t(n))
    expected = np.clip(requantize(acc, mult, shift) + zp, -128, 127)
    assert np.array_equal(y, expected)
    assert ((expected > -128) & (expected < 127)).sum() > 100_000


@pytest.mark.parametrize(("variant", "target"), BUILDS)
@pytest.mark.parametrize("optimise", ["-Os", "-O2"])
def test_kernels_compile_without_warnings_and_hold_no_state(
    variant: str, target: str, optimise: str, tmp_path: Path
) -> None:
    for source in sources_of(variant):
        if variant != "portable" and source in SOURCES:
            continue
        elf = _object(_zig(), source, (*TARGETS[target], optimise), tmp_path, variant)
        assert _bytes_in(elf, ".text") > 0, source.name
        assert _bytes_in(elf, ".data", ".bss") == 0, source.name


@pytest.mark.parametrize("optimise", ["-O0", "-Os", "-O3"])
def test_kernels_compile_without_warnings_for_this_machine(optimise: str, tmp_path: Path) -> None:
    for compiler in (find_host_compiler(), _zig()):
        compiler.compile(SOURCES, [INCLUDE], tmp_path / compiler.name, [optimise, *compiler.host_flags])


def test_kernels_of_a_small_cnn_stay_small_on_cortex_m4(tmp_path: Path) -> None:
    names = ("fml_conv_i8", "fml_maxpool_i8", "fml_dense_i8")
    sources = [source for source in SOURCES if source.stem in names]
    sizes = {s.stem: _bytes_in(_object(_zig(), s, (*TARGETS["cortex_m4"], "-Os"), tmp_path), ".text") for s in sources}
    assert sum(sizes.values()) <= M4_BYTES_OF_A_SMALL_CNN, sizes
