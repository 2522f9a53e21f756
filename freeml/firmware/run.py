"""Run the host build of a model from Python: the same C that the firmware has, step by step where wanted."""

from __future__ import annotations

import ctypes
import mmap
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeml.errors import ToolFailed
from freeml.firmware.host import build_host_library
from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.output.folder import Output
from freeml.plan.protocol import PUBLISHED

_RAM_BYTES = 256  # room for fml_ram_t, whatever the pointer size


class _Result(ctypes.Structure):
    """fml_result_t."""

    _fields_ = (
        ("sequence", ctypes.c_uint32),
        ("class_index", ctypes.c_uint16),
        ("confidence", ctypes.c_uint8),
        ("depth", ctypes.c_uint8),
    )


@dataclass(frozen=True, slots=True)
class Published:
    """The newest published result: fml_result_t."""

    sequence: int
    class_index: int
    confidence: int
    depth: int


class HostModel:
    """A compiled model loaded into this process. NVM and SRAM have guard bytes, checked after every batch.

    is_staged: the board's NVM is no memory that a pointer can read. The model gets the address of a window in which
    nothing is mapped, so that a read past the board interface ends the process instead of being right by accident.
    """

    _GUARD = 64

    def __init__(
        self,
        library: Path,
        graph: Graph,
        *,
        nvm_bytes: int,
        sram_bytes: int,
        arena_offset_bytes: int,
        is_staged: bool = False,
    ) -> None:
        self.graph = graph
        self._arena = arena_offset_bytes
        try:
            self._library = ctypes.CDLL(str(library))
            self._model = ctypes.addressof(ctypes.c_char.in_dll(self._library, f"{graph.name}_model"))
            for name in ("fml_boot", "fml_infer", "fml_step", "fml_result", "fml_read_output"):
                getattr(self._library, name).restype = ctypes.c_int
        except (OSError, ValueError, AttributeError) as error:
            raise ToolFailed(f"the host library cannot be loaded: {error}", where=library.name) from error
        self._ram = ctypes.create_string_buffer(_RAM_BYTES)
        self.nvm = np.full(nvm_bytes + 2 * self._GUARD, 0x5A, dtype=np.int8)
        self.sram = np.full(sram_bytes + 2 * self._GUARD, 0x5A, dtype=np.int8)
        self.published: list[Published] = []
        self._samples = (ctypes.c_void_p * len(graph.inputs))()
        self._window = self._address(self.nvm)
        if is_staged:
            # Python has no name for PROT_NONE, which is 0 wherever there is mmap.
            reserved = mmap.mmap(-1, nvm_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)
            self._reserved = np.frombuffer(reserved, dtype=np.int8)
            self._window = ctypes.c_void_p(self._reserved.ctypes.data)
            self._library.fml_host_set_window(self._window, self._address(self.nvm))

    starts_cold = True  # each `run` does

    def boot(self, fill: int = 0x33) -> None:
        """Power on with NVM and SRAM full of garbage: a cold start."""
        body = slice(self._GUARD, -self._GUARD)
        self.nvm[body] = fill
        self.sram[body] = ~fill
        self._library.fml_boot(self._ram, ctypes.c_void_p(self._model), self._window, self._address(self.sram))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs (B, *shape) for int8 codes (B, *shape) by value name, in memory order, one inference each.

        `published` is then the record of each.
        """
        self.boot()
        self.published = []
        n_samples = len(next(iter(inputs.values())))
        types = [self.graph.types[port.value] for port in self.graph.outputs]
        results = [np.empty((n_samples, *t.shape), dtype=t.dtype.numpy) for t in types]
        for sample in range(n_samples):
            kept = self._load(inputs, sample)
            status = self._library.fml_infer(self._ram)
            if status != PUBLISHED:
                raise AssertionError(f"{self.graph.name} published nothing (status {status}) on {len(kept)} inputs")
            for k, type_ in enumerate(types):
                raw = ctypes.create_string_buffer(type_.size_bytes)
                span = ctypes.c_uint32(0), ctypes.c_uint32(type_.size_bytes)
                if self._library.fml_read_output(self._ram, ctypes.c_uint16(k), *span, raw) != 0:
                    raise AssertionError(f"{self.graph.name} published a result and gives no output {k}")
                results[k][sample] = np.frombuffer(raw.raw, dtype=type_.dtype.numpy).reshape(type_.shape)
            record = self.result()
            assert record is not None, f"{self.graph.name} published a result and none is found in NVM"
            self.published.append(record)
        self._check_guards()
        return {port.value: array for port, array in zip(self.graph.outputs, results, strict=True)}

    def run_steps(self, inputs: Mapping[str, Array], sample: int) -> Iterator[int]:
        """One sample from a cold start, yielding the number of each step after it was committed: 0 the capture."""
        self.boot()
        kept = self._load(inputs, sample)
        step = 0
        while kept:
            status = self._library.fml_step(self._ram)
            yield step
            if status != 0:
                return
            step += 1

    def result(self) -> Published | None:
        """The newest published result, read from NVM alone."""
        result = _Result()
        status = self._library.fml_result(ctypes.c_void_p(self._model), self._window, ctypes.byref(result))
        if status != 0:
            return None
        return Published(result.sequence, result.class_index, result.confidence, result.depth)

    def arena_bytes(self, offset: int, n_bytes: int) -> npt.NDArray[np.int8]:
        """A copy of part of the arena."""
        start = self._GUARD + self._arena + offset
        return np.array(self.nvm[start : start + n_bytes])

    def _address(self, buffer: npt.NDArray[np.int8]) -> ctypes.c_void_p:
        return ctypes.c_void_p(int(buffer.ctypes.data) + self._GUARD)

    def _load(self, inputs: Mapping[str, Array], sample: int) -> list[Array]:
        """Point the board interface to one sample; the arrays must outlive the inference."""
        kept = [np.ascontiguousarray(inputs[port.value][sample], dtype=np.int8) for port in self.graph.inputs]
        for k, array in enumerate(kept):
            self._samples[k] = array.ctypes.data
        self._kept = kept
        self._library.fml_host_set_inputs(self._samples)
        return kept

    def _check_guards(self) -> None:
        for buffer in (self.nvm, self.sram):
            if (buffer[: self._GUARD] != 0x5A).any() or (buffer[-self._GUARD :] != 0x5A).any():
                raise AssertionError(f"{self.graph.name} wrote outside its NVM or SRAM")


def host_model(output: Output) -> HostModel:
    """Compile a folder's C for this machine and load it. Raises ToolMissing or ToolFailed."""
    memory = output.manifest.memory
    with tempfile.TemporaryDirectory(prefix="freeml-load-") as work:
        # A new path each time: under a path it knows, the loader returns the library it has, not a changed one.
        library = build_host_library(output.sources, output.include_dirs, Path(work) / f"{output.graph.name}.so")
        return HostModel(
            library,
            output.graph,
            nvm_bytes=memory.nvm_bytes,
            sram_bytes=memory.tile_bytes + memory.scratch_bytes,
            arena_offset_bytes=memory.nvm_bytes - memory.arena_bytes,
            is_staged=output.manifest.tiles.is_staged,
        )
