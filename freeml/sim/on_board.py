"""`freeml verify --engine board`: a compiled folder's firmware, built and on its emulated board."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from freeml.board.core import MSP430
from freeml.board.memory import MemoryMap
from freeml.data import Dataset, fit_inputs
from freeml.firmware.build import Build, Toolchain, build_firmware
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output, Sources
from freeml.sim.answers import answers_of
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.emulated import EmulatedModel
from freeml.sim.engine import Answer, Engine
from freeml.sim.msp430.charge import charge_of
from freeml.sim.msp430.engine import Msp430Board
from freeml.sim.power_loss.closure import BoardClosure, close
from freeml.sim.power_loss.cuts import CutReport, lose_power_on_board
from freeml.sim.power_loss.first_images import commit_images, first_images

_MOST_CUT_SAMPLES = 20
_GARBAGE = 7  # seed of what NVM holds before a cold start


def engine_for(made: Sources, elf: Path, memory: MemoryMap) -> Engine:
    """The emulated board of a compiled folder, with a firmware on it. Raises as the engines do."""
    if memory.family is MSP430:
        return Msp430Board(elf, memory, charge=charge_of(made.board))
    return CortexMEngine(elf, made.board)


def images_of(engine: Engine, output: Output, codes: bytes) -> list[bytes]:
    """NVM of a board behind each commit of its firmware's first inference, on these codes: commit_images."""
    tiles = output.manifest.tiles
    return commit_images(engine, codes, tiles.steps, tiles.commit_slots)[1]


@dataclass(frozen=True, slots=True)
class ClosedBoard(BoardClosure):
    """Closure of a board, and what its NVM was taken to do, in words."""

    behaviours: tuple[str, ...]
    mode: str = "all"


@dataclass(frozen=True, slots=True)
class InferenceTaken:
    """What an inference took of a board: the mean over several samples and the most; NVM bytes of any, the most.

    charge_nc, energy_uj_at_3v  None where the board's file prices nothing
    basis                       what the figures rest on
    """

    core: str
    compiler: str
    instructions: int
    instructions_max: int
    cycles: int
    cycles_max: int
    nvm_bytes_written: int
    nvm_bytes_read: int
    charge_nc: float | None
    energy_uj_at_3v: float | None
    basis: str


def closure_of(
    output: Output, engine: Engine, codes: bytes, answer: Answer, *, limit_s: float, strangers: Sequence[bytes] = ()
) -> ClosedBoard:
    """Closure of a firmware under what its board's NVM may do, from all first images.

    strangers: images that firmware of other networks left, which may lie in NVM at the first boot.
    """
    nvm, tiles = output.board.nvm, output.manifest.tiles
    before = engine.nvm
    control, own = commit_images(engine, codes, tiles.steps, tiles.commit_slots)
    engine.nvm = before
    found = close(
        engine,
        codes,
        answer,
        control,
        atomic_bytes=nvm.atomic_bytes,
        tears=nvm.tears,
        first=first_images(control, own, strangers),
        limit_s=limit_s,
    )
    said = f"writes of {nvm.atomic_bytes} byte{'s' * (nvm.atomic_bytes != 1)}{', one torn in each step' * nvm.tears}"
    return ClosedBoard(**asdict(found), behaviours=(said,))


def start_engine(made: Sources, toolchain: Toolchain) -> tuple[Engine, str]:
    """Build the firmware of a folder and put it on an emulated board; and the compiler. Raises as both do."""
    engine, built = _started(made, toolchain)
    return engine, built.compiler.version


def _started(made: Sources, toolchain: Toolchain) -> tuple[Engine, Build]:
    with tempfile.TemporaryDirectory(prefix="freeml-board-") as work:
        built = build_firmware(made, Path(work) / f"{made.graph.name}.elf", toolchain)
        return engine_for(made, built.firmware.path, built.memory), built


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
        engine, built = _started(output, toolchain)
        return OnBoard(output, EmulatedModel(engine, output.graph), built.memory.core, built.compiler.version)

    def taken(self) -> InferenceTaken:
        """What an inference took, of all samples so far."""
        taken = [done.taken for done in self.model.inferences]
        counts = [one.instructions for one in taken]
        cycles = [one.cycles for one in taken]
        charges_pc = [one.charge_pc for one in taken if one.charge_pc is not None]
        charge_nc = sum(charges_pc) / len(charges_pc) / 1000 if charges_pc else None
        return InferenceTaken(
            core=self.core,
            compiler=self.compiler,
            instructions=round(sum(counts) / len(counts)),
            instructions_max=max(counts),
            cycles=round(sum(cycles) / len(cycles)),
            cycles_max=max(cycles),
            nvm_bytes_written=max(one.nvm_bytes_written for one in taken),
            nvm_bytes_read=max(one.nvm_bytes_read for one in taken),
            charge_nc=charge_nc,
            energy_uj_at_3v=None if charge_nc is None else 3 * charge_nc / 1000,
            basis=self.model.engine.basis,
        )

    def lose_power(self, dataset: Dataset, mode: str, *, limit_s: float) -> CutReport | ClosedBoard:
        """Losses from a cold start on, in inferences on at most 20 samples (cuts.py); of "all" on the first.

        "all" boots every reachable NVM image (closure.py).
        """
        engine = self.model.engine
        engine.nvm = np.random.default_rng(_GARBAGE).bytes(len(engine.nvm))
        if mode == "all":
            (codes, answer), *_ = self._samples(dataset, 1)
            return closure_of(self.output, engine, codes, answer, limit_s=limit_s)
        return lose_power_on_board(engine, self._samples(dataset, _MOST_CUT_SAMPLES), mode, limit_s=limit_s)

    def _samples(self, dataset: Dataset, most: int) -> list[tuple[bytes, Answer]]:
        """Codes of the inputs and what must be reported of them."""
        graph = self.output.graph
        few = fit_inputs(dataset.take(most), [port.shape for port in graph.inputs])
        return answers_of(graph, encode_inputs(graph, few.real_inputs()))
