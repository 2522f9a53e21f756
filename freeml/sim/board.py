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
from freeml.memory_map import MemoryMap
from freeml.sim.board_closure import close
from freeml.sim.cortexm import CortexMEngine
from freeml.sim.cuts import cut_power
from freeml.sim.emulated import EmulatedModel
from freeml.sim.engine import Engine
from freeml.sim.msp430_board import Msp430Board
from freeml.sim.msp430_charge import charge_from

_MOST_CUT_SAMPLES = 20


def engine_for(output: Output, elf: Path, memory: MemoryMap) -> Engine:
    """The emulated board of a compiled folder, with a firmware on it. Raises as the engines do."""
    if memory.is_msp430:
        return Msp430Board(elf, memory, charge=charge_from(output.manifest.get("charge")))
    return CortexMEngine(elf, output.board)


def start_engine(output: Output, toolchain: Toolchain) -> tuple[Engine, str]:
    """Build the firmware of a folder and put it on an emulated board; and the compiler. Raises as both do."""
    board = OnBoard.start(output, toolchain)
    return board.model.engine, board.compiler


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
            engine = engine_for(output, built.firmware.path, built.memory)
        return OnBoard(output, EmulatedModel(engine, output.graph), built.memory.core, built.compiler.version)

    def taken(self) -> dict[str, Any]:
        """What an inference took: the mean over the samples so far and the most; NVM bytes of any, the most.

        Charge and energy are None where the board's file prices nothing; `basis` says what the figures rest on.
        """
        taken = [done.taken for done in self.model.inferences]
        counts = [one.instructions for one in taken]
        cycles = [one.cycles for one in taken]
        charges_pc = [one.charge_pc for one in taken if one.charge_pc is not None]
        charge_nc = sum(charges_pc) / len(charges_pc) / 1000 if charges_pc else None
        return {
            "core": self.core,
            "compiler": self.compiler,
            "instructions": round(sum(counts) / len(counts)),
            "instructions_max": max(counts),
            "cycles": round(sum(cycles) / len(cycles)),
            "cycles_max": max(cycles),
            "nvm_bytes_written": max(one.nvm_bytes_written for one in taken),
            "nvm_bytes_read": max(one.nvm_bytes_read for one in taken),
            "charge_nc": charge_nc,
            "energy_uj_at_3v": None if charge_nc is None else 3 * charge_nc / 1000,
            "basis": self.model.engine.basis,
        }

    def cut_power(self, dataset: Dataset, mode: str, *, limit_s: float) -> dict[str, Any]:
        """Losses in inferences on at most 20 of the samples: cuts.cut_power; of "all" on the first.

        "all" boots every reachable NVM image: board_closure.close.
        """
        engine = self.model.engine
        if mode == "all":
            (codes, answer), *_ = self._samples(dataset, 1)
            atomic_bytes = int(self.output.manifest["nvm"]["atomic_bytes"])
            closure = close(engine, codes, answer, atomic_bytes=atomic_bytes, limit_s=limit_s)
            return {"mode": mode, **asdict(closure), "behaviours": [f"writes of {atomic_bytes} bytes"]}
        report = cut_power(engine, self._samples(dataset, _MOST_CUT_SAMPLES), mode, limit_s=limit_s)
        return {**asdict(report), "behaviours": ["instruction"]}

    def _samples(self, dataset: Dataset, most: int) -> list[tuple[bytes, bytes]]:
        """Codes of the inputs and the bytes that the outputs must have."""
        graph = self.output.graph
        few = fit_inputs(dataset.take(most), [port.shape for port in graph.inputs])
        inputs = encode_inputs(graph, few.real_inputs())
        expected = interpret(graph, inputs)
        codes = self.model.codes(inputs)
        answers = [b"".join(expected[port.value][k].tobytes() for port in graph.outputs) for k in range(len(codes))]
        return list(zip(codes, answers, strict=True))
