"""Golden files of two boards: what the host's goldens cannot show, from far weights to the board's main."""

from __future__ import annotations

from pathlib import Path

import fixed_graphs
import pytest

from freeml.board.board import Board, load_board
from freeml.c_files import c_files
from freeml.ir.graph import Graph
from freeml.ir.int_ops import DenseI8
from freeml.plan.memory import MemoryPlan
from freeml.plan.planner import lay_out
from freeml.plan.steps import Cut, TilePlan
from freeml.plan.tiles import plan_tiles, recut_tiles
from freeml.plan.verify_tiles import verify_tiles
from freeml.plan.windows import whole_windows
from freeml.resources import resource

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BOARDS = ("msp430fr5994", "nucleo_l476rg")
GRAPHS = {
    "tiny_cnn": fixed_graphs.tiny_cnn,
    "tiny_residual": fixed_graphs.tiny_residual,
    "tiny_packings": fixed_graphs.tiny_packings,
}
HEADER = ["/* made by a test */"]
PARTS = 3


def in_parts(tiles: TilePlan, graph: Graph, memory: MemoryPlan, board: Board) -> TilePlan:
    """The same plan with every dot product of a dense layer cut into parts."""
    dense = {op.output for op in graph.ops if isinstance(op, DenseI8)}
    cuts = [Cut(1, -(-layer.macs // PARTS)) if layer.value in dense else layer.cut for layer in tiles.layers]
    return recut_tiles(graph, memory, board, cuts, commit_slots=tiles.commit_slots)


def generated(graph: Graph, board: Board) -> dict[str, str]:
    """All files of a board's folder but those that are copied as they are, and those that the host's goldens show."""
    graph, plan = lay_out(graph)
    tiles = plan_tiles(graph, plan, board, sram_tile_bytes=1024)
    if graph.name == "tiny_packings":
        tiles = in_parts(tiles, graph, plan, board)
    verify_tiles(graph, plan, tiles)
    _, files = c_files(graph, plan, tiles, board, header=HEADER, windows=whole_windows(graph))
    plain = (*resource("runtime_c").rglob("*.[ch]"), *resource("templates").rglob("*.py"))
    known = {path.read_text() for path in plain}
    return {
        name: text
        for name, text in files.items()
        if isinstance(text, str) and text not in known and name not in ("main.c", "Makefile")
    }


@pytest.mark.parametrize("kind", sorted(GRAPHS))
@pytest.mark.parametrize("board", BOARDS)
def test_a_boards_files_are_what_was_reviewed(board: str, kind: str, update_golden: bool) -> None:
    files = generated(GRAPHS[kind](), load_board(board))
    folder = GOLDEN / board / kind
    if update_golden:
        for old in folder.rglob("*"):
            if old.is_file():
                old.unlink()
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    kept = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert sorted(kept) == sorted(files), "golden files are missing: look at the output, then run with --update-golden"
    for name, text in files.items():
        assert text == kept[name], f"{name} changed: look at the difference, then run with --update-golden"


def test_the_boards_goldens_show_what_the_hosts_cannot() -> None:
    """Far tables and their place in the link script, staged reads, parts, packed weights, mains are in them."""
    far, staged = (generated(fixed_graphs.tiny_packings(), load_board(board)) for board in BOARDS)
    assert "FML_WEIGHTS_SLICE(far," in far["tiny_packings_weights.h"]
    assert "FML_WITH_WEIGHTS(" in far["tiny_packings.c"]
    assert ".far." in far["firmware/link.ld"]
    assert "_reads[" in staged["tiny_packings.c"]
    for files in (far, staged):
        assert "tiny_packings_partial(" in files["tiny_packings.c"]
        assert "fml_board_report" in files["firmware/main.c"] or "fml_step" in files["firmware/main.c"]
    assert far["tiny_packings_weights.h"] != staged["tiny_packings_weights.h"]
