"""What a tile reads: no kernel needs a byte outside of it, the plan has room for it, and staged models run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, reject, settings
from hypothesis import strategies as st

from freeml.board.board import load_board
from freeml.codegen.generate import generate
from freeml.errors import DoesNotFit
from freeml.firmware.host import build_host_library
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvPoolI8
from freeml.ir.interpret import interpret
from freeml.ir.interpret_int import run_int_op
from freeml.ir.ops import Window
from freeml.ir.types import Array
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Read, aligned
from freeml.kernels.table import kernel_of
from freeml.plan.calls import kernel_calls
from freeml.plan.fuse import fused, fusible
from freeml.plan.memory import plan_memory
from freeml.plan.steps import Cut
from freeml.plan.tiles import plan_tiles, recut_tiles
from freeml.plan.verify_reads import copied_bytes
from freeml.plan.verify_tiles import InvalidTilesError, verify_tiles
from tests.codegen.host import HEADER, check, computes, files_of, includes, on_host, sources, write
from tests.plan.plan_graphs import Builder, int8_graphs

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
C_RUNS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def windows() -> Graph:
    """Strides, dilation, groups, one row, windows in the padding alone, a pointwise and a depthwise layer, pads."""
    b = Builder()
    x = b.input(9, 7, 4)
    wide = Window(kernel=(3, 2), stride=(2, 1), dilation=(2, 1), pad=(4, 1, 3, 0))
    y = b.maxpool(x, wide)
    y = b.conv(b.conv(b.conv(y, 6, k=1), 6, groups=6), 4, groups=2, stride=2)
    line = b.maxpool(b.reshape(x, 1, 63, 4), Window(kernel=(1, 5), stride=(1, 3), pad=(0, 2, 0, 4)))
    tall = b.maxpool(b.reshape(x, 1, 63, 4), Window(kernel=(2, 2), stride=(1, 2), pad=(1, 0, 1, 0)))
    padded = b.pad(b.lut(x), (2, 1, 0), (1, 0, 2))
    flat = b.pad(b.reshape(x, 1, 63, 4), (0, 3, 0), (0, 2, 0))
    return b.graph(y, line, tall, padded, flat, b.softmax(b.transpose(x, 2, 0, 1)), b.add(x, x))


def joined() -> Graph:
    """Convolutions of all kinds with their pools in one kernel: strides, padding of both, gaps between windows."""
    b = Builder()
    x = b.input(9, 8, 4)
    gaps = Window(kernel=(2, 2), stride=(3, 2), pad=(1, 1, 1, 0))
    outputs = [b.maxpool(b.conv(x, 6, stride=2), Window(kernel=(2, 3), stride=(2, 3), pad=(0, 1, 1, 1)))]
    outputs += [b.maxpool(b.conv(x, 4, k=k, groups=groups), gaps) for k, groups in ((1, 1), (3, 4), (3, 2))]
    outputs.append(b.maxpool(b.conv(b.reshape(x, 1, 72, 4), 3, k=1), Window(kernel=(1, 3), stride=(1, 3))))
    graph = b.graph(*outputs)
    for conv, pool in list(fusible(graph)):
        graph = fused(graph, conv, pool)
    assert len(list(graph.ops_of(ConvPoolI8))) == 5
    return graph


def poisoned(graph: Graph, call: KernelCall, operands: tuple[Read, ...], n: int, seed: int) -> tuple[Array, Array]:
    """Units of all tiles of n units, computed from all of the input and from what each tile reads among garbage."""
    rng = np.random.default_rng(seed)
    firsts = range(0, call.n_units, n)
    clean: dict[str, Array] = {}
    spoilt: dict[str, Array] = {}
    for read in dict.fromkeys(operands):
        shape = graph.types[read.value].shape
        clean[read.value] = rng.integers(-128, 128, (1, *shape), dtype=np.int8)
        dirty = rng.integers(-128, 128, (len(firsts), read.n_bytes), dtype=np.int8)
        for row, first in zip(dirty, firsts, strict=True):
            begin, end = read.span(first, min(n, call.n_units - first))
            row[begin:end] = clean[read.value].reshape(-1)[begin:end]
        spoilt[read.value] = dirty.reshape(-1, *shape)
    out = graph.types[call.op.output]
    found = []
    for values in (clean, spoilt):
        args = [values[name] if name in values else graph.consts[name].array for name in call.op.inputs]
        found.append(np.asarray(run_int_op(call.op, args, out)).reshape(-1, call.n_units, out.n_elems // call.n_units))
    own = np.arange(call.n_units)
    return found[0][0], found[1][own // n, own]


@QUICK
@given(int8_graphs(max_ops=8), st.integers(0, 9))
@example(windows(), 1)
@example(joined(), 2)
def test_no_tile_needs_a_byte_outside_of_what_it_reads(graph: Graph, seed: int) -> None:
    for call in kernel_calls(graph, plan_memory(graph, in_place=False)):
        if type(call.op).__name__ == "Concat":
            continue  # a copy: of its row alone, see below
        operands = kernel_of(graph, call.op).reads(graph, call.op, call.operand)
        for n in sorted({1, 2, 3, 5, max(1, call.n_units // 2), call.n_units}):
            whole, tiled = poisoned(graph, call, operands, n, seed)
            np.testing.assert_array_equal(tiled, whole, err_msg=f"{call.op} in tiles of {n}")


def test_a_copied_row_is_read_alone() -> None:
    b = Builder()
    graph = b.graph(b.concat(2, b.input(2, 3, 2), b.input(2, 3, 5)))
    plan = plan_memory(graph, in_place=False)
    (first, second) = kernel_calls(graph, plan)
    for call, row in ((first, 2), (second, 5)):
        (read,) = kernel_of(graph, call.op).reads(graph, call.op, call.operand)
        assert [read.span(unit, 1) for unit in range(6)] == [(row * unit, row * unit + row) for unit in range(6)]
        assert read.value == call.op.inputs[call.operand]


def test_a_range_is_no_wider_than_rows_pixels_and_columns() -> None:
    b = Builder()
    x = b.input(9, 7, 4)
    rows, pixels = b.conv(x, 2), b.conv(x, 8, k=1)
    columns = b.maxpool(b.reshape(x, 1, 63, 4), Window(kernel=(1, 5), stride=(1, 3), pad=(0, 2, 0, 4)))
    graph = b.graph(rows, pixels, columns)
    found = {
        call.op.output: kernel_of(graph, call.op).reads(graph, call.op, 0)[0]
        for call in kernel_calls(graph, plan_memory(graph))
    }
    assert [found[rows].span(7 * 2 * row, 1) for row in (0, 1, 8)] == [(0, 56), (0, 84), (196, 252)]
    assert [found[pixels].span(first, n) for first, n in ((0, 8), (7, 2), (16, 1))] == [(0, 4), (0, 8), (8, 12)]
    assert [found[columns].span(first, 1) for first in (0, 4)] == [(0, 12), (4, 24)]


@QUICK
@given(int8_graphs(max_ops=8))
@example(windows())
@example(joined())
def test_the_planners_worst_case_is_that_of_all_tiles(graph: Graph) -> None:
    for call in kernel_calls(graph, plan_memory(graph, in_place=False)):
        sizes = np.arange(1, call.n_units + 1)
        for read in kernel_of(graph, call.op).reads(graph, call.op, call.operand):
            assert read.group_units >= 1
            most = read.most_bytes(sizes, call.n_units)
            for n, planned in zip(sizes.tolist(), most.tolist(), strict=True):
                spans = [read.span(first, min(n, call.n_units - first)) for first in range(0, call.n_units, n)]
                assert max(end - begin for begin, end in spans) <= planned <= read.n_bytes
                assert all(0 <= begin <= end for begin, end in spans)


@QUICK
@given(int8_graphs(max_ops=8), st.integers(1, 40))
@example(windows(), 3)
@example(joined(), 5)
def test_the_verifier_finds_by_itself_how_many_bytes_are_copied(graph: Graph, n: int) -> None:
    memory = plan_memory(graph, in_place=False)
    calls = list(kernel_calls(graph, memory))
    cuts = [Cut(min(n, call.n_units)) for call in calls]
    plan = recut_tiles(graph, memory, load_board("host"), cuts, commit_slots=2)
    for call, layer in zip(calls, plan.layers, strict=True):
        operands = kernel_of(graph, call.op).reads(graph, call.op, call.operand)
        for tile in layer.tiles():
            spans = [read.span(tile.first, tile.n) for read in operands]
            assert copied_bytes(graph, call.op, layer, tile) == [end - begin for begin, end in spans]


def test_products_of_contiguous_layers_are_read_alone() -> None:
    b = Builder()
    x = b.input(3, 4, 6)
    pointwise, window, dense = b.conv(x, 2, k=1), b.conv(x, 2), b.dense(b.flatten(x), 3)
    graph = b.graph(pointwise, window, dense)
    found = {op.output: kernel_of(graph, op).part_read(graph, op) for op in graph.ops if "I8" in type(op).__name__}
    assert (found[pointwise].step_bytes, found[pointwise].group_units, found[pointwise].extent_bytes) == (6, 2, 0)
    assert (found[dense].step_bytes, found[dense].extent_bytes) == (0, 0)
    assert found[window] == kernel_of(graph, graph.producers[window]).reads(graph, graph.producers[window], 0)[0]


def test_room_is_what_operands_take_one_after_the_other() -> None:
    assert aligned(np.array([0, 1, 4, 5])).tolist() == [0, 4, 4, 8]
    b = Builder()
    x, y = b.input(1, 1, 5), b.input(1, 1, 5)
    graph = b.graph(b.add(x, y))
    memory = plan_memory(graph, in_place=False)
    plan = plan_tiles(graph, memory, load_board("nucleo_l476rg"), sram_tile_bytes=64)
    (layer,) = verify_tiles(graph, memory, plan).layers
    assert (plan.is_staged, layer.tile_bytes, layer.stage_bytes, plan.sram_bytes) == (True, 5, 16, 24)
    spoilt = replace(plan, layers=(replace(layer, stage_bytes=12),))
    with pytest.raises(InvalidTilesError, match="12 bytes for inputs of a tile that takes 16"):
        verify_tiles(graph, memory, spoilt)
    with pytest.raises(InvalidTilesError, match="that nobody copies"):
        verify_tiles(graph, memory, replace(plan, is_staged=False))


@C_RUNS
@given(graph=int8_graphs(max_ops=6), tile_bytes=st.sampled_from((200, 512, 4096)))
def test_staged_models_run_as_the_interpreter_does(
    graph: Graph, tile_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Their NVM has an address where nothing is mapped: a read past the board interface would end the process."""
    assume(computes(graph) and graph.outputs)
    try:
        check(graph, tmp_path_factory.mktemp("staged"), tile_bytes=tile_bytes, is_staged=True)
    except DoesNotFit:
        reject()


