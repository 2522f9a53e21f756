"""The C of a model, built for this machine and loaded into this process, as a device: the C that the firmware has."""

from __future__ import annotations

import ctypes
import mmap
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.errors import ToolFailed
from freeml.firmware.host import build_host_library
from freeml.ir.graph import Graph
from freeml.output.folder import Output
from freeml.plan.protocol import ARENA, PUBLISHED
from freeml.plan.step_table import Kind
from freeml.sim.device import N_FILLS, Inference, Result, Step
from freeml.sim.steps import ModelSteps

_RAM_BYTES = 256  # room for fml_ram_t, whatever the pointer size
_RESULT_BYTES = 8
_MOST_UJ = 2**32 - 1
_GUARD = 64
_GUARDED = 0x5A


class HostDevice:
    """A Device. NVM and SRAM have guard bytes, checked after every inference.

    steps      of the model, for whoever goes step by step
    is_staged  the board's NVM is no memory that a pointer can read. The model gets the address of a window in which
               nothing is mapped, so that a read past the board interface ends the process instead of being right by
               accident
    Raises ToolFailed where the library is not of this model.
    """

    basis = ""

    def __init__(
        self,
        library: Path,
        graph: Graph,
        steps: ModelSteps,
        *,
        nvm_bytes: int,
        sram_bytes: int,
        is_staged: bool = False,
        seed: int = 0,
    ) -> None:
        self.name = graph.name
        self.steps = steps
        try:
            self.library = ctypes.CDLL(str(library))
            self._model = ctypes.addressof(ctypes.c_char.in_dll(self.library, f"{graph.name}_model"))
            for name in ("fml_boot", "fml_infer", "fml_step", "fml_result", "fml_read_output"):
                getattr(self.library, name).restype = ctypes.c_int
        except (OSError, ValueError, AttributeError) as error:
            raise ToolFailed(f"the host library cannot be loaded: {error}", where=library.name) from error
        self.ram = ctypes.create_string_buffer(_RAM_BYTES)
        self._rng = np.random.default_rng(seed)
        self._nvm, self._sram = _guarded(nvm_bytes), _guarded(sram_bytes)
        self._body(self._nvm)[:] = self._garbage(nvm_bytes)
        self._sizes = [graph.types[port.value].size_bytes for port in graph.inputs]
        self._codes: list[Any] = []
        self._samples = (ctypes.c_void_p * len(self._sizes))()
        self._shown = [ctypes.create_string_buffer(graph.types[port.value].size_bytes) for port in graph.outputs]
        self._result = Result(0, 0, 0, 0)
        self._boots, self._time_us = 0, 0.0
        self._next: int | None = None
        self.window = _address(self._nvm)
        if is_staged:
            # Python has no name for PROT_NONE, which is 0 wherever there is mmap.
            reserved = mmap.mmap(-1, nvm_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)
            self._reserved = np.frombuffer(reserved, dtype=np.uint8)
            self.window = ctypes.c_void_p(self._reserved.ctypes.data)
            self.library.fml_host_set_window(self.window, _address(self._nvm))

    @property
    def nvm(self) -> bytes:
        """All that persists."""
        return self._body(self._nvm).tobytes()

    @nvm.setter
    def nvm(self, content: bytes) -> None:
        self._body(self._nvm)[: len(content)] = np.frombuffer(content, dtype=np.uint8)

    def power_on(self, fill: int | None = None) -> None:
        """Power was off. fill: which of N_FILLS garbages RAM comes back with; the next one by default."""
        byte = 37 * ((self._boots if fill is None else fill) % N_FILLS) + 0x33 & 0xFF
        self._boots += 1
        self._body(self._sram)[:] = byte
        ctypes.memset(self.ram, byte, _RAM_BYTES)
        self.library.fml_boot(self.ram, ctypes.c_void_p(self._model), self.window, _address(self._sram))
        self._next = self.steps.next_in(self.nvm[:ARENA])

    def sense(self, codes: bytes) -> None:
        """What the sensors show from now on: int8 codes of all inputs, one after the other."""
        if len(codes) != sum(self._sizes):
            raise ValueError(f"the model's inputs have {sum(self._sizes)} bytes, not {len(codes)}")
        at = 0
        self._codes = []
        for k, n_bytes in enumerate(self._sizes):
            self._codes.append(ctypes.create_string_buffer(codes[at : at + n_bytes], n_bytes))
            self._samples[k] = ctypes.addressof(self._codes[k])
            at += n_bytes
        self.library.fml_host_set_inputs(self._samples)

    def meter(self, energy_uj: float) -> None:
        """What the energy meter shows from now on."""
        self.library.fml_host_set_energy_uj(ctypes.c_uint32(min(int(energy_uj), _MOST_UJ)))

    def clock(self, time_us: float) -> None:
        """What the clock shows from now on: how long a step takes on a device, this machine does not know."""
        self._time_us = time_us

    def step(self) -> Step:
        """Up to the next commit. Raises ToolFailed where nothing was committed."""
        if self._next is None:
            raise ToolFailed("the device has no power", where=self.name)
        index = self._next
        kind = self.steps.kind(index)
        if kind is Kind.REPORT:
            self._show(has_outputs=self.steps.depth(index) > 0)
        status = self.library.fml_step(self.ram)
        self._next = self.steps.next_in(self.nvm[:ARENA])
        if status != self.steps.status(index, self._next):
            raise ToolFailed(f"step {index} gave status {status}", where=self.name)
        self._check_guards()
        return Step(index, kind, self.steps.layer(index), self.steps.depth(index), None, self._time_us)

    def outputs(self) -> bytes:
        """The bytes of all outputs as last reported."""
        return b"".join(shown.raw for shown in self._shown)

    def result(self) -> Result:
        """The result as last reported."""
        return self._result

    def infer(self, codes: bytes) -> Inference:
        """One inference on these codes, from where the device is: after a power-on or a report."""
        self.sense(codes)
        if self._stands_at(Kind.REPORT):
            self.step()
        status = self.library.fml_infer(self.ram)
        if status != PUBLISHED:
            raise ToolFailed(f"it published nothing: status {status}", where=self.name)
        self._next = self.steps.next_in(self.nvm[:ARENA])
        self.step()
        return Inference(self.outputs(), self._result, None)

    def newest(self) -> Result | None:
        """The newest published result, read from NVM alone."""
        found = ctypes.create_string_buffer(_RESULT_BYTES)
        status = self.library.fml_result(ctypes.c_void_p(self._model), self.window, found)
        return None if status != 0 else Result.of(found.raw)

    def _stands_at(self, kind: Kind) -> bool:
        return self._next is not None and self.steps.kind(self._next) is kind

    def _show(self, *, has_outputs: bool) -> None:
        """Outputs and result, as fml_hal_report() finds them."""
        for k, shown in enumerate(self._shown if has_outputs else ()):
            span = ctypes.c_uint32(0), ctypes.c_uint32(len(shown))
            if self.library.fml_read_output(self.ram, ctypes.c_uint16(k), *span, shown) != 0:
                raise ToolFailed(f"it published a result and gives no output {k}", where=self.name)
        newest = self.newest()
        if newest is None:
            raise ToolFailed("it published a result and none is found in NVM", where=self.name)
        self._result = newest

    def _garbage(self, n_bytes: int) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self._rng.bytes(n_bytes), dtype=np.uint8)

    @staticmethod
    def _body(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return buffer[_GUARD:-_GUARD]

    def _check_guards(self) -> None:
        for buffer in (self._nvm, self._sram):
            if (buffer[:_GUARD] != _GUARDED).any() or (buffer[-_GUARD:] != _GUARDED).any():
                raise ToolFailed("it wrote outside its NVM or SRAM", where=self.name)


def _guarded(n_bytes: int) -> npt.NDArray[np.uint8]:
    return np.full(n_bytes + 2 * _GUARD, _GUARDED, dtype=np.uint8)


def _address(buffer: npt.NDArray[np.uint8]) -> ctypes.c_void_p:
    return ctypes.c_void_p(int(buffer.ctypes.data) + _GUARD)


def host_device(output: Output) -> HostDevice:
    """Compile a folder's C for this machine and load it. Raises ToolMissing or ToolFailed."""
    memory = output.manifest.memory
    with tempfile.TemporaryDirectory(prefix="freeml-load-") as work:
        # A new path each time: under a path it knows, the loader returns the library it has, not a changed one.
        library = build_host_library(output.sources, output.include_dirs, Path(work) / f"{output.graph.name}.so")
        return HostDevice(
            library,
            output.graph,
            ModelSteps.of(output.manifest.tiles),
            nvm_bytes=memory.nvm_bytes,
            sram_bytes=memory.tile_bytes + memory.scratch_bytes,
            is_staged=output.manifest.tiles.is_staged,
        )
