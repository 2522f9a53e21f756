"""Entries of [code] of every board, as firmwares have them: python -m benchmarks.cycles.sizes [BOARD ..]

Builds the layers of design.py, which use all kernels, and small networks, and takes off what freeml/needs.py counts by
itself: tables, kernels (cycles.toml), layers, tiles, scratch and windows. What is left is code of runtime, drivers,
start-up and the compiler's library; static variables; and the most stack that frames of kernels and runtime add up to.
For each entry: the file's figure, and the most that each compiler makes of it. Figures of the file belong above them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.costs import TOOLCHAINS, network
from benchmarks.cycles.design import designs
from benchmarks.cycles.measure import tile_plan
from freeml.board.board import Board, board_names, load_board
from freeml.c_files import c_files
from freeml.errors import DoesNotFit
from freeml.firmware.build import Toolchain
from freeml.firmware.measure import measure_firmware
from freeml.ir.graph import Graph
from freeml.needs import bounds
from freeml.pipeline import for_toolchain
from freeml.plan.memory import plan_memory
from freeml.plan.planner import Planned, plan_graph
from freeml.plan.windows import whole_windows

NETWORKS = ("digits", "tiny_cnn")
ENTRIES = ("code_bytes", "ram_bytes", "stack_bytes")
_LITTLE_SRAM_BYTES = 4096


@cache
def graphs() -> tuple[Graph, ...]:
    """The networks, quantised."""
    with tempfile.TemporaryDirectory() as work:
        return tuple(network(name, Path(work)).graph for name in NETWORKS)


def planned(board: Board) -> Iterator[Planned]:
    """Designs with tiles of their own, and networks that fit."""
    assert board.memory.sram_bytes is not None
    few = board.memory.sram_bytes.value <= _LITTLE_SRAM_BYTES
    for design in designs(256 if few else 1500, few=few, repeats=1):
        memory = plan_memory(design.graph, in_place=False)
        yield Planned(design.graph, memory, tile_plan(design, memory, board), None, whole_windows(design.graph), None)
    yield from (made for graph in graphs() if (made := plan_graph(graph, board)).refusal is None)


def entries(board: Board, toolchain: Toolchain) -> Iterator[dict[str, int]]:
    """What is left of each entry, of every firmware that fits the board."""
    board = for_toolchain(board, toolchain)
    assert board.code is not None
    assert board.memory_map is not None
    for one in planned(board):
        assert one.tiles is not None
        try:
            program, files = c_files(one.graph, one.memory, one.tiles, board, header=(), windows=one.windows)
            found = measure_firmware(files, program.name, board.memory_map, toolchain)
        except DoesNotFit:
            continue
        assert found is not None
        bound, code = bounds(one, board), board.code
        counted = {
            "code_bytes": bound["flash"].needed_bytes - code.code_bytes.value,
            "ram_bytes": bound["sram"].needed_bytes - code.ram_bytes.value - code.stack_bytes.value,
            "stack_bytes": 0,
        }
        size = found.size
        there = {"code_bytes": size.flash_bytes, "ram_bytes": size.ram_bytes, "stack_bytes": found.stack_bytes}
        yield {name: there[name] - counted[name] for name in ENTRIES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD")
    boards = parser.parse_args().boards or [name for name in board_names() if load_board(name).memory_map]
    print(f"{'board':16} {'entry':12} {'file':>7}" + "".join(f" {toolchain:>7}" for toolchain in TOOLCHAINS))
    for name in boards:
        board = load_board(name)
        found = [list(entries(board, toolchain)) for toolchain in TOOLCHAINS]
        for entry in ENTRIES:
            figures = "".join(f" {max(one[entry] for one in made):7,}" for made in found)
            print(f"{name:16} {entry:12} {getattr(board.code, entry).value:7,}{figures}", flush=True)


if __name__ == "__main__":
    main()
