"""Networks with stored formats: the C answers as the interpreter does, whole, in small tiles and staged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from freeml.board.board import Board, load_board
from freeml.c_files import c_files
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.kernels.layer import SECTIONS
from freeml.output.folder import Sources, write_folder
from freeml.plan.planner import plan_graph
from freeml.sim.board_device import board_device
from freeml.sim.sampled import SampledDevice
from tests.codegen.host import check, program_of
from tests.plan.test_stored import every_format, graph_of_every_form, stored_graph


def on_board(graph: Graph, board: Board, folder: Path) -> SampledDevice:
    """The firmware of a graph on its emulated board."""
    made = plan_graph(graph, board)
    _, files = c_files(made.graph, made.memory, made.feasible, board, header=(), windows=made.windows)
    write_folder(folder, files)
    device, _ = board_device(Sources(folder, made.graph, board), made.feasible, "auto")
    return SampledDevice(device, made.graph)


@pytest.mark.parametrize(("tile_bytes", "is_staged"), [(4096, False), (7, False), (107, True), (41, True)])
def test_stored_layers_run_as_the_interpreter_does(tile_bytes: int, is_staged: bool, tmp_path: Path) -> None:
    check(graph_of_every_form(), tmp_path, tile_bytes=tile_bytes, is_staged=is_staged)


@every_format
def test_the_last_word_of_a_table_says_what_it_holds(encoding: str) -> None:
    program = program_of(stored_graph(encoding))
    held: Counter[str] = Counter()
    for table in program.tables:
        held[SECTIONS[table.name.rsplit("_", 1)[1]]] += table.n_bytes
    assert sum(held.values()) == program.weights_bytes
    stored = next(c for c in stored_graph(encoding).consts.values() if c.encoding).stored.sections
    own = {SECTIONS[name]: array.nbytes for name, array in stored.items() if name != "weight"}
    assert {name: held[name] for name in own} == own


@pytest.mark.parametrize("name", ["msp430fr5994", "nucleo_l476rg", "nucleo_l073rz"])
def test_stored_layers_run_on_their_boards(name: str, tmp_path: Path) -> None:
    """Far weights and a pointer's reach, SPI FRAM, and NVM on the bus: the emulated firmware gives the same bytes."""
    graph = graph_of_every_form()
    inputs = {graph.inputs[0].value: np.random.default_rng(2).integers(-128, 128, (2, 40), dtype=np.int8)}
    expected, found = interpret(graph, inputs), on_board(graph, load_board(name), tmp_path).run(inputs)
    for value in graph.output_values:
        np.testing.assert_array_equal(found[value], expected[value])
