"""What a program says of itself: whose image an NVM is, what is published, which tables are read by words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fixed_graphs
import numpy as np
import pytest
from host import HEADER, check, program_of
from plan_graphs import Builder

from freeml.board.board import load_board
from freeml.codegen.emit import render
from freeml.codegen.far import FarLayout
from freeml.codegen.generate import generate
from freeml.codegen.program import Program
from freeml.ir.graph import Graph
from freeml.ir.int_ops import AvgPoolI8, ConvI8, DenseI8, LutI8
from freeml.ir.ops import ArgMax, Window
from freeml.ir.types import Const
from freeml.pipeline import planned_graph


def with_another(graph: Graph, name: str) -> Graph:
    """The graph with one number of a constant changed."""
    array = graph.consts[name].array.copy()
    array.flat[0] = array.flat[0] - 1 if array.flat[0] > 0 else array.flat[0] + 1
    return replace(graph, consts={**graph.consts, name: Const(array)})


def test_the_identity_changes_with_all_that_gives_bytes_a_meaning() -> None:
    """A firmware that takes the image of another for its own goes on from values that mean something else."""
    graph = fixed_graphs.tiny_cnn()
    programs = {"itself": program_of(graph), "smaller tiles": program_of(graph, tile_bytes=16)}
    for op in graph.ops:
        for name in (name for name in op.inputs if name in graph.consts):
            programs[name] = program_of(with_another(graph, name))
    assert len(programs) > 8
    assert program_of(graph).digest == programs["itself"].digest
    assert len({program.digest for program in programs.values()}) == len(programs)


@pytest.mark.parametrize("half", [0, 1])
def test_both_halves_of_the_identity_change(half: int) -> None:
    graph = fixed_graphs.tiny_dense()
    name = next(name for name in graph.ops[0].inputs if name in graph.consts)
    assert program_of(graph).digest[half] != program_of(with_another(graph, name)).digest[half]


def published(build: str, *shape: int) -> str:
    b = Builder()
    x = b.input(*shape)
    return program_of(b.graph(b.argmax(x) if build == "index" else b.lut(x))).result.kind


def test_a_class_is_published_of_scores_along_one_axis_or_of_one_index() -> None:
    assert published("scores", 1, 1, 10) == "FML_RESULT_SCORES"
    assert published("scores", 10) == "FML_RESULT_SCORES"
    assert published("scores", 4, 1, 10) == "FML_RESULT_NONE"
    assert published("scores", 3, 3, 2) == "FML_RESULT_NONE"
    assert published("index", 1, 1, 10) == "FML_RESULT_INDEX"
    assert published("index", 2, 2, 10) == "FML_RESULT_NONE"
    assert published("scores", 1, 1) == "FML_RESULT_THRESHOLD"


def of_cortex_m4(graph: Graph) -> Program:
    board = load_board("nucleo_l476rg")
    planned = planned_graph(graph, board, None)
    graph, plan, tiles = planned.graph, planned.memory, planned.feasible
    return generate(graph, plan, tiles, header=HEADER, kernels=board.kernels, memory=board.memory_map)


def test_a_table_that_is_read_by_words_is_aligned_even_where_another_is_the_same() -> None:
    """Two rows of four equal codes are packed as they are: the weights have the bytes of a table of bytes."""
    b = Builder()
    x = b.input(4)
    operand = b.const(np.full((8,), 7, np.int8))
    wide = b.dense(x, 8)
    added = b.add(wide, operand)
    weight = b.const(np.full((2, 4), 7, np.int8))
    bias, mult, shift = b._requant(2)
    small = b.add_op(DenseI8, (x, weight, bias, mult, shift), (2,), y_zp=3, lo=-128, hi=127)
    program = of_cortex_m4(b.graph(added, small))
    same = [table for table in program.tables if table.n_bytes == 8 and table.c_type == "int8_t"]
    assert len(same) == 2
    (descriptor,) = (d for d in program.descriptors if d.name.endswith(small))
    read = dict(descriptor.fields)[".w"]
    assert {table.name: table.aligned for table in same}[read]


def test_what_rows_and_columns_differ_in_is_not_swapped(tmp_path: Path) -> None:
    """Windows, strides, dilations and paddings that are all different, through the C; averages count the padding."""
    b = fixed_graphs.Fixed()
    x = b.input(9, 11, 4)
    window = Window(kernel=(2, 3), stride=(1, 2), pad=(1, 0, 0, 2), dilation=(2, 1))
    shape = (*window.out_size(9, 11), 6)
    consts = (b.random(6, 2, 3, 2), *b._requant(6))
    fields = {"window": window, "x_zp": 3, "y_zp": 3, "lo": -128, "hi": 127}
    grouped = b.add_op(ConvI8, (x, *consts), shape, groups=2, **fields)
    shape = (*window.out_size(9, 11), 4)
    depthwise = b.add_op(ConvI8, (x, b.random(4, 2, 3, 1), *b._requant(4)), shape, groups=4, **fields)
    pool = Window(kernel=(3, 2), stride=(2, 1), pad=(1, 0, 2, 1))
    largest = b.maxpool(grouped, pool)
    out = (*pool.out_size(*b.shape(depthwise)[:2]), 4)
    n = 6
    table = (b.const(np.full(n, 60_000, np.uint16)), b.const(np.arange(17, 17 + n, dtype=np.uint8)))
    average = {"include_pad": True, "x_zp": 3, "y_zp": 3, "lo": -128, "hi": 127}
    mean = b.add_op(AvgPoolI8, (depthwise, *table), out, window=pool, **average)
    graph = fixed_graphs.named(b.graph(largest, mean, b.concat(2, largest, mean)), "lopsided")
    for tile_bytes in (24, 4096):
        check(graph, tmp_path / str(tile_bytes), tile_bytes=tile_bytes)


@pytest.mark.parametrize("last", [False, True])
def test_of_equal_scores_the_one_that_the_model_wants_is_found(last: bool, tmp_path: Path) -> None:
    b = Builder()
    scores = b.maxpool(b.input(2, 2, 9), Window(kernel=(2, 2), stride=(2, 2)))
    flat = b.add_op(LutI8, (scores, b.const(np.full(256, 7, np.int8))), b.shape(scores))  # all the same
    index = b.add_op(ArgMax, (flat,), (1, 1, 1), last=last)
    check(fixed_graphs.named(b.graph(index), "ties"), tmp_path)


def test_far_tables_begin_at_even_addresses_and_do_not_overlap() -> None:
    memory = load_board("msp430fr5994").memory_map
    assert memory is not None
    far = FarLayout(memory)
    sizes = [1, 2, 3, 5, 1, 8]
    addresses = [far.place(n) for n in sizes]
    assert all(address % 2 == 0 for address in addresses)
    ends = [address + n for address, n in zip(addresses, sizes, strict=True)]
    assert all(end <= start for end, start in zip(ends, addresses[1:], strict=False))


def test_the_size_of_each_table_is_asserted_in_the_c() -> None:
    """Not only their sum: one may be too long by what another lacks."""
    program = program_of(fixed_graphs.tiny_cnn())
    text = render(program)["tiny_cnn.c"]
    for table in program.tables:
        assert f"FML_STATIC_ASSERT(sizeof({table.name}) == {table.n_bytes}u, {table.name});" in text


def test_both_operands_of_a_sum_are_staged_beside_each_other(tmp_path: Path) -> None:
    b = fixed_graphs.Fixed()
    x, y = b.input(3, 5, 3), b.input(3, 5, 3)
    graph = fixed_graphs.named(b.graph(b.add(x, y), b.mul(y, x)), "sums")
    for tile_bytes in (24, 100, 4096):
        check(graph, tmp_path / str(tile_bytes), tile_bytes=tile_bytes, is_staged=True)
