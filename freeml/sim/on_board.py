"""`freeml verify --engine board`: what a firmware on its emulated board took, and losses of its power to closure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from freeml.board.board import Board
from freeml.data import Dataset
from freeml.firmware.build import Build, Toolchain
from freeml.output.folder import Output
from freeml.plan.steps import TilePlan
from freeml.sim.board_device import BoardDevice, start_emulator
from freeml.sim.device import Answer
from freeml.sim.instruction import Emulator
from freeml.sim.opened import Opened, garbage
from freeml.sim.power_loss.closure import BoardClosure, close
from freeml.sim.power_loss.cuts import CutReport, lose_power_on_board
from freeml.sim.power_loss.first_images import commit_images, first_images
from freeml.sim.sampled import SampledDevice


def images_of(emulator: Emulator, output: Output, codes: bytes) -> list[bytes]:
    """NVM of a board behind each commit of its firmware's first inference, on these codes: commit_images."""
    tiles = output.manifest.tiles
    return commit_images(emulator, codes, tiles)[1]


@dataclass(frozen=True, slots=True)
class ClosedBoard(BoardClosure):
    """Closure of a board, and what its NVM was taken to do, in words."""

    behaviours: tuple[str, ...]
    mode: str = "all"


def closure_of(
    output: Output,
    emulator: Emulator,
    codes: bytes,
    answer: Answer,
    *,
    limit_s: float,
    strangers: Sequence[bytes] = (),
) -> ClosedBoard:
    """Closure of a folder's firmware: close_board."""
    tiles = output.manifest.tiles
    return close_board(output.board, tiles, emulator, codes, answer, limit_s=limit_s, strangers=strangers)


def close_board(
    board: Board,
    tiles: TilePlan,
    emulator: Emulator,
    codes: bytes,
    answer: Answer,
    *,
    limit_s: float,
    strangers: Sequence[bytes] = (),
) -> ClosedBoard:
    """Closure of a firmware under what its board's NVM and its energy meter may do, from all first images.

    strangers: images that firmware of other networks left, which may lie in NVM at the first boot.
    """
    nvm, before = board.nvm, emulator.nvm
    control, own = commit_images(emulator, codes, tiles)
    emulator.nvm = before
    found = close(
        emulator,
        codes,
        answer,
        control,
        atomic_bytes=nvm.atomic_bytes,
        tears=nvm.tears,
        first=first_images(control, own, strangers),
        readings=BoardDevice(emulator, tiles).readings(tiles.levels_uj) if tiles.levels_uj else (),
        limit_s=limit_s,
    )
    said = f"writes of {nvm.atomic_bytes} byte{'s' * (nvm.atomic_bytes != 1)}{', one torn in each step' * nvm.tears}"
    return ClosedBoard(**asdict(found), behaviours=(said,))


@dataclass(frozen=True)
class OnBoard(Opened):
    """A compiled folder's firmware on its emulated board."""

    modes: ClassVar[str] = r"all|commit|none|linear|random(:\d+)?|every"
    modes_said: ClassVar[str] = "all, commit, none, linear, random:SEED, every"
    starting: ClassVar[str] = "build the firmware"

    emulator: Emulator

    @classmethod
    def start(cls, output: Output, toolchain: Toolchain) -> OnBoard:
        """Build the firmware and put it on a board. Raises as build_firmware does."""
        return cls.of(output, *start_emulator(output, toolchain))

    @classmethod
    def of(cls, output: Output, emulator: Emulator, built: Build) -> OnBoard:
        """With a firmware that is built and on its board."""
        device = BoardDevice(emulator, output.manifest.tiles, built.memory.clock_hz)
        model = SampledDevice(device, output.graph)
        return cls(output, model, built.memory.core, built.compiler.version, emulator)

    def lose_power(self, dataset: Dataset, mode: str, *, limit_s: float) -> CutReport | ClosedBoard:
        """Losses from a cold start on, in inferences on at most 20 samples (cuts.py, commits.py); "all" on the first.

        "all" boots every reachable NVM image (closure.py).
        """
        if mode == "commit":
            found: CutReport = super().lose_power(dataset, mode, limit_s=limit_s)
            return found
        emulator = self.emulator
        emulator.nvm = garbage(len(emulator.nvm))
        if mode == "all":
            (codes, answer), *_ = self.samples(dataset, 1)
            return closure_of(self.output, emulator, codes, answer, limit_s=limit_s)
        return lose_power_on_board(emulator, self.samples(dataset), mode, limit_s=limit_s)
