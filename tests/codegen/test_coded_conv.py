"""Networks with stored convolutions: the C answers as the interpreter does, in any tiles, staged, on boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeml.board.board import load_board
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.interpret import interpret
from freeml.ir.types import Const
from freeml.kernels.coded_convs import CODED_CONVS
from freeml.plan.fuse import fusible
from freeml.plan.planner import smallest_uf
from freeml.plan.windows import whole_windows
from tests.codegen.host import check
from tests.codegen.test_coded import on_board
from tests.kernels.choices import Seeded
from tests.kernels.coded_cases import weights_for
from tests.plan.plan_graphs import Builder

every_form = pytest.mark.parametrize("encoding", [form for form in CODED_CONVS if form is not None])


def stored_convs(encoding: str, *, narrow: bool = True, seed: int = 4) -> Graph:
    """Convolutions of every kind, their weights stored in a form: windows, groups, pointwise, depthwise."""
    b = Builder(seed)
    x = b.conv(b.input(6, 7, 3), 9)
    x = b.conv(b.pool2(x), 6, groups=3)
    x = b.conv(b.conv(x, 6, groups=6), 10, k=1)
    graph = b.graph(b.dense(b.flatten(x), 5))
    graph = stored_in(graph, encoding, seed)
    consts = {}
    for op in graph.ops_of(ConvI8) if narrow else ():
        consts[op.inputs[2]] = Const(graph.consts[op.inputs[2]].array, encoding="int16")
        consts[op.inputs[3]] = Const(graph.consts[op.inputs[3]].array, encoding="single")
    return graph.with_ops(graph.ops, consts=consts)


def stored_in(graph: Graph, encoding: str, seed: int) -> Graph:
    """The graph with drawn weights of its convolutions, stored in a form."""
    consts = {}
    for op in graph.ops_of(ConvI8):
        shape = graph.consts[op.inputs[1]].shape
        made = weights_for(Seeded(seed), encoding, shape[0], int(np.prod(shape[1:]))).reshape(shape)
        consts[op.inputs[1]] = Const(made, encoding=encoding)
    return graph.with_ops(graph.ops, consts=consts)


def with_narrow_scales_alone() -> Graph:
    """The same with weights as they are."""
    graph = stored_convs("gaps")
    dense = {op.inputs[1]: Const(graph.consts[op.inputs[1]].array) for op in graph.ops_of(ConvI8)}
    return graph.with_ops(graph.ops, consts=dense)


@every_form
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("tile_bytes", [4096, 31, 1])
@pytest.mark.parametrize("is_staged", [False, True])
def test_stored_convolutions_run_as_the_interpreter_does(
    encoding: str, narrow: bool, tile_bytes: int, is_staged: bool, tmp_path: Path
) -> None:
    sram = tile_bytes + 200 * is_staged
    check(stored_convs(encoding, narrow=narrow), tmp_path, tile_bytes=sram, is_staged=is_staged)


@pytest.mark.parametrize("tile_bytes", [4096, 5, 1])
def test_tiles_begin_at_any_restart_point(tile_bytes: int, tmp_path: Path) -> None:
    """A table of many points, and tiles that begin at any channel."""
    b = Builder(8)
    graph = b.graph(b.conv(b.input(4, 4, 16), 12))
    (op,) = graph.ops_of(ConvI8)
    weight = graph.consts[op.inputs[1]].array * (np.random.default_rng(3).random((12, 3, 3, 16)) < 0.5)
    stored = Const(weight.astype(np.int8), encoding="gaps")
    assert len(stored.stored.sections["restart"]) >= 6
    check(graph.with_ops(graph.ops, consts={op.inputs[1]: stored}), tmp_path, tile_bytes=tile_bytes)


@pytest.mark.parametrize("tile_bytes", [4096, 5])
def test_dense_weights_with_stored_scales_run_as_the_interpreter_does(tile_bytes: int, tmp_path: Path) -> None:
    check(with_narrow_scales_alone(), tmp_path, tile_bytes=tile_bytes)


@pytest.mark.parametrize("encoding", [*(form for form in CODED_CONVS if form is not None), None])
def test_stored_convolutions_run_on_their_boards(encoding: str | None, tmp_path: Path) -> None:
    """Far weights and a pointer's reach, SPI FRAM, and NVM on the bus: the emulated firmware gives the same bytes."""
    graph = with_narrow_scales_alone() if encoding is None else stored_convs(encoding)
    rng = np.random.default_rng(2)
    inputs = {graph.inputs[0].value: rng.integers(-128, 128, (2, 6, 7, 3), dtype=np.int8)}
    expected = interpret(graph, inputs)
    for name in ("msp430fr5994", "nucleo_l476rg", "nucleo_l073rz"):
        found = on_board(graph, load_board(name), tmp_path / name).run(inputs)
        for value in graph.output_values:
            np.testing.assert_array_equal(found[value], expected[value], err_msg=name)


@every_form
def test_a_stored_convolution_is_not_joined_with_a_pool(encoding: str) -> None:
    graph = stored_convs(encoding)
    dense = graph.with_ops(graph.ops, consts={name: Const(const.array) for name, const in graph.consts.items()})
    assert [conv.output for conv, _ in fusible(dense)] == [next(graph.ops_of(ConvI8)).output]
    assert not list(fusible(graph))


@every_form
def test_the_smallest_capacitor_does_not_grow_by_storing(encoding: str) -> None:
    graph = stored_convs(encoding)
    dense = graph.with_ops(graph.ops, consts={name: Const(const.array) for name, const in graph.consts.items()})
    for board in map(load_board, ("msp430fr5994", "nucleo_l476rg", "nucleo_l073rz")):
        before, after = (smallest_uf(g, board, windows=whole_windows(g)) for g in (dense, graph))
        assert before is not None
        assert after is not None
        assert after <= before, board.name
