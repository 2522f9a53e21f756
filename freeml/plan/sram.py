"""SRAM of a board that is left for tiles, beside stack, windows, scratch and what else a firmware keeps there."""

from __future__ import annotations

from freeml.board.board import Board
from freeml.errors import DoesNotFit
from freeml.ir.graph import Graph
from freeml.plan.counts import count_ops
from freeml.plan.protocol import COMMIT_SLOT_BYTES
from freeml.plan.windows import Windows

HOST_TILE_BYTES = 4096  # tile buffer where the board sets no limit


def sram_for_tiles(board: Board, *, stack_bytes: int, scratch_bytes: int) -> int:
    """SRAM left for tiles beside stack and scratch memory; where the board has no limit, a buffer of moderate size."""
    figure = board.memory.sram_bytes
    if figure is None:
        return HOST_TILE_BYTES
    left = (figure.value - stack_bytes - scratch_bytes) // 4 * 4  # the runtime aligns its buffers to 4
    if left < COMMIT_SLOT_BYTES:
        raise DoesNotFit(
            f"stack, windows of inputs and outputs, and scratch need {stack_bytes + scratch_bytes:,} bytes of sram and "
            f"leave none for tiles, "
            f"{board.name} has {figure.value:,}",
            region="sram",
            needed=stack_bytes + scratch_bytes + COMMIT_SLOT_BYTES,
            available=figure.value,
            hint="choose a larger board or a model with smaller convolution windows",
        )
    return left


def sram_of_tiles(graph: Graph, board: Board, windows: Windows) -> int:
    """SRAM left for the tiles of a graph. Raises DoesNotFit where stack, scratch and the firmware's own leave none."""
    # The stack is measured on the finished C; until then tiles leave it this much.
    kept = board.code.stack_bytes.value + board.code.ram_bytes.value if board.code else 0
    shown = 0 if board.memory_map is None else windows.sram_bytes
    scratch = count_ops(graph, board.kernels).scratch_bytes
    return sram_for_tiles(board, stack_bytes=kept + shown, scratch_bytes=scratch)
