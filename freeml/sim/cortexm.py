"""Run a Cortex-M firmware instruction by instruction, and take its power away where wanted. Unicorn is the core.

NVM keeps its bytes through a power loss; RAM comes back as garbage, other garbage each time. Instructions and NVM
stores are counted in C (cortexm_hook.c). A firmware reports by semihosting (runtime_c/hal/cortexm). Memory outside the
board's regions faults, and so does an unaligned access on ARMv6-M, which Unicorn alone would let pass. Not modelled:
time. Unicorn executes instructions, it has no pipeline, no wait states and no buses.
"""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import unicorn
from unicorn import arm_const

from freeml.board import Board
from freeml.errors import BadBoard, ToolFailed
from freeml.firmware.elf import read_firmware
from freeml.firmware.host import build_host_library
from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.memory_map import MemoryMap

# Unicorn has no Cortex-M0+; the M0 executes the same instructions.
_MODELS = {
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
_ALIGNED_ONLY = ("cortex-m0plus",)
_PUBLISHED = 1
_SEMIHOSTING = 7  # what Unicorn calls `bkpt 0xab`
_EXIT_EXTENDED = 0x20
N_FILLS = 8
MOST_INSTRUCTIONS = 20_000_000_000  # of one inference: a network of a billion products
_NOWHERE = 0xFFFF_FFFE


class _Watch(ctypes.Structure):
    """fml_watch_t."""

    _fields_ = (
        ("instructions", ctypes.c_uint64),
        ("budget", ctypes.c_uint64),
        ("nvm_stores", ctypes.c_uint64),
        ("nvm_bytes", ctypes.c_uint64),
        ("unaligned", ctypes.c_uint64),
        ("unaligned_address", ctypes.c_uint64),
        ("flash_base", ctypes.c_uint64),
        ("flash_bytes", ctypes.c_uint64),
        ("flash", ctypes.c_void_p),
        ("known", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class Inference:
    """What the firmware reported, and what it took from the power-on or the report before."""

    outputs: bytes
    instructions: int
    nvm_bytes_written: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A board between two instructions: registers, next instruction, RAM, NVM."""

    core: Any
    pc: int
    ram: bytes
    nvm: bytes


class CortexMEngine:
    """A board with one firmware. Starts without power, with garbage in NVM.

    elf    a firmware of freeml
    board  the board it was linked for, or its memory map
    seed   of the garbage
    Raises ToolFailed where the file is not such a firmware.
    """

    def __init__(self, elf: str | Path, board: Board | MemoryMap, *, seed: int = 0) -> None:
        memory = board.memory_map if isinstance(board, Board) else board
        if memory is None:
            raise BadBoard("freeml has no emulator for this board", hint="qemu_m0, qemu_m4 and qemu_m33 have one")
        self.memory = memory
        self.firmware = read_firmware(Path(elf), memory)
        try:
            self._inputs = self.firmware.symbols["fml_window_inputs"]
            self._outputs = self.firmware.symbols["fml_window_outputs"]
        except KeyError as error:
            raise ToolFailed(f"not a firmware of freeml: there is no {error}", where=Path(elf).name) from error
        rng = np.random.default_rng(seed)
        self._fills = [rng.bytes(memory.ram_bytes) for _ in range(N_FILLS)]
        self._boots = 0
        self._codes = bytes(self._inputs[1])
        self._status: int | None = None
        self._fault = ""
        self._limited = False
        self._make(rng)

    def _make(self, rng: np.random.Generator) -> None:
        memory = self.memory
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(_MODELS[memory.core])
        uc.mem_map(memory.flash_base, memory.flash_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        uc.mem_map(memory.ram_base, memory.ram_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        uc.mem_map(memory.nvm_base, memory.nvm_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        for address, content in self.firmware.segments:
            uc.mem_write(address, content)
        uc.mem_write(memory.nvm_base, rng.bytes(memory.nvm_bytes))
        uc.hook_add(unicorn.UC_HOOK_INTR, self._on_exception)
        self._flash = np.frombuffer(uc.mem_read(memory.flash_base, memory.flash_bytes), dtype=np.uint8)
        self._known = np.zeros(memory.flash_bytes // 2, dtype=np.uint64)
        self._stack, self._reset = (int(word) for word in self._flash[:8].view("<u4"))
        self._watch = _Watch(
            flash_base=memory.flash_base,
            flash_bytes=memory.flash_bytes,
            flash=self._flash.ctypes.data,
            known=self._known.ctypes.data,
            stop=ctypes.cast(_uclib().uc_emu_stop, ctypes.c_void_p).value,
        )
        self._library = _hook_library()
        nvm = (memory.nvm_base, memory.nvm_base + memory.nvm_bytes - 1)
        self._hook(unicorn.UC_HOOK_BLOCK, self._library.fml_watch_block, (1, 0))
        self._hook(unicorn.UC_HOOK_MEM_WRITE, self._library.fml_watch_nvm, nvm)
        if memory.core in _ALIGNED_ONLY:
            kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
            self._hook(kinds, self._library.fml_watch_alignment, (1, 0))
        self._off = uc.context_save()
        self._pc = self._reset

    def _hook(self, kind: int, function: Any, span: tuple[int, int]) -> None:
        """Have Unicorn call a C function; a span (1, 0) means everywhere."""
        handle = ctypes.c_size_t()
        status = _uclib().uc_hook_add(
            self._uc._uch,
            ctypes.byref(handle),
            ctypes.c_int(kind),
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.byref(self._watch),
            ctypes.c_uint64(span[0]),
            ctypes.c_uint64(span[1]),
        )
        if status != 0:
            raise ToolFailed(f"the emulator takes no hook: error {status}", where=f"unicorn {unicorn.__version__}")

    @property
    def nvm(self) -> bytes:
        """What the firmware keeps in NVM."""
        return bytes(self._uc.mem_read(self.memory.nvm_base, self.firmware.size.nvm_bytes))

    @nvm.setter
    def nvm(self, content: bytes) -> None:
        self._uc.mem_write(self.memory.nvm_base, content)

    @property
    def nvm_stores(self) -> int:
        """Stores to NVM since the last report or power-on."""
        return int(self._watch.nvm_stores)

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on: int8 codes of all inputs, one after the other."""
        if len(codes) != self._inputs[1]:
            raise ValueError(f"the firmware's inputs have {self._inputs[1]} bytes, not {len(codes)}")
        self._codes = codes
        self._uc.mem_write(self._inputs[0], codes)

    def power_on(self, fill: int | None = None) -> None:
        """Power was off: RAM and registers hold nothing of before, NVM is as it was.

        fill: which of N_FILLS garbages RAM comes back with; the next one by default.
        """
        self._uc.context_restore(self._off)
        self._uc.mem_write(self.memory.ram_base, self._fills[(self._boots if fill is None else fill) % N_FILLS])
        self._boots += 1
        self._uc.mem_write(self._inputs[0], self._codes)
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, self._stack)
        self._pc = self._reset
        self._watch.instructions = self._watch.nvm_stores = self._watch.nvm_bytes = 0

    def run(self, instructions: int = 0) -> bool:
        """Execute up to the next report, or so many instructions if that is not 0. Whether a result was published.

        A run with a limit takes twice the time, and the first one after one without, or the other way round, translates
        the firmware again. Raises ToolFailed where the firmware faults, or has no result in 20e9 instructions.
        """
        self._status, self._fault = None, ""
        if (instructions > 0) != self._limited:
            # Blocks that were translated without a limit would not be counted.
            self._limited = instructions > 0
            self._uc.ctl_flush_tb()
        self._watch.budget = self._watch.instructions + MOST_INSTRUCTIONS
        try:
            self._uc.emu_start(self._pc | 1, _NOWHERE, count=instructions)
        except unicorn.UcError as error:
            self._fault = self._fault or str(error)
        if self._watch.unaligned:
            self._fault = f"unaligned access to {self._watch.unaligned_address:#x}"
        if self._fault or (self._status is not None and self._status != _PUBLISHED):
            why = self._fault or f"it reported status {self._status}"
            at = self._uc.reg_read(arm_const.UC_ARM_REG_PC)
            raise ToolFailed(f"the firmware failed at {at:#x}: {why}", where=self.firmware.path.name)
        if self._status is None:
            self._pc = self._uc.reg_read(arm_const.UC_ARM_REG_PC)
            if instructions == 0:
                raise ToolFailed(
                    f"no result after {self._watch.instructions:,} instructions", where=self.firmware.path.name
                )
            return False
        return True

    def infer(self, codes: bytes) -> Inference:
        """One inference on these codes, from where the firmware is: after a power-on or a report."""
        self.sense(codes)
        self._watch.instructions = self._watch.nvm_stores = self._watch.nvm_bytes = 0
        self.run()
        return Inference(self.outputs(), int(self._watch.instructions), int(self._watch.nvm_bytes))

    def outputs(self) -> bytes:
        """The bytes of all outputs as last reported."""
        return bytes(self._uc.mem_read(*self._outputs))

    def snapshot(self) -> Snapshot:
        """The whole board as it is."""
        memory = self.memory
        ram = bytes(self._uc.mem_read(memory.ram_base, memory.ram_bytes))
        return Snapshot(self._uc.context_save(), self._pc, ram, self.nvm)

    def restore(self, snapshot: Snapshot) -> None:
        """The board as it was then."""
        self._uc.context_restore(snapshot.core)
        self._pc = snapshot.pc
        self._uc.mem_write(self.memory.ram_base, snapshot.ram)
        self.nvm = snapshot.nvm

    def _on_exception(self, uc: Any, number: int, _user: Any) -> None:
        operation = uc.reg_read(arm_const.UC_ARM_REG_R0)
        if number == _SEMIHOSTING and operation == _EXIT_EXTENDED:
            block = uc.reg_read(arm_const.UC_ARM_REG_R1)
            self._status = int.from_bytes(uc.mem_read(block + 4, 4), "little", signed=True)
            # Unicorn is on the breakpoint still.
            self._pc = uc.reg_read(arm_const.UC_ARM_REG_PC) + 2
        else:
            self._fault = f"exception {number}"
        uc.emu_stop()


class EmulatedModel:
    """The firmware in place of the host build: the same `run`, and what it took."""

    def __init__(self, engine: CortexMEngine, graph: Graph) -> None:
        self.engine = engine
        self.graph = graph
        self.inferences: list[Inference] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs (B, *shape) for int8 codes (B, *shape) by value name, in memory order, one inference each."""
        types = [self.graph.types[port.value] for port in self.graph.outputs]
        codes = self.codes(inputs)
        results = [np.empty((len(codes), *t.shape), dtype=t.dtype.numpy) for t in types]
        if not self.inferences and codes:
            # The cold start and the first result are no part of what an inference takes.
            self.engine.power_on()
            self.engine.infer(codes[0])
        for sample, sensed in enumerate(codes):
            found = self.engine.infer(sensed)
            self.inferences.append(found)
            at = 0
            for k, type_ in enumerate(types):
                raw = found.outputs[at : at + type_.size_bytes]
                results[k][sample] = np.frombuffer(raw, dtype=type_.dtype.numpy).reshape(type_.shape)
                at += type_.size_bytes
        return {port.value: array for port, array in zip(self.graph.outputs, results, strict=True)}

    def codes(self, inputs: Mapping[str, Array]) -> list[bytes]:
        """What the sensors show, sample by sample."""
        arrays = [np.ascontiguousarray(inputs[port.value], dtype=np.int8) for port in self.graph.inputs]
        return [b"".join(array[k].tobytes() for array in arrays) for k in range(len(arrays[0]))]


def _uclib() -> Any:
    """Unicorn's C library: its Python package has no public name for it."""
    from unicorn.unicorn_py3.unicorn import uclib

    return uclib


def _hook_library() -> ctypes.CDLL:
    source = Path(__file__).with_name("cortexm_hook.c")
    with tempfile.TemporaryDirectory(prefix="freeml-hook-") as work:
        return ctypes.CDLL(str(build_host_library([source], [], Path(work) / "cortexm_hook.so")))
