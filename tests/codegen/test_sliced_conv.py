"""Decoded convolutions in slices: the C answers as the interpreter does, in any tiles, staged, on boards, at the price
of the plan.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml.board.board import load_board
from freeml.c_files import c_files
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.interpret import interpret
from freeml.kernels.coded_convs import DECODED_SLICES
from freeml.output.folder import Sources, write_folder
from freeml.plan.memory import plan_memory
from freeml.plan.planner import plan_graph
from freeml.plan.step_table import Kind
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_tiles import InvalidTilesError, verify_tiles
from freeml.sim.board_device import board_device
from freeml.sim.profile import counted, measure_steps
from freeml.sim.sampled import SampledDevice
from tests.codegen.host import check, program_of
from tests.codegen.test_coded_conv import stored_in
from tests.plan.plan_graphs import Builder

every_form = pytest.mark.parametrize("encoding", [form for form in DECODED_SLICES if form is not None])
BOARDS = ("msp430fr5994", "nucleo_l476rg", "nucleo_l073rz")


def sliced_convs(encoding: str, rows: int | None, *, size: tuple[int, int, int] = (6, 7, 3), seed: int = 4) -> Graph:
    """Convolutions in slices of so many channels, or None: pads, strides, dilated, pointwise, of a signal."""
    b = Builder(seed)
    x = b.conv(b.input(*size), 9)
    x = b.conv(x, 7, stride=2)
    x = b.conv(x, 10, k=1)
    graph = b.graph(b.dense(b.flatten(x), 5))
    stored = stored_in(graph, encoding, seed)
    slices = {} if rows is None else {op.output: rows for op in graph.ops_of(ConvI8)}
    return replace(stored, slices=slices)


@every_form
@pytest.mark.parametrize("rows", [1, 2, 6])
@pytest.mark.parametrize("tile_bytes", [4096, 31, 6])
@pytest.mark.parametrize("is_staged", [False, True])
def test_slices_run_as_the_interpreter_does(
    encoding: str, rows: int, tile_bytes: int, is_staged: bool, tmp_path: Path
) -> None:
    check(sliced_convs(encoding, rows), tmp_path, tile_bytes=tile_bytes + 200 * is_staged, is_staged=is_staged)


@every_form
def test_slices_of_a_signal_run_as_the_interpreter_does(encoding: str, tmp_path: Path) -> None:
    check(sliced_convs(encoding, 4, size=(1, 20, 3)), tmp_path, tile_bytes=100, is_staged=True)


def test_calls_of_a_convolution_share_its_descriptor_and_say_their_channels() -> None:
    graph = sliced_convs("ans", 4)
    program = program_of(graph)
    assert sum(one.c_type == "fml_coded_conv_t" for one in program.descriptors) == 3
    calls = [layer for layer in program.layers if "slice" in layer.call]
    row = calls[0].row
    assert [call.row for call in calls[:3]] == [row, row + 1, row + 2]
    assert [call.call.split("scratch, ")[1] for call in calls[:3]] == [
        f"(uint16_t)(4u * (layer - {row}u)), {rows}u, first, n)" for rows in (4, 4, 1)
    ]
    cases = {rows for rows, call in program.cases if call in (calls[0].call, calls[2].call)}
    assert cases == {(row, row + 1), (row + 2,)}


@pytest.mark.parametrize(("field", "by"), [("offset_bytes", 1), ("unit_bytes", 1), ("operand", 1), ("n_units", -1)])
def test_a_call_for_other_channels_than_its_own_is_refused(field: str, by: int) -> None:
    graph = sliced_convs("codes4", 4)
    memory, board = plan_memory(graph, in_place=False), load_board("host")
    plan = verify_tiles(graph, memory, plan_tiles(graph, memory, board, sram_tile_bytes=4096))
    first, *others = plan.layers
    spoilt = replace(plan, layers=(replace(first, **{field: getattr(first, field) + by}), *others))
    with pytest.raises(InvalidTilesError):
        verify_tiles(graph, memory, spoilt)


@every_form
@pytest.mark.parametrize("name", BOARDS)
def test_slices_run_on_their_boards_at_no_more_than_their_price(name: str, encoding: str, tmp_path: Path) -> None:
    """Far weights, SPI FRAM, and NVM on the bus: the firmware gives the same bytes, in steps below the plan."""
    board, graph = load_board(name), sliced_convs(encoding, None, size=(12, 11, 6))
    planned = plan_graph(graph, board)
    made = plan_graph(replace(graph, slices={op.output: 4 for op in graph.ops_of(ConvI8)}), board)
    assert made.graph.slices == planned.graph.slices, "what a graph came with is chosen anew"
    _run(sliced_convs(encoding, 4, size=(12, 11, 6)), name, tmp_path)


def _run(graph: Graph, name: str, folder: Path) -> None:
    """In slices whether the planner would or not."""
    board = load_board(name)
    memory = plan_memory(graph, in_place=False)
    tiles = verify_tiles(graph, memory, plan_tiles(graph, memory, board, sram_tile_bytes=1500))
    windows = plan_graph(graph, board).windows
    _, files = c_files(graph, memory, tiles, board, header=(), windows=windows)
    write_folder(folder, files)
    device, _ = board_device(Sources(folder, graph, board), tiles, "auto")
    codes = np.random.default_rng(2).integers(-128, 128, (1, 12, 11, 6), dtype=np.int8)
    inputs = {graph.inputs[0].value: codes}
    expected, found = interpret(graph, inputs), SampledDevice(device, graph).run(inputs)
    for value in graph.output_values:
        np.testing.assert_array_equal(found[value], expected[value], err_msg=name)
    taken = {step.index: counted(step).cycles for step in measure_steps(device, codes.tobytes())}
    assert tiles.restore is not None
    for row, layer in zip(tiles.steps.rows, tiles.in_order, strict=True):
        if row.kind is Kind.TILES and layer.cost is not None:
            most = (layer.cost - tiles.restore).cycles
            assert all(taken[k] <= most for k in row.steps), (layer.loc, [taken[k] for k in row.steps], most)
