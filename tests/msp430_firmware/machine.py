"""A firmware on its emulated board, with samples and the interpreter's answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from freeml.board.board import load_board
from freeml.firmware.build import Build, build_firmware
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output
from freeml.sim.answers import answers_of
from freeml.sim.check import random_dataset
from freeml.sim.device import Answer
from freeml.sim.msp430.engine import Msp430Board

Samples = list[tuple[bytes, bytes]]


def answers(output: Output, n: int, seed: int = 0) -> list[tuple[bytes, Answer]]:
    """Random inputs, as the sensors show them, and what must be reported of them."""
    return answers_of(output.graph, encode_inputs(output.graph, random_dataset(output.graph, n, seed).real_inputs()))


def samples(output: Output, n: int, seed: int = 0) -> Samples:
    """The same with the bytes of all outputs alone."""
    return [(codes, answer.outputs) for codes, answer in answers(output, n, seed)]


def rig(
    output: Output, folder: Path, toolchain: str = "zig", defines: Sequence[str] = (), seed: int = 0
) -> tuple[Msp430Board, Build]:
    """A built firmware on a board without power."""
    built = build_firmware(output, folder / f"{toolchain}.elf", toolchain, defines)  # type: ignore[arg-type]
    board = load_board(output.board.name)
    return Msp430Board(built.firmware.path, board, seed=seed), built