@pytest.mark.parametrize("make", [windows, joined])
@pytest.mark.parametrize("tile_bytes", [320, 700, 4096])
def test_all_kinds_of_windows_run_staged(make: Callable[[], Graph], tile_bytes: int, tmp_path: Path) -> None:
    check(make(), tmp_path, tile_bytes=tile_bytes, is_staged=True, n_samples=5)


def test_parts_of_dot_products_run_staged(tmp_path: Path) -> None:
    b = Builder()
    x = b.input(2, 3, 500)
    graph = b.graph(b.conv(x, 3, k=1), b.conv(x, 2), b.dense(b.flatten(x), 3))
    memory = plan_memory(graph, in_place=False)
    plan = plan_tiles(graph, memory, load_board("nucleo_l476rg"), 5.5, sram_tile_bytes=8_192)
    assert [layer.parts > 1 for layer in plan.layers] == [True, True, True]
    assert [layer.stage_bytes < 512 for layer in plan.layers] == [True, False, True]
    program = generate(graph, memory, verify_tiles(graph, memory, plan), header=HEADER)
    write(files_of(program), tmp_path)
    library = build_host_library([tmp_path / "test.c", *sources(tmp_path)], includes(tmp_path), tmp_path / "model.so")
    inputs = {"in0": np.random.default_rng(3).integers(-128, 128, (3, 2, 3, 500), dtype=np.int8)}
    found = on_host(library, graph, program, is_staged=True).run(inputs)
    for name, expected in interpret(graph, inputs).items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
