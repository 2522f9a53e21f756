"""SRAM of a firmware for what the outside sees: windows of inputs and outputs (runtime_c/hal/window)."""

from __future__ import annotations

from dataclasses import dataclass

from freeml.board.board import Board
from freeml.ir.graph import Graph

_SHARE = 8  # of SRAM, one part at most for a window that has pieces


@dataclass(frozen=True, slots=True)
class Windows:
    """Bytes of all inputs and all outputs, and of the windows that have all of them or, in turn, pieces."""

    inputs_bytes: int
    outputs_bytes: int
    input_bytes: int
    output_bytes: int

    @classmethod
    def whole(cls, inputs_bytes: int, outputs_bytes: int) -> Windows:
        """Windows with room for everything."""
        return cls(inputs_bytes, outputs_bytes, inputs_bytes, outputs_bytes)

    @property
    def are_whole(self) -> bool:
        """Whether there are no pieces."""
        return self == Windows.whole(self.inputs_bytes, self.outputs_bytes)

    @property
    def note(self) -> str | None:
        """What the firmware's user must know of pieces; None where there are none."""
        if self.are_whole:
            return None
        return (
            f"{self.inputs_bytes:,} bytes of inputs and {self.outputs_bytes:,} of outputs do not fit SRAM: they come "
            f"and go in pieces of {self.input_bytes:,} and {self.output_bytes:,} bytes (firmware/fml_board_window.h)"
        )

    @property
    def sram_bytes(self) -> int:
        """What both take."""
        return self.input_bytes + self.output_bytes


def whole_windows(graph: Graph) -> Windows:
    """Room for all inputs and outputs of a graph."""
    types = graph.types
    inputs, outputs = (sum(types[port.value].size_bytes for port in ports) for ports in (graph.inputs, graph.outputs))
    return Windows.whole(inputs, outputs)


def pieced_windows(graph: Graph, board: Board) -> Windows | None:
    """Windows of an eighth of SRAM at most; None where that gains nothing, or the board has no firmware of ours."""
    whole = whole_windows(graph)
    sram = board.memory.sram_bytes
    if board.memory_map is None or sram is None:
        return None
    most = sram.value // _SHARE // 4 * 4
    pieces = Windows(
        whole.inputs_bytes, whole.outputs_bytes, min(whole.input_bytes, most), min(whole.output_bytes, most)
    )
    return None if pieces == whole else pieces
