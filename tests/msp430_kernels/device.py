"""Kernels on the emulated FR5994 at 16 MHz: one firmware for all, each run one call with data the test wrote."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freeml.firmware.objects import cached_object
from freeml.firmware.toolchain import Compiler
from freeml.kernels.coded_formats import CODED
from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Limits, StopReason
from tests.kernels.library import DESCRIPTORS, INCLUDE, RUNTIME, Bytes, Case, blank, part_stem
from tests.msp430.oracle import find_toolchain

PROGRAM = Path(__file__).parent / "program"
FOLDER = RUNTIME / "kernels" / "msp430"
PORTABLE = RUNTIME / "kernels" / "portable"
CALL, DATA, DATA_END = 0xB800, 0xB840, 0xFF00
SCRATCH, SCRATCH_END = 0x2C00, 0x3C00  # SRAM
FAR, FAR_END = 0x1_0000, 0x4_3FF6
_CALLS = """conv_i8 pointwise_i8 depthwise_i8 dense_i8 maxpool_i8 avgpool_i8 add_i8 mul_i8 lut_i8 softmax_i8 copy_i8
pad_i8 transpose_i8 conv_part_i8 conv_finish_i8 dense_part_i8 dense_finish_i8 conv_pool_i8 pointwise_pool_i8
depthwise_pool_i8 exit_head_i32 exit_mix_i32"""
_CODED = tuple(kernel.name for kernel in CODED.values())
_CODED_CALLS = [f"coded_{name}_{what}i8" for name in _CODED for what in ("", "part_", "finish_")]
KERNELS = {f"fml_{name}": number for number, name in enumerate(_CALLS.split(), start=1)}
KERNELS |= {f"fml_{name}": number for number, name in enumerate(_CODED_CALLS, start=1)}
_CONVS = """coded_conv_depthwise_i8 coded_conv_gaps_i8 coded_conv_gaps_part_i8 coded_conv_gaps_finish_i8
coded_conv_plain_i8 coded_conv_plain_part_i8 coded_conv_plain_finish_i8 decoded_conv_depthwise_i8
decoded_conv_codebook_i8 decoded_conv_codebook_part_i8 decoded_conv_codebook_finish_i8 decoded_conv_ternary_i8
decoded_conv_ternary_part_i8 decoded_conv_ternary_finish_i8 decoded_conv_ans_i8 decoded_conv_ans_part_i8
decoded_conv_ans_finish_i8 decoded_slice_ans_i8 decoded_slice_codebook_i8 decoded_slice_ternary_i8"""
KERNELS |= {f"fml_{name}": number for number, name in enumerate(_CONVS.split(), start=1)}
"""Numbers of the kernels in program/main.c and convs.c."""
STREAMS = ("w", "index")  # of 20-bit addresses
_GUARD = 16
_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2", "-ffreestanding", "-nostdlib")
_LINK = ("-ffunction-sections", "-Wl,--gc-sections", "-DFML_FAR_WEIGHTS", f"-Wl,-T,{PROGRAM / 'link.ld'}")


@dataclass(frozen=True)
class Build:
    """A compiler with its memory model."""

    name: str
    command: tuple[str, ...]
    library: tuple[str, ...] = ()
    is_large: bool = False


def builds() -> list[Build]:
    """Every MSP430 compiler of this machine: zig, and GCC in both memory models."""
    found = []
    if importlib.util.find_spec("ziglang") is not None:
        zig = (sys.executable, "-m", "ziglang", "cc", "-target", "msp430-freestanding-eabi", "-mcpu=msp430+hwmultf5")
        quiet = ("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-Wl,--no-eh-frame-hdr")
        found.append(Build("zig", (*zig, *quiet), (str(PROGRAM / "libcalls.c"),)))
    tools = find_toolchain()
    if tools is not None:
        gcc = (str(tools / "msp430-elf-gcc"), "-mmcu=msp430fr5994", "-mhwmult=f5series", "-Wl,--no-warn-rwx-segments")
        library = ("-lgcc", "-lmul_f5", "-lgcc")
        found.append(Build("gcc-small", (*gcc, "-msmall"), library))
        found.append(Build("gcc-large", (*gcc, "-mlarge"), library, is_large=True))
    return found


def kernel_sources() -> list[Path]:
    """Of each kernel the file for the MSP430, or the portable one."""
    special = {path.name: path for path in FOLDER.glob("*.c")}
    return [special.get(path.name, path) for path in sorted(PORTABLE.glob("*.c"))]


@functools.cache
def firmware(build: Build, *, coded: bool = False, convs: str = "") -> Path:
    """The firmware with all kernels: those of the MSP430's folder, portable ones where it has none.

    coded, convs: those of stored formats in place of all others, of dense layers or, "CODED" and "DECODED", of
    convolutions.
    """
    output = Path(tempfile.mkdtemp(prefix="freeml-kernels-")) / "fw.elf"
    kernels = [path for path in kernel_sources() if path.name.startswith("fml_coded") == coded or convs != ""]
    kernels = [path for path in kernels if convs != "" or not path.name.startswith(("fml_coded_conv", "fml_decoded"))]
    define = (f"-D{convs}",) if convs else ("-DSTORED_FORMATS",) if coded else ()
    main = PROGRAM / ("convs.c" if convs else "main.c")
    objects = [_object(build, path, output.parent) for path in (PROGRAM / "start.S", *kernels)]
    objects.append(_object(build, main, output.parent, *define))
    _run(build, *_FLAGS, *_LINK, *map(str, objects), *build.library, "-o", str(output))
    return output


def _object(build: Build, source: Path, work: Path, *define: str) -> Path:
    """Of one file, compiled once for all firmware of a build."""
    options = [option for option in (*_FLAGS, *_LINK, *define, "-c") if not option.startswith("-Wl,")]
    includes = [FOLDER, INCLUDE]

    def make(to: Path) -> None:
        _run(build, *options, *(f"-I{folder}" for folder in includes), str(source), "-o", str(to))

    return cached_object(_compiler(build), source, includes, options, work, make)


@functools.cache
def _compiler(build: Build) -> Compiler:
    said = subprocess.run([*build.command, "--version"], capture_output=True, text=True, check=True).stdout
    return Compiler(build.name, build.command, said.splitlines()[0], "zig" if build.name == "zig" else "gcc")


def _run(build: Build, *arguments: str) -> None:
    done = subprocess.run([*build.command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


@functools.cache
def _layout(name: str, *, is_large: bool) -> type[ctypes.Structure]:
    """A descriptor as an MSP430 lays it out: alignment 2, pointers of 2 or 4 bytes, addresses of weights 4."""
    return _narrow(DESCRIPTORS[name], ctypes.c_uint32 if is_large else ctypes.c_uint16)


def _narrow(structure: type[ctypes.Structure], pointer: type[Any]) -> type[ctypes.Structure]:
    fields: list[tuple[str, Any]] = []
    for entry in structure._fields_:
        name, kind = entry[0], entry[1]
        if kind is ctypes.c_void_p:
            kind = ctypes.c_uint32 if name in STREAMS else pointer
        elif issubclass(kind, ctypes.Structure):
            kind = _narrow(kind, pointer)
        fields.append((name, kind))
    anonymous = getattr(structure, "_anonymous_", ())
    layout = {"_pack_": 2, "_anonymous_": anonymous, "_fields_": fields}
    return type(structure.__name__, (ctypes.Structure,), layout)


class Device:
    """A device with the firmware of one build."""

    def __init__(self, build: Build, elf: Path | None = None) -> None:
        self.build = build
        self.cycles = 0
        self._boot_cycles = 0
        self._chip = Msp430("fr5994")
        self._chip.load_elf(elf or firmware(build))
        self._pointer = ctypes.c_uint32 if build.is_large else ctypes.c_uint16
        self._call(0, (0, 0, 0, 0, 0), 0, 0)
        self._boot_cycles, self.cycles = self.cycles, 0

    def run(
        self, case: Case, tiles: Sequence[tuple[int, int]], *, far: int = FAR, in_place: int | None = None
    ) -> Bytes:
        """Compute the tiles in the order given; `cycles` counts them, calls included. far: address of the weights.

        Fails where anything but output and scratch changes in the area of the data.
        """
        self.cycles = 0
        layer, operands, free = self._place(case, far)
        y = operands[in_place] if in_place is not None else free
        area = blank(case.expected.size + _GUARD)
        if in_place is None:
            self._chip.write_memory(y, area.tobytes())
        scratch = (SCRATCH_END - (case.scratch_bytes or 0)) & ~3  # ends where memory ends, or as near as may be
        operands += [0] * (2 - len(operands))
        before = self._chip.read_memory(DATA, free - DATA)
        channel, rows = case.slice or (0, 0)
        for first, n in tiles:
            pointers = (layer, *operands, y + case.y_offset(first), scratch)
            self._call(KERNELS[case.kernel], pointers, first, n, channel | rows << 16)
        after = self._chip.read_memory(DATA, free - DATA)
        if in_place is None:
            assert before == after, "an input or a constant was written"
        content = np.frombuffer(self._chip.read_memory(y, case.expected.size + _GUARD), np.uint8)
        assert in_place is not None or (content[-_GUARD:] == area[-1]).all(), "written past the end"
        written: Bytes = content[: case.expected.size].copy()
        return written

    def run_parts(self, case: Case, n_products: int, part_products: int, *, far: int = FAR) -> Bytes:
        """The layer by sums of part_products products each, as the runtime adds them."""
        self.cycles = 0
        stem = part_stem(case.kernel)
        part, finish = KERNELS[f"{stem}_part_i8"], KERNELS[f"{stem}_finish_i8"]
        layer, operands, _ = self._place(case, far)
        pointers = (layer, operands[0], 0, 0, 0)
        out = np.empty(case.n_units, np.int8)
        for element in range(case.n_units):
            acc = 0
            for k0 in range(0, n_products, part_products):
                acc += self._call(part, pointers, element, min(part_products, n_products - k0), k0)
            out[element] = self._call(finish, pointers, element, 0, 0, acc)
        return out.view(np.uint8)

    def _place(self, case: Case, far: int) -> tuple[int, list[int], int]:
        """Write descriptor, constants and inputs; their addresses, and the first free one."""
        free = DATA

        def store(data: bytes) -> int:
            nonlocal free
            at, free = free, (free + len(data) + _GUARD) & ~1
            assert free < DATA_END, "the case does not fit"
            self._chip.write_memory(at, data)
            return at

        addresses: dict[str, int] = {}
        for name, array in case.consts.items():
            if name in STREAMS:
                self._chip.write_memory(far, array.tobytes())
                addresses[name], far = far, far + array.nbytes
            else:
                addresses[name] = store(array.tobytes())
        if case.descriptor is None:
            (layer,) = addresses.values()
        else:
            descriptor = _layout(case.descriptor, is_large=self.build.is_large)(**case.fields)
            for name, address in addresses.items():
                setattr(descriptor, name, address)
            layer = store(bytes(descriptor))
        operands = [store(operand.tobytes()) for operand in case.inputs]
        output = free + (free & 1)
        return layer, operands, output

    def _call(self, kernel: int, pointers: tuple[int, ...], first: int, n: int, k0: int = 0, acc: int = 0) -> int:
        p = self._pointer
        numbers = [(p(v)) for v in pointers] + [ctypes.c_uint32(v) for v in (first, n, k0)] + [ctypes.c_int32(acc)]
        block = bytes(ctypes.c_uint16(kernel)) + b"".join(bytes(number) for number in numbers)
        self._chip.write_memory(CALL, block)
        self._chip.reset(7)
        stop = self._chip.run(Limits(cycles=100_000_000))
        assert stop.reason == StopReason.CPU_OFF, stop
        self.cycles += self._chip.counters().cycles - self._boot_cycles
        return int.from_bytes(self._chip.read_memory(CALL + len(block) - 4, 4), "little", signed=True)
