"""A firmware on its emulated board, with samples and the interpreter's answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from freeml.board import load_board
from freeml.firmware.build import Build, build_firmware
from freeml.firmware.check import random_dataset
from freeml.firmware.output import Output
from freeml.ir.interpret import encode_inputs, interpret
from freeml.sim.msp430_board import Msp430Board

Samples = list[tuple[bytes, bytes]]


def samples(output: Output, n: int, seed: int = 0) -> Samples:
    """Random inputs and what the interpreter makes of them: bytes of all inputs, bytes of all outputs."""
    graph = output.graph
    inputs = encode_inputs(graph, random_dataset(graph, n, seed).real_inputs())
    expected = interpret(graph, inputs)
    return [
        (
            b"".join(inputs[port.value][k].tobytes() for port in graph.inputs),
            b"".join(expected[port.value][k].tobytes() for port in graph.outputs),
        )
        for k in range(n)
    ]


def rig(
    output: Output, folder: Path, toolchain: str = "zig", defines: Sequence[str] = (), seed: int = 0
) -> tuple[Msp430Board, Build]:
    """A built firmware on a board without power."""
    built = build_firmware(output, folder / f"{toolchain}.elf", toolchain, defines)  # type: ignore[arg-type]
    board = load_board(output.manifest["options"]["board"])
    return Msp430Board(built.firmware.path, board, seed=seed), built
