"""`freeml verify --engine board`: a compiled folder's firmware, built and on its emulated board."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from freeml.data import Dataset, fit_inputs
from freeml.firmware.build import Toolchain, build_firmware
from freeml.firmware.output import Output
from freeml.ir.interpret import encode_inputs, interpret
from freeml.sim.cortexm import CortexMEngine, EmulatedModel
from freeml.sim.cortexm_cuts import cut_power

_MOST_CUT_SAMPLES = 20


@dataclass(frozen=True)
class OnBoard:
    """A compiled folder with its emulated board; `model` runs samples."""

    output: Output
    model: EmulatedModel
    core: str
    compiler: str

    @staticmethod
    def start(output: Output, toolchain: Toolchain) -> OnBoard:
        """Build the firmware and put it on a board. Raises as build_firmware does."""
        with tempfile.TemporaryDirectory(prefix="freeml-board-") as work:
            built = build_firmware(output, Path(work) / f"{output.graph.name}.elf", toolchain)
            engine = CortexMEngine(built.firmware.path, built.memory)
        return OnBoard(output, EmulatedModel(engine, output.graph), built.memory.core, built.compiler.version)

    def taken(self) -> dict[str, Any]:
        """What an inference took: the mean over the samples so far and the most; NVM bytes of any, the most."""
        counts = [done.instructions for done in self.model.inferences]
        return {
            "core": self.core,
            "compiler": self.compiler,
            "instructions": round(sum(counts) / len(counts)),
            "instructions_max": max(counts),
            "nvm_bytes_written": max(done.nvm_bytes_written for done in self.model.inferences),
        }

    def cut_power(self, dataset: Dataset, mode: str, *, limit_s: float) -> dict[str, Any]:
        """Losses in inferences on at most 20 of the samples: cortexm_cuts.cut_power."""
        graph = self.output.graph
        few = fit_inputs(dataset.take(_MOST_CUT_SAMPLES), [port.shape for port in graph.inputs])
        inputs = encode_inputs(graph, few.real_inputs())
        expected = interpret(graph, inputs)
        codes = self.model.codes(inputs)
        answers = [b"".join(expected[port.value][k].tobytes() for port in graph.outputs) for k in range(len(codes))]
        samples = list(zip(codes, answers, strict=True))
        report = cut_power(self.model.engine, samples, mode, limit_s=limit_s)
        return {**asdict(report), "behaviours": ["instruction"]}
