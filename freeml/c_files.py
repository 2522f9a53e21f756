"""The C of a planned graph: all files of its folder but what says how it was made."""

from __future__ import annotations

from collections.abc import Sequence

from freeml.board.board import Board
from freeml.codegen.emit import firmware_files, project_files, render, runtime_files
from freeml.codegen.generate import generate
from freeml.codegen.program import Program
from freeml.firmware.options import gcc_flags
from freeml.ir.graph import Graph
from freeml.plan.memory import MemoryPlan
from freeml.plan.result_line import line_fits
from freeml.plan.steps import TilePlan
from freeml.plan.windows import Windows


def c_files(
    graph: Graph,
    plan: MemoryPlan,
    tiles: TilePlan,
    board: Board,
    *,
    header: Sequence[str],
    windows: Windows,
) -> tuple[Program, dict[str, str | bytes]]:
    """The C of a planned graph, and all files of its folder but manifest and graphs: relative path -> content.

    windows: of a firmware's inputs and outputs
    """
    program = generate(graph, plan, tiles, header=header, kernels=board.kernels, memory=board.memory_map)
    files: dict[str, str | bytes] = {
        **render(program),
        **runtime_files(program, board.kernels),
        **firmware_files(
            program,
            board,
            tiles.budget.capacitor_uf if tiles.budget else None,
            windows=windows,
            sends_line=line_fits(tiles, board),
        ),
    }
    if board.memory_map is not None:
        files |= project_files(program, board, graph, gcc_flags(board.memory_map))
    return program, files
