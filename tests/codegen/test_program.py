"""What a program says of itself: whose image an NVM is, what is published, which tables are read by words."""

from __future__ import annotations

from dataclasses import replace

import fixed_graphs
import numpy as np
import pytest
from host import HEADER, program_of
from plan_graphs import Builder

from freeml.codegen.generate import generate
from freeml.codegen.program import Program
from freeml.ir.graph import Graph
from freeml.ir.types import Const
from freeml.pipeline import cut_into_tiles
from freeml.plan.memory import plan_memory


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
    return program_of(b.graph(b.argmax(x) if build == "index" else b.lut(x))).result_kind


def test_a_class_is_published_of_scores_along_one_axis_or_of_one_index() -> None:
    assert published("scores", 1, 1, 10) == "FML_RESULT_SCORES"
    assert published("scores", 10) == "FML_RESULT_SCORES"
    assert published("scores", 4, 1, 10) == "FML_RESULT_NONE"
    assert published("scores", 3, 3, 2) == "FML_RESULT_NONE"
    assert published("index", 1, 1, 10) == "FML_RESULT_INDEX"
    assert published("index", 2, 2, 10) == "FML_RESULT_NONE"


def of_cortex_m4(graph: Graph) -> Program:
    from freeml.board import load_board

    board = load_board("nucleo_l476rg")
    plan = plan_memory(graph, in_place=False)
    tiles = cut_into_tiles(graph, plan, board, None)
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
    from freeml.ir.int_ops import DenseI8

    small = b.add_op(DenseI8, (x, weight, bias, mult, shift), (2,), y_zp=3, lo=-128, hi=127)
    program = of_cortex_m4(b.graph(added, small))
    same = [table for table in program.tables if table.n_bytes == 8 and table.c_type == "int8_t"]
    assert len(same) == 2
    (descriptor,) = (d for d in program.descriptors if d.name.endswith(small))
    read = dict(descriptor.fields)[".w"]
    assert {table.name: table.aligned for table in same}[read]
