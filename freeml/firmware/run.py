"""Run the host build of a model from Python: the same C that the firmware has, step by step where wanted."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeml.errors import ToolFailed
from freeml.ir.graph import Graph
from freeml.ir.types import Array

_STEP = ctypes.CFUNCTYPE(None, ctypes.c_uint16, ctypes.c_void_p, ctypes.c_void_p)


class _CPort(ctypes.Structure):
    """fml_port_t."""

    _fields_ = (("offset_bytes", ctypes.c_uint32), ("n_bytes", ctypes.c_uint32))


class _CInfo(ctypes.Structure):
    """fml_info_t."""

    _fields_ = (
        ("inputs", ctypes.POINTER(_CPort)),
        ("outputs", ctypes.POINTER(_CPort)),
        ("n_inputs", ctypes.c_uint16),
        ("n_outputs", ctypes.c_uint16),
        ("n_steps", ctypes.c_uint16),
        ("arena_bytes", ctypes.c_uint32),
        ("scratch_bytes", ctypes.c_uint32),
        ("step", _STEP),
    )


class HostModel:
    """A compiled model loaded into this process. Arena and scratch have guard bytes, checked after every run."""

    _GUARD = 64

    def __init__(self, library: Path, graph: Graph) -> None:
        self.graph = graph
        try:
            self._library = ctypes.CDLL(str(library))
            self.info = _CInfo.in_dll(self._library, f"{graph.name}_info")
            self._run = self._library[f"{graph.name}_run"]
        except (OSError, ValueError, AttributeError) as error:
            raise ToolFailed(f"the host library cannot be loaded: {error}", where=library.name) from error
        self._run.restype = None
        self._run.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        self.arena = self._guarded(self.info.arena_bytes)
        self.scratch = self._guarded(self.info.scratch_bytes)

    def _guarded(self, n_bytes: int) -> npt.NDArray[np.int8]:
        return np.full(n_bytes + 2 * self._GUARD, 0x5A, dtype=np.int8)

    def _address(self, buffer: npt.NDArray[np.int8]) -> int:
        return int(buffer.ctypes.data) + self._GUARD

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs (B, *shape) for int8 codes (B, *shape) by value name, in memory order, one inference each."""
        return self._batch(inputs, lambda: self._run(self._address(self.arena), self._address(self.scratch)))

    def run_steps(self, inputs: Mapping[str, Array], sample: int) -> Iterator[int]:
        """One sample, yielding the index of each step after it ran; `arena_bytes()` shows what it left."""
        self._load({name: array[sample] for name, array in inputs.items()})
        for step in range(self.info.n_steps):
            self.info.step(step, self._address(self.arena), self._address(self.scratch))
            yield step

    def arena_bytes(self, offset: int, n_bytes: int) -> npt.NDArray[np.int8]:
        """A copy of part of the arena."""
        start = self._GUARD + offset
        return np.array(self.arena[start : start + n_bytes])

    def _batch(self, inputs: Mapping[str, Array], run: object) -> dict[str, Array]:
        assert callable(run)
        n_samples = len(next(iter(inputs.values())))
        types = [self.graph.types[port.value] for port in self.graph.outputs]
        results = [np.empty((n_samples, *t.shape), dtype=t.dtype.numpy) for t in types]
        for sample in range(n_samples):
            self._load({name: array[sample] for name, array in inputs.items()})
            run()
            for k, type_ in enumerate(types):
                port = self.info.outputs[k]
                raw = self.arena_bytes(port.offset_bytes, port.n_bytes)
                results[k][sample] = raw.view(type_.dtype.numpy).reshape(type_.shape)
        self._check_guards()
        return {port.value: array for port, array in zip(self.graph.outputs, results, strict=True)}

    def _load(self, inputs: Mapping[str, Array]) -> None:
        """Fill the arena with garbage, then the inputs: a kernel that reads what nobody wrote shows at once."""
        body = slice(self._GUARD, -self._GUARD)
        self.arena[body] = 0x33
        self.scratch[body] = -0x34
        for k, port in enumerate(self.graph.inputs):
            place = self.info.inputs[k]
            start = self._GUARD + place.offset_bytes
            self.arena[start : start + place.n_bytes] = inputs[port.value].reshape(-1)

    def _check_guards(self) -> None:
        for buffer in (self.arena, self.scratch):
            if (buffer[: self._GUARD] != 0x5A).any() or (buffer[-self._GUARD :] != 0x5A).any():
                raise AssertionError(f"{self.graph.name} wrote outside its arena or scratch")
